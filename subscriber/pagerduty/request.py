"""Request and Reply: one HTTP exchange with the Events API as plain values.

Rules: a Request is complete (method POST, JSON), so a port only has to carry it; its body holds the
routing key and therefore never appears in a repr. This module does not know HTTP libraries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from subscriber.model.record import record


class Api(StrEnum):
    """The two endpoints of the Events API v2; the value is the metric label."""

    EVENTS = "events"
    CHANGES = "changes"


@record(frozen=True, slots=True, kw_only=True)
class Request:
    """One POST, ready to send.

    Attributes:
        api: which endpoint.
        service: name of the configured service (for logs, metrics and the rate limit).
        url: absolute URL.
        body: encoded JSON, routing key included; never shown.
    """

    api: Api
    service: str
    url: str
    body: bytes = field(repr=False)


@record(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back.

    Attributes:
        status: HTTP status; 0 when there was no answer.
        body: the answer's bytes, at most 64 KiB of them; may be anything.
        headers: answer headers, lower-case names.
        fault: with status 0, why: ``timeout`` (it may have been accepted), ``connect`` (it was
            not), ``reset`` (it may have been accepted), ``tls`` (it was not).
        seconds: how long the exchange took.
        detail: with a fault, one line for a person; never a secret.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    seconds: float = 0.0
    detail: str = ""
