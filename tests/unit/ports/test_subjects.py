"""Subjects as sets, checked against every subject of a small world."""

from __future__ import annotations

from itertools import product

import pytest

from subscriber.model import Problem
from subscriber.ports.subjects import covers, overlaps, reduce, require_name, valid

WORDS = ("a", "b")
SUBJECTS = [".".join(parts) for length in (1, 2, 3, 4) for parts in product(WORDS, repeat=length)]
PATTERNS = sorted(
    {
        ".".join((*parts, last))
        for length in (0, 1, 2)
        for parts in product((*WORDS, "*"), repeat=length)
        for last in (*WORDS, "*", ">")
    }
)


def matches(pattern: str, subject: str) -> bool:
    """NATS's own rule, one subject at a time."""
    tokens, parts = pattern.split("."), subject.split(".")
    if tokens[-1] == ">":
        tokens.pop()
        if len(parts) <= len(tokens):
            return False
        parts = parts[: len(tokens)]
    pairs = zip(tokens, parts, strict=False)
    return len(tokens) == len(parts) and all(token in ("*", part) for token, part in pairs)


SETS = {
    pattern: frozenset(subject for subject in SUBJECTS if matches(pattern, subject))
    for pattern in PATTERNS
}


def test_every_pair_of_patterns() -> None:
    for one, two in product(PATTERNS, repeat=2):
        assert overlaps(one, two) == bool(SETS[one] & SETS[two]), (one, two)
        assert covers(one, two) == (SETS[two] <= SETS[one]), (one, two)


def test_reduce_keeps_the_set_and_drops_what_is_covered() -> None:
    for three in product(PATTERNS[::5], repeat=3):
        kept = reduce(three)
        assert frozenset().union(*(SETS[one] for one in kept)) == frozenset().union(
            *(SETS[one] for one in three)
        )
        assert not any(covers(a, b) for a, b in product(kept, repeat=2) if a != b)


@pytest.mark.parametrize(
    "pattern", [*PATTERNS, "sh.keptn.>", "with-dash_and.1", "ünïcode.x", "$JS.x"]
)
def test_patterns_are_valid(pattern: str) -> None:
    assert valid(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a b",
        "a.\t",
        "a.b\r\n",
        "a.>.b",
        ">.a",
        "a*",
        "a.*b",
        "a.>b",
        "a\0",
    ],
)
def test_what_nats_does_not_take_is_not_valid(pattern: str) -> None:
    assert not valid(pattern)


@pytest.mark.parametrize("name", ["EVENTS", "pagerduty-alerts", "a_b-1"])
def test_names(name: str) -> None:
    require_name(name, "stream")


@pytest.mark.parametrize("name", ["", "a.b", "a b", "*", ">", "a/b", "a\\b", "a\n", "\0"])
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(Problem):
        require_name(name, "stream")
