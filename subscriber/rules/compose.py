"""What must be said: an event and the rules in, intents (or the reasons for none) out.

Rules: a rule is asked in two steps. The *outline* says what the order of events needs (does it
match, which action, service and dedup key); the *trace* says it all, and only it renders the body,
which is nine tenths of the work. An event that a newer one has made needless before it was said
never gets that far. `plan`, `explain` and `outline` are one code path: a plan is the traces of all
outlines, and explain only asks every rule instead of those that concern the event's type.

A rule that fails while it wanted a trigger still pages, plainly (the fallback page), because a
broken template must not silence an alarm.
"""

from __future__ import annotations

from subscriber.model import Arrival, Event, Intent, Json, Order, Reason, excerpt
from subscriber.rules.draft import Draft
from subscriber.rules.ruleset import Rule, RuleSet
from subscriber.rules.trace import Trace


class Outline:
    """One rule and one event, decided as far as somebody asks.

    Attributes:
        rule: name of the rule.
    """

    __slots__ = ("_draft", "_trace", "rule")

    def __init__(
        self, rule: str, *, draft: Draft | None = None, trace: Trace | None = None
    ) -> None:
        self.rule = rule
        self._draft = draft
        self._trace = trace

    def order(self) -> Order | None:
        """What puts the intent into its order, without its body.

        Action, service, dedup key and position are those of the trace's intent. None when there is
        nothing to be ordered (the rule asks for nothing, or for a change event), when only the
        body says what is asked for, and when a fault has to be dealt with at once; then the trace
        tells.
        """
        return self._draft.order() if self._draft is not None else None

    def bare_intent(self) -> Intent | None:
        """The intent that has this order, without its body; None when there is no order."""
        return self._draft.bare_intent() if self._draft is not None else None

    def trace(self) -> Trace:
        """Everything the rule makes of the event; the body is rendered when first asked for."""
        if self._trace is None:
            assert self._draft is not None
            self._trace = self._draft.trace()
            self._draft = None
        return self._trace


def outline(rules: RuleSet, event: Event, arrival: Arrival) -> tuple[Outline, ...]:
    """The outlines of all rules that concern the event's type; empty when none does."""
    concerning = rules.concerning(event.type)
    if not concerning:
        return ()
    document = event.document()
    return tuple([_consult(rules, rule, event, document, arrival) for rule in concerning])


def plan(rules: RuleSet, event: Event, arrival: Arrival) -> tuple[Trace, ...]:
    """The traces of all rules that concern the event's type; empty when none does."""
    return tuple(asked.trace() for asked in outline(rules, event, arrival))


def explain(rules: RuleSet, event: Event, arrival: Arrival) -> tuple[Trace, ...]:
    """One trace for every rule, also for those of other types."""
    document = event.document()
    return tuple(
        _consult(rules, rule, event, document, arrival).trace()
        if rule.concerns(event.type)
        else Trace(
            rule=rule.name,
            reason=Reason.TYPE_DIFFERS,
            detail=f"type is {excerpt(event.type)}, wanted {' or '.join(rule.types)}",
        )
        for rule in rules.rules
    )


def _consult(
    rules: RuleSet, rule: Rule, event: Event, document: dict[str, Json], arrival: Arrival
) -> Outline:
    for condition in rule.conditions:
        if not condition.holds(document):
            detail = condition.why_not(document)
            trace = Trace(rule=rule.name, reason=Reason.VALUE_DIFFERS, detail=detail)
            return Outline(rule.name, trace=trace)
    return Outline(rule.name, draft=Draft(rules, rule, event, document, arrival))
