"""The headers of a dead letter: why the message beside them could not be delivered.

Rules: the original message stays untouched beside these headers. Values are printable ASCII (NATS
headers are one line each; anything else is written as an escape), bounded in length, and never a
secret: a token that could be a routing key is cut out of free text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from subscriber.model import Envelope, Outcome, Problem, Reason

PREFIX = "Dead-Letter-"
LONGEST = 256
"""Characters of one value; the sentence and the errors may have four times as many."""

_ROUTING_KEY = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{32}(?![0-9A-Za-z])")


def headers(
    cause: Outcome | Problem,
    envelope: Envelope,
    *,
    now: float,
    event_id: str = "",
    event_source: str = "",
    event_type: str = "",
    rule: str = "",
) -> Mapping[str, str]:
    """Describe a dead letter; empty facts are left out.

    Args:
        cause: the outcome that ended it, or the problem that kept it from becoming an intent.
        envelope: the message as it arrived.
        now: seconds since 1970.
        event_id, event_source, event_type, rule: what is known of the event when `cause` has no
            intent (an outcome's intent knows better).
    """
    reason, message, errors, attempts, status = _cause(cause)
    intent = cause.intent if isinstance(cause, Outcome) else None
    if intent is not None:
        event_id, event_source = intent.event_id, intent.event_source
        event_type, rule = intent.event_type, intent.rule
    facts: dict[str, str] = {
        "Reason": reason.value,
        "Message": _sentence(message),
        "Errors": _sentence("; ".join(errors)),
        "Rule": _plain(rule),
        "Action": intent.action.value if intent is not None else "",
        "Service": _plain(intent.service) if intent is not None else "",
        "Dedup-Key": _plain(intent.dedup_key) if intent is not None else "",
        "Event-Id": _plain(event_id),
        "Event-Source": _plain(event_source),
        "Event-Type": _plain(event_type),
        "Status": str(status) if status else "",
        "Attempts": str(attempts),
        "Deliveries": str(envelope.delivery_count),
        "Subject": _plain(envelope.subject),
        "Stream": _plain(envelope.stream),
        "Sequence": str(envelope.sequence),
        "Received-At": _time(envelope.received_at),
        "Written-At": _time(now),
    }
    return {PREFIX + name: value for name, value in facts.items() if value}


def _cause(cause: Outcome | Problem) -> tuple[Reason, str, tuple[str, ...], int, int]:
    if isinstance(cause, Outcome):
        return cause.reason, cause.message, cause.errors, cause.attempts, cause.status
    return cause.reason, str(cause), (), 0, 0


def _plain(text: str, limit: int = LONGEST) -> str:
    """Printable ASCII on one line, at most `limit` characters."""
    # Escaping only lengthens, so cutting first bounds the work on a hostile value.
    escaped = "".join(
        c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text[:limit]
    ).strip()
    cut = len(escaped) > limit or len(text) > limit
    return escaped[: limit - 3] + "..." if cut else escaped


def _sentence(text: str) -> str:
    """Free text, which may quote what somebody sent us or PagerDuty answered."""
    return _plain(_ROUTING_KEY.sub("[redacted]", text[: LONGEST * 8]), LONGEST * 4)


def _time(seconds: float) -> str:
    if not 0 < seconds < 253402300800:  # year 10000: datetime ends there
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
