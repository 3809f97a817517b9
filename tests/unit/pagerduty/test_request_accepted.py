"""Whatever a rule produces: what we send is accepted, by two independent readers of the rules."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subscriber.model import Action, Intent, Problem, Reason, VerdictKind
from subscriber.pagerduty import (
    Accounts,
    Api,
    Normalised,
    Reply,
    Request,
    account,
    api_of,
    judge,
    normalise,
    normalise_dedup_key,
    request_for,
)
from subscriber.simulator import journal as simulator
from subscriber.simulator.settings import SimulatorConfig
from subscriber.simulator.stand_in import StandIn

KEY = "e93facc04764012d7bfb002500d5d1a6"
ACCOUNTS = Accounts([account("ops", KEY), account("rules", "R" + KEY[1:])])


def complaints(request: Request) -> list[str]:
    """A reading of PagerDuty's documentation that shares nothing with the code under test."""
    found: list[str] = []

    def want(condition: object, text: str) -> None:
        if not condition:
            found.append(text)

    want(len(request.body) <= 512_000, "size")
    document = json.loads(request.body.decode("utf-8"), parse_constant=found.append)
    key = document.pop("routing_key", "")
    want(re.fullmatch("[A-Za-z0-9]{32}", key), "routing_key")
    change = request.url.endswith("/v2/change/enqueue")
    payload = document.pop("payload", None)
    if change:
        want(payload is not None, "payload")
        want(not key.startswith("R"), "ruleset")
        want(set(document) <= {"links"}, "fields of a change")
    else:
        want(request.url.endswith("/v2/enqueue"), "url")
        action = document.pop("event_action", None)
        want(action in {"trigger", "acknowledge", "resolve"}, "event_action")
        dedup = document.pop("dedup_key", None)
        want(isinstance(dedup, str) and 1 <= len(dedup) <= 255 and dedup.strip(), "dedup_key")
        want(payload is not None or action != "trigger", "payload of a trigger")
        want(action == "trigger" or not document, "decoration")
    if payload is not None:
        summary = payload.pop("summary", "")
        want(isinstance(summary, str) and summary.strip() and len(summary) <= 1024, "summary")
        source = payload.pop("source", None)
        want((change and source is None) or (isinstance(source, str) and source.strip()), "source")
        if not change:
            want(payload.pop("severity", "") in {"critical", "error", "warning", "info"}, "sev")
            for name in ("component", "group", "class"):
                want(isinstance(payload.pop(name, ""), str), name)
        if "timestamp" in payload:
            datetime.strptime(payload.pop("timestamp"), "%Y-%m-%dT%H:%M:%S.%f%z")
        want(isinstance(payload.pop("custom_details", {}), dict), "custom_details")
        want(not payload, f"unknown payload fields {sorted(payload)}")
    for name in ("client", "client_url"):
        want(isinstance(document.pop(name, ""), str), name)
    for link in document.pop("links", []):
        want(re.match(r"[a-z][a-z0-9+.-]*:\S+$", link["href"]), "link")
        want(isinstance(link.get("text", ""), str) and set(link) <= {"href", "text"}, "link text")
    for image in document.pop("images", []):
        want(re.match(r"https://\S+$", image["src"]), "image")
        want(set(image) <= {"src", "href", "alt"}, "image fields")
    want(not document, f"unknown fields {sorted(document)}")
    return found


def intent_of(action: Action, body: Normalised, key: str) -> Intent:
    return Intent(
        action=action,
        service="ops",
        dedup_key="" if action is Action.CHANGE else normalise_dedup_key(key or "k")[0],
        payload=body.payload,
        client=body.client,
        client_url=body.client_url,
        links=body.links,
        images=body.images,
    )


def assert_accepted(action: Action, body: dict[str, Any], key: str = "k") -> None:
    request = request_for(intent_of(action, normalise(action, body), key), ACCOUNTS)
    assert complaints(request) == []
    stand_in = StandIn(SimulatorConfig(known_keys=frozenset({KEY})))
    ruling = stand_in.receive(simulator.Api(request.api.value), request.body, now=0.0)
    reply = Reply(status=ruling.answer.status, body=ruling.answer.body)
    verdict = judge(request.api, reply)
    assert verdict.kind is VerdictKind.ACCEPTED, ruling.answer.body


odd_text = st.text(max_size=30) | st.sampled_from(
    ["", " ", "\x00", "\ud800", "x" * 1500, "😀" * 99]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | odd_text
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=6,
)
urls = st.sampled_from(["https://a.example/x", "http://a.example", "HTTPS://A", "//a", " "])
attachments = anything | st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "href": urls | anything,
            "src": urls | anything,
            "text": anything,
            "alt": anything,
        },
    ),
    max_size=3,
)
times = st.datetimes().map(datetime.isoformat) | st.floats(0, 2e18) | anything
payloads = st.fixed_dictionaries(
    {
        "summary": st.text(min_size=1, max_size=20).map(lambda t: t + "!") | st.integers(),
        "severity": st.sampled_from(["critical", "ERROR", " warning ", "Info"]),
    },
    optional={
        "source": anything,
        "timestamp": times,
        "component": anything,
        "group": anything,
        "class": anything,
        "custom_details": anything,
        "stranger": anything,
    },
)
documents = {
    "links": attachments,
    "images": attachments,
    "client": anything,
    "client_url": urls | anything,
    "event_action": anything,
    "dedup_key": anything,
    "stranger": anything,
}


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    action=st.sampled_from(Action),
    body=st.fixed_dictionaries({"payload": payloads}, optional=documents),
    key=st.text(max_size=400).filter(str.strip),
)
def test_any_sound_body_is_accepted(action: Action, body: dict[str, Any], key: str) -> None:
    assert_accepted(action, body, key)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    action=st.sampled_from(Action),
    body=st.dictionaries(
        st.sampled_from(
            ["payload", "summary", "source", "severity", "timestamp", "custom_details", "links"]
        )
        | odd_text,
        anything,
        max_size=6,
    ),
)
def test_any_other_body_is_accepted_or_refused_by_name(
    action: Action, body: dict[str, Any]
) -> None:
    if refusal(action, body) is None:
        assert_accepted(action, body)


def refusal(action: Action, body: dict[str, Any]) -> Problem | None:
    """Why the body is refused; only what opens an alert or is a change may be.

    (And whatever names a routing key, which the random texts may happen to do.)
    """
    try:
        normalise(action, body)
    except Problem as problem:
        closes = action in (Action.ACKNOWLEDGE, Action.RESOLVE)
        if closes and not problem.where.endswith("routing_key"):
            pytest.fail(str(problem))
        return problem if problem.reason is Reason.INVALID_BODY else pytest.fail(str(problem))
    return None


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 400_000), min_size=1, max_size=12),
    filler=st.sampled_from(["x", "é", "😀", "\n", '"', "\x01"]),
    action=st.sampled_from(Action),
)
def test_any_size_is_accepted(sizes: list[int], filler: str, action: Action) -> None:
    body = {
        "summary": filler * sizes[0] + "!",
        "severity": "info",
        "source": filler * sizes[-1],
        "custom_details": {f"d{i}": filler * size for i, size in enumerate(sizes)},
    }
    assert_accepted(action, body, filler * 300 + "!")


# -- request_for ------------------------------------------------------------------------------


def trigger(**changes: Any) -> Intent:
    fields: dict[str, Any] = {
        "action": Action.TRIGGER,
        "service": "ops",
        "dedup_key": "k",
        "payload": {"summary": "s", "source": "x", "severity": "info"},
    }
    return Intent(**{**fields, **changes})


@pytest.mark.parametrize("action", Action)
def test_each_action_goes_to_its_api(action: Action) -> None:
    request = request_for(trigger(action=action), ACCOUNTS)
    change = action is Action.CHANGE
    assert request.api is api_of(action) is (Api.CHANGES if change else Api.EVENTS)
    assert request.url == "https://events.pagerduty.com" + (
        "/v2/change/enqueue" if change else "/v2/enqueue"
    )
    document = json.loads(request.body)
    assert document["routing_key"] == KEY
    assert document.get("event_action") == (None if change else action.value)
    assert ("dedup_key" in document) == (not change)


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.RESOLVE])
def test_without_payload_there_is_none_in_the_request(action: Action) -> None:
    request = request_for(trigger(action=action, payload=None), ACCOUNTS)
    assert json.loads(request.body) == {
        "routing_key": KEY,
        "event_action": action.value,
        "dedup_key": "k",
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"service": "opps"}, Reason.UNKNOWN_SERVICE),
        ({"dedup_key": ""}, Reason.MISSING_DEDUP_KEY),
        ({"dedup_key": "x" * 256}, Reason.MISSING_DEDUP_KEY),
        ({"action": Action.CHANGE, "service": "rules"}, Reason.INVALID_VALUE),
        ({"action": Action.CHANGE, "payload": None}, Reason.INVALID_BODY),
        ({"payload": {"summary": "x" * 600_000}}, Reason.INVALID_BODY),
        ({"payload": {"summary": "\ud800"}}, Reason.INVALID_BODY),
        ({"payload": {"summary": object()}}, Reason.INVALID_BODY),
    ],
)
def test_an_intent_that_cannot_be_sent_is_refused(changes: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(Problem) as caught:
        request_for(trigger(**changes), ACCOUNTS)
    assert caught.value.reason is reason
    assert KEY not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None


def test_a_ruleset_key_takes_alerts() -> None:
    request = request_for(trigger(service="rules"), ACCOUNTS)
    assert json.loads(request.body)["routing_key"].startswith("R")


def test_the_key_shows_in_nothing_but_the_body() -> None:
    request = request_for(trigger(), ACCOUNTS)
    assert KEY.encode() in request.body
    for shown in (request, ACCOUNTS, ACCOUNTS["ops"], ACCOUNTS.of("ops").routing_key, trigger()):
        assert KEY not in repr(shown) + str(shown)


# -- accounts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [KEY, f"{KEY}\n", f"  {KEY}\r\n", f"\ufeff{KEY}"])
def test_a_key_is_taken_as_files_have_it(text: str) -> None:
    assert account("ops", text).routing_key.get_secret_value() == KEY


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.MISSING_SECRET),
        (" \n", Reason.MISSING_SECRET),
        (KEY[:-1], Reason.INVALID_VALUE),
        (KEY + "a", Reason.INVALID_VALUE),
        (KEY[:-1] + "-", Reason.INVALID_VALUE),
        (KEY[:-1] + "é", Reason.INVALID_VALUE),
        (KEY[:16] + " " + KEY[16:], Reason.INVALID_VALUE),
        ("your-integration-key", Reason.INVALID_VALUE),
    ],
)
def test_a_key_of_another_shape_is_refused_unseen(text: str, reason: Reason) -> None:
    with pytest.raises(Problem) as caught:
        account("ops", text)
    assert caught.value.reason is reason
    shown = str(caught.value) + repr(caught.value)
    assert not text.strip() or text.strip()[:8] not in shown


@pytest.mark.parametrize(
    ("region", "events_url", "base"),
    [
        ("us", "", "https://events.pagerduty.com"),
        ("eu", "", "https://events.eu.pagerduty.com"),
        ("eu", "http://127.0.0.1:9999", "http://127.0.0.1:9999"),
        ("us", "https://proxy.example/pd/", "https://proxy.example/pd"),
        ("us", "https://proxy.example/v2/enqueue", "https://proxy.example"),
        ("us", "https://proxy.example/v2/change/enqueue/", "https://proxy.example"),
    ],
)
def test_hosts(region: str, events_url: str, base: str) -> None:
    made = account("ops", KEY, region=region, events_url=events_url)
    assert made.url(Api.EVENTS) == f"{base}/v2/enqueue"
    assert made.url(Api.CHANGES) == f"{base}/v2/change/enqueue"


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        account("ops", KEY, region="mars")
    assert caught.value.reason is Reason.INVALID_VALUE


def test_an_unknown_service_is_refused_with_the_nearest() -> None:
    with pytest.raises(Problem) as caught:
        ACCOUNTS.of("rule")
    assert caught.value.hint == "did you mean rules?"
    with pytest.raises(Problem) as caught:
        ACCOUNTS.of("zzz")
    assert caught.value.hint == "known are ops, rules"
    assert (list(ACCOUNTS), len(ACCOUNTS)) == (["ops", "rules"], 2)
