"""A dry run: what the service would do with messages, one after the other, with nobody listening.

Rules: the path of the service (decode, `plan`, `deliver`) with a world in which PagerDuty accepts
everything and hears nothing, every call is granted, and it is the time at which the message was
stored. The ledger is in memory and begins empty: of an alert that was opened before the first
message nothing is known.

Memory is bounded: the `keys` alerts touched last are known, and the `changes` change events seen
last (to recognise copies). What is forgotten is counted, and counts as never seen.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from subscriber.cloudevent import decode_each
from subscriber.cloudevent.peek import peek_type
from subscriber.delivery import Policy, key_of, origin_of
from subscriber.model import (
    Action,
    AlertKey,
    AlertState,
    Arrival,
    Envelope,
    Event,
    Intent,
    OutcomeKind,
    Problem,
    Reason,
)
from subscriber.rules import RuleSet, plan
from subscriber.service.dryworld import DryWorld, Known

KEYS = 50_000
CHANGES = 20_000


class Decision(StrEnum):
    """What would become of an event by one rule."""

    PAGE = "page"
    """A trigger that opens an alert."""
    UPDATE = "update"
    """A trigger of an alert that is open already: PagerDuty adds it there, nobody is woken."""
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    CHANGE = "change"
    SKIP = "skip"
    DEAD_LETTER = "dead-letter"


SAID = (
    Decision.PAGE,
    Decision.UPDATE,
    Decision.ACKNOWLEDGE,
    Decision.RESOLVE,
    Decision.CHANGE,
)
"""The decisions of which PagerDuty would hear."""
_WORDS = {
    Action.ACKNOWLEDGE: Decision.ACKNOWLEDGE,
    Action.RESOLVE: Decision.RESOLVE,
    Action.CHANGE: Decision.CHANGE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule would make of one event; or what is wrong with a message.

    Attributes:
        decision: what would happen.
        reason: why, from the shared vocabulary.
        rule: empty when no rule was asked.
        detail: one sentence, down to the value that decided.
        intent: what would be said, or would have been.
        problem: what failed; with a said decision beside it, the fallback page goes out.
    """

    decision: Decision
    reason: Reason
    rule: str = ""
    detail: str = ""
    intent: Intent | None = None
    problem: Problem | None = None

    @property
    def said(self) -> bool:
        """Whether PagerDuty would hear of it."""
        return self.decision in SAID

    @property
    def severity(self) -> str:
        """Of a page or an update."""
        return self._payload("severity") if self.decision in SAID[:2] else ""

    @property
    def summary(self) -> str:
        """What the person would read first."""
        return self._payload("summary")

    def _payload(self, name: str) -> str:
        payload = self.intent.payload if self.intent is not None else None
        return str(payload.get(name) or "") if payload else ""


def read(
    envelope: Envelope, rule_sets: Iterable[RuleSet], *, size_limit: int
) -> tuple[Event | Problem, ...] | None:
    """The events of a message; None when no rule of any set asks for its type."""
    if len(envelope.data) <= size_limit:
        event_type = peek_type(envelope)
        if event_type is not None and not any(one.concerning(event_type) for one in rule_sets):
            return None
    return decode_each(envelope, size_limit=size_limit)


class DryRun:
    """One configuration's rules and the ledger that they would write.

    Attributes:
        rules: compiled.
        forgotten: keys that were dropped to stay within the bound.
    """

    def __init__(
        self, rules: RuleSet, policy: Policy, *, keys: int = KEYS, changes: int = CHANGES
    ) -> None:
        self.rules = rules
        self.forgotten = 0
        self._policy = policy
        self._alerts: OrderedDict[AlertKey, Known] = OrderedDict()
        self._changes: OrderedDict[AlertKey, Known] = OrderedDict()
        self._limits = (keys, changes)

    def known(self) -> Iterator[tuple[AlertKey, Known]]:
        """Every alert that is known, the one touched last at the end."""
        yield from self._alerts.items()

    def judge(self, event: Event | Problem, envelope: Envelope) -> list[Finding]:
        """What would become of an event; one finding at least."""
        if isinstance(event, Problem):
            return [_dead(event)]
        arrival = origin_of(envelope)
        traces = plan(self.rules, event, arrival)
        if not traces:
            return [Finding(decision=Decision.SKIP, reason=Reason.NO_RULE_MATCHED)]
        findings = []
        for trace in traces:
            if trace.intent is not None:
                findings.append(self._said(trace.intent, arrival, trace.problem))
            elif trace.problem is not None:
                findings.append(_dead(trace.problem, trace.rule))
            else:
                findings.append(
                    Finding(
                        decision=Decision.SKIP,
                        reason=trace.reason,
                        rule=trace.rule,
                        detail=trace.detail,
                    )
                )
        return findings

    # -- the conversation ------------------------------------------------------------------------

    def _said(self, intent: Intent, arrival: Arrival, problem: Problem | None) -> Finding:
        now = arrival.received_at
        world = DryWorld(self._table(intent), now)
        before = world.load(key_of(intent))[0].state
        outcome = world.converse(intent, self._policy, owner="dry")
        decision = Decision.SKIP
        if outcome.kind is OutcomeKind.DELIVERED and world.told:
            decision = _WORDS.get(intent.action, Decision.UPDATE)
            if intent.action is Action.TRIGGER and before in (AlertState.NONE, AlertState.RESOLVED):
                decision = Decision.PAGE
        self._remember(world, intent, decision)
        return Finding(
            decision=decision,
            reason=problem.reason if problem is not None else outcome.reason,
            rule=intent.rule,
            detail=problem.message if problem is not None else outcome.message,
            intent=intent,
            problem=problem,
        )

    def _table(self, intent: Intent) -> OrderedDict[AlertKey, Known]:
        return self._changes if intent.action is Action.CHANGE else self._alerts

    def _remember(self, world: DryWorld, intent: Intent, decision: Decision) -> None:
        known = world.known
        if known is None:
            return
        if decision is Decision.PAGE:
            known.pages += 1
            known.opened_at = intent.occurred_at
        if decision in SAID:
            known.rule = intent.rule
        table = world.table
        limit = self._limits[table is self._changes]
        while len(table) > limit:
            table.popitem(last=False)
            if table is self._alerts:
                self.forgotten += 1


def _dead(problem: Problem, rule: str = "") -> Finding:
    return Finding(
        decision=Decision.DEAD_LETTER,
        reason=problem.reason,
        rule=rule,
        detail=problem.message,
        problem=problem,
    )
