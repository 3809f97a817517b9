"""The index by type finds what asking every rule finds."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from subscriber.config import load_config
from subscriber.rules import RuleSet
from subscriber.service.rulebook import load_rules

globs = st.text("ab.*?[]!-\\", min_size=1, max_size=6)


def ruled(types: list[list[str]]) -> RuleSet:
    rules = [
        {"name": f"r{number}", "types": patterns, "action": "trigger", "body": {"summary": "x"}}
        for number, patterns in enumerate(types)
    ]
    config, document = load_config(json.dumps({"packs": [], "rules": rules}))
    return load_rules(config, document)


@given(
    types=st.lists(st.lists(globs, min_size=1, max_size=3), min_size=1, max_size=6),
    asked=st.lists(st.text("ab.[]*", max_size=6), max_size=8),
)
@example(types=[["*"], ["a*"], ["ab*"], ["ab"], ["a?", "ab", "*b"]], asked=["ab", "a", "", "b"])
@example(types=[["a[b"], ["a[b]"], ["[!a]*"]], asked=["a[b", "ab", "b", "a"])
def test_the_index_finds_what_asking_every_rule_finds(
    types: list[list[str]], asked: list[str]
) -> None:
    rules = ruled(types)
    for event_type in asked * 2:  # found, and remembered
        expected = tuple(rule for rule in rules.rules if rule.concerns(event_type))
        assert rules.concerning(event_type) == expected


@pytest.mark.parametrize("pattern", ["com.example.r{}.v1", "com.example.r{}.*", "com.r{}.?.*.x"])
def test_a_type_never_seen_asks_few_of_a_thousand_rules(pattern: str) -> None:
    rules = ruled([[pattern.format(number)] for number in range(1000)])
    asked = 0

    class Counting:
        def __init__(self, match):  # type: ignore[no-untyped-def]
            self.match = match

        def __call__(self, event_type: str) -> object:
            nonlocal asked
            asked += 1
            return self.match(event_type)

    for entries in rules._index._globs.values():
        entries[:] = [(place, Counting(match)) for place, match in entries]
    for number in range(100):
        assert rules.concerning(f"sh.keptn.event.build.{number}") == ()
    assert asked == 0
    wanted = pattern.format(7).replace("?", "a").replace("*", "b")
    assert [rule.name for rule in rules.concerning(wanted)] == ["r7"]
    assert asked <= 1


def test_what_is_remembered_is_bounded() -> None:
    rules = ruled([["a*"]])
    for number in range(3 * RuleSet._CACHED_TYPES):
        assert len(rules.concerning(f"a{number}")) == 1
        assert len(rules._by_type) <= RuleSet._CACHED_TYPES
