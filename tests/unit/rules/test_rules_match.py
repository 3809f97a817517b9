"""Paths, globs and values: what matches and why not."""

import pytest

from subscriber.rules.match import compile_condition, compile_glob, look_up, split_path

DOCUMENT = {
    "type": "t",
    "data": {
        "result": "fail",
        "score": 42.5,
        "count": 3,
        "ok": True,
        "none": None,
        "labels": {"Problem URL": "https://x", "a.b": "dotted", "": "empty"},
        "list": ["x", {"name": "y"}, 7],
        "tags": ["blue", "green"],
    },
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("type", "t"),
        (".type", "t"),
        ("data.result", "fail"),
        ("data.labels.Problem URL", "https://x"),
        (r"data.labels.a\.b", "dotted"),
        ("data.labels.", "empty"),
        ("data.list.0", "x"),
        ("data.list.1.name", "y"),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: object) -> None:
    assert look_up(DOCUMENT, split_path(path)) == value


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x",
        "data.x",
        "data.result.x",
        "data.list.3",
        "data.list.-1",
        "data.list.x",
        "data.none.x",
        "data.list.99999999999",
        "data.labels.a.b",
    ],
)
def test_a_path_that_leads_nowhere_never_matches(path: str) -> None:
    condition = compile_condition(path, ["*", None, True, 0])
    assert not condition.holds(DOCUMENT)
    assert "is absent" in condition.why_not(DOCUMENT)


@pytest.mark.parametrize(
    ("path", "pattern", "holds"),
    [
        ("data.result", "fail", True),
        ("data.result", "FAIL", False),
        ("data.result", "fa*", True),
        ("data.result", "f?il", True),
        ("data.result", "[ef]ail", True),
        ("data.result", "pass", False),
        ("data.result", None, False),
        ("data.score", 42.5, True),
        ("data.score", "42.5", True),
        ("data.score", "42*", True),
        ("data.score", 42, False),
        ("data.count", 3, True),
        ("data.count", 3.0, True),
        ("data.count", "3", True),
        ("data.count", True, False),
        ("data.ok", True, True),
        ("data.ok", "true", True),
        ("data.ok", 1, False),
        ("data.ok", False, False),
        ("data.none", None, True),
        ("data.none", "null", True),
        ("data.none", False, False),
        ("data.none", "", False),
        ("data.labels", "*", False),
        ("data.tags", "green", True),
        ("data.tags", "gr*", True),
        ("data.tags", "red", False),
        ("data.list", 7, True),
    ],
)
def test_a_value_against_a_pattern(path: str, pattern: str | float | None, holds: bool) -> None:
    condition = compile_condition(path, [pattern])
    assert condition.holds(DOCUMENT) is holds


def test_one_of_several_patterns_is_enough() -> None:
    assert compile_condition("data.result", ["pass", "warning", "fail"]).holds(DOCUMENT)
    assert not compile_condition("data.result", ["pass", "warning"]).holds(DOCUMENT)


def test_why_not_names_the_value_and_the_wish() -> None:
    condition = compile_condition("data.result", ["pass", "warn*", 3, None])
    assert condition.why_not(DOCUMENT) == (
        "data.result is 'fail', wanted 'pass' or 'warn*' or 3 or null"
    )


@pytest.mark.parametrize(
    ("glob", "text", "matches"),
    [
        ("sh.keptn.event.*.finished", "sh.keptn.event.evaluation.finished", True),
        ("sh.keptn.event.*.finished", "sh.keptn.event.dev.delivery.finished", True),
        ("sh.keptn.event.*.finished", "sh.keptn.event.evaluation.finished.x", False),
        ("dev.cdevents.service.*", "dev.cdevents.service.deployed.0.3.0", True),
        ("App Deployment.*", "App Deployment.Failed", True),
        ("a.b", "axb", False),
        ("*", "anything\nat all", True),
    ],
)
def test_a_type_glob(glob: str, text: str, matches: bool) -> None:
    assert bool(compile_glob(glob).match(text)) is matches
