"""A rehearsal: what the service would make of a message now, without saying it.

Rules: the production path, `plan` and `deliver`, with a world that reads the real ledger, writes
only to a copy in memory, and in which PagerDuty accepts everything and hears nothing. Messages
rehearsed one after the other see each other's effects, as they would.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass

from subscriber.cloudevent import decode_each
from subscriber.delivery import Policy, key_of, origin_of
from subscriber.model import (
    AlertKey,
    Envelope,
    Event,
    Intent,
    Outcome,
    OutcomeKind,
    Problem,
    Reason,
)
from subscriber.ports.interfaces import Clock, Ledger
from subscriber.rules import RuleSet, plan
from subscriber.service.dryworld import DryWorld, Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One end to expect.

    Attributes:
        outcome: as the service would report it; DELIVERED with `told` means PagerDuty is called.
        event: None when the message cannot be read as one.
        rule: empty when none wants it.
        told: what PagerDuty would be told, in order.
    """

    outcome: Outcome
    event: Event | None = None
    rule: str = ""
    told: tuple[Intent, ...] = ()


class Rehearsal:
    """Rehearses messages against the ledger of now."""

    def __init__(
        self, *, rules: RuleSet, policy: Policy, ledger: Ledger, clock: Clock, size_limit: int
    ) -> None:
        self._rules = rules
        self._policy = policy
        self._ledger = ledger
        self._clock = clock
        self._size_limit = size_limit
        self._copy: OrderedDict[AlertKey, Known] = OrderedDict()

    async def expect(self, envelope: Envelope) -> AsyncIterator[Expected]:
        """The ends of everything in the message, as if it arrived now.

        Args:
            envelope: with the headers that it would be published with.
        """
        arrival = origin_of(envelope)
        for result in decode_each(envelope, size_limit=self._size_limit):
            if isinstance(result, Problem):
                yield Expected(outcome=_dead(result))
                continue
            traces = plan(self._rules, result, arrival)
            if not traces:
                yield Expected(outcome=_skipped(Reason.NO_RULE_MATCHED), event=result)
            for trace in traces:
                if trace.intent is not None:
                    outcome, told = await self._converse(trace.intent)
                    yield Expected(outcome=outcome, event=result, rule=trace.rule, told=told)
                elif trace.problem is not None:
                    yield Expected(outcome=_dead(trace.problem), event=result, rule=trace.rule)
                else:
                    outcome = _skipped(trace.reason, trace.detail)
                    yield Expected(outcome=outcome, event=result, rule=trace.rule)

    async def _converse(self, intent: Intent) -> tuple[Outcome, tuple[Intent, ...]]:
        key = key_of(intent)
        if key not in self._copy:
            self._copy[key] = Known(*await self._ledger.load(key))
        world = DryWorld(self._copy, self._clock.now())
        outcome = world.converse(intent, self._policy, owner="rehearsal")
        return outcome, tuple(world.told)


def _skipped(reason: Reason, detail: str = "") -> Outcome:
    return Outcome(kind=OutcomeKind.SKIPPED, reason=reason, message=detail)


def _dead(problem: Problem) -> Outcome:
    return Outcome(kind=OutcomeKind.DEAD_LETTERED, reason=problem.reason, message=str(problem))
