"""The shipped rules against events that nobody thought of.

Held for every case of every rule: whatever text stands in the place of any text, and whatever JSON
value in the place of any value, a rule ends in a request that PagerDuty takes or in a reasoned
skip, never in a fault; and what opens an alert and what closes it agree on the key.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from packs_cases import (
    CHANGES_ONLY,
    Case,
    all_cases,
    event_of,
    packs,
    request_body,
    trace_of,
)

from subscriber.model import Event, Json
from subscriber.simulator.validate import change_errors, event_errors

CASES = all_cases()
RULES = sorted(packs())

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Decoding refuses lone surrogates, so no event carries them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [
        '"',
        "\\",
        "\n",
        "{{.id}}",
        "{{",
        "}}",
        '","x":"',
        ";",
        "</script>",
        "\u2028",
        "\U0001f525",
        "-1",
    ]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
seeds = st.integers(0, 2**32 - 1)


def rewritten(value: Json, change: Callable[[Json], Json]) -> Json:
    """A copy of the value with `change` applied to every part, innermost first."""
    if isinstance(value, dict):
        value = {key: rewritten(member, change) for key, member in value.items()}
    elif isinstance(value, list):
        value = [rewritten(member, change) for member in value]
    return change(value)


def check(rule: str, event: Event) -> None:
    trace = trace_of(rule, event)
    assert trace.problem is None, trace.problem
    if trace.intent is None:
        assert trace.detail
        return
    api, body = request_body(trace.intent)
    document = {"routing_key": "a" * 32, **body}
    assert not (event_errors if api == "events" else change_errors)(document)


def of_rule(rule: str) -> list[tuple[Case, Event]]:
    return [(case, event_of(case.event_file.read_bytes())) for case in CASES if case.rule == rule]


@pytest.mark.parametrize("rule", RULES)
def test_any_text_in_any_place_is_only_text(rule: str) -> None:
    events = of_rule(rule)

    @quick
    @given(
        index=st.integers(0, len(events) - 1),
        pool=st.lists(texts, min_size=1, max_size=4),
        seed=seeds,
    )
    def holds(index: int, pool: list[str], seed: int) -> None:
        dice = random.Random(seed)

        def change(value: Json) -> Json:
            hit = isinstance(value, str) and dice.random() < 0.7
            return dice.choice(pool) if hit else value

        event = events[index][1]
        extensions = {
            name: dice.choice(pool) if isinstance(value, str) else value
            for name, value in event.extensions.items()
        }
        check(rule, replace(event, data=rewritten(event.data, change), extensions=extensions))

    holds()


@pytest.mark.parametrize("rule", RULES)
def test_any_value_in_any_place_is_no_fault(rule: str) -> None:
    events = of_rule(rule)

    @quick
    @given(
        index=st.integers(0, len(events) - 1),
        pool=st.lists(values, min_size=1, max_size=4),
        seed=seeds,
        share=st.sampled_from([0.05, 0.2, 0.6]),
    )
    def holds(index: int, pool: list[Json], seed: int, share: float) -> None:
        dice = random.Random(seed)

        def change(value: Json) -> Json:
            return dice.choice(pool) if dice.random() < share else value

        event = events[index][1]
        check(rule, replace(event, data=rewritten(event.data, change)))

    holds()


ODD: tuple[Json, ...] = (
    None, True, 0, -1.5, 10**9, "", "{{", [], [None, 7, "x", [], {}], {}, {"a": {"b": None}},
)  # fmt: skip


def places(value: Json) -> Iterator[tuple[str | int, ...]]:
    """Every path in the value, its root included."""
    yield ()
    members: Iterable[tuple[str | int, Json]] = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for key, member in members:
        for path in places(member):
            yield (key, *path)


def with_value(value: Json, path: tuple[str | int, ...], new: Json) -> Json:
    """A copy of the value with another one at the path."""
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)  # type: ignore[arg-type]
    copy[path[0]] = with_value(copy[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("rule", RULES)
def test_an_odd_value_in_every_single_place_is_no_fault(rule: str) -> None:
    """Exhaustive for the rule's richest event that says something."""
    speaking = [event for _, event in of_rule(rule) if trace_of(rule, event).intent is not None]
    richest = max(speaking, key=lambda event: sum(1 for _ in places(event.data)))
    for path in places(richest.data):
        for odd in ODD:
            check(rule, replace(richest, data=with_value(richest.data, path, odd)))


Twin = tuple[tuple[str, ...], str, str]
"""Where the verdict stands, the one that opens the alert and the one that closes it. Without a
place the verdict is a part of the type."""

TWINS: Mapping[str, tuple[str, Twin]] = {
    "keptn/evaluation": ("fail", (("result",), "fail", "pass")),
    "keptn/deployment": ("fail", (("result",), "fail", "pass")),
    "keptn/test": ("fail", (("result",), "fail", "pass")),
    "keptn/release": ("fail", (("result",), "fail", "pass")),
    "keptn/rollback": ("fail", (("result",), "fail", "pass")),
    "keptn/problem": ("open", (("State",), "OPEN", "RESOLVED")),
    "keptn/remediation": ("triggered-open", (("problem", "State"), "OPEN", "CLOSED")),
    "cdevents/pipelinerun": (
        "failure-0.5",
        (("subject", "content", "outcome"), "error", "success"),
    ),
    "cdevents/taskrun": ("failure-0.5", (("subject", "content", "outcome"), "failure", "success")),
    "cdevents/testsuiterun": ("failure-0.5", (("subject", "content", "outcome"), "fail", "pass")),
    "cdevents/incident": ("detected-0.5", ((), ".detected.", ".resolved.")),
    "tekton/pipelinerun": ("failed", ((), ".failed.", ".successful.")),
    "tekton/taskrun": ("failed", ((), ".failed.", ".successful.")),
    "tekton/customrun": ("failed", ((), ".failed.", ".successful.")),
    "klt/app": ("deployment-finished-with-a-warning", (("type",), "Warning", "Normal")),
    "klt/workload": ("deployment-timed-out", (("type",), "Warning", "Normal")),
    "argocd/health": ("degraded", (("health", "status"), "Degraded", "Healthy")),
    "argocd/sync": ("failed", (("operation", "phase"), "Failed", "Succeeded")),
    "argo-rollouts/rollout": ("aborted", ((), ".aborted", ".completed")),
    "argo-events/workflow": ("failed", (("body", "status", "phase"), "Failed", "Succeeded")),
    "argo-events/webhook": ("fail", (("body", "result"), "fail", "pass")),
    "generic/severity": ("critical-in-the-data", (("severity",), "critical", "ok")),
}
KEPT = {"succeeded", "UPDATE", "Workflow"}
"""Words without which a rule would not look at its event."""


def test_every_rule_that_pages_has_its_twin() -> None:
    assert set(TWINS) == set(RULES) - CHANGES_ONLY


@pytest.mark.parametrize("rule", sorted(TWINS))
def test_an_alert_is_closed_under_the_key_it_was_opened_with(rule: str) -> None:
    name, (path, opens, closes) = TWINS[rule]
    (event,) = (event for case, event in of_rule(rule) if case.name == name)

    @quick
    @given(pool=st.lists(texts, min_size=1, max_size=4), seed=seeds)
    @example(pool=["x" * 400], seed=1)
    def holds(pool: list[str], seed: int) -> None:
        dice = random.Random(seed)

        def change(value: Json) -> Json:
            hit = isinstance(value, str) and value not in KEPT and dice.random() < 0.7
            return dice.choice(pool) if hit else value

        data = rewritten(event.data, change)
        failed = replace(event, data=with_value(data, path, opens) if path else data)
        # The next delivery: another event, another context, the same service.
        other: dict[str, Any] = dict.fromkeys(event.extensions, "another")
        passed = replace(
            event,
            id="another",
            data=with_value(data, path, closes) if path else data,
            extensions=other,
            type=event.type if path else event.type.replace(opens, closes),
        )
        first, second = trace_of(rule, failed).intent, trace_of(rule, passed).intent
        if first is None or second is None:
            # Only what lost its name has no key, an incident or a rollout; then neither side has.
            assert first is second
            return
        assert (first.action.value, second.action.value) == ("trigger", "resolve")
        assert first.dedup_key == second.dedup_key

    holds()
