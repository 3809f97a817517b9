"""A configuration that hurts, and one with a secret in the wrong place."""

from __future__ import annotations

import time
import warnings

import pytest

from subscriber.config import load_config
from subscriber.config.yaml import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES, parse
from subscriber.model import Problem, Reason

SECONDS = 12.0
"""Of CPU time; three on an idle machine."""
KEY = "0123456789abcdef0123456789ABCDEF"
PASSWORD = "c0rrect-h0rse"


def refused(text: str) -> Problem:
    began = time.process_time()
    with pytest.raises(Problem) as caught:
        load_config(text)
    assert time.process_time() - began < SECONDS
    assert len(str(caught.value)) < 1000
    return caught.value


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, f"more than {MAX_VALUES} values"),
        ("[" + "1," * 400_000 + "]", f"more than {MAX_VALUES} values"),
        ("- 1\n" * 200_000, f"more than {MAX_VALUES} values"),
        ("[" * 100_000, f"more than {MAX_DEPTH} mappings and lists"),
        ("{a: " * 3000 + "1" + "}" * 3000, f"more than {MAX_DEPTH} mappings and lists"),
        ("a: &a [*a]", "contains itself"),
        ("# x\n" * MAX_CHARACTERS, "characters, the limit is"),
        (f"pagerduty: {{rate_limit: 0x{'F' * 20_000}}}", "a number of 20002 digits"),
        (f"pagerduty: {{rate_limit: {'9' * 5000}}}", "a number of 5000 digits"),
        (f"pagerduty: {{timeout: {'9' * 5000}.5}}", "a number of 5002 digits"),
        ("a: !!python/object/apply:os.system ['true']", "unknown key 'a'"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_file_that_hurts_is_refused_in_time(text: str, says: str) -> None:
    assert says in str(refused(text))


def test_what_is_no_bomb_is_read() -> None:
    shared = "x: &x [a, b]\ny: [*x, *x]\n"
    assert parse(shared, name="f").value == {"x": ["a", "b"], "y": [["a", "b"], ["a", "b"]]}
    deep = MAX_DEPTH - 1
    assert parse("[" * deep + "1" + "]" * deep, name="f").value


def test_an_anchor_given_twice_is_legal_and_quiet() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert parse("a: &a 1\nb: &a 2\nc: *a\n", name="f").value == {"a": 1, "b": 2, "c": 2}
    assert not caught


@pytest.mark.parametrize("number", [".inf", ".nan", "1e300", "-1", "315360001"])
@pytest.mark.parametrize(
    "key",
    ["pagerduty: {timeout", "nats: {ack_wait", "delivery: {max_age", "delivery: {stale_after"],
)
def test_a_time_has_an_end(key: str, number: str) -> None:
    assert refused(f"{key}: {number}}}").reason is Reason.INVALID_VALUE


def test_rules_are_counted() -> None:
    rule = "- {name: r, types: t}\n"
    assert len(load_config("rules:\n" + rule * 2000)[0].rules) == 2000
    assert "rules" in str(refused("rules:\n" + rule * 2001))


@pytest.mark.parametrize(
    "text",
    [
        f"services: {{checkout: {KEY}}}",
        f"services: {KEY}",
        f"services: [{KEY}]",
        f"services: {{checkout: {{routing_key: [{KEY}]}}}}",
        f"services: {{checkout: {{region: {KEY}}}}}",
        f"services: {{checkout: {{routing_key_env: 1, routing_key_file: {KEY}}}}}",
        f"pagerduty: {{region: {KEY}}}",
        f"{KEY}: checkout",
        f"pagerduty: {{{KEY}: checkout}}",
        f"pagerduty: {{events_url: 'https://user:{PASSWORD}@proxy?x'}}",
        f"pagerduty: {{events_url: 'ftp://user:{PASSWORD}@proxy'}}",
        f"pagerduty: {{events_url: 'https://user:{PASSWORD}/@x@proxy?'}}",
        f"nats: {{mode: 'nats://user:{PASSWORD}@host'}}",
        f"nats: {{url: {{a: 'nats://user:{PASSWORD}@host'}}}}",
        f"nats: {{token: {PASSWORD}}}",
        f"nats: {{password: {PASSWORD}}}",
        f"nats: {{token_file: [{PASSWORD}]}}",
        f"nats: {{credentials_file: 1, password_file: {{a: {PASSWORD}}}}}",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_quoted(text: str) -> None:
    problem = refused(text)
    for shown in (str(problem), repr(problem), repr(getattr(problem, "problems", ""))):
        assert KEY not in shown
        assert PASSWORD not in shown


def test_escape_sequences_do_not_reach_the_message() -> None:
    for text in ('"a\\e[31m": 1', 'log: {level: "\\e[31m\\n"}', '"\\u202Ea": 1'):
        assert str(refused(text)).isprintable()
