"""What comes from outside cannot write the log: no line of its own, no command to a terminal."""

from __future__ import annotations

import io
import json

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from subscriber.service.journal import Redactor, set_up

SECRET = "c0rrect-h0rse/b@ttery"
HOSTILE = 'a\r\n{"event": "delivered", "level": "info"}\x1b[2J\x9b31m\x7f\x07\u2028\u202e\u200b'


def logged(style: str, **fields: object) -> str:
    out = io.StringIO()
    set_up(style=style, stream=out, redactor=Redactor([SECRET]))  # type: ignore[arg-type]
    try:
        structlog.get_logger().info("delivered", **fields)
    finally:
        structlog.reset_defaults()
    return out.getvalue()


@pytest.mark.parametrize("style", ["json", "text"])
@pytest.mark.parametrize(
    "value", [HOSTILE, [HOSTILE], {"a": HOSTILE}, {HOSTILE: 1}, ValueError(HOSTILE)]
)
def test_one_line_stays_one_line_that_a_terminal_only_shows(style: str, value: object) -> None:
    text = logged(style, message=value)
    assert text.endswith("\n")
    assert text[:-1].isprintable()


@given(value=st.text())
def test_json_says_what_was_said(value: str) -> None:
    text = logged("json", message=value)
    assert text[:-1].isprintable()
    if not ("://" in value and "@" in value):
        assert json.loads(text)["message"] == value


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_trace_cannot_pass_for_a_line_of_the_log(style: str) -> None:
    out = io.StringIO()
    set_up(style=style, stream=out, redactor=Redactor([SECRET]))  # type: ignore[arg-type]
    try:
        raise ValueError(
            f"2026-11-21T00:00:00Z [info] fine\n2026-11-21 [info] forged {HOSTILE}{SECRET}"
        )
    except ValueError:
        structlog.get_logger().exception("stumbled")
    finally:
        structlog.reset_defaults()
    lines = out.getvalue().rstrip("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    assert SECRET not in out.getvalue()
    if style == "json":
        assert len(lines) == 1
    else:
        assert all(line.startswith("    | ") for line in lines[1:])


@pytest.mark.parametrize("style", ["json", "text"])
@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        SECRET.encode(),
        {SECRET},
        {SECRET: 1},
        {"a": {"b": [SECRET]}},
        OSError(SECRET),
        "http://user:c0rrect-h0rse%2Fb%40ttery@proxy:3128",
        "c0rrect-h0rse%2Fb%40ttery",
        f"nats://user:{SECRET}@nats:4222",
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_secret_is_masked_in_whatever_it_is_wrapped(style: str, value: object) -> None:
    text = logged(style, message=value)
    assert SECRET not in text
    assert "c0rrect-h0rse" not in text
    assert "****" in text


@given(
    secret=st.text(min_size=6).filter(lambda text: "*" not in text),
    before=st.text(),
    after=st.text(),
    deep=st.booleans(),
)
def test_any_secret_is_masked_in_any_text(secret: str, before: str, after: str, deep: bool) -> None:
    """In a line of plain values, which is looked through as a whole, and in any other."""
    out = io.StringIO()
    set_up(style="json", stream=out, redactor=Redactor([secret]))
    try:
        value = f"{before}{secret}{after}"
        structlog.get_logger().info("delivered", message=[value] if deep else value, sequence=1)
    finally:
        structlog.reset_defaults()
    said = json.loads(out.getvalue())
    assert secret not in str(said["message"][0] if deep else said["message"])
    assert "****" in str(said["message"])
    assert (said["event"], said["sequence"]) == ("delivered", 1)


@pytest.mark.parametrize(
    "value", [2**70, -(2**70), "\ud800", 1e300, float("inf"), b"x", {"a"}, None, True]
)
def test_whatever_is_logged_becomes_a_line(value: object) -> None:
    said = json.loads(logged("json", message=value, sequence=7))
    assert (said["event"], said["sequence"]) == ("delivered", 7)
