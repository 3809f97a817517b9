"""One intent in the making: its parts, in the order in which they are asked for.

Rules: action, service and dedup key may be known long before the body, and often are enough
(`Draft.bare_intent`). Each part is rendered at most once; one that failed, once more, when the
trace is made that says so. The body says what the rule leaves out: action and dedup key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from subscriber.config import nearest
from subscriber.model import (
    Action,
    AlertKey,
    Arrival,
    Event,
    Intent,
    Json,
    Order,
    Position,
    Problem,
    Reason,
    excerpt,
)
from subscriber.pagerduty import DOCUMENT_FIELDS, Normalised, normalise, normalise_dedup_key
from subscriber.rules.ruleset import DEFAULT_SERVICE, Rule, RuleSet
from subscriber.rules.trace import Trace

T = TypeVar("T")
_ACTIONS = {action.value: action for action in Action}
_NOTHING = {
    Reason.CONDITION_FALSE: "the `when` condition is false",
    Reason.ACTION_EMPTY: "the rule asks for no action",
}
_NO_BODY = Normalised(payload=None)
_NOTHING_YET: Mapping[str, Any] = {}


class Draft:
    """The parts of one intent."""

    __slots__ = (
        "_action",
        "_arrival",
        "_body",
        "_document",
        "_event",
        "_key",
        "_rule",
        "_rules",
        "_service",
    )

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
        self._action: Action | Reason | None = None
        self._service: str | None = None
        self._key: str | None = None

    def order(self) -> Order | None:
        """What puts the intent into its order, see `Outline.order`."""
        asked = self._asked()
        if asked is None:
            return None
        action, service, key, _ = asked
        return Order(action, AlertKey(service=service, dedup_key=key), self._position())

    def bare_intent(self) -> Intent | None:
        """The intent without its body, see `Outline.bare_intent`."""
        asked = self._asked()
        if asked is None:
            return None
        action, service, key, cut = asked
        return self._filled(action, service, key, _NO_BODY, cut)

    def _asked(self) -> tuple[Action, str, str, tuple[str, ...]] | None:
        """Action, service, dedup key and what was cut from it, as far as the rule itself says."""
        if self._rule.action is None or self._rule.dedup_key is None:
            return None  # only the body says
        try:
            action = self.action()
            if isinstance(action, Reason) or action is Action.CHANGE:
                return None
            return action, self.service(), *normalise_dedup_key(self.dedup_key(_NOTHING_YET))
        except Problem:
            return None

    def trace(self) -> Trace:
        """What the rule makes of the event."""
        rule = self._rule
        wanted: Action | Reason | None = None
        try:
            wanted = self.action()
            if isinstance(wanted, Reason):
                return Trace(rule=rule.name, reason=wanted, detail=_NOTHING[wanted])
            return Trace(rule=rule.name, reason=Reason.MATCHED, intent=self.intent(wanted))
        except Problem as problem:
            named = _named(problem, rule)
            fallback = None
            if wanted is Action.TRIGGER and rule.page_on_render_error:
                fallback = self.fallback(named)
            return Trace(
                rule=rule.name,
                reason=named.reason,
                detail=named.message,
                intent=fallback,
                problem=named,
            )

    def action(self) -> Action | Reason:
        """What the rule asks for, or why it asks for nothing."""
        if self._action is None:
            self._action = self._decided()
        return self._action

    def _decided(self) -> Action | Reason:
        """The rule's action; the body's `event_action` when the rule itself is silent."""
        when = self._rule.when
        if when is not None and not when.test(self._document):
            return Reason.CONDITION_FALSE
        leaf = self._rule.action
        if leaf is None:
            body = self.body()
            # a body without one is only a payload: such a rule triggers, as Keptn's webhooks do
            text = body.get("event_action", Action.TRIGGER.value)
        else:
            text = leaf(self._document)
        name = _text(text).strip().lower()
        if not name:
            return Reason.ACTION_EMPTY
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
        """The name of a service that there is."""
        if self._service is not None:
            return self._service
        name = _text(self._rule.service(self._document)).strip()
        if name not in self._rules.services:
            known = sorted(self._rules.services)
            raise Problem(
                Reason.UNKNOWN_SERVICE,
                f"no service is called {excerpt(name)}",
                where=self._rule.name,
                hint=nearest(name, known) or f"known: {', '.join(known)}",
            )
        self._service = name
        return name

    def dedup_key(self, body: Mapping[str, Any]) -> str:
        """The key, from the rule or else from its rendered body."""
        if self._key is not None:
            return self._key
        leaf = self._rule.dedup_key
        text = _text(body.get("dedup_key", "") if leaf is None else leaf(self._document)).strip()
        if not text:
            raise Problem(
                Reason.MISSING_DEDUP_KEY,
                "the dedup key is empty",
                where=self._rule.name,
                hint="give the rule a `dedup_key` that its trigger and its resolve share",
            )
        self._key = text
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
            position=self._position(),
            notes=(*normal.notes, *notes),
        )

    def _position(self) -> Position:
        """All rules of all events of one message get places of their own, in their order."""
        index = self._event.index * max(1, len(self._rules.rules)) + self._rule.ordinal
        return Position(epoch=self._arrival.epoch, sequence=self._arrival.sequence, index=index)


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
