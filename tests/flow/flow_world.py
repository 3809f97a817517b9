"""A small world for `deliver`: a model broker, ledger and PagerDuty, several replicas, one seed.

One `World` plays one history of one alert key: messages are published, delivered to any replica,
redelivered in any order; every effect takes its own random time, so that the flows interleave in
every way; faults are drawn from a budget. It is a discrete-event simulation on one heap: no clock,
no sockets, and the same seed plays the same history to the last byte.

The model is harsher than the real thing where that is cheap: a freeze stops one flow and not its
whole process, a frozen flow may be stopped between the driver's look at the clock and its first
byte to PagerDuty, and an acknowledged message may come back.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from random import Random

from subscriber.delivery import (
    Lanes,
    Policy,
    SettlementKind,
    deliver,
    key_of,
    mend,
    needs_mending,
    settle,
)
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
    Pause,
    Permit,
    Position,
    Problem,
    Reason,
    Recall,
    Save,
    Send,
    Verdict,
    VerdictKind,
)

POLICY = Policy(
    lease=30.0,
    send_timeout=10.0,
    clock_skew=2.0,
    doubt=30.0,
    quick_retries=(0.5, 2.0),
    max_age=1e9,
)
ACK_WAIT = 40.0
START = 1_000_000.0
KEY = AlertKey(service="shop", dedup_key="checkout/prod")

ACCEPTED = Verdict(kind=VerdictKind.ACCEPTED, reason=Reason.ACCEPTED, status=202)
REJECTED = Verdict(kind=VerdictKind.REJECTED, reason=Reason.REJECTED, status=400)
THROTTLED = Verdict(kind=VerdictKind.RETRY, reason=Reason.THROTTLED, status=429, retry_after=3.0)
BROKEN = Verdict(kind=VerdictKind.RETRY, reason=Reason.SERVER_ERROR, status=500, ambiguous=True)
TIMED_OUT = Verdict(kind=VerdictKind.RETRY, reason=Reason.TIMED_OUT, ambiguous=True)
TOO_LATE = Verdict(kind=VerdictKind.RETRY, reason=Reason.TIMED_OUT)


@dataclass(frozen=True)
class Faults:
    """What may go wrong in a history, and how often; the weights are relative to each other.

    `rate` is the chance that an effect meets a fault at all, `most` how many a history may have.
    """

    rate: float = 0.12
    most: int = 6
    crash: float = 0.0
    freeze: float = 0.0  # before an effect is performed, up to `longest_freeze`
    late_write: float = 0.0  # between the driver's look at the clock and the first byte
    lost_reply: float = 0.0  # a send accepted, a write applied, and nobody told
    refusal: float = 0.0  # 429, 500, a ledger that does not answer
    slow_flight: float = 0.0  # arrives after its sender gave up, within Policy.doubt
    lost_ack: float = 0.0  # a message that was acknowledged comes back
    skew: float = 0.0  # half the largest difference between two clocks, seconds
    poison: float = 0.0  # chance that PagerDuty rejects an event for ever
    longest_freeze: float = 130.0
    bounded: bool = False  # no late write arrives later than Policy.doubt after its lease


@dataclass(slots=True, eq=False)
class Message:
    """One message on the stream; several intents when it is a batch."""

    intents: list[Intent]
    number: int
    published_at: float
    count: int = 0
    done: bool = False
    generation: int = 0
    outcomes: tuple[Outcome, ...] = ()


@dataclass(slots=True, eq=False)
class Replica:
    """One process."""

    name: int
    skew: float
    lanes: Lanes[Task] | None
    tasks: dict[Task, None] = field(default_factory=dict)  # in order, unlike a set


@dataclass(slots=True, eq=False)
class Job:
    """One delivery of one message to one replica."""

    message: Message
    replica: Replica
    generation: int
    left: int
    outcomes: list[Outcome] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Task:
    """One conversation."""

    job: Job
    intent: Intent
    flow: Generator[Effect, object, Outcome]
    owner: str
    alive: bool = True
    exposed: float = 0.0  # a write of ours arrived this late after its lease, unaccounted for


class PagerDuty:
    """Alerts of one key, by the semantics of the Events API; everything it accepted."""

    def __init__(self) -> None:
        self.open = False
        self.acknowledged = False
        self.bodies: list[str] = []  # of the current (or last) alert
        self.heard: list[tuple[float, Action, str]] = []
        self.changes: list[str] = []
        self.alerts = 0

    def take(self, at: float, intent: Intent) -> None:
        self.heard.append((at, intent.action, intent.event_id))
        match intent.action:
            case Action.TRIGGER:
                if not self.open:
                    self.open, self.acknowledged, self.bodies = True, False, []
                    self.alerts += 1
                self.bodies.append(intent.event_id)
            case Action.ACKNOWLEDGE:
                if self.open:
                    self.acknowledged = True
            case Action.RESOLVE:
                self.open = False
            case Action.CHANGE:
                self.changes.append(intent.event_id)


Deliver = Callable[..., Generator[Effect, object, Outcome]]


class World:
    """One history."""

    def __init__(
        self,
        seed: int,
        faults: Faults,
        *,
        messages: list[list[tuple[Action, Position]]] | None = None,
        replicas: int | None = None,
        policy: Policy = POLICY,
        deliver: Deliver = deliver,
        trace: bool = False,
        sweeps: bool = True,
        looks: bool = True,
    ) -> None:
        self.rng = Random(seed)
        self.chance = self.rng.random
        self.faults = faults
        self.policy = policy
        self.deliver = deliver
        self.budget = self.rng.randint(0, faults.most) if faults.most else 0
        weights = {
            "crash": faults.crash,
            "freeze": faults.freeze,
            "late_write": faults.late_write,
            "lost_reply": faults.lost_reply,
            "refusal": faults.refusal,
            "slow_flight": faults.slow_flight,
        }
        self.kinds = [name for name, weight in weights.items() if weight > 0]
        self.weights = [weights[name] for name in self.kinds]
        self.now = START
        self.heap: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self.order = 0
        self.steps = 0
        self.owners = 0
        self.sweeps = sweeps
        self.looks = looks  # whether the driver looks at the clock before it writes
        self.hole = False  # a crash hit a flow whose write came later than all bounds
        self.trace: list[str] | None = [] if trace else None
        self.entries: dict[AlertKey, tuple[Alert, int]] = {}
        self.pagerduty = PagerDuty()
        count = replicas or self.rng.randint(2, 3)
        with_lanes = self.chance() < 0.5
        self.replicas = [self._replica(i, with_lanes) for i in range(count)]
        self.with_lanes = with_lanes
        self.poisoned: set[str] = set()
        self.messages = self._publish(messages or self._plot())

    # -- the plot --------------------------------------------------------------------------

    def _plot(self) -> list[list[tuple[Action, Position]]]:
        """Two to six messages, sometimes a batch, sometimes a recreated stream."""
        actions = (Action.TRIGGER, Action.RESOLVE, Action.ACKNOWLEDGE, Action.CHANGE)
        plot: list[list[tuple[Action, Position]]] = []
        epoch, sequence = 1, 0
        for _ in range(self.rng.randint(2, 6)):
            if self.chance() < 0.05:
                epoch, sequence = epoch + 1, 0
            sequence += 1
            size = 2 if self.chance() < 0.12 else 1
            plot.append(
                [
                    (
                        self.rng.choices(actions, (45, 37, 13, 5))[0],
                        Position(epoch=epoch, sequence=sequence, index=index),
                    )
                    for index in range(size)
                ]
            )
        return plot

    def _publish(self, plot: list[list[tuple[Action, Position]]]) -> list[Message]:
        messages = []
        spread = self.rng.choice((0.0, 1.0, 60.0, 120.0))
        at = START
        for number, parts in enumerate(plot):
            at += self.chance() * spread
            intents = []
            for action, position in parts:
                event_id = f"{action.value}-{position.epoch}.{position.sequence}.{position.index}"
                if self.chance() < self.faults.poison:
                    self.poisoned.add(event_id)
                intents.append(
                    Intent(
                        action=action,
                        service=KEY.service,
                        dedup_key="" if action is Action.CHANGE else KEY.dedup_key,
                        payload={"summary": event_id},
                        rule="rule",
                        event_id=event_id,
                        event_source="model",
                        position=position,
                    )
                )
            message = Message(intents, number, at)
            messages.append(message)
            self._at(at + self.chance() * 0.2, self._hand_out, message, 0)
        self.intents = {i.position: i for m in messages for i in m.intents}
        return messages

    def _replica(self, name: int, with_lanes: bool) -> Replica:
        skew = (self.chance() * 2 - 1) * self.faults.skew
        return Replica(name, skew, Lanes(width=4) if with_lanes else None)

    # -- time --------------------------------------------------------------------------------

    def _at(self, when: float, what: Callable[..., None], *arguments: object) -> None:
        self.order += 1
        heapq.heappush(self.heap, (when, self.order, what, arguments))

    def run(self, limit: int = 20_000) -> None:
        """Play until nothing is left to happen."""
        heap, pop = self.heap, heapq.heappop
        while heap or self._sweep():
            self.steps += 1
            if self.steps > limit:
                raise AssertionError("the history does not come to rest")
            self.now, _, what, arguments = pop(heap)
            what(*arguments)

    def _sweep(self) -> bool:
        """The periodic look through the ledger, at the earliest moment it would find something."""
        alert, _ = self.entries.get(KEY, (None, 0))
        if alert is None or alert.doubt is None or not self.sweeps:
            return False
        self.now = max(self.now, alert.doubt.until, alert.claim.expires_at if alert.claim else 0)
        self.now += 2 * (self.policy.lease + self.policy.clock_skew)
        if not needs_mending(alert, now=self.now, policy=self.policy):
            return False
        replica = self.replicas[0]
        self.owners += 1
        owner = f"r{replica.name}/sweep{self.owners}"
        intent = replace(self.intents[alert.position], action=Action.RESOLVE)
        message = Message([intent], -1, self.now, done=True)
        flow = mend(alert, policy=self.policy, owner=owner)
        task = Task(Job(message, replica, 0, 1), intent, flow, owner)
        self.say(f"{owner} mends {brief(alert)}")
        replica.tasks[task] = None
        if replica.lanes is None:
            self._resume(task, None)
        else:
            for other in replica.lanes.offer(KEY, alert.position, Action.RESOLVE, task):
                self._resume(other, None)
        return True

    def say(self, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now - START:9.3f}  {text}")

    def _fault(self) -> str:
        """The name of the fault this effect meets, or nothing."""
        if self.budget <= 0 or self.chance() >= self.faults.rate or not self.kinds:
            return ""
        self.budget -= 1
        return self.rng.choices(self.kinds, self.weights)[0]

    # -- the broker --------------------------------------------------------------------------

    def _hand_out(self, message: Message, generation: int) -> None:
        """Deliver, unless it ended or was delivered again since this was planned."""
        if message.done or generation != message.generation:
            return
        message.count += 1
        message.generation += 1
        replica = self.replicas[int(self.chance() * len(self.replicas))]
        job = Job(message, replica, message.generation, len(message.intents))
        self.say(f"message {message.number} (delivery {message.count}) to replica {replica.name}")
        for intent in message.intents:
            self.owners += 1
            owner = f"r{replica.name}/{self.owners}"
            flow = self.deliver(
                intent,
                policy=self.policy,
                owner=owner,
                received_at=message.published_at,
                delivery_count=message.count,
            )
            task = Task(job, intent, flow, owner)
            replica.tasks[task] = None
            if replica.lanes is None:
                self._resume(task, None)
            else:
                position = intent.position
                for other in replica.lanes.offer(key_of(intent), position, intent.action, task):
                    self._resume(other, None)

    def _end(self, task: Task, outcome: Outcome) -> None:
        job, replica = task.job, task.job.replica
        task.alive = False
        replica.tasks.pop(task, None)
        if task.exposed:
            self.hole = True
        self.say(f"{task.owner} {task.intent.event_id}: {outcome.kind} ({outcome.reason})")
        job.outcomes.append(outcome)
        job.left -= 1
        if job.left == 0:
            self._at(self.now + self.chance() * 0.02, self._settle, job)
        if replica.lanes is not None:
            for other in replica.lanes.done(key_of(task.intent)):
                self._resume(other, None)

    def _settle(self, job: Job) -> None:
        message = job.message
        answer = settle(job.outcomes)
        if answer.kind is SettlementKind.NAK:
            if not message.done and job.generation == message.generation:
                self._at(self.now + answer.delay, self._hand_out, message, message.generation)
            return
        if message.done:
            return
        # JetStream takes the acknowledgement of an earlier delivery too.
        message.done = True
        message.outcomes = tuple(job.outcomes)
        if self.faults.lost_ack and self.budget > 0 and self.chance() < self.faults.lost_ack:
            self.budget -= 1
            message.done = False
            self._at(self.now + self.chance() * 60, self._hand_out, message, message.generation)

    def _crash(self, replica: Replica) -> None:
        """The process is gone; what it held comes back after ack_wait; requests fly on."""
        self.say(f"replica {replica.name} dies")
        for task in replica.tasks:
            if task.exposed:
                self.hole = True
            task.alive = False
            task.flow.close()
            message = task.job.message
            if not message.done and task.job.generation == message.generation:
                when = self.now + ACK_WAIT * (0.5 + self.chance() * 0.5)
                self._at(when, self._hand_out, message, message.generation)
        index = self.replicas.index(replica)
        self.replicas[index] = self._replica(replica.name, self.with_lanes)

    # -- a flow and its effects --------------------------------------------------------------

    def _resume(self, task: Task, answer: object) -> None:
        """Let the flow go on until it asks for something that takes time."""
        flow = task.flow
        try:
            effect = flow.throw(answer) if isinstance(answer, Problem) else flow.send(answer)
            while True:
                kind = type(effect)
                if kind is Now:
                    effect = flow.send(self.now + task.job.replica.skew)
                elif kind is Permit:
                    effect = flow.send(0.0)
                else:
                    break
        except StopIteration as stop:
            self._end(task, stop.value)
            return
        fault = self._fault()
        delay = self.chance() * 0.1
        if fault == "freeze":
            delay = self.chance() * self.faults.longest_freeze
            self._frozen(task, delay)
            fault = ""
        if kind is Pause:
            delay += effect.seconds
        self._at(self.now + delay, self._perform, task, effect, fault)

    def _frozen(self, task: Task, delay: float) -> None:
        """Nobody tells the broker that the message is still held."""
        self.say(f"{task.owner} freezes for {delay:.1f} s")
        if delay > ACK_WAIT:
            message = task.job.message
            self._at(self.now + ACK_WAIT, self._hand_out, message, task.job.generation)

    def _perform(self, task: Task, effect: Effect, fault: str) -> None:
        if not task.alive:
            return
        if fault == "crash" and self.chance() < 0.5:
            self._crash(task.job.replica)
            return
        answer: object = None
        match effect:
            case Send():
                self._begin(task, effect, fault)
                return
            case Load():
                answer = self.entries.get(effect.key) or (Alert(key=effect.key), 0)
                if effect.guess and self.chance() < 0.5:
                    answer = (Alert(key=effect.key), 0)
                elif fault == "refusal":
                    answer = Problem(Reason.LEDGER_UNAVAILABLE, "away")
            case Save():
                answer = self._save(task, effect, fault)
            case Recall():
                answer = self.intents.get(effect.position)
        if fault == "crash":
            self._crash(task.job.replica)
            return
        self._resume(task, answer)

    def _save(self, task: Task, effect: Save, fault: str) -> object:
        if fault == "refusal":
            return Problem(Reason.LEDGER_UNAVAILABLE, "away")
        key = effect.alert.key
        _, revision = self.entries.get(key, (None, 0))
        if revision != effect.revision:
            self.say(f"{task.owner} loses a compare-and-set")
            return None
        assert effect.alert.position >= (self.entries[key][0].position if revision else Position())
        self.entries[key] = (effect.alert, revision + 1)
        if effect.alert.claim is None:
            task.exposed = 0.0  # settled, released or noted
        if self.trace is not None:
            self.say(f"{task.owner} writes {brief(effect.alert)}")
        if task.exposed and effect.alert.doubt is not None:
            task.exposed = 0.0
        if fault == "lost_reply":
            return Problem(Reason.LEDGER_UNAVAILABLE, "no answer")
        return revision + 1

    def _begin(self, task: Task, effect: Send, fault: str) -> None:
        """The driver looks at the clock, then writes; the two are not one instant."""
        own_now = self.now + task.job.replica.skew
        timeout = min(self.policy.send_timeout, effect.deadline - own_now)
        if not self.looks:
            timeout = self.policy.send_timeout
        if timeout <= 0:
            self._resume(task, TOO_LATE)
            return
        if fault == "refusal":
            verdict = THROTTLED if self.chance() < 0.5 else BROKEN
            if verdict is BROKEN and self.chance() < 0.5:
                self.pagerduty_takes(task, effect, 0.0)
            self._at(self.now + 0.1, self._answer, task, verdict, "")
            return
        delay = self.chance() * 0.1
        expires = effect.deadline - task.job.replica.skew  # in true time
        if fault == "late_write":
            delay = self.chance() * self.faults.longest_freeze
            if self.faults.bounded:
                delay = min(delay, expires + self.policy.doubt - 0.001 - self.now)
            self._frozen(task, delay)
        elif fault == "slow_flight":
            delay = timeout + self.chance() * (self.policy.doubt - 0.001)
            self._at(self.now + timeout, self._answer, task, TIMED_OUT, "")
            self._at(self.now + delay, self.pagerduty_takes, task, effect, 0.0)
            return
        arrival = self.now + delay
        lateness = max(arrival - (expires + self.policy.doubt), 0.0)
        poisoned = effect.intent.event_id in self.poisoned
        if fault == "lost_reply":
            if self.chance() < 0.7:
                self._at(arrival, self.pagerduty_takes, task, effect, 0.0)
            self._at(self.now + timeout, self._answer, task, TIMED_OUT, "")
            return
        self._at(arrival, self.pagerduty_takes, task, effect, lateness)
        verdict = REJECTED if poisoned else ACCEPTED
        self._at(arrival + self.chance() * 0.1, self._answer, task, verdict, fault)

    def pagerduty_takes(self, task: Task, effect: Send, lateness: float) -> None:
        if effect.intent.event_id in self.poisoned:
            return
        if lateness and not task.alive:
            # It died before this left it: a dead process writes nothing.
            return
        self.pagerduty.take(self.now, effect.intent)
        if lateness:
            task.exposed = lateness
        if self.trace is not None:
            self.say(f"PagerDuty hears {effect.intent.event_id} from {task.owner}")

    def _answer(self, task: Task, verdict: Verdict, fault: str) -> None:
        if not task.alive:
            return
        if fault == "crash":
            self._crash(task.job.replica)
            return
        self._resume(task, verdict)

    # -- what must hold ----------------------------------------------------------------------

    def violations(self) -> list[str]:
        """The invariants of the issue, at rest."""
        found: list[str] = []
        ends: dict[Position, Outcome] = {}
        for message in self.messages:
            if not message.done or len(message.outcomes) != len(message.intents):
                found.append(f"message {message.number} is unaccounted for")
            for outcome in message.outcomes:
                if outcome.kind is OutcomeKind.DEFERRED or outcome.intent is None:
                    found.append(f"message {message.number} ended as {outcome.kind}")
                else:
                    ends[outcome.intent.position] = outcome
        if len(ends) != len(self.intents):
            found.append(f"{len(self.intents)} events, {len(ends)} ends")
        heard = {event_id for _, _, event_id in self.pagerduty.heard}
        said = {action for _, action, _ in self.pagerduty.heard}
        for position, outcome in ends.items():
            intent = self.intents[position]
            told = intent.event_id in heard or (
                intent.action is Action.ACKNOWLEDGE and Action.ACKNOWLEDGE in said
            )
            if outcome.kind is OutcomeKind.DELIVERED and not told:
                found.append(f"{intent.event_id} is called delivered and was never heard")
            rejected = outcome.kind is OutcomeKind.DEAD_LETTERED
            if rejected and intent.event_id not in self.poisoned:
                found.append(f"{intent.event_id} is a dead letter without cause")
        standing = [
            self.intents[position]
            for position, outcome in ends.items()
            if outcome.kind is not OutcomeKind.DEAD_LETTERED
        ]
        states = [i for i in standing if i.action in (Action.TRIGGER, Action.RESOLVE)]
        newest = max(states, key=lambda i: i.position, default=None)
        pagerduty = self.pagerduty
        if newest is None:
            if pagerduty.open:
                found.append("an alert is open that nobody asked for")
        elif newest.action is Action.RESOLVE:
            if pagerduty.open:
                found.append("PagerDuty holds an open alert, the newest event asks for resolved")
        elif not pagerduty.open:
            found.append("LOST PAGE: PagerDuty holds no alert, the newest event asks for open")
        elif newest.event_id not in pagerduty.bodies:
            found.append("the open alert never got the body of the newest event")
        elif not pagerduty.acknowledged and any(
            i.action is Action.ACKNOWLEDGE and i.position > newest.position for i in standing
        ):
            found.append("the newest event asks for acknowledged, PagerDuty was not told")
        # A second delivery of a rejected event may have found its wish fulfilled already.
        last = newest is not None and newest.position == max(
            i.position
            for i in self.intents.values()
            if i.action in (Action.TRIGGER, Action.RESOLVE)
        )
        if last and newest and ends[newest.position].kind is OutcomeKind.SUPERSEDED:
            found.append("the newest event that stands is called superseded")
        return found


def brief(alert: Alert) -> str:
    """An entry in one line, for traces."""
    parts = [f"{alert.state}@{alert.position.epoch}.{alert.position.sequence}"]
    if alert.acknowledged != Position():
        parts.append(f"ack@{alert.acknowledged.sequence}")
    if alert.claim is not None:
        end = alert.claim.expires_at - START
        parts.append(f"claim({alert.claim.owner}, @{alert.claim.position.sequence}, -{end:.1f})")
    if alert.doubt is not None:
        parts.append(f"doubt(@{alert.doubt.position.sequence}, -{alert.doubt.until - START:.1f})")
    if alert.waiting is not None:
        parts.append(f"waiting(@{alert.waiting.position.sequence})")
    return " ".join(parts)
