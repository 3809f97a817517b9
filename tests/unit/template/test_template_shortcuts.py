"""Shortcuts and quick ways against the general way: the same text or the same refusal, always.

A template that sets a variable inside a parenthesis is compiled without shortcuts, because there
the order of evaluation can be seen; that is the general way for everything else, too.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from subscriber.template import TemplateError, compile
from subscriber.template.functions import FUNCTIONS
from subscriber.template.quick import QUICK
from subscriber.template.sandbox import _library
from subscriber.template.semantics.limits import MAX_STEPS, Run
from subscriber.template.semantics.values import MAX_OUTPUT, Encoded, Fault

GENERAL = "{{if ($general := 0)}}{{end}}"

VALUES: list[Any] = [
    None,
    False,
    True,
    0,
    7,
    0.5,
    "",
    "pass",
    "100% of 5s",
    "pass" * 2000,
    "\udcff",
    ["pass", None, 1],
    [],
    {"a": 1},
    {},
]
FORMS = ["$fixed", '"pass"', "7", "true", "nil", "$texts", "$changed", "(toJson .w)"]
DECLARED = (
    '{{$fixed := "pass"}}{{$changed := .seven}}{{$changed = .list}}'
    '{{$texts := toString .seven}}{{$texts = printf "%v" .w}}'
)
FIXED: dict[str, Any] = {"seven": 7, "list": [1, None], "w": "pass"}
SECOND: list[Any] = [None, "pass", 7, {}]
DATA = [FIXED | {"a": a, "b": b} for a, b in product(VALUES, SECOND)]
DATA += [{"a": value, **FIXED} for value in VALUES] + [FIXED]
ONE = [
    "not {}",
    "empty {}",
    "toString {}",
    "len {}",
    "list {}",
    "default {}",
    "coalesce {}",
    'dict "k" {}',
    "dict {} 1",
    "kindIs {} 1",
    'printf "%v" {}',
    'printf "%s" {}',
    'printf "<%s> 50%%" {}',
    'printf "%s %v" {}',
    "printf {} 1",
    "ternary {} {} {}",
    *[
        f'kindIs "{kind}" {{}}'
        for kind in ("bool", "int", "float64", "string", "slice", "map", "invalid", "other")
    ],
    'eq {} "pass"',
    'ne {} "pass"',
    'eq "pass" {}',
    "gt (len {}) 3",
    "ternary 1 2 (not {})",
    "ternary 1 (len .list) (not {})",
]
TWO = [
    "default {} {}",
    "{} | default {}",
    "coalesce {} {}",
    "coalesce {} {} nil",
    "ternary {} {} (eq 1 1)",
    "ternary 1 {} {}",
    "list {} {}",
    'dict "a" {} "b" {}',
    'dict "a" {} "a" {}',
    'dict "a" {} {}',
    "eq {} {}",
    "ne {} {}",
    "lt {} {}",
    "le {} {}",
    "gt {} {}",
    "ge {} {}",
    "and {} {}",
    "or {} {}",
    "append {} {}",
    "contains {} {}",
    "hasPrefix {} {}",
    "hasSuffix {} {}",
    'printf "%s is %v" {} {}',
]


def outcomes(source: str, missing: Any) -> list[tuple[str, ...]]:
    """The texts, or where and why there is none; places are what follows them in the source."""
    template = compile(source, missing=missing)
    found: list[tuple[str, ...]] = []
    for data in DATA:
        try:
            found.append((template.render(data),))
        except TemplateError as error:
            place = error.source_line[error.column - 1 :]
            found.append((error.reason, error.message, error.hint, place))
    return found


def agree(call: str, missing: str) -> None:
    tested = f"{DECLARED}{{{{$r := {call}}}}}{{{{printf `%T` ({call})}}}} {{{{$r}}}}"
    assert outcomes(tested, missing) == outcomes(GENERAL + tested, missing), call


@pytest.mark.parametrize("missing", ["error", "default", "zero"])
@pytest.mark.parametrize("call", ONE)
def test_a_function_of_one_value_is_the_same_without_a_call(call: str, missing: str) -> None:
    for form in (".a", *FORMS):
        agree(call.replace("{}", form), missing)


@pytest.mark.parametrize("call", TWO)
def test_a_function_of_two_values_is_the_same_without_a_call(call: str) -> None:
    agree(call.format(".a", ".b"), "default")
    for form in FORMS:
        agree(call.format(".a", form), "default")
        agree(call.format(form, ".a"), "default")


GIVEN: list[Any] = [*VALUES, Encoded("pass", '"pass"'), "a" * 65, MAX_STEPS]


def called(call: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    run = Run(None, None, {})
    try:
        result = call(3, run, *arguments)
    except Fault as fault:
        return fault.reason, fault.message, fault.hint, fault.offset
    return type(result), repr(result)  # NaN is not equal to itself


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_way_is_the_general_way(name: str) -> None:
    function = FUNCTIONS[name]
    general = _library(function)
    quick = QUICK[name](general)
    most = 3 if function.most is None else function.most
    for count in range(function.least, most + 1):
        for arguments in product(GIVEN if count < 3 else GIVEN[:8], repeat=count):
            assert called(quick, arguments) == called(general, arguments), arguments


@pytest.mark.parametrize(
    "source",
    [
        "{{$l := list}}{{range 100000}}{{$l = append $l 1}}{{end}}",
        "{{$m := dict}}{{range 1000}}{{$m = dict `a` $m `b` $m}}{{end}}",
        "{{$l := list 1}}{{range 1000}}{{$l = list $l $l}}{{end}}",
        "{{$l := list 1}}{{range 1000}}{{$l = append $l $l}}{{end}}",
        '{{$s := "ab"}}{{range 1000}}{{$s = printf "%s%s" $s $s}}{{end}}',
    ],
)
def test_what_shortcuts_make_is_paid_for(source: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile(source).render({})
    assert caught.value.reason == "template-limit"


def test_a_list_longer_by_one_costs_as_much_as_any_new_list() -> None:
    values: list[Any] = ["x" * 300, {"a": [1, 2]}, None]
    for item in ("y" * 200, values, {"b": values}, 1, None):
        alone, grown = Run(None, None, {}), Run(None, None, {})
        longer = [*values, item]
        alone.charge_value(longer)
        grown.charge_longer(longer, values)
        assert alone.steps == grown.steps < MAX_STEPS


def test_two_texts_within_the_limit_can_be_too_long_together() -> None:
    half = "x" * (MAX_OUTPUT // 2 + 1)
    with pytest.raises(TemplateError, match="longer than"):
        compile('{{len (printf "%s%s" .x .x)}}').render({"x": half})


def test_a_loop_variable_is_known_only_inside_of_the_loop() -> None:
    source = (
        '{{range $x := .none}}{{else}}[{{printf "%v" $x}}]{{end}}'
        '{{range $x := .list}}{{default "d" $x}},{{$x = .}}{{end}}'
    )
    template = compile(source, missing="default")
    assert template.render({"list": [None, "a"]}) == "[<nil>]d,a,"


def test_what_is_assigned_later_counts_from_the_beginning() -> None:
    source = (
        '{{$x := "a"}}{{range .list}}{{printf "%v" $x}},{{if .}}{{$x = .}}{{end}}{{end}}'
        "{{$y := 1}}{{range 2}}{{kindOf $y}} {{eq (printf `%v` $y) `1`}} {{$y = $.none}}{{end}}"
    )
    template = compile(source, missing="default")
    assert template.render({"list": [5, None, 6]}) == "a,5,5,int true invalid false "
