"""Every status and every fault has a verdict; every body survives."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriber.model import Reason, Verdict, VerdictKind
from subscriber.pagerduty import Api, Reply, judge
from subscriber.pagerduty.judge import LONGEST_WAIT

KEY = "e93facc04764012d7bfb002500d5d1a6"


def verdict(status: int, body: object = b"", **headers: str) -> Verdict:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return judge(Api.EVENTS, Reply(status=status, body=raw, headers=named), now=1445412400.0)


def expected(status: int) -> tuple[VerdictKind, Reason, bool]:
    """The contract in words of its own: see docs/pagerduty.md."""
    if 200 <= status <= 299:
        return VerdictKind.ACCEPTED, Reason.ACCEPTED, False
    if status == 429:
        return VerdictKind.RETRY, Reason.THROTTLED, False
    if status == 408:
        return VerdictKind.RETRY, Reason.TIMED_OUT, True
    if status == 425:
        return VerdictKind.RETRY, Reason.SERVER_ERROR, False
    if 500 <= status <= 599:
        return VerdictKind.RETRY, Reason.SERVER_ERROR, True
    if status in (401, 403, 407) or status < 400:
        return VerdictKind.RETRY, Reason.UNREACHABLE, False
    return VerdictKind.REJECTED, Reason.REJECTED, False


@pytest.mark.parametrize("status", range(1, 600))
def test_every_status(status: int) -> None:
    got = verdict(status)
    assert (got.kind, got.reason, got.ambiguous) == expected(status)
    assert got.status == status
    assert str(status) in got.message


@pytest.mark.parametrize("status", [600, 700, 999, 12345])
def test_a_status_that_does_not_exist_is_tried_again(status: int) -> None:
    assert verdict(status).kind is VerdictKind.RETRY


@pytest.mark.parametrize(
    ("fault", "reason", "ambiguous"),
    [
        ("timeout", Reason.TIMED_OUT, True),
        ("connect", Reason.UNREACHABLE, False),
        ("reset", Reason.UNREACHABLE, True),
        ("tls", Reason.UNREACHABLE, False),
        ("", Reason.UNREACHABLE, True),
        ("something new", Reason.UNREACHABLE, True),
    ],
)
def test_every_fault(fault: str, reason: Reason, ambiguous: bool) -> None:
    got = judge(Api.CHANGES, Reply(status=0, fault=fault))
    assert (got.kind, got.reason, got.ambiguous) == (VerdictKind.RETRY, reason, ambiguous)
    assert got.message.startswith("changes: ")


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b"[]", b"OK", b"null"])
def test_a_page_with_status_200_is_not_pagerduty(body: bytes) -> None:
    got = verdict(200, body)
    assert (got.kind, got.reason, got.ambiguous) == (
        VerdictKind.RETRY,
        Reason.UNREACHABLE,
        True,
    )
    assert verdict(202, body).kind is VerdictKind.ACCEPTED
    assert verdict(200, {"status": "success"}).kind is VerdictKind.ACCEPTED


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {"status": "invalid event", "message": "Event object is invalid", "errors": ["a", "b"]},
            ("a", "b"),
        ),
        ({"errors": "one text"}, ("one text",)),
        ({"errors": {"summary": "too long"}}, ("summary: too long",)),
        ({"error": {"message": "Rate Limit Exceeded", "code": 2020}}, ("Rate Limit Exceeded",)),
        ({"error": {"errors": ["x", None, 7]}}, ("x", "7")),
        ({"error": "bare"}, ("bare",)),
        (["top", "level"], ("top", "level")),
        (b"Invalid routing key", ("Invalid routing key",)),
        (b'"InvalidRoutingKey"', ("InvalidRoutingKey",)),
        (b"<html><title>400</title>\n<b>Bad\tRequest</b></html>", ("400 Bad Request",)),
        (b"", ()),
        (b"\xff\xfe\x00", ("\ufffd\ufffd\ufffd",)),
        ({"errors": []}, ()),
        (b"[" * 60_000, ("[" * 299 + "…",)),
        (b"17", ()),
    ],
)
def test_errors_are_found_in_every_shape(body: object, errors: tuple[str, ...]) -> None:
    assert verdict(400, body).errors == errors


def test_errors_are_bounded() -> None:
    got = verdict(400, {"errors": ["x" * 5000] * 500})
    assert len(got.errors) == 20
    assert all(len(error) <= 300 for error in got.errors)
    assert len(got.message) < 500


@pytest.mark.parametrize(
    "body",
    [
        {"errors": [f"bad key {KEY}"], "message": f"{KEY} is unknown"},
        f"routing_key={KEY}".encode(),
        f"{' ' * 1190}{KEY}".encode(),
        json.dumps({"routing_key": KEY}).encode() + b"garbage",
        f"{'x ' * 2040}{KEY}".encode(),
    ],
)
@pytest.mark.parametrize("status", [0, 200, 400, 500])
def test_an_echoed_routing_key_is_masked(status: int, body: object) -> None:
    text = repr(verdict(status, body))
    assert KEY not in text
    assert KEY[:8] not in text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "17"}, 17.0),
        ({"retry_after": " 1.5 "}, 1.5),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 80.0),
        ({"retry_after": "Wed, 21 Oct 2015 09:28:00 +0200"}, 80.0),
        ({"retry_after": "Wed, 21 Oct 2015 07:00:00 GMT"}, 0.0),
        ({"retry_after": "999999999999999999999999"}, LONGEST_WAIT),
        ({"ratelimit_reset": "42"}, 42.0),
        ({"retry_after": "soon", "ratelimit_reset": "42"}, 42.0),
        ({"retry_after": "5", "ratelimit_reset": "42"}, 5.0),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "NaN"}, None),
        ({"retry_after": "1e9"}, None),
        ({"retry_after": "٣"}, None),
        ({"retry_after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert verdict(429, **headers).retry_after == seconds
    assert verdict(503, **headers).retry_after == seconds
    assert verdict(400, **headers).retry_after is None
    assert verdict(202, **headers).retry_after is None


@given(
    status=st.integers(0, 700),
    body=st.binary(max_size=300) | st.text(max_size=100).map(str.encode),
    header=st.text(max_size=40),
)
def test_judge_survives_anything(status: int, body: bytes, header: str) -> None:
    reply = Reply(
        status=status, body=body, headers={"retry-after": header, "ratelimit-reset": header}
    )
    got = judge(Api.EVENTS, reply, now=0.0)
    assert got.message.isprintable()
    assert all(error.isprintable() for error in got.errors)
    assert got.retry_after is None or 0 <= got.retry_after <= LONGEST_WAIT
