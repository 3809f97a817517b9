"""How fast templates render: ours against the same body in plain Jinja, JSON against text context.

    python benchmarks/template_speed.py [--rounds 9]

Each figure is the median of paired rounds: in every round the candidates run directly after one
another, and ratios are taken within the round, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

from jinja2 import Environment

from subscriber.service.cases import event_of
from subscriber.template import compile

ROOT = Path(__file__).parents[1] / "templates"

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "c4d3a334-6cb9-4e8c-a372-7e0b45942f53",
    "source": "lighthouse-service",
    "type": "sh.keptn.event.evaluation.finished",
    "time": "2024-05-06T07:08:09Z",
    "shkeptncontext": "a3e5f16d-8888-4720-82c7-6995062905c1",
    "data": {
        "project": "sockshop",
        "stage": "staging",
        "service": "carts",
        "result": "fail",
        "message": 'the response time is "too high",\nsee the dashboard',
        "labels": {"build": "17", "owner": "team-a"},
        "evaluation": {
            "score": 42.5,
            "timeStart": "2024-05-06T07:00:00Z",
            "timeEnd": "2024-05-06T07:05:00Z",
            "indicatorResults": [
                {"value": {"metric": f"metric_{n}", "value": n * 1.5}, "status": "fail"}
                for n in range(6)
            ],
        },
    },
}

GO_BODY = """{
  "payload": {
    "summary": "Evaluation of {{.data.service}} in {{.data.stage}}: {{.data.result}}",
    "severity": "{{if eq .data.result "fail"}}critical{{else}}warning{{end}}",
    "source": "{{.source}}",
    "component": "{{.data.service}}",
    "group": "{{.data.project}}/{{.data.stage}}",
    "timestamp": "{{.time}}",
    "custom_details": {
      "message": "{{.data.message}}",
      "score": {{.data.evaluation.score}},
      "from": "{{.data.evaluation.timeStart}}",
      "to": "{{.data.evaluation.timeEnd}}",
      "labels": {{.data.labels}},
      "context": "{{.shkeptncontext}}",
      "indicators": [{{range $i, $r := .data.evaluation.indicatorResults}}{{if $i}},{{end}}
        {"metric": "{{$r.value.metric}}", "value": {{$r.value.value}}, "status": "{{$r.status}}"}
      {{- end}}]
    }
  },
  "dedup_key": "{{.data.project}}/{{.data.stage}}/{{.data.service}}"
}
"""

JINJA_BODY = """{
  "payload": {
    "summary": {{ ("Evaluation of " ~ data.service ~ " in " ~ data.stage ~ ": " ~ data.result)|tojson }},
    "severity": "{% if data.result == "fail" %}critical{% else %}warning{% endif %}",
    "source": {{ source|tojson }},
    "component": {{ data.service|tojson }},
    "group": {{ (data.project ~ "/" ~ data.stage)|tojson }},
    "timestamp": {{ time|tojson }},
    "custom_details": {
      "message": {{ data.message|tojson }},
      "score": {{ data.evaluation.score|tojson }},
      "from": {{ data.evaluation.timeStart|tojson }},
      "to": {{ data.evaluation.timeEnd|tojson }},
      "labels": {{ data.labels|tojson }},
      "context": {{ shkeptncontext|tojson }},
      "indicators": [{% for r in data.evaluation.indicatorResults %}{% if not loop.first %},{% endif %}
        {"metric": {{ r.value.metric|tojson }}, "value": {{ r.value.value|tojson }}, "status": {{ r.status|tojson }}}
      {%- endfor %}]
    }
  },
  "dedup_key": {{ (data.project ~ "/" ~ data.stage ~ "/" ~ data.service)|tojson }}
}
"""  # noqa: E501

SHIPPED = [
    ("keptn/evaluation/body.json.tmpl", "keptn/evaluation/cases/pass"),
    ("keptn/evaluation/body.json.tmpl", "keptn/evaluation/cases/warning"),
    ("keptn/evaluation/body.json.tmpl", "keptn/evaluation/cases/fail"),
    ("keptn/evaluation/body.json.tmpl", "keptn/evaluation/cases/many-indicators"),
    ("keptn/task.json.tmpl", "keptn/deployment/cases/fail"),
    ("keptn/deployment-change/body.json.tmpl", "keptn/deployment-change/cases/pass"),
    ("keptn/problem.json.tmpl", "keptn/problem/cases/open"),
    ("cdevents/incident/body.json.tmpl", "cdevents/incident/cases/detected-0.5"),
    ("cdevents/testsuiterun/body.json.tmpl", "cdevents/testsuiterun/cases/failure-0.5"),
]
"""Shipped bodies and the events of their cases; many-indicators has seven, four more than fail."""

UNESCAPED_JINJA = JINJA_BODY.replace("|tojson", "")


def timed(render: Callable[[], str], count: int) -> float:
    """Microseconds of processor time for one rendering."""
    started = process_time()
    for _ in range(count):
        render()
    return (process_time() - started) / count * 1e6


def compare(candidates: dict[str, Callable[[], str]], rounds: int, count: int) -> None:
    """Print each candidate's median, and its median ratio to the first one."""
    figures: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, render in candidates.items():
            figures[name].append(timed(render, count))
    first = next(iter(candidates))
    for name, times in figures.items():
        ratios = [a / b for a, b in zip(times, figures[first], strict=True)]
        print(
            f"  {name:34} {statistics.median(times):8.1f} us   min {min(times):8.1f}"
            f"   x{statistics.median(ratios):.2f}"
        )


def main() -> None:
    """Run the comparisons."""
    parser = argparse.ArgumentParser(description="Template rendering speed.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count", type=int, default=400)
    options = parser.parse_args()

    plain = Environment(autoescape=False).from_string(JINJA_BODY)
    unescaped = Environment(autoescape=False).from_string(UNESCAPED_JINJA)
    json_go = compile(GO_BODY, context="json")
    text_go = compile(GO_BODY)
    ours_jinja = compile(JINJA_BODY, dialect="jinja", context="json")
    assert json.loads(json_go.render(EVENT)) == json.loads(plain.render(EVENT))
    print(f"one body, {len(json_go.render(EVENT))} characters, proven: {not json_go._parse}")
    compare(
        {
            "plain Jinja with tojson": lambda: plain.render(EVENT),
            "plain Jinja without tojson": lambda: unescaped.render(EVENT),
            "Go dialect, json": lambda: json_go.render(EVENT),
            "Go dialect, text": lambda: text_go.render(EVENT),
            "Jinja dialect, json": lambda: ours_jinja.render(EVENT),
        },
        options.rounds,
        options.count,
    )
    compare(
        {
            "Go dialect, text": lambda: text_go.render(EVENT),
            "Go dialect, json (escaping)": lambda: json_go.render(EVENT),
        },
        options.rounds,
        options.count,
    )
    for body, case in SHIPPED:
        source = (ROOT / body).read_text(encoding="utf-8")
        event = event_of((ROOT / f"{case}.event.json").read_bytes()).document()
        template = compile(source, context="json", missing="default")
        text = compile(source, missing="default")
        print(f"{body}, {case} ({len(template.render(event))}, proven: {not template._parse})")
        compare(
            {
                "text": lambda t=text, e=event: t.render(e),  # type: ignore[misc]
                "json": lambda t=template, e=event: t.render(e),  # type: ignore[misc]
            },
            options.rounds,
            options.count // 2,
        )


if __name__ == "__main__":
    main()
