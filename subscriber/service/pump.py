"""The pump: takes messages, has them said, and ends each of them exactly once.

Rules: nothing is acknowledged before it is delivered, deliberately skipped or written to the dead
letters; a message we cannot finish goes back with a delay. A message that no rule asks for is
looked at, acknowledged and counted on the spot: nearly all of them are (0.9 us beside the look
itself; a task and a report for each took 25). Every other message in hand is a task of its own, and
the source never hands over more than the capacity. A message held long is reported in
progress so that no other replica takes it. A fault of our own (a bug) is logged with its trace,
tried again, and dead-lettered in the end: it never stops the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace

import structlog

from subscriber.cloudevent import decode_each, peek_type
from subscriber.delivery import (
    Settlement,
    SettlementKind,
    dead_letter_headers,
    origin_of,
    settle,
)
from subscriber.model import (
    Envelope,
    Event,
    Intent,
    Outcome,
    OutcomeKind,
    Problem,
    Reason,
)
from subscriber.ports.interfaces import Clock, DeadLetters, Held, PortUnavailable, Source
from subscriber.rules import Arrival, Trace, plan
from subscriber.service.book import Book
from subscriber.service.meters import Meters
from subscriber.service.report import Observers, Report

Deliver = Callable[[Intent, Envelope, Book], Awaitable[Outcome]]

_AWAY_DELAY = 2.0
"""Seconds before a message comes back when NATS itself would not take our writes."""
_BUG_DELAY = 5.0
_BUG_LIMIT = 5
"""Deliveries after which a message that trips over a bug becomes a dead letter."""
_LETTER_BYTES = 16 * 1024 * 1024
_FEWEST_LETTERS = 16
"""Each letter holds its whole message: a batch of 4096 bad events must not become gigabytes."""


@dataclass(slots=True, kw_only=True)
class _Work:
    """One message on its way.

    Attributes:
        book: the one it is handled by, from beginning to end.
        reports: one per end of the event or of an intent; told once the message has ended.
        copies: render errors whose fallback page went out: for the dead letters, not an end.
    """

    held: Held
    book: Book
    began: float
    reports: list[Report] = field(default_factory=list)
    copies: list[Report] = field(default_factory=list)

    @property
    def envelope(self) -> Envelope:
        return self.held.envelope


class Pump:
    """Moves messages from a source through the rules to `deliver`."""

    def __init__(
        self,
        *,
        source: Source,
        book: Book,
        deliver: Deliver,
        dead_letters: DeadLetters,
        observer: Observers,
        meters: Meters,
        clock: Clock,
        size_limit: int,
        ack_wait: float,
    ) -> None:
        self._source = source
        self._book = book
        self._deliver = deliver
        self._dead_letters = dead_letters
        self._observer = observer
        self._meters = meters
        self._clock = clock
        self._size_limit = size_limit
        self._keepalive_every = ack_wait / 4
        self._tasks: dict[asyncio.Task[None], _Work] = {}
        self._keepalive: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("pump")
        # Of the messages that came in this turn of the event loop: how many, when the turn began,
        # and whether somebody wants a report of those that no rule asks for.
        self._came = self._came_again = self._nobodys = 0
        self._turn_began = 0.0
        self._minds_skipped = False

    async def start(self, *, capacity: int) -> None:
        """Begin to take messages; may be tried again when the source is not there."""
        await self._source.start(self._take, capacity=capacity)
        self._keepalive = asyncio.create_task(self._keep_alive())

    async def drain(self, within: float) -> int:
        """Take nothing more, finish what is in hand; what is left after `within` seconds goes back.

        Returns:
            how many messages were given back.
        """
        await self._source.stop()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=within)
        left = dict(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for work in left.values():
            await self._give_back(work.held, 0.0)
        if self._keepalive is not None:
            self._keepalive.cancel()
            await asyncio.gather(self._keepalive, return_exceptions=True)
        return len(left)

    @property
    def in_hand(self) -> int:
        """Messages taken and not ended."""
        return len(self._tasks)

    def oldest(self, now: float) -> float:
        """For how many seconds the oldest message in hand has been here; 0 when there is none."""
        first = next(iter(self._tasks.values()), None)  # they are in the order of their arrival
        return max(0.0, now - first.began) if first else 0.0

    def fault(self) -> str:
        """Empty while what must run inside runs; else what has died."""
        dead = self._keepalive is not None and self._keepalive.done()
        return "nothing keeps messages in hand alive any more" if dead else ""

    def switch(self, book: Book) -> None:
        """Handle messages by another book from the next one on."""
        self._book = book

    # -- one message -------------------------------------------------------------------------

    def _take(self, held: Held) -> None:
        if not self._came:
            asyncio.get_running_loop().call_soon(self._end_turn)
            self._turn_began = self._clock.now()
            self._minds_skipped = self._observer.minds_skipped()
        self._came += 1
        if held.redelivered:
            self._came_again += 1
        if self._is_nobodys(held):
            held.ack_nowait()
            if self._minds_skipped:
                self._observer.note(
                    Report(outcome=_NOBODYS, envelope=held.envelope, now=self._turn_began)
                )
            else:
                self._nobodys += 1
            return
        work = _Work(held=held, book=self._book, began=self._clock.now())
        task = asyncio.get_running_loop().create_task(self._handle(work))
        self._tasks[task] = work
        task.add_done_callback(self._forget)

    def _end_turn(self) -> None:
        self._meters.came(
            self._came, again=self._came_again, nobodys=self._nobodys, now=self._turn_began
        )
        self._came = self._came_again = self._nobodys = 0

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)

    async def _handle(self, work: _Work) -> None:
        try:
            await self._end(work, await self._process(work))
        except PortUnavailable as error:
            self._meters.postponed.inc()
            self._log.warning(
                "postponed", reason=Reason.LEDGER_UNAVAILABLE.value, message=str(error)
            )
            await self._give_back(work.held, _AWAY_DELAY)
        except asyncio.CancelledError:
            raise
        except Exception:
            await self._stumbled(work)

    def _is_nobodys(self, held: Held) -> bool:
        """Whether no rule can want it; a cheap look, for most events are nobody's concern."""
        if len(held.data) > self._size_limit:
            return False
        try:
            event_type = peek_type(held)
            return event_type is not None and not self._book.rules.concerning(event_type)
        except Exception:  # a bug of ours will show where bugs are dealt with
            return False

    async def _process(self, work: _Work) -> Settlement:
        """Read, plan and deliver everything in the message."""
        envelope = work.envelope
        origin = origin_of(envelope)  # a replayed dead letter keeps its first place
        arrival = Arrival(
            epoch=origin.epoch, sequence=origin.sequence, received_at=origin.received_at
        )
        said: list[Awaitable[None]] = []
        for result in decode_each(envelope, size_limit=self._size_limit):
            if isinstance(result, Problem):
                work.reports.append(self._report(work, _dead(result)))
                continue
            traces = plan(work.book.rules, result, arrival)
            if not traces:
                nobody = _skipped(Reason.NO_RULE_MATCHED)
                work.reports.append(self._report(work, nobody, result))
            for trace in traces:
                if trace.reason is Reason.MATCHED:
                    self._meters.matched(trace.rule)
                if trace.intent is not None:
                    said.append(self._say(work, result, trace, trace.intent))
                if trace.problem is not None:
                    self._meters.render_error(trace.rule)
                    ends = work.reports if trace.intent is None else work.copies
                    ends.append(self._report(work, _dead(trace.problem), result, trace))
                elif trace.intent is None:
                    outcome = _skipped(trace.reason, trace.detail)
                    work.reports.append(self._report(work, outcome, result, trace))
        if len(said) == 1:
            await said[0]
        elif said:
            await asyncio.gather(*said)
        return settle([report.outcome for report in work.reports])

    async def _say(self, work: _Work, event: Event, trace: Trace, intent: Intent) -> None:
        outcome = await self._deliver(intent, work.envelope, work.book)
        work.reports.append(self._report(work, outcome, event, trace))

    def _report(
        self, work: _Work, outcome: Outcome, event: Event | None = None, trace: Trace | None = None
    ) -> Report:
        now = self._clock.now()
        return Report(
            outcome=outcome,
            envelope=work.envelope,
            event=event,
            rule=trace.rule if trace else "",
            seconds=now - work.began,
            now=now,
        )

    async def _end(self, work: _Work, settlement: Settlement) -> None:
        """Answer NATS; dead letters are confirmed first, and wait for the last try."""
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

    # -- trouble -----------------------------------------------------------------------------

    async def _stumbled(self, work: _Work) -> None:
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
            await self._give_back(work.held, _BUG_DELAY * envelope.delivery_count)
            return
        outcome = Outcome(
            kind=OutcomeKind.DEAD_LETTERED,
            reason=Reason.INTERNAL_ERROR,
            message="an unexpected error, see the log",
        )
        work.reports[:] = [self._report(work, outcome)]
        try:
            await self._end(work, settle([outcome]))
        except PortUnavailable:
            await self._give_back(work.held, _AWAY_DELAY)

    async def _give_back(self, held: Held, delay: float) -> None:
        try:
            await held.nak(delay)
        except PortUnavailable:
            # NATS is away: its ack_wait gives the message back for us
            self._log.debug("not given back, ack_wait will", sequence=held.envelope.sequence)

    async def _keep_alive(self) -> None:
        """Tell NATS about messages that stay in hand for long."""
        while True:
            await self._clock.sleep(self._keepalive_every)
            limit = self._clock.now() - self._keepalive_every
            for work in list(self._tasks.values()):
                if work.began <= limit:
                    try:
                        await work.held.in_progress()
                    except PortUnavailable:
                        break


_NOBODYS = Outcome(kind=OutcomeKind.SKIPPED, reason=Reason.NO_RULE_MATCHED)


def _skipped(reason: Reason, detail: str = "") -> Outcome:
    return Outcome(kind=OutcomeKind.SKIPPED, reason=reason, message=detail)


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


def _dead(problem: Problem) -> Outcome:
    return Outcome(kind=OutcomeKind.DEAD_LETTERED, reason=problem.reason, message=str(problem))
