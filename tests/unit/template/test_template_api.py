"""The public functions: typed values, conditions, missing keys, the time, both dialects."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from subscriber.model.event import Event
from subscriber.template import TemplateError, compile, compile_expression

EVENT = Event(
    id="1",
    source="s",
    type="t",
    time="2024-05-06T07:08:09Z",
    data={
        "score": 85,
        "ratio": 0.5,
        "labels": {"a": "b"},
        "list": [1, None],
        "nil": None,
        "s": "x",
    },
).document()


@pytest.mark.parametrize(
    ("go", "jinja", "value"),
    [
        ("{{.data.score}}", "{{ data.score }}", 85),
        ("{{ .data.ratio }}", "{{data.ratio}}", 0.5),
        ("{{.data.labels}}", "{{ data.labels }}", {"a": "b"}),
        ("{{- .data.list -}}", "{{- data.list -}}", [1, None]),
        ("{{.data.nil}}", "{{ data.nil }}", None),
        ("{{eq .type `t`}}", "{{ type == 't' }}", True),
        ("{{.data.s | printf `%s!`}}", "{{ data.s ~ '!' }}", "x!"),
        ("{{if .data.score}}1{{end}}", "{% if data.score %}1{% endif %}", "1"),
        ("{{.data.score}}%", "{{ data.score }}%", "85%"),
        ("{{.data.score}}{{.data.s}}", "{{ data.score }}{{ data.s }}", "85x"),
        ("", "", ""),
        ("plain", "plain", "plain"),
    ],
)
def test_one_action_alone_keeps_its_type(go: str, jinja: str, value: Any) -> None:
    for dialect, source in (("go", go), ("jinja", jinja)):
        found = compile(source, dialect=dialect).value(EVENT)  # type: ignore[arg-type]
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize(
    ("go", "jinja", "truth"),
    [
        ("eq .data.s `x`", "data.s == 'x'", True),
        (".data.nil", "data.nil", False),
        ("and .data.labels (gt .data.score 80)", "data.labels and data.score > 80", True),
        ("not .data.list", "not data.list", False),
        ("index .data.list 0 | eq 1", "data.list[0] == 1", True),
        ("(index .data.list 1)", "data.list[1]", False),
        ("hasPrefix `s` .source", "hasPrefix('s', source)", True),
        ("  .data.score  ", "  data.score  ", True),
        (".data", "data is mapping", True),
    ],
)
def test_a_condition_is_written_without_braces(go: str, jinja: str, truth: bool) -> None:
    assert compile_expression(go).test(EVENT) is truth
    assert compile_expression(jinja, dialect="jinja").test(EVENT) is truth


@pytest.mark.parametrize(
    ("source", "dialect"),
    [
        ("", "go"),
        ("{{.a}}", "go"),
        (".a }}", "go"),
        ("eq .a", "go"),
        (".a) (.b", "go"),
        ("if .a", "go"),
        (".a = 1", "go"),
        ("", "jinja"),
        ("{{ a }}", "jinja"),
        ("a }} b {{ c", "jinja"),
        ("a b", "jinja"),
    ],
)
def test_a_condition_that_is_none_is_refused(source: str, dialect: Any) -> None:
    with pytest.raises(TemplateError):
        compile_expression(source, dialect=dialect).test({"a": 1, "b": 1, "c": 1})


@pytest.mark.parametrize(
    ("missing", "dialect", "source", "text"),
    [
        ("default", "go", "{{.a}}", "<no value>"),
        ("default", "go", "{{.a.b.c}}", "<no value>"),
        ("zero", "go", "{{.a}}", "<no value>"),
        ("zero", "go", "{{.a.b}}", None),
        ("error", "go", "{{.a}}", None),
        ("error", "go", "{{if .a}}{{end}}", None),
        ("error", "go", '{{index . "a"}}', "<no value>"),
        ("default", "jinja", "{{ a }}", ""),
        ("default", "jinja", "{{ a.b }}", None),
        ("zero", "jinja", "{{ a.b.c }}", ""),
        ("error", "jinja", "{{ a }}", None),
        ("error", "jinja", "{{ a.b }}", None),
        ("error", "jinja", "{{ a|default('x') }}{{ a is defined }}", "xFalse"),
    ],
)
def test_missing_keys(missing: Any, dialect: Any, source: str, text: str | None) -> None:
    template = compile(source, dialect=dialect, missing=missing)
    if text is None:
        with pytest.raises(TemplateError):
            template.render({"x": 1})
    else:
        assert template.render({"x": 1}) == text


def test_now_is_the_events_time_unless_it_is_given() -> None:
    template = compile("{{now}}")
    of_event = template.render(EVENT)
    assert of_event.startswith("2024-05-06")
    assert template.render(EVENT, now=0.0).startswith("1970-01-01")
    with pytest.raises(TemplateError) as caught:
        template.render({"id": "1"})
    assert "time" in caught.value.message


@pytest.mark.parametrize("data", [None, True, 3, 2.5, "x", [1], {}])
def test_the_root_may_be_any_json_value(data: Any) -> None:
    assert compile("{{if .}}t{{else}}f{{end}}").render(data) == ("t" if data else "f")
    assert compile("a", dialect="jinja").render(data) == "a"


def test_a_template_is_not_changed_by_rendering_and_serves_several_threads() -> None:
    template = compile("{{range $i, $x := .l}}{{$i}}{{$x}}{{end}}")
    results: list[set[str]] = []

    def work(number: int) -> None:
        results.append({template.render({"l": [number] * 50}) for _ in range(50)})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(len(texts) == 1 for texts in results)


def test_rendering_leaves_the_event_alone() -> None:
    data: dict[str, Any] = {"l": [3, 1], "m": {"b": 1, "a": 2}}
    before = repr(data)
    for source in (
        "{{range .l}}{{.}}{{end}}{{.m}}{{$x := append .l 5}}{{$y := set .m `c` 1}}{{sortAlpha .l}}",
        "{{and .l ($x := 1)}}",
    ):
        try:
            compile(source).render(data)
        except TemplateError as error:
            assert "no function" in error.message  # noqa: PT017 - a library without that function
    compile("{{ l|sort }}{{ l|reverse|list }}{% set l = l + [1] %}", dialect="jinja").render(data)
    assert repr(data) == before
