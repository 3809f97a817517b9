"""Answer: one HTTP answer of the Events API as a plain value, with PagerDuty's own words.

The texts are those that users of the real API quote in public issues, or that PagerDuty's
documentation shows; they are repeated here byte for byte, misspellings included, because people
search for them. Texts nobody has published are marked *not published* in `validate`.

This module does not know when an answer is given; `stand_in` decides.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back.

    Attributes:
        status: HTTP status.
        body: the bytes, exactly.
        content_type: value of the header of that name; empty for an answer without body.
        headers: further headers, lower-case names.
    """

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Headers = field(default=())


def _json(status: int, document: object, headers: Headers = ()) -> Answer:
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status=status, body=body, headers=headers)


def event_accepted(dedup_key: str) -> Answer:
    """202 of /v2/enqueue."""
    return _json(202, {"status": "success", "message": "Event processed", "dedup_key": dedup_key})


def change_accepted() -> Answer:
    """202 of /v2/change/enqueue: no dedup_key."""
    return _json(202, {"status": "success", "message": "Change event processed"})


def invalid(errors: Sequence[str], status: int = 400) -> Answer:
    """The event was read and refused; every error at once."""
    return _json(
        status,
        {
            "status": "invalid event",
            "message": "Event object is invalid",
            "errors": list(errors),
        },
    )


def unreadable() -> Answer:
    """The body is not a JSON object."""
    return _json(
        400,
        {
            "status": "Unrecognized object",
            "message": "Event object format is unrecognized",
            "errors": ["JSON parse error"],
        },
    )


def unknown_routing_key() -> Answer:
    """A well-formed key nobody owns: plain text, not JSON."""
    return Answer(status=400, body=b"Invalid routing key", content_type=TEXT)


def throttled(headers: Headers = ()) -> Answer:
    """429; the real API documents no header, so headers are a switch."""
    return _json(
        429,
        {
            "status": "throttle exceeded",
            "message": "Requests for this service are arriving too quickly.  Please retry later.",
            "errors": ["Enhance Your Calm."],
        },
        headers,
    )


def server_error(status: int, headers: Headers = ()) -> Answer:
    """A 4xx or 5xx with the JSON shape of the API."""
    phrase = HTTPStatus(status).phrase
    return _json(
        status,
        {"status": "error", "message": phrase, "errors": [f"Simulated {status} {phrase}"]},
        headers,
    )


def proxy_page(status: int, headers: Headers = ()) -> Answer:
    """What a load balancer in front says: HTML."""
    title = f"{status} {HTTPStatus(status).phrase}"
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\r\n"
    return Answer(status=status, body=body.encode(), content_type=HTML, headers=headers)


def plain(status: int, text: str, headers: Headers = ()) -> Answer:
    """Bare text where a client expects JSON."""
    return Answer(status=status, body=text.encode(), content_type=TEXT, headers=headers)
