"""What must be said: an event and the rules in, intents (or the reasons for none) out.

Rules: `plan` and `explain` are one code path; explain only asks every rule instead of those that
concern the event's type. A rule that fails while it wanted a trigger still pages, plainly (the
fallback page), because a broken template must not silence an alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from subscriber.config import nearest
from subscriber.model import Action, Event, Intent, Json, Position, Problem, Reason, excerpt
from subscriber.pagerduty import DOCUMENT_FIELDS, Normalised, normalise, normalise_dedup_key
from subscriber.rules.ruleset import DEFAULT_SERVICE, Rule, RuleSet

T = TypeVar("T")
_ACTIONS = {action.value: action for action in Action}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Where and when an event came in; gives intents their place in the order.

    Attributes:
        epoch, sequence: see `Position`.
        received_at: seconds since 1970; stands in for an event without a time.
    """

    epoch: int = 0
    sequence: int = 0
    received_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What one rule made of one event.

    Attributes:
        rule: name of the rule.
        reason: MATCHED when there is an intent from the rule itself; otherwise why not.
        detail: one sentence, down to the value that decided.
        intent: what is to be said; with a `problem` beside it, the fallback page.
        problem: what failed, None when nothing did.
    """

    rule: str
    reason: Reason
    detail: str = ""
    intent: Intent | None = None
    problem: Problem | None = field(default=None, compare=False)


def plan(rules: RuleSet, event: Event, arrival: Arrival) -> tuple[Trace, ...]:
    """The traces of all rules that concern the event's type; empty when none does."""
    concerning = rules.concerning(event.type)
    if not concerning:
        return ()
    document = event.document()
    return tuple(_consult(rules, rule, event, document, arrival) for rule in concerning)


def explain(rules: RuleSet, event: Event, arrival: Arrival) -> tuple[Trace, ...]:
    """One trace for every rule, also for those of other types."""
    document = event.document()
    return tuple(
        _consult(rules, rule, event, document, arrival)
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
) -> Trace:
    for condition in rule.conditions:
        if not condition.holds(document):
            detail = condition.why_not(document)
            return Trace(rule=rule.name, reason=Reason.VALUE_DIFFERS, detail=detail)
    wanted: Action | None = None
    draft = _Draft(rules, rule, event, document, arrival)
    try:
        if rule.when is not None and not rule.when.test(document):
            return Trace(
                rule=rule.name,
                reason=Reason.CONDITION_FALSE,
                detail="the `when` condition is false",
            )
        wanted = draft.action()
        if wanted is None:
            return Trace(
                rule=rule.name, reason=Reason.ACTION_EMPTY, detail="the rule asks for no action"
            )
        return Trace(rule=rule.name, reason=Reason.MATCHED, intent=draft.intent(wanted))
    except Problem as problem:
        named = _named(problem, rule)
        fallback = None
        if wanted is Action.TRIGGER and rule.page_on_render_error:
            fallback = draft.fallback(named)
        return Trace(
            rule=rule.name,
            reason=named.reason,
            detail=named.message,
            intent=fallback,
            problem=named,
        )


def _named(problem: Problem, rule: Rule) -> Problem:
    """Template faults of a running event all count as one reason; the text keeps the detail."""
    if problem.reason in (Reason.TEMPLATE_EXECUTION, Reason.TEMPLATE_LIMIT):
        named = Problem(
            Reason.RENDER_FAILED,
            problem.message,
            where=problem.where or rule.name,
            hint=problem.hint,
        )
        named.__cause__ = problem  # knows the line of the template
        return named
    return problem


class _Draft:
    """The parts of one intent, each rendered at most once."""

    def __init__(
        self,
        rules: RuleSet,
        rule: Rule,
        event: Event,
        document: dict[str, Json],
        arrival: Arrival,
    ) -> None:
        self._rules = rules
        self._rule = rule
        self._event = event
        self._document = document
        self._arrival = arrival
        self._body: dict[str, Any] | None = None

    def action(self) -> Action | None:
        """What the rule asks for; the body's `event_action` when the rule itself is silent."""
        leaf = self._rule.action
        if leaf is None:
            body = self.body()
            # a body without one is only a payload: such a rule triggers, as Keptn's webhooks do
            text = body.get("event_action", Action.TRIGGER.value)
        else:
            text = leaf(self._document)
        name = _text(text).strip().lower()
        if not name:
            return None
        action = _ACTIONS.get(name)
        if action is None:
            raise Problem(
                Reason.INVALID_ACTION,
                f"{excerpt(name)} is not an action",
                where=self._rule.name,
                hint=nearest(name, _ACTIONS) or "trigger, acknowledge, resolve, change, or nothing",
            )
        return action

    def body(self) -> dict[str, Any]:
        """The rendered body: the file's document with the inline mapping laid over it."""
        if self._body is not None:
            return self._body
        body: dict[str, Any] = {}
        if self._rule.body_file is not None:
            body = self._from_file(self._rule.body_file.render(self._document))
        if self._rule.body is not None:
            inline = self._rule.body(self._document)
            assert isinstance(inline, dict)
            body = _laid_over(body, inline)
        self._body = body
        return body

    def _from_file(self, text: str) -> dict[str, Any]:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Problem(
                Reason.INVALID_BODY,
                f"the rendered body is not JSON: {error}",
                where=self._rule.name,
                hint="",
            ) from None
        if not isinstance(value, dict):
            raise Problem(
                Reason.INVALID_BODY,
                f"the rendered body is {excerpt(value)}, not an object",
                where=self._rule.name,
            )
        return value

    def service(self) -> str:
        name = _text(self._rule.service(self._document)).strip()
        if name not in self._rules.services:
            known = sorted(self._rules.services)
            raise Problem(
                Reason.UNKNOWN_SERVICE,
                f"no service is called {excerpt(name)}",
                where=self._rule.name,
                hint=nearest(name, known) or f"known: {', '.join(known)}",
            )
        return name

    def dedup_key(self, body: Mapping[str, Any]) -> str:
        leaf = self._rule.dedup_key
        text = _text(body.get("dedup_key", "") if leaf is None else leaf(self._document)).strip()
        if not text:
            raise Problem(
                Reason.MISSING_DEDUP_KEY,
                "the dedup key is empty",
                where=self._rule.name,
                hint="give the rule a `dedup_key` that its trigger and its resolve share",
            )
        return text

    def intent(self, action: Action) -> Intent:
        """The whole intent.

        Raises:
            Problem: what could not be rendered or does not fit PagerDuty.
        """
        service = self.service()
        notes: tuple[str, ...] = ()
        body: dict[str, Any] = {}
        try:
            body = self.body()
            normal = self._normal(action, body)
        except Problem as problem:
            if action in (Action.TRIGGER, Action.CHANGE):
                raise
            # PagerDuty needs no payload to close an alert: better bare than not at all
            notes = (f"sent without a payload: {problem.message}",)
            normal = normalise(action, {})
        dedup_key = ""
        if action is not Action.CHANGE:
            dedup_key, cut = normalise_dedup_key(self.dedup_key(body))
            notes += cut
        return self._filled(action, service, dedup_key, normal, notes)

    def fallback(self, problem: Problem) -> Intent | None:
        """The plain page that goes out when the rule's own could not be made; None without a
        service to send it to."""
        service = self._or(self.service, DEFAULT_SERVICE)
        if service not in self._rules.services:
            return None
        nothing: dict[str, Any] = {}
        body = self._or(self.body, nothing)
        dedup_key = self._or(
            lambda: self.dedup_key(body), f"{self._rule.name}/{self._event.source}"
        )
        payload: dict[str, Any] = {
            "summary": f"{self._rule.name}: {self._event.type} wanted a page that could not be "
            f"rendered: {problem.message}",
            "source": self._event.source,
            "severity": "error",
            "custom_details": {
                "render_error": {
                    "reason": problem.reason.value,
                    "error": problem.message,
                    "where": problem.where,
                    "hint": problem.hint,
                },
                "event": self._document,
            },
        }
        normal = self._normal(Action.TRIGGER, {"payload": payload})
        key, cut = normalise_dedup_key(dedup_key)
        notes = (f"fallback page: {problem.reason.value}", *cut)
        return self._filled(Action.TRIGGER, service, key, normal, notes)

    @staticmethod
    def _or(make: Callable[[], T], otherwise: T) -> T:
        try:
            return make()
        except Problem:
            return otherwise

    def _normal(self, action: Action, body: dict[str, Any]) -> Normalised:
        """The body within PagerDuty's limits; source, time and client where it says nothing."""
        if body and action in (Action.TRIGGER, Action.CHANGE):
            given = body.get("payload")
            payload = dict(given) if isinstance(given, dict) else dict(body)
            payload["source"] = payload.get("source") or self._event.source
            if self._event.time:
                payload.setdefault("timestamp", self._event.time)
            body = {**body, "payload": payload} if isinstance(given, dict) else payload
            if action is Action.TRIGGER and self._rules.client:
                body = {"client": self._rules.client, **{k: v for k, v in body.items() if v != ""}}
        return normalise(action, body, source=self._event.source)

    def _filled(
        self,
        action: Action,
        service: str,
        dedup_key: str,
        normal: Normalised,
        notes: tuple[str, ...],
    ) -> Intent:
        event = self._event
        occurred = event.occurred_at
        # all rules of all events of one message get places of their own, in their order
        index = event.index * max(1, len(self._rules.rules)) + self._rule.ordinal
        return Intent(
            action=action,
            service=service,
            dedup_key=dedup_key,
            payload=normal.payload,
            client=normal.client,
            client_url=normal.client_url,
            links=normal.links,
            images=normal.images,
            rule=self._rule.name,
            event_id=event.id,
            event_source=event.source,
            event_type=event.type,
            occurred_at=self._arrival.received_at if occurred is None else occurred,
            position=Position(
                epoch=self._arrival.epoch, sequence=self._arrival.sequence, index=index
            ),
            notes=(*normal.notes, *notes),
        )


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _laid_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    if "payload" in base and "payload" not in over and not set(over) <= set(DOCUMENT_FIELDS):
        # the file is a whole document, the inline part only a payload: meet at the payload
        top = {key: over[key] for key in over if key in DOCUMENT_FIELDS}
        over = {**top, "payload": {key: over[key] for key in over if key not in DOCUMENT_FIELDS}}
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        merged = isinstance(old, dict) and isinstance(value, dict)
        result[key] = _laid_over(old, value) if merged else value  # type: ignore[arg-type]
    return result
