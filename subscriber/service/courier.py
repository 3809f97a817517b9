"""The courier: drives `delivery.deliver` against the real ports.

Rules: the conversation decides, this only performs: each effect is one awaited call, and what the
world does comes back as an answer. Behind `Send` the routing key enters the request and leaves
this process with it. Intents of one key are said one after the other, the newest first (`Lanes`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from subscriber.cloudevent import decode_each
from subscriber.delivery import Flow, Lanes, Policy, deliver, key_of, mend
from subscriber.model import (
    Alert,
    AlertKey,
    Arrival,
    Envelope,
    Event,
    Intent,
    Load,
    Now,
    Outcome,
    Pause,
    Permit,
    Problem,
    Reason,
    Recall,
    Save,
    Send,
    Verdict,
    VerdictKind,
)
from subscriber.pagerduty import is_about_the_key, judge, request_for
from subscriber.ports.interfaces import Clock, History, Ledger, PortUnavailable, Sender
from subscriber.rules import RuleSet, outline
from subscriber.service.book import Book
from subscriber.service.meters import Meters


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The ports a conversation needs."""

    ledger: Ledger
    history: History
    sender: Sender
    clock: Clock


@dataclass(slots=True, eq=False)
class _Turn:
    """An intent in its lane; `go` is there while it waits to be the first."""

    key: AlertKey
    began: bool = False
    go: asyncio.Future[None] | None = None


class Courier:
    """Brings intents to their ends."""

    def __init__(
        self,
        *,
        world: World,
        book: Book,
        policy: Policy,
        name: str,
        width: int,
        meters: Meters,
    ) -> None:
        """Set the table.

        Args:
            world: the ports.
            book: services, and rules to render an earlier event again.
            policy: times and limits.
            name: unique among all running replicas, for the claims.
            width: how many conversations may run at once.
            meters: counts calls.
        """
        self._world = world
        self._book = book
        self._policy = policy
        self._name = name
        self._runs = 0
        # What the last look at the ledger found: where keys are new, looking first is wasted
        # (35 us and a round trip each), where they are not, a guess is.
        self._meets_new_keys = False
        self._lanes: Lanes[_Turn] = Lanes(width=width)
        self._meters = meters

    @property
    def book(self) -> Book:
        """The one that conversations begin by now."""
        return self._book

    def switch(self, book: Book) -> None:
        """Go by another book from the next conversation on."""
        self._book = book

    async def deliver(
        self, intent: Intent, envelope: Envelope, book: Book | None = None
    ) -> Outcome:
        """Wait for the key's lane, then hold the conversation.

        Args:
            intent: what is to be said.
            envelope: the message it came with.
            book: the one the intent was planned by; the present one when left out.
        """
        by = self._book if book is None else book
        key = key_of(intent)
        alone = key not in self._lanes
        turn = _Turn(key)
        self._start(self._lanes.offer(key, intent.position, intent.action, turn))
        try:
            if not turn.began:
                turn.go = asyncio.get_running_loop().create_future()
                await turn.go
            return await self._converse(self._about(intent, envelope, alone), by)
        finally:
            # cancelled while waiting: the lane reaches the dead turn later and passes it on
            if turn.began:
                self._start(self._lanes.done(key))

    # -- lanes -------------------------------------------------------------------------------

    def _start(self, turns: list[_Turn]) -> None:
        while turns:
            turn = turns.pop()
            if turn.go is not None and turn.go.cancelled():
                turns += self._lanes.done(turn.key)
                continue
            turn.began = True
            if turn.go is not None:
                turn.go.set_result(None)

    async def mend(self, alert: Alert) -> Outcome:
        """Say the settled state of a ledger entry once more (see `delivery.mend`)."""
        conversation = mend(alert, policy=self._policy, owner=self._owner())
        return await self._converse(conversation, self._book)

    def _owner(self) -> str:
        self._runs += 1
        return f"{self._name}/{self._runs}"

    def _about(self, intent: Intent, envelope: Envelope, alone: bool) -> Flow[Outcome]:
        return deliver(
            intent,
            policy=self._policy,
            owner=self._owner(),
            received_at=envelope.received_at,
            delivery_count=envelope.delivery_count,
            guess=alone,
        )

    async def _converse(self, conversation: Flow[Outcome], book: Book) -> Outcome:
        """Perform one effect after the other; no layer between them and the ports: 5 us a page."""
        world = self._world
        answer: object
        try:
            effect = next(conversation)
            while True:
                try:
                    match effect:
                        case Now():
                            answer = world.clock.now()
                        case Save():
                            answer = await world.ledger.save(effect.alert, effect.revision)
                            if answer is None and not effect.revision:
                                self._meets_new_keys = False
                        case Send():
                            answer = await self._send(effect.intent, effect.deadline, book)
                        case Permit():
                            answer = self._permitted(effect, book)
                        case Load(guess=True) if self._meets_new_keys:
                            answer = Alert(key=effect.key), 0
                        case Load():
                            answer = found = await world.ledger.load(effect.key)
                            self._meets_new_keys = not found[1]
                        case Pause():
                            await world.clock.sleep(effect.seconds)
                            answer = None
                        case Recall():
                            answer = await self._recall(effect, book.rules)
                except PortUnavailable as error:
                    unknown = Problem(Reason.LEDGER_UNAVAILABLE, str(error))
                    effect = conversation.throw(unknown)
                else:
                    effect = conversation.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome

    def _permitted(self, effect: Permit, book: Book) -> float:
        allowance = book.allowances.get(effect.service)
        if allowance is None:
            return 0.0
        return allowance.ask(effect.service, self._world.clock.now(), urgent=effect.urgent)

    async def _send(self, intent: Intent, deadline: float, book: Book) -> Verdict:
        clock = self._world.clock
        left = min(deadline - clock.now(), self._policy.send_timeout)
        if left <= 0:
            return Verdict(kind=VerdictKind.RETRY, reason=Reason.TIMED_OUT, message="no time left")
        try:
            request = request_for(intent, book.accounts)
        except Problem as problem:
            return Verdict(kind=VerdictKind.REJECTED, reason=problem.reason, message=str(problem))
        reply = await self._world.sender.send(request, within=left)
        now = clock.now()
        self._meters.call(intent.service, reply.status, seconds=reply.seconds, now=now)
        verdict = judge(request.api, reply, now=now)
        if verdict.kind is VerdictKind.RETRY:
            self._meters.retry(intent.service, verdict.reason)
        elif verdict.kind is VerdictKind.REJECTED and is_about_the_key(verdict):
            self._meters.key_refused(intent.service)
        if verdict.reason is Reason.THROTTLED and intent.service in book.allowances:
            wait = verdict.retry_after if verdict.retry_after is not None else 1.0
            book.allowances[intent.service].close(intent.service, now, wait)
        return verdict

    async def _recall(self, effect: Recall, rules: RuleSet) -> Intent | None:
        """Read an earlier event back and render what it asked of this key."""
        position = effect.position
        envelope = await self._world.history.read(position.sequence, epoch=position.epoch)
        if envelope is None:
            return None
        arrival = Arrival(
            epoch=position.epoch, sequence=position.sequence, received_at=envelope.received_at
        )
        found: Intent | None = None
        for event in decode_each(envelope):
            for one in outline(rules, event, arrival) if isinstance(event, Event) else ():
                order = one.order()
                if order is not None and order.key != effect.key:
                    continue  # its body is not worth rendering
                intent = one.trace().intent
                if intent is None or key_of(intent) != effect.key:
                    continue
                if intent.position == position:
                    return intent
                if intent.rule == effect.rule:
                    found = intent
        return found
