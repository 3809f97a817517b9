"""How a message ends: acknowledged, given back, or kept as dead letters and then refused.

Rules: everything that the message asked for has ended before; dead letters are confirmed first,
and wait for the last try; each message is answered once. A fault of our own (a bug) is logged with
its trace, tried again, and dead-lettered in the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import structlog

from subscriber.delivery import (
    SETTLEMENT_OF,
    Settlement,
    SettlementKind,
    dead_letter_headers,
    settle,
)
from subscriber.model import Envelope, Event, Outcome, OutcomeKind, Reason
from subscriber.ports.interfaces import Clock, DeadLetters, Held, PortUnavailable
from subscriber.service.book import Book
from subscriber.service.meters import Meters
from subscriber.service.report import Observers, Report

_AWAY_DELAY = 2.0
"""Seconds before a message comes back when NATS itself would not take our writes."""
_BUG_DELAY = 5.0
_BUG_LIMIT = 5
"""Deliveries after which a message that trips over a bug becomes a dead letter."""
_ACKNOWLEDGED = frozenset(
    kind for kind, answer in SETTLEMENT_OF.items() if answer is SettlementKind.ACK
)
_LETTER_BYTES = 16 * 1024 * 1024
_FEWEST_LETTERS = 16
"""Each letter holds its whole message: a batch of 4096 bad events must not become gigabytes."""


@dataclass(slots=True, kw_only=True, eq=False)
class Work:
    """One message on its way.

    Attributes:
        book: the one it is handled by, from beginning to end.
        open: how many of the things it asks for have not ended.
        reports: one per end of the event or of an intent; told once the message has ended.
        copies: render errors whose fallback page went out: for the dead letters, not an end.
        fault: what went wrong on our side, or with NATS, while it was worked on.
        returned: whether it goes back as it is, for somebody else.
    """

    held: Held
    book: Book
    began: float
    open: int = 0
    reports: list[Report] = field(default_factory=list)
    copies: list[Report] = field(default_factory=list)
    fault: Exception | None = None
    returned: bool = False

    @property
    def envelope(self) -> Envelope:
        """The message."""
        return self.held.envelope

    def report(
        self,
        outcome: Outcome,
        now: float,
        event: Event | None = None,
        rule: str = "",
        trace_id: str = "",
    ) -> Report:
        """What is told of one end."""
        return Report(
            outcome=outcome,
            envelope=self.held.envelope,
            event=event,
            rule=rule,
            seconds=now - self.began,
            now=now,
            trace_id=trace_id,
        )


class Ending:
    """Answers NATS, and tells whoever wants to know."""

    def __init__(
        self, *, dead_letters: DeadLetters, observer: Observers, meters: Meters, clock: Clock
    ) -> None:
        self._dead_letters = dead_letters
        self._observer = observer
        self._meters = meters
        self._clock = clock
        self._log = structlog.get_logger("pump")

    @staticmethod
    def is_clean(work: Work) -> bool:
        """Whether nothing has come of the message yet."""
        return not (work.reports or work.copies or work.returned or work.fault)

    def at_once(self, work: Work) -> bool:
        """Acknowledge what needs nothing else, without waiting; False when it needs more."""
        if work.returned or not _needs_only_ack(work):
            return False
        work.held.ack_nowait()
        self._tell(work.reports)
        return True

    async def of(self, work: Work) -> None:
        """Answer, whatever has happened."""
        if work.returned:
            await self.give_back(work.held, 0.0)
            return
        try:
            if _needs_only_ack(work):  # nearly all; 2 us less than the way below
                await work.held.ack()
                self._tell(work.reports)
                return
            if work.fault is not None:
                raise work.fault
            await self._answer(work, settle([report.outcome for report in work.reports]))
        except PortUnavailable as error:
            self._meters.postponed.inc()
            self._log.warning(
                "postponed", reason=Reason.LEDGER_UNAVAILABLE.value, message=str(error)
            )
            await self.give_back(work.held, _AWAY_DELAY)
        except Exception:
            await self._stumbled(work)

    async def give_back(self, held: Held, delay: float) -> None:
        """Have the message delivered again, after so many seconds."""
        try:
            await held.nak(delay)
        except PortUnavailable:
            # NATS is away: its ack_wait gives the message back for us
            self._log.debug("not given back, ack_wait will", sequence=held.envelope.sequence)

    async def _answer(self, work: Work, settlement: Settlement) -> None:
        held = work.held
        if settlement.kind is SettlementKind.NAK:
            self._tell(r for r in work.reports if r.outcome.kind is not OutcomeKind.DEAD_LETTERED)
            await held.nak(settlement.delay)
            return
        dead = [r for r in work.reports if r.outcome.kind is OutcomeKind.DEAD_LETTERED]
        for report in _letters((*dead, *work.copies), len(work.envelope.data)):
            await self._bury(report)
        if settlement.kind is SettlementKind.TERM:
            await held.term(dead[0].outcome.reason.value)
        else:
            await held.ack()
        self._tell(work.reports)

    async def _bury(self, report: Report) -> None:
        event = report.event
        headers = dead_letter_headers(
            report.outcome,
            report.envelope,
            now=report.now,
            event_id=event.id if event else "",
            event_source=event.source if event else "",
            event_type=event.type if event else "",
            rule=report.rule,
        )
        await self._dead_letters.write(report.envelope, headers)
        self._meters.dead_letter(report.outcome)

    def _tell(self, reports: Iterable[Report]) -> None:
        for report in reports:
            self._observer.note(report)

    async def _stumbled(self, work: Work) -> None:
        """A bug: say so with the trace, try again later, give up into the dead letters."""
        envelope = work.envelope
        self._meters.internal_errors.inc()
        self._log.exception(
            "stumbled",
            reason=Reason.INTERNAL_ERROR.value,
            subject=envelope.subject,
            sequence=envelope.sequence,
            deliveries=envelope.delivery_count,
        )
        if envelope.delivery_count < _BUG_LIMIT:
            await self.give_back(work.held, _BUG_DELAY * envelope.delivery_count)
            return
        outcome = Outcome(
            kind=OutcomeKind.DEAD_LETTERED,
            reason=Reason.INTERNAL_ERROR,
            message="an unexpected error, see the log",
        )
        work.reports[:] = [work.report(outcome, self._clock.now())]
        try:
            await self._answer(work, settle([outcome]))
        except PortUnavailable:
            await self.give_back(work.held, _AWAY_DELAY)


def _needs_only_ack(work: Work) -> bool:
    """Whether everything it asked for ended in a way that is acknowledged, without a letter."""
    return (
        work.fault is None
        and not work.copies
        and all(report.outcome.kind in _ACKNOWLEDGED for report in work.reports)
    )


def _letters(reports: tuple[Report, ...], size: int) -> tuple[Report, ...]:
    """Those that get a letter, of all that one message of `size` bytes ended in.

    The last of them says how many more there are; a replay of any brings back the whole message.
    """
    most = max(_FEWEST_LETTERS, _LETTER_BYTES // max(1, size))
    if len(reports) <= most:
        return reports
    last = reports[most - 1]
    message = f"and {len(reports) - most} more of this message: {last.outcome.message}"
    outcome = replace(last.outcome, message=message)
    return (*reports[: most - 1], replace(last, outcome=outcome))
