"""Intent: what PagerDuty should be told, before any routing key or byte exists.

An Intent names a *service*; which routing key that is, only `pagerduty.request_for` learns, at the
very end. So an Intent may be logged, stored in a dead letter and shown on a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from subscriber.model.event import Json
from subscriber.model.record import record


class Action(StrEnum):
    """What is asked of PagerDuty; the first three are Events API v2 `event_action` values."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    CHANGE = "change"


@record(frozen=True, slots=True, kw_only=True, order=True)
class Position:
    """Where an intent stands in the order of events: newest wins per key.

    Attributes:
        epoch: the stream's creation time (see Envelope.stream_epoch).
        sequence: stream sequence of the message.
        index: place among the intents of that message (batch members, several rules).
    """

    epoch: int = 0
    sequence: int = 0
    index: int = 0


FIRST = Position()
"""Older than every real one."""


@record(frozen=True, slots=True, kw_only=True)
class Intent:
    """One thing to say to PagerDuty.

    Attributes:
        action: trigger, acknowledge, resolve or change.
        service: name of a configured service (never a routing key).
        dedup_key: 1 to 255 characters; empty only for change events.
        payload: the Events API `payload` object (summary, source, severity, ...), already within
            PagerDuty's limits, or None (acknowledge and resolve may go without).
        client, client_url, links, images: the optional top-level fields of the Events API.
        rule: name of the rule that asked, e.g. ``keptn/evaluation``.
        event_id, event_source, event_type: the CloudEvent it came from.
        occurred_at: the event's own time, else when NATS stored it; seconds since 1970.
        position: its place in the order.
        notes: what was cut, shed or defaulted on the way, one sentence each.
    """

    action: Action
    service: str
    dedup_key: str = ""
    payload: Mapping[str, Json] | None = None
    client: str = ""
    client_url: str = ""
    links: tuple[Mapping[str, Json], ...] = ()
    images: tuple[Mapping[str, Json], ...] = ()
    rule: str = ""
    event_id: str = ""
    event_source: str = ""
    event_type: str = ""
    occurred_at: float = 0.0
    position: Position = FIRST
    notes: tuple[str, ...] = ()
