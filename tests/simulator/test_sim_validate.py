"""Every rule of the Events API, one broken event each, and the exact words."""

from __future__ import annotations

from typing import Any

import pytest
from sim_bodies import KEY, RULESET, change, encoded, event, with_value, without

from subscriber.simulator import Api, Effect, SimulatorConfig, StandIn
from subscriber.simulator.answer import Answer
from subscriber.simulator.validate import MOST_ERRORS, parse

SEVERITY = (
    "'payload.severity' is invalid "
    "(must be one of the following: 'critical', 'warning', 'error' or 'info')"
)
ACTION = (
    "'event_action' is invalid "
    "(must be one of the following: 'trigger', 'acknowledge' or 'resolve')"
)
LENGTH = "Length of 'routing_key' is incorrect (should be 32 characters)"
CHARSET = "'routing_key' cannot contain non-alphanumeric characters."
SUMMARY = "'summary' is too long (maiximum is 1024 characters)"
TIMESTAMP = "'payload.timestamp' is invalid (must be in ISO 8601 format)"
MISSING = {
    name: f"'{name}' is missing or blank"
    for name in (
        "routing_key",
        "event_action",
        "dedup_key",
        "payload.summary",
        "payload.source",
        "payload.severity",
    )
}


def receive(body: object, api: Api = Api.EVENTS, **config: Any) -> tuple[Answer, StandIn]:
    stand_in = StandIn(SimulatorConfig(**config))
    raw = body if isinstance(body, bytes) else encoded(body)
    return stand_in.receive(api, raw, 1000.0).answer, stand_in


def errors_of(body: object, api: Api = Api.EVENTS) -> list[str]:
    """The errors of a 400 in the documented form; nothing may have happened."""
    answer, stand_in = receive(body, api)
    assert answer.status == 400
    document = parse(answer.body)
    assert document is not None
    errors = document.pop("errors")
    assert document == {"status": "invalid event", "message": "Event object is invalid"}
    assert [call.effect for call in stand_in.calls] == [Effect.REJECTED]
    assert next(iter(stand_in.calls)).errors == tuple(errors)
    assert len(stand_in.ledger) == len(stand_in.changes) == 0
    return list(errors)


BLANK: tuple[Any, ...] = ("", "  \t", None)


def absent_or_blank(path: str) -> list[Any]:
    return [
        pytest.param(without(event(), path), id=f"no {path}"),
        *(
            pytest.param(with_value(event(), path, value), id=f"{path}={value!r}")
            for value in BLANK
        ),
    ]


@pytest.mark.parametrize("path", sorted(MISSING.keys() - {"dedup_key"}))
def test_required_fields_of_a_trigger(path: str) -> None:
    for case in absent_or_blank(path):
        assert errors_of(case.values[0]) == [MISSING[path]], case.id


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_acknowledge_and_resolve_need_a_dedup_key(action: str) -> None:
    for case in absent_or_blank("dedup_key"):
        body = case.values[0] | {"event_action": action}
        assert errors_of(body) == [MISSING["dedup_key"]], case.id


@pytest.mark.parametrize("value", ["Critical", "none", "fatal", 1, ["critical"]])
def test_severity_is_one_of_four_lower_case_words(value: object) -> None:
    assert errors_of(with_value(event(), "payload.severity", value)) == [SEVERITY]


@pytest.mark.parametrize("severity", ["critical", "warning", "error", "info"])
def test_each_severity_is_accepted(severity: str) -> None:
    assert receive(with_value(event(), "payload.severity", severity))[0].status == 202


@pytest.mark.parametrize("value", ["Trigger", "0", "close", 0, 5, True, {}, ["trigger"]])
def test_event_action_is_one_of_three(value: object) -> None:
    assert ACTION in errors_of(event() | {"event_action": value})


@pytest.mark.parametrize(
    ("key", "errors"),
    [
        (KEY[:31], [LENGTH]),
        (KEY + "a", [LENGTH]),
        (KEY[:31] + "-", [CHARSET]),
        (KEY[:31] + "é", [CHARSET]),
        ("your-key", [LENGTH, CHARSET]),
        (12345, ["'routing_key' must be a string"]),
        ([KEY], ["'routing_key' must be a string"]),
    ],
)
def test_form_of_the_routing_key(key: object, errors: list[str]) -> None:
    assert errors_of(event(routing_key=key)) == errors


@pytest.mark.parametrize(
    ("path", "good", "bad", "error"),
    [
        ("payload.summary", "ü" * 1024, "ü" * 1025, SUMMARY),
        ("payload.summary", "\U0001f4a5" * 1024, "\U0001f4a5" * 1025, SUMMARY),
        (
            "dedup_key",
            "ü" * 255,
            "ü" * 256,
            "'dedup_key' is too long (maximum is 255 characters)",
        ),
    ],
)
@pytest.mark.parametrize("action", ["trigger", "acknowledge", "resolve"])
def test_lengths_in_characters(action: str, path: str, good: str, bad: str, error: str) -> None:
    assert receive(with_value(event(action), path, good))[0].status == 202
    assert errors_of(with_value(event(action), path, bad)) == [error]


@pytest.mark.parametrize(
    "path",
    [
        "payload.summary",
        "payload.source",
        "payload.component",
        "payload.group",
        "payload.class",
        "client",
        "client_url",
        "dedup_key",
    ],
)
@pytest.mark.parametrize("value", [1, True, ["x"], {"x": 1}], ids=repr)
def test_texts_are_strings(path: str, value: object) -> None:
    assert errors_of(with_value(event(), path, value)) == [f"'{path}' must be a string"]


@pytest.mark.parametrize("value", ["text", 1, ["x"], False], ids=repr)
@pytest.mark.parametrize("path", ["payload", "payload.custom_details"])
def test_objects_are_objects(path: str, value: object) -> None:
    assert errors_of(with_value(event(), path, value)) == [f"'{path}' must be an object"]


@pytest.mark.parametrize(
    "path",
    [
        "payload.timestamp",
        "payload.component",
        "payload.group",
        "payload.class",
        "payload.custom_details",
        "links",
        "images",
        "client",
        "client_url",
    ],
)
def test_optional_fields_may_be_absent_or_null(path: str) -> None:
    assert receive(without(event(), path))[0].status == 202
    assert receive(with_value(event(), path, None))[0].status == 202


@pytest.mark.parametrize(
    "text",
    [
        "2015-07-17T08:42:58.315+0000",
        "2015-07-17T08:42:58Z",
        "2015-07-17T08:42:58.123456789Z",
        "2015-07-17T08:42:58,5-07:30",
        "2015-07-17T08:42",
        "2015-07-17T08:42:58+02",
        "2016-12-31T23:59:60Z",
        "2024-02-29T00:00:00Z",
    ],
)
def test_timestamps_that_pass(text: str) -> None:
    assert receive(with_value(event(), "payload.timestamp", text))[0].status == 202


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1437122578",
        1437122578,
        "2021-10-22 5:01:32",  # refused in public
        "2021-10-22 05:01:32",
        "2021-10-22T5:01:32Z",  # an hour without its zero: refused in public
        "2021-10-22",
        "2021-13-22T05:01:32Z",
        "2023-02-29T05:01:32Z",
        "2021-10-22T24:01:32Z",
        "2021-10-22T05:61:32Z",
        "2021-10-22T05:01:61Z",
        "2021-10-22T05:01:32+24:00",
        "2021-10-22T05:01:32+00:00Z",
        "2021-10-22T05:01:32Z\n",
        "２021-10-22T05:01:32Z",
    ],
)
def test_timestamps_that_do_not(text: object) -> None:
    assert errors_of(with_value(event(), "payload.timestamp", text)) == [TIMESTAMP]


@pytest.mark.parametrize(
    ("member", "value", "errors"),
    [
        ("links", "x", ["'links' must be an array"]),
        ("links", {"href": "x"}, ["'links' must be an array"]),
        ("links", ["x"], ["'links[0]' must be an object"]),
        (
            "links",
            [{"href": "https://a"}, {"text": "a"}],
            ["'links[1].href' is missing or blank"],
        ),
        ("links", [{"href": " "}], ["'links[0].href' is missing or blank"]),
        ("links", [{"href": 1, "text": 2}], [
            "'links[0].href' must be a string",
            "'links[0].text' must be a string",
        ]),
        ("images", 1, ["'images' must be an array"]),
        ("images", [None], ["'images[0]' must be an object"]),
        ("images", [{"alt": "x"}], ["'images[0].src' is missing or blank"]),
        (
            "images",
            [{"src": "http://plain.example/x.png"}],
            ["'images[0].src' is invalid (must be an https URL)"],
        ),
        (
            "images",
            [{"src": "https://x", "href": 1, "alt": []}],
            ["'images[0].href' must be a string", "'images[0].alt' must be a string"],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("api", list(Api))
def test_links_and_images(api: Api, member: str, value: object, errors: list[str]) -> None:
    body = event() if api is Api.EVENTS else change()
    assert errors_of(body | {member: value}, api) == errors


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_a_payload_on_acknowledge_or_resolve_is_checked(action: str) -> None:
    assert receive(without(event(action), "payload"))[0].status == 202
    assert receive(event(action, payload=None))[0].status == 202
    assert errors_of(event(action, payload={"summary": "", "source": "s", "severity": "info"})) == [
        MISSING["payload.summary"]
    ]


def test_all_errors_at_once_in_order() -> None:
    body = {
        "routing_key": "short-key",
        "dedup_key": "d" * 256,
        "payload": {"summary": "s" * 1025, "severity": "bad", "timestamp": "x"},
        "links": [{}],
        "images": [{"src": "http://x"}],
    }
    assert errors_of(body) == [
        LENGTH,
        CHARSET,
        MISSING["event_action"],
        "'dedup_key' is too long (maximum is 255 characters)",
        SUMMARY,
        MISSING["payload.source"],
        "'payload.severity' is invalid "
        "(must be one of the following: 'critical', 'warning', 'error' or 'info')",
        TIMESTAMP,
        "'links[0].href' is missing or blank",
        "'images[0].src' is invalid (must be an https URL)",
    ]
    assert errors_of({"routing_key": KEY, "event_action": "trigger"}) == [
        MISSING["payload.summary"],
        MISSING["payload.source"],
        MISSING["payload.severity"],
    ]


def test_a_thousand_faults_do_not_become_a_thousand_sentences() -> None:
    assert len(errors_of(event(links=[1] * 100_000))) == MOST_ERRORS


@pytest.mark.parametrize("api", list(Api))
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"12",
        b"{} {}",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"routing_key": NaN}',
        b'{"payload": {"custom_details": {"score": Infinity}}}',
        b'{"payload": -Infinity}',
        b'{"a": "\\ud800"}',
        b'{"a": "line\nbreak"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_what_is_not_a_json_object(raw: bytes, api: Api) -> None:
    answer, stand_in = receive(raw, api)
    assert answer.status == 400
    assert parse(answer.body) == {
        "errors": ["JSON parse error"],
        "message": "Event object format is unrecognized",
        "status": "Unrecognized object",
    }
    assert next(iter(stand_in.calls)).effect is Effect.REJECTED


def test_a_whole_surrogate_pair_is_a_character() -> None:
    raw = encoded(event()).replace(b"web failed", b"\\ud83d\\udca5 failed")
    answer, stand_in = receive(raw)
    assert answer.status == 202
    assert next(iter(stand_in.ledger)).summary == "\U0001f4a5 failed in dev"


@pytest.mark.parametrize("limit", [512_000, 524_288])
@pytest.mark.parametrize("status", [400, 413])
def test_size_to_the_byte(limit: int, status: int) -> None:
    body = encoded(event())
    exact = body[:-1] + b" " * (limit - len(body)) + b"}"
    assert receive(exact, size_limit=limit)[0].status == 202
    answer, stand_in = receive(exact + b" ", size_limit=limit, oversize_status=status)
    assert answer.status == status
    assert parse(answer.body) == {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": [f"Event is too large (maximum is {limit} bytes)"],
    }
    assert stand_in.ledger.total == 0


def test_accepted_answers_to_the_byte() -> None:
    answer, _ = receive(event(dedup_key="srv01/HTTP"))
    assert answer.body == (
        b'{"status":"success","message":"Event processed","dedup_key":"srv01/HTTP"}'
    )
    assert answer.content_type.startswith("application/json")
    answer, _ = receive(change(), Api.CHANGES)
    assert answer.status == 202
    assert answer.body == b'{"status":"success","message":"Change event processed"}'


def test_a_trigger_without_dedup_key_gets_one() -> None:
    stand_in = StandIn()
    made = []
    for body in (event(dedup_key=None), event(dedup_key=""), event(dedup_key=None)):
        document = parse(stand_in.receive(Api.EVENTS, encoded(body), 1.0).answer.body)
        assert document is not None
        made.append(document["dedup_key"])
    assert [alert.dedup_key for alert in stand_in.ledger] == made
    assert len(set(made)) == 3
    assert all(len(key) == 32 and key.isalnum() for key in made)


@pytest.mark.parametrize("value", ["summary", "source", "timestamp", "custom_details"])
def test_change_events_need_a_summary_only(value: str) -> None:
    body = without(change(), f"payload.{value}")
    if value == "summary":
        assert errors_of(body, Api.CHANGES) == [MISSING["payload.summary"]]
    else:
        assert receive(body, Api.CHANGES)[0].status == 202


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (without(change(), "payload"), [MISSING["payload.summary"]]),
        (change(payload="x"), ["'payload' must be an object"]),
        (with_value(change(), "payload.summary", "s" * 1025), [SUMMARY]),
        (with_value(change(), "payload.timestamp", "x"), [TIMESTAMP]),
        (with_value(change(), "payload.source", 1), ["'payload.source' must be a string"]),
        (
            with_value(change(), "payload.custom_details", "x"),
            ["'payload.custom_details' must be an object"],
        ),
        (
            change(routing_key=RULESET),
            ["'routing_key' must be the integration key of a service, not of a ruleset"],
        ),
        (change(routing_key="R-x"), [
            LENGTH,
            CHARSET,
            "'routing_key' must be the integration key of a service, not of a ruleset",
        ]),
    ],
)  # fmt: skip
def test_what_a_change_event_may_not_be(body: object, errors: list[str]) -> None:
    assert errors_of(body, Api.CHANGES) == errors


def test_a_ruleset_key_may_send_alerts() -> None:
    assert receive(event(routing_key=RULESET))[0].status == 202


def test_change_events_need_no_action_and_no_dedup_key() -> None:
    answer, stand_in = receive(change(event_action="nonsense", dedup_key=5), Api.CHANGES)
    assert answer.status == 202
    [recorded] = stand_in.changes
    assert (recorded.summary, recorded.source) == ("web 1.2.3 went to dev", "keptn/web")
    assert stand_in.ledger.total == 0
