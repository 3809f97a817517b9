"""Makes the chart's values.schema.json, README.md and sample events from their one source each.

Rules: types come from `chart_values.py` and from the service's own configuration models,
descriptions and defaults from `pagerduty-subscriber/values.yaml`, sample events from the cases of
the shipped rules. A test holds the files against this. The schema is draft 7, which every Helm 3
and 4 reads.

    python helm/schema/generate.py            write what changed
    python helm/schema/generate.py --check    exit 1 when something is not current
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chart_document import Entry, entries
from chart_values import Values
from pydantic import TypeAdapter

from subscriber.config import config_schema
from subscriber.model import Action
from subscriber.service.rulebook import load_packs
from subscriber.service.samples import Sample, samples

HERE = Path(__file__).resolve().parent
CHART = HERE.parent / "pagerduty-subscriber"
DRAFT = "http://json-schema.org/draft-07/schema#"
_DECORATION = ("title", "default", "description", "examples")


def files() -> dict[str, str]:
    """Every generated file of the chart by its path in it."""
    found = list(entries((CHART / "values.yaml").read_text("utf-8")))
    schema = values_schema(found)
    made = {
        "values.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        "README.md": readme(found, schema),
    }
    for pack, sample in _events().items():
        event = json.loads(sample.case.event_file.read_text("utf-8"))
        text = json.dumps(event, indent=2, ensure_ascii=False)
        made[f"files/events/{pack}.json"] = text + "\n"
    return made


def _events() -> dict[str, Sample]:
    """A plain event for each pack that its rules page for."""
    found: dict[str, Sample] = {}
    on = {rule.name for rule in load_packs().values() if rule.spec.enabled}
    for sample in samples():
        pack = sample.case.label.split("/", 1)[0]
        if sample.is_plain and sample.asks is Action.TRIGGER and sample.case.rule in on:
            best = found.get(pack)
            if best is None or _rank(sample) < _rank(best):
                found[pack] = sample
    return dict(sorted(found.items()))


def _rank(sample: Sample) -> tuple[bool, int, str]:
    label = sample.case.label
    return (not label.endswith("/fail"), len(sample.case.name), label)


# -- the schema ----------------------------------------------------------------------------------


def values_schema(found: list[Entry]) -> dict[str, Any]:
    """The JSON Schema of the values."""
    values = TypeAdapter(Values).json_schema()
    config = config_schema()
    definitions = {name: _bare(one) for name, one in values.pop("$defs").items()}
    for name, one in config.pop("$defs").items():
        definitions[f"config.{name}"] = _in_config(_without_examples(one))
    config.pop("$schema")
    definitions["config.Config"] = _in_config(_without_examples(config))
    _fit_to_the_chart(definitions)
    schema = _bare(values)
    schema["properties"]["config"] = {"$ref": "#/$defs/config.Config"}
    schema = _moved(schema)
    definitions = _moved(definitions)
    for entry in found:
        _describe(schema, definitions, entry)
    return {
        "$schema": DRAFT,
        "title": "Values of the chart pagerduty-subscriber",
        **schema,
        "definitions": dict(sorted(definitions.items())),
    }


def _fit_to_the_chart(definitions: dict[str, Any]) -> None:
    """A routing key comes from a Secret; in the ConfigMap everybody would see it."""
    service = definitions["config.ServiceSpec"]
    del service["properties"]["routing_key"]
    del service["oneOf"]
    service["not"] = {"required": ["routing_key_env", "routing_key_file"]}
    service["description"] = (
        "A PagerDuty service that rules may name. Its routing key comes from `routingKeys`."
    )


def _bare(schema: Any) -> Any:
    """Without what values.yaml says better; names that fit no pattern are refused."""
    if isinstance(schema, dict):
        found = {
            key: {name: _bare(one) for name, one in value.items()}
            if key in ("properties", "$defs")
            else _bare(value)
            for key, value in schema.items()
            if key not in _DECORATION
        }
        return {"additionalProperties": False, **found} if "patternProperties" in found else found
    return [_bare(one) for one in schema] if isinstance(schema, list) else schema


def _without_examples(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: _without_examples(value)
            for key, value in schema.items()
            if not (key == "examples" and isinstance(value, list))
        }
    return [_without_examples(one) for one in schema] if isinstance(schema, list) else schema


def _in_config(schema: Any) -> Any:
    """With references to the configuration's own definitions."""
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", "#/$defs/config.")
            if key == "$ref"
            else _in_config(value)
            for key, value in schema.items()
        }
    return [_in_config(one) for one in schema] if isinstance(schema, list) else schema


def _moved(schema: Any) -> Any:
    """With the place that draft 7 has for definitions."""
    if isinstance(schema, dict):
        return {
            key: _moved(value) if key != "$ref" else value.replace("#/$defs/", "#/definitions/")
            for key, value in schema.items()
        }
    return [_moved(one) for one in schema] if isinstance(schema, list) else schema


def _describe(schema: dict[str, Any], definitions: dict[str, Any], entry: Entry) -> None:
    """Put a description and a default where the key is, unless the service's models say it."""
    if entry.path[0] == "config" and len(entry.path) > 1:
        return
    inside = schema
    for key in entry.path:
        inside = _resolved(inside, definitions)["properties"][key]
    # Draft 7 looks at nothing beside a `$ref`, people and editors do. Two parts may share a
    # definition (the monitors): the first one's words hold for both.
    inside.setdefault("description", entry.says)
    if not isinstance(entry.default, dict):
        inside.setdefault("default", entry.default)


def _resolved(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = definitions[schema["$ref"].rsplit("/", 1)[1]]
    return found


# -- the page ------------------------------------------------------------------------------------


def readme(found: list[Entry], schema: Mapping[str, Any]) -> str:
    """The chart's README: what a person wrote, then a table for each chapter of values.yaml."""
    head = (HERE / "readme_head.md").read_text("utf-8")
    lines = [head.replace("{{variants}}", "\n".join(_variants())).rstrip(), "", "## Values"]
    chapter = None
    for entry in found:
        if entry.chapter != chapter:
            chapter = entry.chapter
            lines += ["", f"### {chapter}", "", "| key | value | default | meaning |"]
            lines.append("|---|---|---|---|")
        lines.append(_row(entry, found, schema))
    return "\n".join(lines) + "\n"


def _variants() -> list[str]:
    """A line for each file of ci/: its name and its first comment."""
    rows = []
    for file in sorted((CHART / "ci").glob("*-values.yaml")):
        first = re.match(r"((?:# .*\n)+)", file.read_text("utf-8"))
        said = " ".join(line[2:] for line in first[1].splitlines()) if first else ""
        rows.append(f"| [{file.name}](ci/{file.name}) | {said} |")
    return rows


def _row(entry: Entry, found: list[Entry], schema: Mapping[str, Any]) -> str:
    parent = any(one.path[:-1] == entry.path for one in found)
    default = "" if parent or entry.default in (None, "", [], {}) else _shown(entry.default)
    says = entry.says.replace("|", "\\|")
    return f"| `{entry.name}` | {_kind(entry, schema)} | {default} | {says} |".replace(
        "|  |", "| |"
    )


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text}`"


_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "object": "mapping",
    "array": "list",
    "null": "null",
}


def _kind(entry: Entry, schema: Mapping[str, Any]) -> str:
    definitions = schema["definitions"]
    inside: dict[str, Any] = dict(schema)
    for key in entry.path:
        inside = _resolved(inside, definitions)["properties"][key]
    return " or ".join(dict.fromkeys(_words(_resolved(inside, definitions))))


def _words(schema: Mapping[str, Any]) -> list[str]:
    if "enum" in schema:
        return [", ".join(f"`{one}`" for one in schema["enum"] if one != "")]
    if "anyOf" in schema:
        return [word for part in schema["anyOf"] for word in _words(part)]
    return [_WORDS[str(schema["type"])]]


def main(arguments: list[str]) -> int:
    """Write or check; the exit code."""
    stale = 0
    made = files()
    for name, text in made.items():
        path = CHART / name
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        stale += 1
        if "--check" in arguments:
            print(f"not current: {path} (`make helm-docs` mends it)")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"written: {path}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
