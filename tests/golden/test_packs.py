"""Every case of every shipped rule: the exact request, and one that PagerDuty would take."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import pytest
from packs_cases import (
    ARRIVAL,
    CHANGES_ONLY,
    Case,
    all_cases,
    answer,
    event_of,
    packs,
    request_body,
    rule_set,
    trace_of,
)

from subscriber.cloudevent import decode
from subscriber.cloudevent.encode import Mode, encode
from subscriber.delivery import key_of
from subscriber.model import Action, Envelope, Event, Order
from subscriber.rules import outline, plan
from subscriber.simulator.validate import change_errors, event_errors, routing_key_errors

CASES = all_cases()
RULES = sorted(packs())
KEY = "a" * 32

by_label = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)


def expected(case: Case) -> dict[str, Any]:
    return json.loads(case.expected_file.read_text("utf-8"))


@by_label
def test_an_event_gives_exactly_the_expected_request(case: Case) -> None:
    assert answer(case) == expected(case)


def gist(rule: str, event: Event) -> tuple[str, str, str]:
    """Action or skip, key and summary."""
    trace = trace_of(rule, event)
    assert trace.problem is None
    if trace.intent is None:
        return trace.reason.value, "", ""
    body = request_body(trace.intent)[1]
    return trace.intent.action.value, trace.intent.dedup_key, body["payload"]["summary"]


@by_label
def test_an_event_in_binary_mode_means_the_same(case: Case) -> None:
    """What reaches NATS by way of HTTP mostly has its attributes in headers."""
    event = event_of(case.event_file.read_bytes())
    sent = encode(event, Mode.BINARY)
    (received,) = decode(
        Envelope(subject="x", data=sent.data, headers=sent.headers, received_at=ARRIVAL.received_at)
    )
    assert gist(case.rule, received) == gist(case.rule, event)


@by_label
def test_what_is_sent_is_within_the_limits_of_the_events_api(case: Case) -> None:
    said = expected(case)
    if "skipped" in said:
        assert said["detail"], "a skip says why"
        return
    document = {"routing_key": KEY, **said["body"]}
    errors = event_errors(document) if said["api"] == "events" else change_errors(document)
    assert not errors + routing_key_errors(document)
    assert len(json.dumps(document, ensure_ascii=False).encode()) <= 512_000


@by_label
def test_the_file_of_the_objectives_is_never_copied(case: Case) -> None:
    assert "sloFileContent" not in case.expected_file.read_text("utf-8")


@by_label
def test_neither_delivery_nor_event_id_is_part_of_a_dedup_key(case: Case) -> None:
    """A key that changes with every delivery would never be resolved."""
    said, event = expected(case), event_of(case.event_file.read_bytes())
    key = said.get("body", {}).get("dedup_key", "")
    context = event.extensions.get("shkeptncontext")
    assert event.id not in key
    assert not (context and str(context) in key)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_cases_for_what_really_arrives(rule: str) -> None:
    names = [case.name for case in CASES if case.rule == rule]
    for wanted in ("missing-", "null-", "wrong-types", "hostile", "very-long"):
        assert any(name.startswith(wanted) for name in names), f"{rule} has no {wanted} case"
    answers = [expected(case) for case in CASES if case.rule == rule]
    assert any("skipped" in said for said in answers), f"{rule} has no case that is skipped"
    actions = {said["body"].get("event_action") for said in answers if "body" in said}
    assert actions == ({None} if rule in CHANGES_ONLY else {"trigger", "resolve"})


@pytest.mark.parametrize("rule", sorted(set(RULES) - CHANGES_ONLY))
def test_what_opens_an_alert_is_closed_under_the_same_key(rule: str) -> None:
    keys: dict[str, set[str]] = {"trigger": set(), "resolve": set()}
    for case in CASES:
        body = expected(case).get("body", {}) if case.rule == rule else {}
        if body:
            keys[body["event_action"]].add(body["dedup_key"])
    assert keys["resolve"] & keys["trigger"], "no case resolves what another one triggers"


def test_both_forms_of_a_problem_share_one_alert() -> None:
    keys = {
        label: next(expected(case)["body"]["dedup_key"] for case in CASES if case.label == label)
        for label in (
            "keptn/problem/open",
            "keptn/problem/open-only-tags",
            "keptn/problem/resolved",
            "keptn/problem/legacy-closed",
            "keptn/remediation/triggered-open",
            "keptn/remediation/triggered-resolved",
            "keptn/remediation/finished-fail",
        )
    }
    assert len(set(keys.values())) == 1, keys


def test_a_problem_without_an_id_shares_one_alert_too() -> None:
    keys = {
        next(expected(case)["body"]["dedup_key"] for case in CASES if case.label == label)
        for label in ("keptn/problem/legacy-open", "keptn/remediation/triggered-prometheus")
    }
    assert len(keys) == 1, keys


def test_different_rules_never_share_a_key_by_accident() -> None:
    """One alert per concern: only the two problem rules speak about the same one."""
    owners: dict[str, set[str]] = {}
    for case in CASES:
        key = expected(case).get("body", {}).get("dedup_key")
        if key:
            family = case.rule.replace("remediation", "problem")
            owners.setdefault(key, set()).add(family)
    assert not {key: rules for key, rules in owners.items() if len(rules) > 1}


def test_every_file_has_its_other_half_and_every_rule_its_cases() -> None:
    for case in CASES:
        assert case.expected_file.is_file(), case.label
    files = {file for case in CASES for file in (case.event_file, case.expected_file)}
    strays = [
        file
        for folder in {case.folder for case in CASES}
        for file in folder.iterdir()
        if file not in files
    ]
    assert not strays
    assert [rule for rule, _ in groupby(case.rule for case in CASES)] == RULES


@by_label
def test_what_is_decided_before_the_body_is_what_the_body_comes_with(case: Case) -> None:
    """The outline of every rule that concerns the event, against its trace."""
    event = event_of(case.event_file.read_bytes())
    outlines = outline(rule_set(), event, ARRIVAL)
    assert case.rule in [one.rule for one in outlines]
    orders = [one.order() for one in outlines]
    before = [one.bare_intent() for one in outlines]
    assert orders == [
        None if bare is None else Order(bare.action, key_of(bare), bare.position) for bare in before
    ]
    after = [one.trace() for one in outlines]
    assert tuple(after) == plan(rule_set(), event, ARRIVAL)
    for bare, trace in zip(before, after, strict=True):
        if bare is None:
            assert trace.intent is None or trace.intent.action is Action.CHANGE
            continue
        assert trace.intent is not None
        same = ("action", "service", "dedup_key", "position", "rule", "event_id", "occurred_at")
        assert [getattr(bare, n) for n in same] == [getattr(trace.intent, n) for n in same]
        assert key_of(bare) == key_of(trace.intent)
