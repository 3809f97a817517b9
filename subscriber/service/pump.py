"""The pump: takes messages, has them said, and ends each of them exactly once.

Rules: nothing is acknowledged before it is delivered, deliberately skipped or written to the dead
letters; a message we cannot finish goes back with a delay. The source never hands over more than
the capacity. A message held long is reported in progress so that no other replica takes it. A fault
of our own (a bug) never stops the loop.

Three ways, by what a message needs. One that no rule asks for is looked at, acknowledged and
counted on the spot: nearly all of them are (1.2 us beside the look itself; a task and a report for
each took 25). One of a backlog is read as far as its place in the order is known and held back;
most of those end as superseded, on the spot as well, their bodies never rendered. What is to be
said becomes a task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace

from subscriber.cloudevent import decode_each, peek_type
from subscriber.delivery import origin_of
from subscriber.model import (
    Envelope,
    Event,
    Intent,
    Order,
    Outcome,
    OutcomeKind,
    Problem,
    Reason,
)
from subscriber.ports.interfaces import Clock, DeadLetters, Held, PortUnavailable, Source
from subscriber.ports.tracing import NoTracing, Tracing
from subscriber.rules import Outline, Trace, outline
from subscriber.service.book import Book
from subscriber.service.ending import Ending, Work
from subscriber.service.hand import Hand, weight_of
from subscriber.service.holdback import Holdback
from subscriber.service.meters import Meters
from subscriber.service.report import Observers, Report

Deliver = Callable[[Intent, Envelope, Book], Awaitable[Outcome]]


@dataclass(slots=True, eq=False)
class _Part:
    """One thing that a message asks for, until it has ended.

    Attributes:
        order: its place while the intent has not been asked for; then None.
    """

    work: Work
    event: Event
    outline: Outline
    order: Order | None


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
        room: int,
        tracing: Tracing | None = None,
    ) -> None:
        """Set the table.

        Args:
            source, dead_letters, clock: the world.
            book: the rules to begin with, see `switch`.
            deliver: says an intent, however long that takes.
            observer, meters: who is told of every end.
            size_limit: bytes of a message; a longer one is a dead letter.
            ack_wait: seconds after which NATS gives a silent holder's message to another.
            room: how many events of a backlog may be held back.
            tracing: who is shown each delivery; nobody when left out.
        """
        self._tracing = NoTracing() if tracing is None else tracing
        self._source = source
        self._book = book
        self._deliver = deliver
        self._observer = observer
        self._meters = meters
        self._clock = clock
        self._size_limit = size_limit
        self._keepalive_every = ack_wait / 4
        self._ending = Ending(
            dead_letters=dead_letters, observer=observer, meters=meters, clock=clock
        )
        self._holdback: Holdback[_Part] = Holdback(
            clock=clock,
            room=room,
            needed=self._begin,
            needless=self._drop,
            heard_at=lambda: self._turn_began,
        )
        self._in_hand: Hand[Work] = Hand()  # in the order of their arrival
        self._tasks: set[asyncio.Task[None]] = set()
        self._keepalive: asyncio.Task[None] | None = None
        # Of the messages that came in this turn of the event loop: how many, when the turn began,
        # how many of a backlog ended by rule, and whether somebody wants a report of those and of
        # those that no rule asks for.
        self._came = self._came_again = self._nobodys = 0
        self._spared: dict[str, int] = {}
        self._turn_began = 0.0
        self._minds_skipped = False
        self._passed: Held | None = None  # the last of them
        self._wanted = 0  # how many messages in a row a rule may have wanted

    async def start(self, *, capacity: int) -> None:
        """Begin to take messages; may be tried again when the source is not there."""
        await self._source.start(self._take, capacity=capacity)
        self._holdback.divide(len(self._source.lag()))
        self._keepalive = asyncio.create_task(self._keep_alive())

    async def drain(self, within: float) -> int:
        """Take nothing more, finish what is in hand; what is left after `within` seconds goes back.

        What is held back goes back at once: its newest state may not have been read yet.

        Returns:
            how many messages were given back.
        """
        await self._source.stop()
        for part in self._holdback.withdraw():
            part.work.returned = True
        returned = [work for work in self._in_hand if work.returned]
        for work in returned:
            await self._ending.of(work)
            self._in_hand.drop(work)
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=within)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        left = list(self._in_hand)
        self._in_hand.clear()
        for work in left:
            await self._ending.give_back(work.held, 0.0)
        if self._keepalive is not None:
            self._keepalive.cancel()
            await asyncio.gather(self._keepalive, return_exceptions=True)
        return len(returned) + len(left)

    @property
    def in_hand(self) -> int:
        """Messages taken and not ended."""
        return len(self._in_hand)

    def oldest(self, now: float) -> float:
        """For how many seconds the oldest message in hand has been here; 0 when there is none."""
        first = next(iter(self._in_hand), None)
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
        # Where one after the other is wanted, the look is put off: it is 5 us for nothing.
        looked = self._wanted < _LIKELY
        if looked and self._is_nobodys(held):
            self._pass(held)
            return
        self._wanted += 1
        weight = weight_of(held.data)
        if not self._in_hand.has_room(weight):
            if not looked and self._is_nobodys(held):
                self._pass(held)
            else:
                self._run(self._ending.give_back(held, _CROWDED_DELAY))
            return
        work = Work(held=held, book=self._book, began=self._clock.now())
        self._in_hand[work] = weight
        try:
            parts = self._read(work)
        except Exception as bug:
            work.fault, parts = bug, []
        work.open = len(parts)
        if not parts:
            if not looked and self._is_nobodys(held):
                self._in_hand.drop(work)
                self._pass(held)
            else:
                self._close(work)
            return
        for part in parts:
            if part.order is None or not self._holdback.take(part.order, part, work.envelope):
                self._begin(part)

    def _pass(self, held: Held) -> None:
        """Be done with what no rule can want."""
        self._wanted = 0
        self._passed = held
        held.ack_nowait()
        if self._minds_skipped:
            self._observer.note(
                Report(outcome=_NOBODYS, envelope=held.envelope, now=self._turn_began)
            )
        else:
            self._nobodys += 1

    def _end_turn(self) -> None:
        self._meters.came(
            self._came, again=self._came_again, nobodys=self._nobodys, now=self._turn_began
        )
        self._came = self._came_again = self._nobodys = 0
        passed, self._passed = self._passed, None
        if passed is not None and len(self._holdback):
            self._holdback.passed(passed.envelope)  # the present may begin with what is nobody's
        for rule, count in self._spared.items():
            self._meters.spared(rule, count)
        self._spared.clear()

    def _is_nobodys(self, held: Held) -> bool:
        """Whether no rule can want it; a cheap look, for most events are nobody's concern."""
        if len(held.data) > self._size_limit:
            return False
        try:
            event_type = peek_type(held)
            return event_type is not None and not self._book.rules.concerning(event_type)
        except Exception:  # a bug of ours will show where bugs are dealt with
            return False

    def _read(self, work: Work) -> list[_Part]:
        """What the message asks for; of what it does not ask for the report is written."""
        envelope = work.envelope
        arrival = origin_of(envelope)  # a replayed dead letter keeps its first place
        is_backlog = self._holdback.concerns(envelope)
        parts: list[_Part] = []
        for result in decode_each(envelope, size_limit=self._size_limit):
            if isinstance(result, Problem):
                work.reports.append(work.report(_dead(result), self._clock.now()))
                continue
            outlines = outline(work.book.rules, result, arrival)
            if not outlines:
                work.reports.append(work.report(_NOBODYS, self._clock.now(), result))
            for one in outlines:
                order = one.order() if is_backlog else None
                if order is not None or self._asks(work, result, one.trace()):
                    parts.append(_Part(work, result, one, order))
        return parts

    def _asks(self, work: Work, event: Event, trace: Trace) -> bool:
        """Whether a rule has something to say in the end; what is to be told beside that is."""
        if trace.reason is Reason.MATCHED:
            self._meters.matched(trace.rule)
        if trace.problem is not None:
            self._meters.render_error(trace.rule)
            ends = work.reports if trace.intent is None else work.copies
            ends.append(work.report(_dead(trace.problem), self._clock.now(), event, trace.rule))
        elif trace.intent is None:
            outcome = _skipped(trace.reason, trace.detail)
            work.reports.append(work.report(outcome, self._clock.now(), event, trace.rule))
        return trace.intent is not None

    def _begin(self, part: _Part) -> None:
        self._run(self._say(part))

    async def _say(self, part: _Part) -> None:
        """Have one thing said, to its end."""
        work, event = part.work, part.event
        try:
            trace = part.outline.trace()
            unasked, part.order = part.order is not None, None
            if not unasked or self._asks(work, event, trace):
                intent = trace.intent
                assert intent is not None
                shown = self._tracing.delivery(work.envelope, event, intent, began=work.began)
                with shown as delivery:
                    outcome = await self._deliver(intent, work.envelope, work.book)
                    delivery.ended(outcome)
                ends = work.report(outcome, self._clock.now(), event, trace.rule, delivery.trace_id)
                work.reports.append(ends)
        except Exception as fault:
            if work.fault is None or isinstance(work.fault, PortUnavailable):
                work.fault = fault
        work.open -= 1
        if not work.open:
            await self._end(work)

    def _drop(self, part: _Part) -> None:
        """End what newer events of its key have made needless."""
        work, rule = part.work, part.outline.rule
        if work.open == 1 and self._ending.is_clean(work) and not self._minds_skipped:
            # Nearly all of a backlog, and a tenth less time than with a report that nobody reads.
            self._spared[rule] = self._spared.get(rule, 0) + 1
            work.held.ack_nowait()
            self._in_hand.drop(work)
            return
        outcome = Outcome(
            kind=OutcomeKind.SUPERSEDED,
            reason=Reason.SUPERSEDED,
            intent=part.outline.bare_intent(),
            message="newer events of this key are in hand",
        )
        self._meters.matched(rule)
        report = work.report(outcome, self._clock.now(), part.event, rule)
        work.reports.append(replace(report, held_back=True))
        work.open -= 1
        if not work.open:
            self._close(work)

    def _close(self, work: Work) -> None:
        """End a message whose parts have ended, on the spot when it can be."""
        try:
            done = self._ending.at_once(work)
        except Exception as bug:  # of whoever is told
            work.fault, done = bug, False
        if done:
            self._in_hand.drop(work)
        else:
            self._run(self._end(work))

    async def _end(self, work: Work) -> None:
        await self._ending.of(work)
        self._in_hand.drop(work)

    def _run(self, step: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_alive(self) -> None:
        """Tell NATS about messages that stay in hand for long."""
        while True:
            await self._clock.sleep(self._keepalive_every)
            limit = self._clock.now() - self._keepalive_every
            for work in list(self._in_hand):
                if work.began <= limit:
                    try:
                        await work.held.in_progress()
                    except PortUnavailable:
                        break


_LIKELY = 8
"""After so many messages in a row that were wanted, the next one probably is."""
_CROWDED_DELAY = 2.0
"""Seconds before a message comes back that there was no room for."""
_NOBODYS = Outcome(kind=OutcomeKind.SKIPPED, reason=Reason.NO_RULE_MATCHED)


def _skipped(reason: Reason, detail: str = "") -> Outcome:
    return Outcome(kind=OutcomeKind.SKIPPED, reason=reason, message=detail)


def _dead(problem: Problem) -> Outcome:
    return Outcome(kind=OutcomeKind.DEAD_LETTERED, reason=problem.reason, message=str(problem))
