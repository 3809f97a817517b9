"""What the rules make of an event, told in full: for `explain`, `render` and other windows.

Rules: the path of the service (`explain` and the request's encoder) and nothing beside it; a
routing key is neither needed nor shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from subscriber.model import Action, Arrival, Event, Problem, Reason
from subscriber.rules import RuleSet, RuleSource, Trace, explain
from subscriber.rules.looked import looked_at
from subscriber.service.keyless import Keyless, keyless


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One rule's answer.

    Attributes:
        trace: yes or no, and why.
        request: what would be sent, None when nothing would.
        looked_at: the fields that a false condition or an empty action looked at, with their
            values.
    """

    trace: Trace
    request: Keyless | None = None
    looked_at: tuple[str, ...] = ()

    @property
    def matched(self) -> bool:
        """Whether the rule wants something said, and could say it."""
        return self.trace.reason is Reason.MATCHED

    @property
    def concerned(self) -> bool:
        """Whether the event is of one of the rule's types."""
        return self.trace.reason is not Reason.TYPE_DIFFERS

    @property
    def severity(self) -> str:
        """The severity of what would be sent, for a trigger."""
        intent = self.trace.intent
        if intent is None or intent.payload is None or intent.action is not Action.TRIGGER:
            return ""
        return str(intent.payload.get("severity") or "")

    def digest(self) -> dict[str, Any]:
        """Everything as plain values."""
        trace, intent = self.trace, self.trace.intent
        told: dict[str, Any] = {
            "rule": trace.rule,
            "matched": self.matched,
            "reason": trace.reason.value,
        }
        if trace.detail:
            told["detail"] = trace.detail
        if self.looked_at:
            told["looked_at"] = list(self.looked_at)
        if trace.problem is not None:
            told["problem"] = digest_of(trace.problem)
        if intent is not None and self.request is not None:
            told |= {
                "action": intent.action.value,
                "service": intent.service,
                "dedup_key": intent.dedup_key,
                "api": self.request.api,
                "request": self.request.body,
                "notes": list(intent.notes),
            }
        return told


def digest_of(problem: Problem) -> dict[str, str]:
    """A problem as plain values."""
    return {
        "reason": problem.reason.value,
        "message": problem.message,
        "where": problem.where,
        "hint": problem.hint,
    }


def explained(
    rules: RuleSet,
    event: Event,
    *,
    sources: Iterable[RuleSource] = (),
    arrival: Arrival | None = None,
) -> list[Explained]:
    """The answer of every rule, in their order.

    Args:
        rules: whom to ask.
        event: about what.
        sources: where the rules were read; only needed for `Explained.looked_at`.
        arrival: when and where the event came in.
    """
    specs = {source.spec.label: source.spec for source in sources if source.spec.enabled}
    document = event.document()
    answers = []
    for trace in explain(rules, event, arrival or Arrival()):
        spec = specs.get(trace.rule)
        looked = looked_at(spec, trace.reason, document) if spec is not None else []
        request = None if trace.intent is None else keyless(trace.intent)
        answers.append(Explained(trace=trace, request=request, looked_at=tuple(looked)))
    return answers
