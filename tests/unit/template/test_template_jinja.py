"""The Jinja dialect: Jinja's own meaning, our functions and escaping."""

# ruff: noqa: E501 - a template is shown in one piece

from __future__ import annotations

from typing import Any

import pytest

from subscriber.template import TemplateError, compile

DATA: dict[str, Any] = {
    "name": "carts",
    "score": 85.5,
    "n": 3,
    "ok": True,
    "none": None,
    "list": [{"a": 1, "t": "x"}, {"a": 2, "t": "y"}],
    "map": {"b": 1, "a": "z"},
}

RENDERED = [
    ("{{ name }} {{ score }} {{ n }} {{ ok }} {{ none }}", "carts 85.5 3 True None"),
    ("{{ list[0].a }}{{ list[-1]['t'] }}{{ map.b }}{{ map['a'] }}", "1y1z"),
    ("{% if score > 80 and ok %}a{% elif n %}b{% else %}c{% endif %}", "a"),
    ("{% for x in list %}{{ loop.index }}{{ x.a }}{{ ',' if not loop.last }}{% endfor %}", "11,22"),
    ("{% for x in [] %}{% else %}none{% endfor %}", "none"),
    ("{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}", "b=1;a=z;"),
    ("{% for k in map %}{{ k }}{% endfor %}{{ map.keys() }}{{ map.get('q', 7) }}", "ba['b', 'a']7"),
    ("{% for x in list if x.a > 1 %}{{ x.t }}{% endfor %}", "y"),
    ("{% for i in range(3) %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "02"),
    ("{% set x = 1 %}{% set y %}[{{ x }}]{% endset %}{{ y }}", "[1]"),
    (
        "{% set ns = namespace(s=0) %}{% for x in list %}{% set ns.s = ns.s + x.a %}{% endfor %}{{ ns.s }}",
        "3",
    ),
    ("{% macro m(x, y=2) %}{{ x }}-{{ y }}{% endmacro %}{{ m(1) }} {{ m(3, y=4) }}", "1-2 3-4"),
    ("{% with z = n + 1 %}{{ z }}{% endwith %}", "4"),
    (
        "{{ name|upper }} {{ name|replace('a', 'o') }} {{ list|map(attribute='t')|join('+') }}",
        "CARTS corts x+y",
    ),
    (
        "{{ list|selectattr('a', 'gt', 1)|list|length }} {{ [3,1,2]|sort|first }} {{ 2.567|round(1) }}",
        "1 1 2.6",
    ),
    (
        "{{ [1,2,2]|unique|list }} {{ 'a b'|title }} {{ none|default('d', true) }} {{ q|default('e') }}",
        "[1, 2] A B d e",
    ),
    (
        "{{ printf('%05.1f', score) }} {{ name|printf('<%q>') }} {{ eq(n, 3) }}",
        '085.5 <"carts"> True',
    ),
    ("{{ trunc(3, name) }} {{ name|trunc(2) }} {{ ternary('y', 'n', ok) }}", "car ca y"),
    (
        "{{ n + 1 }} {{ n * 2 }} {{ n ** 2 }} {{ 7 % n }} {{ 7 // n }} {{ name ~ n }} {{ 'ab' * 2 }}",
        "4 6 9 1 2 carts3 abab",
    ),
    (
        "{{ n is odd }} {{ q is defined }} {{ name in ['carts'] }} {{ 'a' in name }} {{ list[:1]|length }}",
        "True False True True 1",
    ),
    ("{{ map|tojson }} {{ name|tojson }}", '{"a":"z","b":1} "carts"'),
    ("{# a comment #}a{%- if true -%} b {%- endif -%} c", "abc"),
    ("{{ 'x' if ok else 'y' }}{{ (1, 2) }}{{ {'k': n} }}", "x[1, 2]{'k': 3}"),
    ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
]


@pytest.mark.parametrize(("source", "text"), RENDERED)
def test_jinja_means_what_it_means_in_jinja(source: str, text: str) -> None:
    assert compile(source, dialect="jinja", missing="default").render(DATA) == text


@pytest.mark.parametrize(
    ("source", "line", "message", "hint"),
    [
        ("a\n{{ name|uper }}", 2, 'no filter "uper"', "upper"),
        ("a\n  {{ trunk(1, name) }}", 2, 'no function "trunk"', "trunc"),
        ("{{ name is od }}", 1, 'no test "od"', "odd"),
        ("a\n\n{% if %}", 3, "Expected an expression", ""),
        ("{{ name", 1, "unexpected end", ""),
        ("a\n{{ trunc(1) }}", 2, "trunc does not take 1 arguments", "trunc length text"),
        ("{{ printf('%s', x=1) }}", 1, "no named arguments", ""),
        ("{{ name.upper() }}", 1, "values have no methods", "filters"),
        ("{{ name() }}", 1, 'no function "name"', ""),
    ],
)
def test_a_mistake_is_refused_with_its_line(
    source: str, line: int, message: str, hint: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        compile(source, dialect="jinja")
    assert caught.value.line == line
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("a\n{{ q }}", 2, "'q' is undefined"),
        ("a\n{{ map.q }}", 2, "has no attribute 'q'"),
        ("{{ 1 / 0 }}", 1, "division by zero"),
        ("{{ name + 1 }}", 1, "cannot be used like this"),
        ("\n\n{{ name < 1 }}", 3, "cannot be used like this"),
        ("{{ map.items }}", 1, "has no attribute 'items'"),
        ("{{ list.items() }}", 1, "only a map has items()"),
        ("{{ trunc('x', name) }}", 1, "trunc: the length must be a whole number"),
        ("{{ name % 2 }}", 1, "% takes numbers"),
    ],
)
def test_an_error_at_run_time_names_its_line(source: str, line: int, message: str) -> None:
    template = compile(source, dialect="jinja")
    with pytest.raises(TemplateError) as caught:
        template.render(DATA)
    assert caught.value.line == line
    assert message in caught.value.message
