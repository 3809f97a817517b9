"""Report: one line of what happened, for the log, the metrics and whoever watches.

Rules: exactly one report per end of an event or intent; observers get it on the event loop, must
be quick and must not raise. A report holds no secret: intents name services, never keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from subscriber.model import Envelope, Event, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one event (or one intent of it) ended.

    Attributes:
        outcome: which end, and why.
        envelope: the message.
        event: the CloudEvent; None when the message could not be read as one.
        rule: the rule that asked, empty when none did.
        seconds: from receipt by this process to this end.
        now: when it ended, seconds since 1970.
    """

    outcome: Outcome
    envelope: Envelope
    event: Event | None = None
    rule: str = ""
    seconds: float = 0.0
    now: float = 0.0


class Observer(Protocol):
    """Somebody who is told of every report."""

    def note(self, report: Report) -> None:
        """One thing has ended."""


class Observers:
    """Tells several observers, in order."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def note(self, report: Report) -> None:
        """Pass the report on."""
        for observer in self._observers:
            observer.note(report)
