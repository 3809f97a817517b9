"""What a reader is told: name, line, column, the line with a caret, and what to do."""

from __future__ import annotations

import pytest

from subscriber.model.reason import Reason
from subscriber.template import TemplateError, compile

EVENT = {"data": {"result": "fail", "score": 85, "labels": {}, "none": None}, "type": "t"}

SYNTAX = [
    # template, column, part of the message, part of the hint
    ("{{id}}", 3, 'no function "id"', ".id"),
    ("{{uper .type}}", 3, 'no function "uper"', "did you mean upper"),
    ("{{.env.a-b}}", 9, "'-' cannot follow .a", '{{index .env "a-b"}}'),
    ("{{.s.a-b.c}}", 7, "'-' cannot follow .a", '{{(index .s "a-b").c}}'),
    ('{{index .data "x".url}}', 18, 'cannot follow "x"', "index"),
    ("{{if .x}}a", 3, "{{if}} is never closed", "{{end}}"),
    ("{{.a", 1, "never closed", "}}"),
    ('{{"a}}', 3, "string is never closed", '"'),
    ("{{/* a", 1, "comment is never closed", "*/"),
    ("{{(.a}}", 6, "parenthesis", ")"),
    ("{{.a)}}", 5, "parenthesis", ""),
    ("{{.a > 5}}", 6, "unexpected '>'", "gt"),
    ("{{.a == 5}}", 6, "unexpected '='", "eq"),
    ("{{end}}", 3, "{{end}} without", ""),
    ("{{break}}", 3, "outside {{range}}", ""),
    ("{{$x}}", 3, "$x is not declared", ":="),
    ("{{$count := 1}}{{$cuont}}", 18, "$cuont is not declared", "did you mean $count"),
    ("{{1 | 2}}", 7, "after | must come a function", ""),
    ("{{}}", 3, "has no value", ""),
    ("{{08}}", 3, "08 is not an octal number", ""),
    ("{{99999999999999999999}}", 3, "64 bits", ""),
    ('{{"\\q"}}', 3, "\\q is not an escape", ""),
    ("{{1i}}", 3, "complex", ""),
    ('{{define "a"}}1{{end}}{{define "a"}}2{{end}}', 32, "defined twice", ""),
    ("{{template a}}", 12, "unexpected 'a'", 'template "name"'),
    ("{{trunc 1}}", 3, "trunc does not take 1 argument", "trunc length text"),
    ("{{{.a}}}", 3, "unexpected '{'", "without further braces"),
]


@pytest.mark.parametrize(("source", "column", "message", "hint"), SYNTAX)
def test_a_syntax_error_names_its_place_and_a_way_out(
    source: str, column: int, message: str, hint: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        compile(f"first\n  {source}", name="mine")
    error = caught.value
    assert error.reason is Reason.TEMPLATE_SYNTAX
    assert message in error.message
    assert hint in error.hint
    assert (error.name, error.line, error.column) == ("mine", 2, column + 2)
    assert error.where == f"mine:2:{column + 2}"
    assert error.source_line == f"  {source}"


EXECUTION = [
    ("{{.data.resutl}}", 3, 'no key "resutl" in .data', "did you mean result"),
    ("{{.nope}}", 3, 'no key "nope" in the event', "data"),
    ("{{.data.labels.x}}", 3, 'no key "x" in .data.labels', "empty"),
    ("{{.data.none.x}}", 3, ".data.none is null", "with"),
    ("{{.data.score.x}}", 3, ".data.score is a int", ""),
    ("{{gt .data.score 80.5}}", 3, "int and float64 cannot be compared", "float64"),
    ("{{index .data 1}}", 3, "a map cannot be indexed with int", ""),
    ('{{index "abc" 3}}', 3, "out of range", ""),
    ("{{range .data.result}}{{end}}", 3, "range cannot go through a string", "lists and maps"),
    ('{{print 1}}{{template "x"}}', 14, 'no template "x"', "define"),
    (
        '{{trunc "x" .type}}',
        3,
        "trunc: the length must be a whole number, not text",
        "convert it with int",
    ),
    ("{{len .data.score}}", 3, "len of int", ""),
    ("{{lt .data.labels 1}}", 3, "has no order", ""),
]


@pytest.mark.parametrize(("source", "column", "message", "hint"), EXECUTION)
def test_an_execution_error_names_its_place_and_a_way_out(
    source: str, column: int, message: str, hint: str
) -> None:
    template = compile(f"a\n\t{source}", name="mine")
    with pytest.raises(TemplateError) as caught:
        template.render(EVENT)
    error = caught.value
    assert error.reason is Reason.TEMPLATE_EXECUTION
    assert message in error.message
    assert hint in error.hint
    assert (error.line, error.column) == (2, column + 1)


def test_the_caret_stands_under_the_column_whatever_stands_before_it() -> None:
    with pytest.raises(TemplateError) as caught:
        compile("\tab {{id}}")
    assert caught.value.caret() == "    \tab {{id}}\n    \t     ^"
    assert str(caught.value).splitlines() == [
        'template:1:7: there is no function "id"',
        "    \tab {{id}}",
        "    \t     ^",
        caught.value.hint,
    ]


def test_a_long_line_is_cut_around_the_caret() -> None:
    with pytest.raises(TemplateError) as caught:
        compile("x" * 300 + "{{id}}" + "y" * 300)
    shown, caret = caught.value.caret().splitlines()
    assert len(shown) < 120
    assert shown[caret.index("^") :].startswith("id}}")


def test_an_error_inside_a_called_template_points_there() -> None:
    template = compile('{{define "a"}}\n{{.x.y}}{{end}}{{template "a" .}}')
    with pytest.raises(TemplateError) as caught:
        template.render({"x": 1})
    assert (caught.value.line, caught.value.column) == (2, 3)


def test_values_of_the_event_are_quoted_ascii_and_short() -> None:
    template = compile('{"a": [{{range .l}}"{{.}}",{{end}}]}', context="json")
    with pytest.raises(TemplateError) as caught:
        template.render({"l": ["\x1b[31m" + "é" * 1000]})
    assert caught.value.message.isascii()
    assert len(caught.value.message) < 200
