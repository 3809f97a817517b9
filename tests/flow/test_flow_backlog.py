"""A backlog collapses: 10,000 events over 50 keys end in about 50 calls, under a real allowance.

One replica as the service runs it: a bounded number of messages in hand, lanes per key, the rate
limit of one routing key; a ledger that takes a millisecond and a PagerDuty that takes a hundred.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest

from subscriber.delivery import Allowance, Backlog, Lanes, Policy, deliver, key_of
from subscriber.model import (
    Action,
    Alert,
    AlertKey,
    Effect,
    Intent,
    Load,
    Now,
    Outcome,
    OutcomeKind,
    Permit,
    Position,
    Reason,
    Save,
    Send,
    Verdict,
    VerdictKind,
)

OK = Verdict(kind=VerdictKind.ACCEPTED, reason=Reason.ACCEPTED, status=202)
AWAY = Verdict(kind=VerdictKind.RETRY, reason=Reason.UNREACHABLE)
START = 1_000_000.0


@dataclass(slots=True, eq=False)
class Held:
    intent: Intent
    count: int = 0
    flow: Generator[Effect, object, Outcome] | None = None


@dataclass
class Service:
    intents: list[Intent]
    capacity: int = 256
    up_at: float = START  # before it PagerDuty cannot be reached
    policy: Policy = field(default_factory=Policy)
    entries: dict[AlertKey, tuple[Alert, int]] = field(default_factory=dict)
    heard: list[Intent] = field(default_factory=list)
    ends: Counter[OutcomeKind] = field(default_factory=Counter)
    order: int = 0
    now: float = START

    def run(self) -> None:
        self.allowance = Allowance()
        self.lanes: Lanes[Held] = Lanes(width=64)
        self.backlog: Backlog[Held] = Backlog(room=self.capacity * 3 // 4)
        self.next = 0
        self.in_hand = 0
        self.redelivered: list[tuple[float, int, Held]] = []
        self.heap: list[tuple[float, int, Held, Effect]] = []
        while True:
            self.pull()
            if self.heap:
                self.now, _, held, effect = heapq.heappop(self.heap)
                self.go_on(held, self.perform(effect))
            elif self.backlog:
                self.now += max(self.backlog.due(self.now), 0.0)
                self.release()
            elif self.redelivered:
                self.now = max(self.now, self.redelivered[0][0])
            else:
                return

    def pull(self) -> None:
        while self.in_hand < self.capacity:
            if self.redelivered and self.redelivered[0][0] <= self.now:
                held = heapq.heappop(self.redelivered)[2]
            elif self.next < len(self.intents):
                held = Held(self.intents[self.next])
                self.next += 1
            else:
                return
            self.in_hand += 1
            behind = len(self.intents) - self.next
            if behind < 100 and not self.backlog:
                self.offer(held)
                continue
            key, position = key_of(held.intent), held.intent.position
            needless = self.backlog.offer(key, position, held, now=self.now, behind=behind)
            self.in_hand -= len(needless)
            self.ends[OutcomeKind.SUPERSEDED] += len(needless)
            if self.backlog.due(self.now) <= 0:
                self.release()

    def release(self) -> None:
        for held in self.backlog.release():
            self.offer(held)

    def offer(self, held: Held) -> None:
        intent = held.intent
        for start in self.lanes.offer(key_of(intent), intent.position, intent.action, held):
            self.begin(start)

    def begin(self, held: Held) -> None:
        held.count += 1
        held.flow = deliver(
            held.intent,
            policy=self.policy,
            owner=f"{held.intent.event_id}/{held.count}",
            received_at=START,
            delivery_count=held.count,
        )
        self.go_on(held, None)

    def go_on(self, held: Held, answer: object) -> None:
        assert held.flow is not None
        try:
            effect = held.flow.send(answer)
            while isinstance(effect, (Now, Permit)):
                if isinstance(effect, Now):
                    effect = held.flow.send(self.now)
                else:
                    wait = self.allowance.ask(effect.service, self.now, urgent=effect.urgent)
                    effect = held.flow.send(wait)
        except StopIteration as stop:
            self.end(held, stop.value)
            return
        self.order += 1
        seconds = {Load: 0.001, Save: 0.001, Send: 0.1}.get(type(effect), 0.0)
        seconds = getattr(effect, "seconds", seconds)
        heapq.heappush(self.heap, (self.now + seconds, self.order, held, effect))

    def end(self, held: Held, outcome: Outcome) -> None:
        self.in_hand -= 1
        if outcome.kind is OutcomeKind.DEFERRED:
            self.order += 1
            heapq.heappush(self.redelivered, (self.now + outcome.delay, self.order, held))
        else:
            self.ends[outcome.kind] += 1
        for start in self.lanes.done(key_of(held.intent)):
            self.begin(start)

    def perform(self, effect: Effect) -> object:
        match effect:
            case Load():
                return self.entries.get(effect.key) or (Alert(key=effect.key), 0)
            case Save():
                _, revision = self.entries.get(effect.alert.key, (None, 0))
                if revision != effect.revision:
                    return None
                self.entries[effect.alert.key] = (effect.alert, revision + 1)
                return revision + 1
            case Send():
                if self.now < self.up_at:
                    return AWAY
                self.heard.append(effect.intent)
                return OK
        return None


def backlog(events: int, keys: int) -> list[Intent]:
    return [
        Intent(
            action=Action.TRIGGER if (n // keys) % 3 else Action.RESOLVE,
            service="shop",
            dedup_key=f"key-{(n * 7919) % keys}",
            payload={"summary": str(n)},
            rule="rule",
            event_id=f"event-{n}",
            position=Position(epoch=1, sequence=n + 1),
        )
        for n in range(events)
    ]


def check_final_state(service: Service, intents: list[Intent]) -> None:
    newest = {i.dedup_key: i for i in intents}
    said = {i.dedup_key: i for i in service.heard}
    for dedup_key, intent in newest.items():
        assert said[dedup_key].action is intent.action
        if intent.action is Action.TRIGGER:
            assert said[dedup_key].event_id == intent.event_id


def test_ten_thousand_events_over_fifty_keys_end_in_about_fifty_calls() -> None:
    intents = backlog(10_000, 50)
    service = Service(intents)
    service.run()
    assert sum(service.ends.values()) == 10_000
    check_final_state(service, intents)
    print(f"{len(service.heard)} calls, {service.now - START:.1f} s, {dict(service.ends)}")
    assert 50 <= len(service.heard) <= 60
    assert service.now - START < 60


@pytest.mark.parametrize("minutes", [1, 10])
def test_an_outage_collapses_too(minutes: int) -> None:
    intents = backlog(2_000, 20)
    service = Service(intents, up_at=START + 60.0 * minutes)
    service.run()
    assert sum(service.ends.values()) == 2_000
    check_final_state(service, intents)
    print(f"{len(service.heard)} calls, {service.now - service.up_at:.1f} s after the outage")
    assert 20 <= len(service.heard) <= 40
