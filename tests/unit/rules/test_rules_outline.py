"""An event is decided in two steps, and the first says nothing that the second takes back."""

from typing import Any

import pytest

from subscriber.config import RuleSpec
from subscriber.delivery import key_of
from subscriber.model import Action, Arrival, Event, Order, Reason
from subscriber.rules import Outline, RuleSource, compile_rules, outline, plan

ARRIVAL = Arrival(epoch=7, sequence=42, received_at=1_700_000_000.0)
EVENT = Event(id="1", source="s", type="t", data={"a": "x", "deep": {"b": "y"}})
BODY = {"summary": "{{.data.a}}", "severity": "critical"}
BROKEN = {"summary": "{{.data.nowhere}}", "severity": "critical"}


def outlined(event: Event = EVENT, **fields: Any) -> Outline:
    base = {"name": "r", "types": ["*"], "action": "trigger", "dedup_key": "k", "body": BODY}
    spec = RuleSpec.model_validate({k: v for k, v in {**base, **fields}.items() if v is not None})
    rules = compile_rules([RuleSource(spec=spec)], ("default",))
    (asked,) = outline(rules, event, ARRIVAL)
    assert asked.rule == "r"
    assert plan(rules, event, ARRIVAL) == (asked.trace(),)
    (again,) = outline(rules, event, ARRIVAL)
    return again


@pytest.mark.parametrize("action", [Action.TRIGGER, Action.RESOLVE, Action.ACKNOWLEDGE])
def test_what_the_order_needs_is_known_before_the_body(action: Action) -> None:
    asked = outlined(action=action.value, dedup_key="{{.data.a}}")
    bare = asked.bare_intent()
    assert bare is not None
    assert (bare.action, bare.service, bare.dedup_key) == (action, "default", "x")
    assert bare.payload is None
    assert asked.order() == Order(action, key_of(bare), bare.position)
    whole = asked.trace().intent
    assert whole is not None
    assert (whole.action, key_of(whole), whole.position) == (action, key_of(bare), bare.position)
    assert whole.payload is not None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"match": {"data.a": "z"}}, Reason.VALUE_DIFFERS),
        ({"when": 'eq .data.a "z"'}, Reason.CONDITION_FALSE),
        ({"action": "{{if false}}trigger{{end}}"}, Reason.ACTION_EMPTY),
        ({"action": "change", "dedup_key": None}, Reason.MATCHED),
    ],
)
def test_what_has_no_order_has_no_bare_intent(fields: dict[str, Any], reason: Reason) -> None:
    asked = outlined(**fields)
    assert asked.bare_intent() is None
    assert asked.order() is None
    assert asked.trace().reason is reason


@pytest.mark.parametrize("silent", ["action", "dedup_key"])
def test_a_body_that_says_what_the_rule_leaves_out_is_rendered_at_once(silent: str) -> None:
    document = {"event_action": "resolve", "dedup_key": "from the body", "payload": BODY}
    left_out: dict[str, Any] = {silent: None}
    asked = outlined(**left_out, body=document)
    assert asked.bare_intent() is None
    assert asked.order() is None
    intent = asked.trace().intent
    assert intent is not None
    assert intent.dedup_key == ("from the body" if silent == "dedup_key" else "k")
    assert intent.action is (Action.RESOLVE if silent == "action" else Action.TRIGGER)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"dedup_key": "{{.data.nowhere}}"}, Reason.RENDER_FAILED),
        ({"dedup_key": "{{.data.a | trimAll `x`}}"}, Reason.MISSING_DEDUP_KEY),
        ({"service": "{{.data.a}}"}, Reason.UNKNOWN_SERVICE),
        ({"action": "{{.data.a}}"}, Reason.INVALID_ACTION),
        ({"when": 'eq .data.nowhere "z"'}, Reason.RENDER_FAILED),
    ],
)
def test_a_fault_in_what_the_order_needs_counts_at_once(
    fields: dict[str, Any], reason: Reason
) -> None:
    asked = outlined(**fields)
    assert asked.bare_intent() is None
    assert asked.order() is None
    trace = asked.trace()
    assert trace.reason is reason
    assert trace.problem is not None
    # a trigger whose place in the order is not known pages plainly, as before
    assert (trace.intent is not None) is ("when" not in fields and "action" not in fields)


def test_a_fault_of_the_body_shows_only_when_the_body_is_asked_for() -> None:
    asked = outlined(body=BROKEN)
    bare = asked.bare_intent()
    assert bare is not None
    trace = asked.trace()
    assert trace.reason is Reason.RENDER_FAILED
    assert trace.intent is not None  # the fallback page, in the very same place
    assert key_of(trace.intent) == key_of(bare)
    assert trace.intent.position == bare.position
    assert trace.intent.action is bare.action


def test_a_rule_that_would_rather_be_a_dead_letter_has_its_place_too() -> None:
    asked = outlined(body=BROKEN, on_render_error="dead-letter")
    assert asked.bare_intent() is not None
    trace = asked.trace()
    assert trace.intent is None
    assert trace.problem is not None


def test_when_both_fail_the_body_is_told_of_as_before() -> None:
    asked = outlined(body=BROKEN, dedup_key="{{.data.deep.nowhere}}")
    assert asked.bare_intent() is None
    assert asked.order() is None
    trace = asked.trace()
    assert "body" in str(trace.problem)


def test_a_key_that_is_too_long_is_cut_the_same_way() -> None:
    asked = outlined(dedup_key="{{repeat 300 .data.a}}")
    bare, whole = asked.bare_intent(), asked.trace().intent
    assert bare is not None
    assert whole is not None
    assert len(bare.dedup_key) == 255
    assert bare.dedup_key == whole.dedup_key


def test_the_trace_is_made_once() -> None:
    asked = outlined()
    assert asked.trace() is asked.trace()
