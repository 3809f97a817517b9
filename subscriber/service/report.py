"""Report: one line of what happened, for the log, the metrics and whoever watches.

Rules: exactly one report per end of an event or intent; observers get it on the event loop, must
be quick and must not raise. The exceptions are what comes by the ten thousand and needs nothing
done: messages that no rule asks for, and events that a newer one superseded while a backlog was
read. Where nobody minds those, nobody is told of each, they are only counted. A report holds no
secret: intents name services, never keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from subscriber.model import Envelope, Event, Outcome
from subscriber.model.record import record


@record(frozen=True, slots=True, kw_only=True)
class Report:
    """How one event (or one intent of it) ended.

    Attributes:
        outcome: which end, and why.
        envelope: the message.
        event: the CloudEvent; None when the message could not be read as one.
        rule: the rule that asked, empty when none did.
        seconds: from receipt by this process to this end.
        now: when it ended, seconds since 1970.
        trace_id: of the trace it belongs to, 32 hexadecimal digits; empty without tracing.
        held_back: whether it ended while a backlog was read, one of many.
    """

    outcome: Outcome
    envelope: Envelope
    event: Event | None = None
    rule: str = ""
    seconds: float = 0.0
    now: float = 0.0
    trace_id: str = ""
    held_back: bool = False


class Observer(Protocol):
    """Somebody who is told of every report."""

    def note(self, report: Report) -> None:
        """One thing has ended."""


@runtime_checkable
class Choosy(Observer, Protocol):
    """An observer that can do without the reports of what comes by the ten thousand (see above)."""

    def minds_skipped(self) -> bool:
        """Whether it wants them at present; asked about once per turn of the event loop."""


class Observers:
    """Tells several observers, in order."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)
        self._choosy = tuple(one for one in self._observers if isinstance(one, Choosy))

    def minds_skipped(self) -> bool:
        """Whether any of them wants the reports of messages that no rule asks for."""
        if len(self._choosy) < len(self._observers):
            return True
        return any(observer.minds_skipped() for observer in self._choosy)

    def note(self, report: Report) -> None:
        """Pass the report on."""
        for observer in self._observers:
            observer.note(report)
