"""Hostile templates over hostile data: an error soon, never a hang, never a bloated process."""

# ruff: noqa: E501 - a template is shown in one piece

from __future__ import annotations

import time
from typing import Any

import pytest

from subscriber.model.reason import Reason
from subscriber.template import TemplateError, compile
from subscriber.template.semantics.limits import MAX_DEPTH
from subscriber.template.semantics.values import MAX_OUTPUT

SECONDS = 2.0  # of processor time; a second on a quiet machine, twice that on a shared one

DATA: dict[str, Any] = {
    "n": 10**9,
    "big": "x" * 1_000_000,
    "big2": "x" * 999_999 + "y",
    "wide": "é" * 500_000,
    "odd": '"\n' * 400_000,
    "list": list(range(100_000)),
    "map": {str(number): number for number in range(50_000)},
}

ENDLESS = [
    "{{range .n}}{{end}}",
    "{{range .n}}{{range $.n}}{{end}}{{end}}",
    "{{range 1000}}{{range 1000}}{{range 1000}}x{{end}}{{end}}{{end}}",
    "{{range .n}}{{.}}{{end}}",
    "{{range .list}}{{range $.list}}{{end}}{{end}}",
    "{{range .n}}{{range $k, $v := $.map}}{{break}}{{end}}{{end}}",
    '{{printf "%1000000d%1000000d" 1 2}}',
    '{{range .n}}{{$x := printf "%1000d" 1}}{{end}}',
    "{{range .n}}{{if eq $.big $.big2}}{{end}}{{end}}",
    "{{range .n}}{{if lt $.wide $.wide}}{{end}}{{end}}",
    "{{range .n}}{{$x := len $.wide}}{{end}}",
    "{{range .n}}{{$x := index $.wide 5}}{{end}}",
    "{{range .n}}{{$x := slice $.list 1}}{{end}}",
    "{{range .n}}{{$x := html $.odd}}{{end}}",
    "{{range .n}}{{$x := js $.wide}}{{end}}",
    "{{range .n}}{{$x := urlquery $.big}}{{end}}",
    '{{range .n}}{{$x := printf "%q" $.odd}}{{end}}',
    "{{range .n}}{{$x := print $.map}}{{end}}",
    "{{range .n}}{{$.big}}{{end}}",
    "{{range .n}}{{$x := sha256sum $.big}}{{end}}",
    "{{range .n}}{{$x := upper $.big}}{{end}}",
    "{{range .n}}{{$x := toJson $.list}}{{end}}",
    "{{range .n}}{{$x := sortAlpha $.list}}{{end}}",
    '{{repeat 1000000000 "x"}}',
    '{{$x := "ab"}}{{range 100}}{{$x = print $x $x}}{{end}}',
    "{{$x := list 1}}{{range 100}}{{$x = list $x $x}}{{end}}{{$x}}",
    '{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}',
    '{{define "a"}}{{range 9}}{{template "b" .}}{{end}}{{end}}'
    '{{define "b"}}{{range 9}}{{template "a" .}}{{end}}{{end}}{{template "a" .}}',
    '{{define "a"}}{{if .}}{{template "a" (slice . 1)}}{{template "a" (slice . 1)}}{{end}}{{end}}'
    '{{template "a" "123456789012345678901234567890"}}',
]


@pytest.mark.parametrize("context", ["text", "json"])
@pytest.mark.parametrize("source", ENDLESS)
def test_an_endless_go_template_ends_soon(source: str, context: Any) -> None:
    started = time.process_time()
    template = f'{{"a": "{source}"}}' if context == "json" else source
    with pytest.raises(TemplateError) as caught:
        compile(template, context=context, missing="default").render(DATA)
    assert caught.value.reason is Reason.TEMPLATE_LIMIT
    assert time.process_time() - started < SECONDS


ENDLESS_JINJA = [
    "{% for i in range(n) %}{% endfor %}",
    "{% for i in range(1000) %}{% for j in range(1000) %}{% for k in range(1000) %}x{% endfor %}"
    "{% endfor %}{% endfor %}",
    "{% for i in range(100000) %}{% set x = list|sort %}{% endfor %}",
    "{% for i in range(100000) %}{% set x = big|upper %}{% endfor %}",
    "{% for i in range(100000) %}{% set x = big == big2 %}{% endfor %}",
    "{% for i in range(100000) %}{% if -1 in list %}{% endif %}{% endfor %}",
    "{% for i in range(100000) %}{% set x = list[1:] %}{% endfor %}",
    "{% for i in range(100000) %}{% set x = [list, list]|sum(start=[]) %}{% endfor %}",
    '{{ big|replace("x", big) }}',
    "{{ list|join(big) }}",
    '{{ "a" * 1000000000 }}',
    "{{ [1] * 1000000000 }}",
    "{{ 10 ** (10 ** 10) }}",
    "{% set ns = namespace(x=7) %}{% for i in range(100) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    '{% set ns = namespace(x="ab") %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}',
    '{% set ns = namespace(x="ab") %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
    "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% set x %}{{ big }}{% endset %}{% for i in range(999) %}{% set x %}{{ x }}{{ x }}{% endset %}"
    "{% endfor %}",
]


@pytest.mark.parametrize("source", ENDLESS_JINJA)
def test_an_endless_jinja_template_ends_soon(source: str) -> None:
    started = time.process_time()
    with pytest.raises(TemplateError):
        compile(source, dialect="jinja").render(DATA)
    assert time.process_time() - started < SECONDS


UNREACHABLE = [
    "{{ data.__class__ }}",
    "{{ data.text.__class__.__mro__ }}",
    '{{ data["__class__"] }}',
    "{{ data.text.upper }}",
    "{{ data.text.format }}",
    "{{ data.keys }}",
    "{{ data.list.append }}",
    "{{ ''.__class__ }}",
    "{{ [].__class__ }}",
    "{{ 1 .__class__ }}",
    "{{ data.list|map(attribute='__class__')|join }}",
    "{{ data.list|map(attribute='append')|join }}",
    "{{ [data]|map(attribute='items')|first }}",
    "{{ [data]|selectattr('keys')|list|length or boom }}",
    "{{ namespace.__init__ }}",
    "{{ namespace(a=1)._Namespace__attrs }}",
    "{{ namespace(a=1).__class__ }}",
    "{% for i in data.list %}{{ loop.__class__ }}{% endfor %}",
    "{% for i in data.list %}{{ loop._undefined }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "{{ self }}",
    "{{ range.__self__ }}",
]


@pytest.mark.parametrize("source", UNREACHABLE)
def test_no_attribute_of_a_python_object_is_reachable(source: str) -> None:
    data = {"data": {"text": "abc", "list": [1, {}]}}
    with pytest.raises(TemplateError):
        compile(source, dialect="jinja").render(data)


REFUSED = [
    "{{ data.text.upper() }}",
    "{{ data.text.format(1) }}",
    "{{ data|attr('text') }}",
    "{{ data.list|map('attr', 'x')|list }}",
    "{{ data.list|map('go.declare')|list }}",
    "{{ data.list|map('fn.upper')|list }}",
    "{{ data.list|random }}",
    "{{ data.list|batch(1000000000)|list }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%1000000000d'|format(1) }}",
    "{{ lipsum(100000) }}",
    "{{ cycler(1) }}",
    "{{ __run }}",
    "{{ data.text is callable }}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% from 'x' import y %}",
    "{% extends 'x' %}",
    "{% block x %}{% endblock %}",
    "{% autoescape true %}{% endautoescape %}",
    "{% filter upper %}{% endfilter %}",
    "{% for i in data.list recursive %}{% endfor %}",
]


@pytest.mark.parametrize("source", REFUSED)
def test_what_could_reach_out_is_refused(source: str) -> None:
    with pytest.raises(TemplateError):
        compile(source, dialect="jinja").render({"data": {"text": "abc", "list": [1]}})


@pytest.mark.parametrize(
    "key", ["items", "keys", "get", "copy", "__class__", "__run", "data", "run"]
)
def test_a_key_that_sounds_like_a_method_is_a_key(key: str) -> None:
    data = {"x": {key: "mine"}}
    assert compile(f"{{{{.x.{key}}}}}").render(data) == "mine"
    assert compile(f"{{{{ x.{key} }}}}", dialect="jinja").render(data) == "mine"
    with pytest.raises(TemplateError):
        compile(f"{{{{ x.{key} }}}}", dialect="jinja").render({"x": {}})


def test_the_output_may_have_exactly_the_limit() -> None:
    assert len(compile("{{.}}").render("x" * MAX_OUTPUT)) == MAX_OUTPUT
    with pytest.raises(TemplateError):
        compile("{{.}}").render("x" * (MAX_OUTPUT + 1))


@pytest.mark.parametrize("pieces", [1, 7, 8, 9, 15, 16, 40], ids="{} actions".format)
@pytest.mark.parametrize("over", [0, 1])
def test_short_and_long_templates_have_the_same_limit(pieces: int, over: int) -> None:
    """Each action is one piece, and so is the text behind it."""
    source = "{{.a}}-" * pieces + "{{.rest}}"
    rest = MAX_OUTPUT - pieces * 101 + over
    data = {"a": "x" * 100, "rest": "y" * rest}
    if over:
        with pytest.raises(TemplateError, match="longer than") as caught:
            compile(source).render(data)
        assert caught.value.reason is Reason.TEMPLATE_LIMIT
    else:
        assert compile(source).render(data) == ("x" * 100 + "-") * pieces + "y" * rest


def test_templates_may_call_themselves_as_deep_as_the_limit() -> None:
    source = '{{define "a"}}{{if .}}x{{template "a" (slice . 1)}}{{end}}{{end}}{{template "a" .}}'
    template = compile(source)
    assert template.render("x" * (MAX_DEPTH - 1)) == "x" * (MAX_DEPTH - 1)
    with pytest.raises(TemplateError) as caught:
        template.render("x" * (MAX_DEPTH + 1))
    assert caught.value.reason is Reason.TEMPLATE_LIMIT


@pytest.mark.parametrize("missing", ["error", "default", "zero"])
def test_deep_data_is_an_error_not_a_crash(missing: Any) -> None:
    deep: Any = None
    for _ in range(100_000):
        deep = [deep]
    for context, source in (("text", "{{.}}"), ("json", "{{.}}"), ("text", "{{print .}}")):
        with pytest.raises(TemplateError):
            compile(source, context=context, missing=missing).render(deep)
    while deep is not None:  # taken apart level by level: its own deletion would recurse too
        deep = deep[0]


@pytest.mark.parametrize(
    "source",
    [
        "(" * 5000,
        "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
        "{{if 1}}" * 5000 + "{{end}}" * 5000,
        "{{range 1}}" * 30 + "{{end}}" * 30,
        "{{if 1}}{{else if 1}}" + "{{else if 1}}" * 500 + "{{end}}",
        "{{" + "not (" * 30 + "1" + ")" * 30 + "}}",
        "{{if 1}}" * 50 + "x" + "{{end}}" * 50,
        "{{range 1}}" * 18 + "x" + "{{end}}" * 18,
    ],
)
def test_a_deeply_nested_template_compiles_or_is_refused(source: str) -> None:
    try:
        compile(source).render({})
    except TemplateError as error:
        assert error.hint or error.message  # noqa: PT017 - either will do


@pytest.mark.parametrize(
    "source",
    ["{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "{% if 1 %}" * 300 + "{% endif %}" * 300,
     "{{ " + "-" * 5000 + "1 }}", "{{ " + "1+" * 5000 + "1 }}"],
)  # fmt: skip
def test_a_deeply_nested_jinja_template_compiles_or_is_refused(source: str) -> None:
    try:
        compile(source, dialect="jinja").render({})
    except TemplateError as error:
        assert error.message  # noqa: PT017 - either will do
