"""What PagerDuty's answer means: a table from status or fault to a Verdict.

Rules: 2xx counts, 400 and its like never will, the rest comes back. An answer that the Events API
does not give (a redirect, 401, 403, 407, a web page with status 200) is somebody else's on the way,
a proxy or a wrong address: the event is not at fault, so it is tried again. *Ambiguous* means that
PagerDuty may have taken the event although we were not told.

Answers may be anything; only short, printable parts of them are kept, and whatever looks like a
routing key is masked, should a proxy ever echo the request.

This module does not know attempts, delays of our own, or alerts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from subscriber.model import Json, Reason, Verdict, VerdictKind
from subscriber.pagerduty.request import Api, Reply

LONGEST_WAIT = 3600.0
"""Seconds; a larger Retry-After is cut to this."""

MOST_ERRORS = 20
TEXT_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One row of the table."""

    kind: VerdictKind
    reason: Reason
    ambiguous: bool = False
    says: str


_REJECTED = Meaning(
    kind=VerdictKind.REJECTED, reason=Reason.REJECTED, says="PagerDuty refused the request"
)
_IN_BETWEEN = Meaning(
    kind=VerdictKind.RETRY,
    reason=Reason.UNREACHABLE,
    says="something before PagerDuty answered, check proxy and events_url",
)
_SERVER_ERROR = Meaning(
    kind=VerdictKind.RETRY,
    reason=Reason.SERVER_ERROR,
    ambiguous=True,
    says="PagerDuty failed",
)

ACCEPTED = Meaning(
    kind=VerdictKind.ACCEPTED, reason=Reason.ACCEPTED, says="PagerDuty took the event"
)
NOT_PAGERDUTY = Meaning(
    kind=VerdictKind.RETRY,
    reason=Reason.UNREACHABLE,
    ambiguous=True,
    says="the answer is not PagerDuty's, check proxy and events_url",
)

STATUSES: Mapping[int, Meaning] = {
    401: _IN_BETWEEN,
    403: _IN_BETWEEN,
    407: _IN_BETWEEN,
    408: Meaning(
        kind=VerdictKind.RETRY,
        reason=Reason.TIMED_OUT,
        ambiguous=True,
        says="PagerDuty waited too long for the request",
    ),
    425: Meaning(
        kind=VerdictKind.RETRY, reason=Reason.SERVER_ERROR, says="PagerDuty was not ready yet"
    ),
    429: Meaning(
        kind=VerdictKind.RETRY,
        reason=Reason.THROTTLED,
        says="PagerDuty throttles this routing key",
    ),
}
"""Single statuses; all others follow their hundred."""

HUNDREDS: Mapping[int, Meaning] = {
    1: _IN_BETWEEN,
    2: ACCEPTED,
    3: _IN_BETWEEN,
    4: _REJECTED,
    5: _SERVER_ERROR,
}

FAULTS: Mapping[str, Meaning] = {
    "timeout": Meaning(
        kind=VerdictKind.RETRY,
        reason=Reason.TIMED_OUT,
        ambiguous=True,
        says="no answer in time",
    ),
    "connect": Meaning(
        kind=VerdictKind.RETRY, reason=Reason.UNREACHABLE, says="no connection to PagerDuty"
    ),
    "reset": Meaning(
        kind=VerdictKind.RETRY,
        reason=Reason.UNREACHABLE,
        ambiguous=True,
        says="the connection broke before the answer",
    ),
    "tls": Meaning(
        kind=VerdictKind.RETRY,
        reason=Reason.UNREACHABLE,
        says="no TLS connection to PagerDuty, check certificates",
    ),
}

UNKNOWN_FAULT = Meaning(
    kind=VerdictKind.RETRY,
    reason=Reason.UNREACHABLE,
    ambiguous=True,
    says="no answer",
)

_KEY = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{32}(?![A-Za-z0-9])")
_ABOUT_KEY = re.compile(r"routing[ _-]?key", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")
_TAGS = re.compile(r"<[^<>]*>")


def judge(api: Api, reply: Reply, *, now: float = 0.0) -> Verdict:
    """Judge one exchange.

    Args:
        api: which endpoint was asked; it appears in the message.
        reply: what came back.
        now: seconds since 1970, to read a Retry-After that is a date.
    """
    if reply.status == 202:  # nothing in the answer can change it
        return _TAKEN[api]
    answer = _json(reply.body)
    meaning = _meaning(reply, answer)
    accepted = meaning.kind is VerdictKind.ACCEPTED
    errors = () if accepted else _errors(answer, reply.body)
    return Verdict(
        kind=meaning.kind,
        reason=meaning.reason,
        ambiguous=meaning.ambiguous,
        retry_after=_retry_after(reply, now) if meaning.kind is VerdictKind.RETRY else None,
        status=reply.status,
        message=_message(api, reply, meaning, answer, errors),
        errors=errors,
    )


_TAKEN = {
    api: Verdict(
        kind=ACCEPTED.kind,
        reason=ACCEPTED.reason,
        status=202,
        message=f"{api.value}: {ACCEPTED.says} (status 202)",
    )
    for api in Api
}


def is_about_the_key(verdict: Verdict) -> bool:
    """Whether PagerDuty refused the request because it does not know the routing key.

    Seen as a bare text, ``Invalid routing key``, as ``InvalidRoutingKey``, and among `errors`
    (``'routing_key' is missing or invalid``, ``... is not a valid routing key``).
    """
    if verdict.status not in (400, 404):
        return False
    return any(_ABOUT_KEY.search(text) for text in (*verdict.errors, verdict.message))


def _meaning(reply: Reply, answer: Json) -> Meaning:
    status = reply.status
    if status == 0:
        return FAULTS.get(reply.fault, UNKNOWN_FAULT)
    meaning = STATUSES.get(status) or HUNDREDS.get(status // 100, _IN_BETWEEN)
    if meaning is ACCEPTED and status != 202 and reply.body.strip():
        # PagerDuty says 202. Another 2xx with a page for people is a login form or the like.
        return ACCEPTED if isinstance(answer, dict) else NOT_PAGERDUTY
    return meaning


def _json(body: bytes) -> Json:
    try:
        value: Json = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return value


def _errors(answer: Json, body: bytes) -> tuple[str, ...]:
    """PagerDuty's own words: `errors` in any shape it was ever seen in, else the bare body."""
    found: Json = None
    if isinstance(answer, dict):
        nested = answer.get("error")
        found = answer.get("errors") or (
            nested.get("errors") or nested.get("message") if isinstance(nested, dict) else nested
        )
    elif isinstance(answer, list | str):
        found = answer
    elif answer is None:
        found = _TAGS.sub(" ", body.decode("utf-8", "replace"))
    if isinstance(found, dict):
        found = [f"{name}: {value}" for name, value in found.items()]
    listed = found if isinstance(found, list) else [found]
    texts = (_short(text) for text in listed[:MOST_ERRORS] if text is not None)
    return tuple(text for text in texts if text)


def _message(
    api: Api, reply: Reply, meaning: Meaning, answer: Json, errors: tuple[str, ...]
) -> str:
    spoken = answer.get("message") if isinstance(answer, dict) else None
    detail = _short(spoken) if isinstance(spoken, str) and meaning is not ACCEPTED else ""
    status = f" (status {reply.status})" if reply.status else ""
    extra = detail or (errors[0] if errors else "")
    return f"{api.value}: {meaning.says}{status}{': ' + extra if extra else ''}"


def _short(value: object) -> str:
    """One printable line without anything that looks like a routing key."""
    text = value if isinstance(value, str) else str(value)
    # Masked before it is cut: half a key is still a secret.
    line = _KEY.sub("***", _BLANKS.sub(" ", text)).strip()
    line = "".join(c if c.isprintable() else "\ufffd" for c in line[: TEXT_CHARACTERS + 1])
    return line if len(line) <= TEXT_CHARACTERS else line[: TEXT_CHARACTERS - 1] + "…"


def _retry_after(reply: Reply, now: float) -> float | None:
    """Seconds to wait: `Retry-After` (seconds or a date), else `ratelimit-reset` (seconds)."""
    for name in ("retry-after", "ratelimit-reset"):
        text = reply.headers.get(name, "").strip()
        seconds = _seconds(text)
        if seconds is None and name == "retry-after":
            seconds = _until(text, now)
        if seconds is not None:
            return min(max(seconds, 0.0), LONGEST_WAIT)
    return None


def _seconds(text: str) -> float | None:
    return float(text[:12]) if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) else None


def _until(text: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.timestamp() - now
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
