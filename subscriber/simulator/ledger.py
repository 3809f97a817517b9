"""Ledger: the alerts PagerDuty holds, per (routing key, dedup key), and how events move them.

What an event does is the table `MOVES`, all of PagerDuty's rules in nine rows: a trigger on an
open alert is one more log entry on it (and no new page); a trigger after a resolve is a *new*
alert, never a reopened one; an acknowledge or resolve that finds no open alert is dropped and
creates nothing. The dedup key of another routing key is another alert.

This module does not know HTTP, clocks or the form of an event: valid events come in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from subscriber.simulator.journal import Effect

# Log entries kept per alert; more are counted.
MOST_ENTRIES = 100
# Characters kept of fields that PagerDuty does not limit.
MOST_CHARACTERS = 1024


class Status(StrEnum):
    """Where an alert stands."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


# None: the key has no open alert, because it never had one or because it was resolved.
MOVES: Mapping[tuple[Status | None, str], tuple[Status | None, Effect]] = {
    (None, "trigger"): (Status.TRIGGERED, Effect.OPENED),
    (None, "acknowledge"): (None, Effect.DROPPED),
    (None, "resolve"): (None, Effect.DROPPED),
    (Status.TRIGGERED, "trigger"): (Status.TRIGGERED, Effect.UPDATED),
    (Status.TRIGGERED, "acknowledge"): (Status.ACKNOWLEDGED, Effect.ACKNOWLEDGED),
    (Status.TRIGGERED, "resolve"): (Status.RESOLVED, Effect.RESOLVED),
    (Status.ACKNOWLEDGED, "trigger"): (Status.ACKNOWLEDGED, Effect.UPDATED),
    (Status.ACKNOWLEDGED, "acknowledge"): (Status.ACKNOWLEDGED, Effect.ACKNOWLEDGED),
    (Status.ACKNOWLEDGED, "resolve"): (Status.RESOLVED, Effect.RESOLVED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One event in the life of an alert: when, what, by which call, and a trigger's words."""

    at: float
    action: str
    call: int
    summary: str = ""
    severity: str = ""


@dataclass(slots=True, kw_only=True)
class Alert:
    """One alert; one page was sent when it opened.

    Attributes:
        number: 1 for the first alert since the start or the last reset.
        routing_key, dedup_key: whose it is.
        status: where it stands.
        summary: of the newest trigger; all other fields stay those of the first, as in PagerDuty.
        severity, source, component, group, class_: of the payload that opened it (their
            beginning, where PagerDuty sets no limit).
        opened_by: number of the call that opened it; its body has the custom details.
        opened_at, changed_at, resolved_at: seconds since 1970; None while not resolved.
        triggers: how many triggers it took, the first included.
        entries: how many log entries it has.
        log: the newest of them.
    """

    number: int
    routing_key: str = field(repr=False)
    dedup_key: str
    status: Status
    summary: str
    severity: str
    source: str
    component: str
    group: str
    class_: str
    opened_by: int
    opened_at: float
    changed_at: float
    resolved_at: float | None = None
    triggers: int = 0
    entries: int = 0
    log: deque[LogEntry] = field(default_factory=lambda: deque(maxlen=MOST_ENTRIES))

    @property
    def open(self) -> bool:
        """Triggered or acknowledged."""
        return self.status is not Status.RESOLVED


class Ledger:
    """All alerts, at most `keep`; the longest resolved go first, then the oldest open ones."""

    def __init__(self, keep: int) -> None:
        """An empty ledger."""
        self.total = 0
        self._keep = keep
        self._open: dict[tuple[str, str], Alert] = {}
        self._resolved: deque[Alert] = deque()

    def __len__(self) -> int:
        return len(self._open) + len(self._resolved)

    def __iter__(self) -> Iterator[Alert]:
        """Oldest first."""
        return iter(sorted((*self._open.values(), *self._resolved), key=lambda alert: alert.number))

    @property
    def open(self) -> int:
        """How many alerts are open."""
        return len(self._open)

    def apply(
        self, key: str, dedup_key: str, event: Mapping[str, Any], *, at: float, call: int
    ) -> tuple[Effect, Alert | None]:
        """Let a valid event happen.

        Args:
            key: routing key.
            dedup_key: the event's, or the one made up for it.
            event: the body, valid for its `event_action`.
            at: seconds since 1970.
            call: number of the call that brought it.

        Returns:
            What it did, and the alert it touched, if any.
        """
        action: str = event["event_action"]
        alert = self._open.get((key, dedup_key))
        status, effect = MOVES[alert.status if alert else None, action]
        if status is None:
            return effect, None
        payload: Mapping[str, Any] = event.get("payload") or {}
        if alert is None:
            alert = self._opened(key, dedup_key, payload, at=at, call=call)
        alert.status = status
        alert.changed_at = at
        entry = LogEntry(at=at, action=action, call=call)
        if action == "trigger":
            alert.triggers += 1
            alert.summary = payload["summary"]
            entry = LogEntry(
                at=at,
                action=action,
                call=call,
                summary=payload["summary"],
                severity=payload["severity"],
            )
        alert.entries += 1
        alert.log.append(entry)
        if status is Status.RESOLVED:
            alert.resolved_at = at
            self._resolved.append(self._open.pop((key, dedup_key)))
        return effect, alert

    def _opened(
        self, key: str, dedup_key: str, payload: Mapping[str, Any], *, at: float, call: int
    ) -> Alert:
        if len(self) >= self._keep:
            if self._resolved:
                self._resolved.popleft()
            else:
                del self._open[next(iter(self._open))]
        self.total += 1
        texts = {
            name: (payload.get(name) or "")[:MOST_CHARACTERS]
            for name in ("severity", "source", "component", "group", "class")
        }
        alert = Alert(
            number=self.total,
            routing_key=key,
            dedup_key=dedup_key,
            status=Status.TRIGGERED,
            summary=payload["summary"],
            severity=texts["severity"],
            source=texts["source"],
            component=texts["component"],
            group=texts["group"],
            class_=texts["class"],
            opened_by=call,
            opened_at=at,
            changed_at=at,
        )
        self._open[key, dedup_key] = alert
        return alert
