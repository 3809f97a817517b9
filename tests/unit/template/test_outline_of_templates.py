"""Outlines: what is said about a template holds for whatever the template renders."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subscriber.template import TemplateError, compile, compile_expression
from subscriber.template.outline import Demand, outline, outline_condition
from subscriber.template.outline.sketch import HOLE

KEY = "{{.data.a}}/{{.data.b}}"

TEXTS: dict[str, set[str] | None] = {
    "trigger": {"trigger"},
    " trigger\n": {"trigger"},
    '{{if eq .data.r "fail"}}trigger{{end}}': {"trigger", ""},
    "{{if .data.r}}trigger{{else if .data.s}}resolve{{else}}change{{end}}": {
        "trigger", "resolve", "change",
    },
    '{{get (dict "fail" "trigger" "pass" "resolve") .data.r}}': {"trigger", "resolve", ""},
    '{{index (dict "a" "x") .data.r}}': {"x", ""},
    '{{ternary "a" "b" .data.r}}': {"a", "b"},
    '{{"Trigger" | lower}}': {"trigger"},
    '{{"trigger" | upper | lower | trim}}': {"trigger"},
    '{{with "x"}}{{.}}{{else}}y{{end}}': {"x", "y"},
    '{{$a := "x"}}{{if .data.r}}{{$a = "y"}}{{end}}{{$a}}': {"x", "y"},
    '{{define "t"}}{{.}}!{{end}}{{template "t" "x"}}': {"x!"},
    '{{print "tri" "gger"}}': {"trigger"},
    "{{/* nothing */}}": {""},
    '{{eq .data.r "x"}}': {"true", "false"},
    "{{range .data.r}}{{end}}": {""},
    "{{.data.r}}": None,
    "{{.data.r | lower}}": None,
    '{{.data.r | default "trigger"}}': None,
    "{{range .data.r}}x{{end}}": None,
    '{{printf "%s" .data.r}}': None,
}  # fmt: skip


@pytest.mark.parametrize("source", TEXTS)
def test_every_text_that_a_template_can_print(source: str) -> None:
    found = outline(source).texts()
    assert (None if found is None else set(found)) == TEXTS[source]


JINJA_TEXTS: dict[str, set[str] | None] = {
    "trigger": {"trigger"},
    "{% if data.r == 'fail' %}trigger{% elif data.s %}resolve{% endif %}": {
        "trigger", "resolve", "",
    },
    "{{ 'trigger' if data.r else 'resolve' }}": {"trigger", "resolve"},
    "{{ 'trigger' if data.r }}": {"trigger", ""},
    "{{ {'fail': 'trigger'}.get(data.r) }}": {"trigger", ""},
    "{{ {'fail': 'trigger'}.get(data.r, 'resolve') }}": {"trigger", "resolve", ""},
    "{{ {'fail': 'trigger'}[data.r] }}": {"trigger", ""},
    "{% set a = 'x' %}{% if data.r %}{% set a = 'y' %}{% endif %}{{ a }}": {"x", "y"},
    "{{ 'Trigger' | lower }}": {"trigger"},
    "{{ 'a' ~ 'b' }}": {"ab"},
    "{# nothing #}": {""},
    "{{ data.r }}": None,
    "{{ data.r | default('x') }}": None,
    "{% for x in data.r %}x{% endfor %}": None,
    "{% macro m() %}x{% endmacro %}{{ m() }}": None,
}  # fmt: skip


@pytest.mark.parametrize("source", JINJA_TEXTS)
def test_every_text_that_a_jinja_template_can_print(source: str) -> None:
    found = outline(source, dialect="jinja").texts()
    assert (None if found is None else set(found)) == JINJA_TEXTS[source]


SHAPES = {
    "a/{{.data.b}}/c": {"a/*/c"},
    "{{.data.a}}{{.data.b}}": {"*"},
    "{{with .data.id}}p/{{.}}{{else}}q{{end}}": {"p/*", "q"},
    '{{ternary "a" "b" .data.c}}/{{.id}}': {"a/*", "b/*"},
    "x{{range .data.l}}{{.}}{{end}}": {"x*"},
}


@pytest.mark.parametrize("source", SHAPES)
def test_the_shapes_of_a_key(source: str) -> None:
    assert {shape.replace(HOLE, "*") for shape in outline(source).shapes()} == SHAPES[source]


@pytest.mark.parametrize(
    ("source", "reads", "always"),
    [
        ("{{.data.a}}", ["data.a"], ["data.a"]),
        ("{{$x := .data}}{{$x.a.b}}", ["data.a.b"], ["data.a.b"]),
        ("{{with .data.a}}{{.b}}{{end}}", ["data.a.b"], []),
        ("{{if .data.a}}{{.id}}/x{{else}}{{.id}}{{end}}", ["data.a", "id"], ["id"]),
        ('{{printf "%s-%s" .data.a .id}}', ["data.a", "id"], ["data.a", "id"]),
        ("{{coalesce .data.a .id}}", ["data.a", "id"], []),
        ("{{.id | trunc 8}}", ["id"], ["id"]),
        ('{{.data.a | default "-"}}', ["data.a"], ["data.a"]),
        ("{{.data.a | default .id}}", ["data.a", "id"], []),
        ('{{index .data "a" "b"}}', ["data.a.b"], ["data.a.b"]),
        ('{{dig "a" "b" "-" .data}}', ["data.a.b"], []),
        ('{{$d := ternary .data dict (kindIs "map" .data)}}{{$d.a}}', ["data.a"], ["data.a"]),
        ('{{eq .data.a "x"}}', ["data.a"], []),
    ],
)
def test_what_is_read_and_what_is_always_printed(
    source: str, reads: list[str], always: list[str]
) -> None:
    sketch = outline(source)
    assert sorted(".".join(path) for path in sketch.reads) == reads
    assert sorted(".".join(path) for path in sketch.always()) == always


@pytest.mark.parametrize(
    ("source", "empty"),
    [
        ("{{.data.a}}", True),
        (" \n{{.data.a | upper}}{{.data.b}}", False),  # upper of an empty text is not followed
        ("{{.data.a}} failed", False),
        ('{{.data.a | default "x"}}', False),
        ('{{.data.a | default ""}}', True),
        ("{{if .data.a}}x{{end}}", True),
        ("{{with .data.a}}{{.}}{{end}}", True),
        ("{{with .data.a}}{{.}}{{else}}none{{end}}", False),
        ('{{printf "%s!" .data.a}}', False),
        ("{{.id}}", True),
        ("", True),
    ],
)
def test_what_can_be_empty(source: str, empty: bool) -> None:
    assert outline(source).may_be_empty() is empty


def test_fields_that_are_known_to_be_there() -> None:
    assert not outline("{{.id}}").may_be_empty(frozenset({("id",)}))


@pytest.mark.parametrize(
    ("go", "jinja", "demands"),
    [
        ('eq .data.a "x"', "data.a == 'x'", [("data.a", {"x"}, True)]),
        ('ne "x" .data.a', "'x' != data.a", [("data.a", {"x"}, False)]),
        ('eq .data.a "x" "y"', "data.a in ['x', 'y']", [("data.a", {"x", "y"}, True)]),
        (
            'and (eq .data.a "x") (ne .type "y")',
            "data.a == 'x' and type != 'y'",
            [("data.a", {"x"}, True), ("type", {"y"}, False)],
        ),
        ('or (eq .data.a "x") .data.b', "data.a == 'x' or data.b", []),
        ("eq .data.a .data.b", "data.a == data.b", []),
        ("gt .data.a 5.0", "data.a > 5", []),
        ('not (eq .data.a "x")', "not data.a == 'x'", []),
    ],
)
def test_what_a_condition_demands(go: str, jinja: str, demands: list[Any]) -> None:
    wanted = tuple(
        Demand(path=tuple(path.split(".")), values=frozenset(values), equal=equal)
        for path, values, equal in demands
    )
    assert outline_condition(go)[1] == wanted
    assert outline_condition(jinja, dialect="jinja")[1] == wanted


# -- nothing is claimed that does not hold -------------------------------------------------------

words = st.sampled_from(["", "a", "x", "fail", "trigger", " "])
documents = st.fixed_dictionaries(
    {
        "id": words,
        "type": words,
        "data": st.fixed_dictionaries(
            {name: words | st.none() | st.booleans() for name in "abcr"}
            | {"l": st.lists(words, max_size=2), "s": words, "id": words}
        ),
    }
)
SOURCES = sorted({*TEXTS, *SHAPES, KEY, "{{.data.a | default .id}}!", '{{.data.a | default "-"}}'})


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_rendered_is_what_was_foretold(source: str) -> None:
    template, sketch = compile(source, missing="default"), outline(source)
    texts = sketch.texts()
    forms = [
        re.compile(".*".join(map(re.escape, shape.split(HOLE))), re.DOTALL)
        for shape in sketch.shapes()
    ]

    @settings(max_examples=40, deadline=None)
    @given(documents)
    def holds(document: dict[str, Any]) -> None:
        try:
            text = template.render(document).strip()
        except TemplateError:
            return  # says nothing about texts
        assert texts is None or text in texts | {"<no value>"}
        assert any(form.fullmatch(text) for form in forms) or "<no value>" in text

    holds()


@pytest.mark.parametrize(
    "source",
    [
        'eq .data.a "x"',
        'and (eq .data.a "x" "a") (ne .type "fail")',
        'and (ne "x" .data.s) .data.r',
        'or (eq .data.a "x") (eq .data.b "x")',
    ],
)
def test_a_demand_is_met_whenever_the_condition_holds(source: str) -> None:
    condition, (_, demands) = compile_expression(source), outline_condition(source)

    @settings(max_examples=60, deadline=None)
    @given(
        st.fixed_dictionaries(
            {
                "type": words,
                "data": st.fixed_dictionaries(dict.fromkeys(("a", "b", "r", "s"), words)),
            }
        )
    )
    def holds(document: dict[str, Any]) -> None:
        if condition.test(document):
            for demand in demands:
                value: Any = document
                for name in demand.path:
                    value = value[name]
                assert (value in demand.values) is demand.equal

    holds()
