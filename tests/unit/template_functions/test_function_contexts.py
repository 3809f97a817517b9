"""Functions where they meet the rest of the language: JSON, the Jinja dialect, errors, the time."""

from __future__ import annotations

import json

import pytest

from subscriber.model.event import Json
from subscriber.template import TemplateError
from subscriber.template import compile as compile_template
from subscriber.template.functions import EXAMPLE_NOW

EVENT: Json = {
    "text": 'said "no"\n<b>',
    "labels": {"team": "carts", "n": [1, 2.5, None]},
    "time": "2024-05-06T07:08:09.123456789Z",
}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("{{quote .text}}", 'said "no"\n<b>'),
        ("{{quote .missing}}", None),
        ("{{quote 5}}", "5"),
        ("{{toJson .labels}}", {"team": "carts", "n": [1, 2.5, None]}),
        ("{{toRawJson .text}}", 'said "no"\n<b>'),
        ("{{toPrettyJson .labels | nindent 4}}", {"team": "carts", "n": [1, 2.5, None]}),
        ("{{.labels | toJson | indent 2}}", {"team": "carts", "n": [1, 2.5, None]}),
        ('"{{toJson .labels}}"', '{"n":[1,2.5,null],"team":"carts"}'),
        ("{{keys .labels}}", ["n", "team"]),
        ("{{dig `x` `y` nil . | default 0}}", 0),
        ("{{upper .text}}", 'SAID "NO"\n<B>'),
        ('{{tz "Europe/Vienna" .time}}', "2024-05-06T09:08:09.123456789+02:00"),
        ("{{mulf 0.07 100}}", 7.0),
        ('{{toJson (float64 "inf")}}', None),
    ],
)
def test_results_stand_in_json(action: str, expected: Json) -> None:
    template = compile_template(f'{{"x": {action}}}', context="json", missing="default")

    assert json.loads(template.render(EVENT)) == {"x": expected}


def test_a_zone_lasts_through_a_pipeline_and_a_variable() -> None:
    source = (
        '{{$t := tz "America/New_York" .time}}{{$t | dateModify "24h" | date "Jan 2 15:04 MST"}}'
    )

    assert compile_template(source).render(EVENT) == "May 7 03:08 EDT"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ trunc(4, text) }}", "said"),
        ("{{ text | trunc(4) }}", "said"),
        ('{{ get(labels, "team") | toUpper }}', "CARTS"),
        ('{{ time | tz("Asia/Tokyo") | date("15:04 MST") }}', "16:08 JST"),
    ],
)
def test_the_jinja_dialect_has_the_same_functions(source: str, expected: str) -> None:
    assert compile_template(source, dialect="jinja").render(EVENT) == expected


def test_the_time_is_that_of_the_event() -> None:
    template = compile_template('{{now}} {{ago "2024-05-06T07:00:00Z"}}')

    assert template.render(EVENT, now=EXAMPLE_NOW) == "2024-05-06T07:08:09Z 8m9s"
    assert template.render(EVENT).startswith("2024-05-06T07:08:09.123")
    with pytest.raises(TemplateError, match="time"):
        template.render({})


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("{{upper .labels}}", "the value must be text, not a map", "toString"),
        ("{{upper .missing}}", "the value must be text, not nothing", "default"),
        ('{{trunc "3" .text}}', "the length must be a whole number, not text", "int"),
        ("{{first .text}}", "the value must be a list, not text", ""),
        ("{{ternary 1 2 .text}}", "the condition must be true or false, not text", "eq"),
        ('{{date "15:04" .text}}', "is not a time", "RFC 3339"),
        ('{{date "15:04" 1714979289000}}', "too far from 1970", "milliseconds"),
        ("{{div 1 .missing}}", "cannot divide by 0", "divf"),
        ("{{regexMatch `(?<!a)b` .text}}", "is wrong", "look-behind"),
        ('{{regexMatch "a(" .text}}', "missing )", ""),
        ('{{tz "Vienna" .time}}', "there is no zone 'Vienna'", "Europe/Vienna"),
        ('{{dig "text" "x" 0 .}}', "text must be a map, not text", ""),
        ("{{repeat -1 .text}}", "must not be negative", ""),
        ("{{substr 5 2 .text}}", "cannot cut from 5 to 2", "trunc"),
        ("{{mustFromJson .text}}", "not JSON", ""),
        ('{{mustToDate "2006-01-02" .text}}', "is not written like", ""),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(source: str, message: str, hint: str) -> None:
    template = compile_template(source, missing="default")

    with pytest.raises(TemplateError) as caught:
        template.render(EVENT)

    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.line == 1
