"""Every history of a small case: two replicas, three events, bounded faults, no luck involved.

A `Case` is a depth-first search over choices: deliver a message, let a flow perform the effect it
asked for, let time pass, or a fault (a crash before or after an effect, a lost reply, a second
delivery of a message that is still held, time passing while somebody talks). A generator cannot be
copied, so a state is reached by replaying its choices; states that look the same to everybody
(entry, PagerDuty, clock, where each flow is and what it holds in its variables) are explored
once. Looking at the ledger, the
clock or the allowance changes nothing for anybody else, so a flow does that at once, together with
what it did before: a later look is a later step before it. When nothing is left to
choose, the rest is played calmly and the invariants are checked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from flow_world import ACCEPTED, KEY, START, TIMED_OUT, Deliver, PagerDuty
from flow_world import POLICY as USUAL

from subscriber.delivery import Policy, deliver, mend, needs_mending
from subscriber.delivery.table import Step
from subscriber.model import (
    Action,
    Alert,
    Claim,
    Doubt,
    Effect,
    Intent,
    Load,
    Now,
    Outcome,
    OutcomeKind,
    Pause,
    Position,
    Problem,
    Reason,
    Recall,
    Save,
    Send,
    Verdict,
)

TICK = USUAL.lease + USUAL.clock_skew + 1.0
"""Long enough that every claim has run out and every doubt is over."""

POLICY = replace(
    USUAL, quick_retries=(), busy_delay=TICK, longest_busy_delay=TICK, clock_skew=0.0, rounds=4
)
"""Few and long pauses: short ones would only make the same histories longer."""

Choice = tuple[str, int]


@dataclass(frozen=True)
class Bounds:
    """How much may go wrong in one history."""

    crashes: int = 0
    losses: int = 0
    seconds: int = 0  # second deliveries of a message that is still held
    ticks: int = 0
    deliveries: int = 2  # free ones, per message; the calm end may need more
    replicas: int = 2
    guesses: bool = True  # every first look at the ledger is a guess, as wrong as it may be


@dataclass(slots=True)
class Talk:
    """A flow on its way, and what it asked for last."""

    message: int
    flow: Generator[Effect, object, Outcome]
    pending: Effect
    deadline: float = 0.0
    wakes: float = 0.0
    exposed: bool = False


class Play:
    """One history, made by its choices."""

    def __init__(self, actions: tuple[Action, ...], bounds: Bounds, talk: Deliver, policy: Policy):
        self.policy = policy
        self.deliver = talk
        self.bounds = bounds
        self.intents = [
            Intent(
                action=action,
                service=KEY.service,
                dedup_key=KEY.dedup_key,
                payload={"summary": str(number)},
                rule="rule",
                event_id=f"{action.value}-{number}",
                event_source="model",
                position=Position(epoch=1, sequence=number + 1),
            )
            for number, action in enumerate(actions)
        ]
        count = len(actions)
        self.now = START
        self.entry = (Alert(key=KEY), 0)
        self.pagerduty = PagerDuty()
        self.done: list[Outcome | None] = [None] * count
        self.deliveries = [0] * count
        self.talks: list[Talk] = []
        self.crashes = self.losses = self.seconds = self.ticks = 0
        self.hole = False
        self.owners = 0

    # -- choices ---------------------------------------------------------------------------

    def choices(self) -> list[Choice]:
        """What may happen next."""
        bounds, found = self.bounds, []
        held = {talk.message for talk in self.talks}
        if len(self.talks) < bounds.replicas:
            for number, outcome in enumerate(self.done):
                if outcome is not None or self.deliveries[number] >= bounds.deliveries:
                    continue
                if number not in held:
                    found.append(("deliver", number))
                elif self.seconds < bounds.seconds:
                    found.append(("again", number))
        # A pause ends when its time has come; time passes when nobody else has anything to do.
        pauses = [t.wakes for t in self.talks if isinstance(t.pending, Pause)]
        idle = len(pauses) == len(self.talks)
        for index, talk in enumerate(self.talks):
            if not isinstance(talk.pending, Pause) or (
                talk.wakes <= self.now or (idle and talk.wakes == min(pauses))
            ):
                found.append(("step", index))
            if self.crashes < bounds.crashes:
                found.append(("crash", index))
                if isinstance(talk.pending, (Save, Send)):
                    found.append(("crash-after", index))
            if self.losses < bounds.losses and isinstance(talk.pending, (Save, Send)):
                found.append(("lose", index))
        if self.ticks < bounds.ticks and self.talks:
            found.append(("tick", 0))
        return found

    def apply(self, choice: Choice) -> None:
        """Let it happen."""
        what, index = choice
        match what:
            case "deliver":
                self.start(index)
            case "again":
                self.seconds += 1
                self.start(index)
            case "step":
                self.perform(self.talks[index])
            case "crash":
                self.crashes += 1
                self.kill(self.talks[index])
            case "crash-after":
                self.crashes += 1
                talk = self.talks[index]
                self.effect(talk.pending, talk)
                self.kill(talk)
            case "lose":
                self.losses += 1
                talk = self.talks[index]
                sent = isinstance(talk.pending, Send)
                self.effect(talk.pending, talk)
                away = Problem(Reason.LEDGER_UNAVAILABLE, "no answer")
                self.tell(talk, TIMED_OUT if sent else away)
            case "tick":
                self.ticks += 1
                self.now += TICK

    def state(self) -> object:
        """All that the future depends on."""
        pagerduty = self.pagerduty
        return (
            self.entry[0],
            self.now,
            (pagerduty.open, pagerduty.acknowledged, tuple(pagerduty.bodies)),
            frozenset(event_id for _, _, event_id in pagerduty.heard),
            tuple(None if o is None else (o.kind, o.reason) for o in self.done),
            tuple(self.deliveries),
            tuple(
                (t.message, where(t.flow, self.entry[1]), t.wakes, t.exposed) for t in self.talks
            ),
            (self.crashes, self.losses, self.seconds, self.ticks, self.hole),
        )

    # -- flows -----------------------------------------------------------------------------

    def start(self, number: int) -> None:
        self.deliveries[number] += 1
        self.owners += 1
        flow = self.deliver(
            self.intents[number],
            policy=self.policy,
            owner=f"{number}/{self.deliveries[number]}",
            received_at=START,
            delivery_count=self.deliveries[number],
        )
        talk = Talk(number, flow, Now())
        self.talks.append(talk)
        self.tell(talk, None)

    def tell(self, talk: Talk, answer: object) -> None:
        """Answer, and go on to the next effect that others can notice."""
        flow = talk.flow
        try:
            pending = flow.throw(answer) if isinstance(answer, Problem) else flow.send(answer)
            while not isinstance(pending, (Save, Send, Pause)):
                value: object = self.now if isinstance(pending, Now) else 0.0
                if isinstance(pending, (Load, Recall)):
                    value = self.effect(pending, talk)
                pending = flow.send(value)
        except StopIteration as stop:
            self.end(talk, stop.value)
            return
        talk.pending = pending
        if isinstance(pending, Send):
            talk.deadline = pending.deadline
        elif isinstance(pending, Pause):
            talk.wakes = self.now + pending.seconds

    def end(self, talk: Talk, outcome: Outcome) -> None:
        self.talks.remove(talk)
        self.hole = self.hole or talk.exposed
        if outcome.kind is not OutcomeKind.DEFERRED and 0 <= talk.message < len(self.done):
            self.done[talk.message] = self.done[talk.message] or outcome

    def kill(self, talk: Talk) -> None:
        talk.flow.close()
        self.talks.remove(talk)
        self.hole = self.hole or talk.exposed

    def effect(self, pending: Effect, talk: Talk) -> object:
        """Perform what the flow asked for; the answer."""
        match pending:
            case Load():
                return (Alert(key=KEY), 0) if pending.guess and self.bounds.guesses else self.entry
            case Save():
                if pending.revision != self.entry[1]:
                    return None
                self.entry = (pending.alert, pending.revision + 1)
                talk.exposed = False
                return pending.revision + 1
            case Send():
                self.pagerduty.take(self.now, pending.intent)
                talk.exposed = self.now > talk.deadline + self.policy.doubt
                return ACCEPTED
            case Recall():
                return self.intents[pending.position.sequence - 1]
            case Pause():
                self.now = max(self.now, talk.wakes)
                return None
        raise AssertionError(pending)

    def perform(self, talk: Talk) -> None:
        answer = self.effect(talk.pending, talk)
        self.tell(talk, answer if answer is not None else _NOTHING[type(talk.pending)])

    # -- the calm end ------------------------------------------------------------------------

    def calm_down(self) -> None:
        """No more faults: what is held goes on, what was given back comes back."""
        for _ in range(200):
            while self.talks:
                self.perform(self.talks[0])
            left = [number for number, outcome in enumerate(self.done) if outcome is None]
            if left:
                for number in left:
                    self.start(number)
                    while self.talks:
                        self.perform(self.talks[0])
            elif not self.sweep():
                return
            self.now += TICK / 4
        raise AssertionError("does not come to rest")

    def sweep(self) -> bool:
        alert, _ = self.entry
        later = self.now + 2 * TICK
        if not needs_mending(alert, now=later, policy=self.policy):
            return False
        self.now = later
        flow = mend(alert, policy=self.policy, owner="sweep")
        talk = Talk(-1, flow, Now())
        self.talks.append(talk)
        self.tell(talk, None)
        return True

    def violations(self) -> list[str]:
        """The invariants, for three events of one key that PagerDuty accepts."""
        found = []
        states = [i for i in self.intents if i.action is not Action.ACKNOWLEDGE]
        newest = states[-1] if states else None
        acks = [
            i
            for i in self.intents
            if i.action is Action.ACKNOWLEDGE and newest and i.position > newest.position
        ]
        pagerduty = self.pagerduty
        if newest is None or newest.action is Action.RESOLVE:
            if pagerduty.open:
                found.append("PagerDuty holds an open alert")
        elif not pagerduty.open:
            found.append("LOST PAGE")
        elif newest.event_id not in pagerduty.bodies:
            found.append("the alert never got the newest body")
        elif acks and not pagerduty.acknowledged:
            found.append("not acknowledged")
        if any(outcome is None for outcome in self.done):
            found.append("an event is unaccounted for")
        return found


def where(flow: Generator[Effect, object, Outcome], newest: int) -> tuple[object, ...]:
    """Where a generator stands, and those of its variables that can make a difference.

    Of a revision only matters whether it is still the `newest`.
    """
    found: list[object] = []
    inner: Generator[Effect, object, object] | None = flow
    while inner is not None and inner.gi_frame is not None:
        frame = inner.gi_frame
        found.append((frame.f_code.co_name, frame.f_lasti))
        for name, value in frame.f_locals.items():
            found.append(value == newest if name in ("revision", "saved") else _value(value))
        inner = inner.gi_yieldfrom
    return tuple(found)


def _value(value: object) -> object:
    match value:
        case Intent():
            return (value.position, value.action)
        case None | int() | float() | Alert() | Claim() | Doubt() | Step() | Verdict():
            return value
        case Outcome():
            return (value.kind, value.reason)
        case Policy() | Problem() | str():
            return ""  # the same in every history, or said already by the place
    if dataclasses.is_dataclass(value):  # what a run knows, what it heard, how it closes
        return tuple(_value(getattr(value, f.name)) for f in dataclasses.fields(value))
    return getattr(value, "__name__", "") or (len(value) if isinstance(value, list) else "")


_NOTHING: dict[type, object] = {Save: False, Pause: None, Recall: False}


@dataclass
class Found:
    """What a search saw."""

    histories: int = 0
    states: int = 0
    holes: int = 0
    bad: int = 0
    bad_in_hole: int = 0
    example: tuple[tuple[Choice, ...], list[str]] | None = None


def explore(
    actions: tuple[Action, ...],
    bounds: Bounds,
    *,
    talk: Deliver = deliver,
    policy: Policy = POLICY,
) -> Found:
    """Every history of these events within these bounds."""
    found = Found()
    seen: set[object] = set()

    def replay(path: tuple[Choice, ...]) -> Play:
        play = Play(actions, bounds, talk, policy)
        for choice in path:
            play.apply(choice)
        return play

    stack: list[tuple[Choice, ...]] = [()]
    while stack:
        path = stack.pop()
        play = replay(path)
        while True:  # go on with the last choice, come back for the others
            state = play.state()
            if state in seen:
                break
            seen.add(state)
            choices = play.choices()
            if not choices:
                _judge(play, path, found)
                break
            stack.extend((*path, choice) for choice in choices[:-1])
            path = (*path, choices[-1])
            play.apply(choices[-1])
    found.states = len(seen)
    return found


def _judge(play: Play, path: tuple[Choice, ...], found: Found) -> None:
    found.histories += 1
    play.calm_down()
    wrong = play.violations()
    found.holes += play.hole
    if wrong and play.hole:
        found.bad_in_hole += 1
    elif wrong:
        found.bad += 1
        found.example = found.example or (path, wrong)


def triples() -> Iterator[tuple[Action, ...]]:
    """All sequences of three triggers, resolves and acknowledges."""
    kinds = (Action.TRIGGER, Action.RESOLVE, Action.ACKNOWLEDGE)
    for first in kinds:
        for second in kinds:
            for third in kinds:
                yield first, second, third
