"""StandIn: PagerDuty's Events API as a state machine: a body and a time in, a ruling out.

The order in which a call is judged: a switched-on fault; size; JSON; form of the routing key;
whether anybody owns it (plain-text 400); its rate (429, not ingested); everything else that is
wrong with the event, at once (400); then 202, and the effect now or after the configured delay.

Rules: no sockets, no clock (times arrive as arguments and must not go back), no tasks: delayed
effects happen when anybody looks. Everything held is bounded by the settings.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from subscriber.simulator import answer, validate
from subscriber.simulator.answer import Answer
from subscriber.simulator.faults import Ending, Fault, Faults
from subscriber.simulator.journal import Api, Call, Change, Effect, Journal
from subscriber.simulator.ledger import Alert, Ledger
from subscriber.simulator.rates import Rates, rate_headers
from subscriber.simulator.settings import SimulatorConfig, adjusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """How a call is to be ended.

    Attributes:
        answer: what to send; not sent when `ending` says so.
        ending: answer, silence or reset.
        wait: seconds to wait before the answer, or to stay silent.
        call: the record of it.
    """

    answer: Answer
    ending: Ending
    wait: float
    call: Call


class StandIn:
    """One PagerDuty; see the module for the rules."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        """Starts empty, with the settings and faults of `config`."""
        self._initial = config or SimulatorConfig()
        self.reset()

    def reset(self) -> None:
        """As on the first day: nothing held, settings and faults as it was started with."""
        config = self._initial
        self.config = config
        self.faults = Faults(config.faults, config.seed)
        self.rates = Rates(config.rate_limit, config.rate_window)
        self.ledger = Ledger(config.keep)
        self.calls: Journal[Call] = Journal(config.keep, config.keep_bytes)
        self.changes: Journal[Change] = Journal(config.keep)
        self.effects: Counter[Effect] = Counter()
        self._pending: deque[tuple[float, Call, Mapping[str, Any]]] = deque()
        self._names = random.Random(config.seed)  # noqa: S311  names, not secrets

    def configure(self, changes: Mapping[str, object]) -> None:
        """Change settings (names of `settings.ADJUSTABLE`, JSON values); windows start anew.

        Raises:
            Problem: an unknown name or a value that does not fit; nothing was changed then.
        """
        self.config = adjusted(self.config, changes)
        if {"rate_limit", "rate_window"} & changes.keys():
            self.rates = Rates(self.config.rate_limit, self.config.rate_window)

    def switch(self, faults: Iterable[Fault]) -> None:
        """Replace all faults; the dice start anew."""
        self.config = replace(self.config, faults=tuple(faults))
        self.faults = Faults(self.config.faults, self.config.seed)

    def receive(self, api: Api, body: bytes | None, now: float, size: int | None = None) -> Ruling:
        """Judge one POST.

        Args:
            api: which endpoint.
            body: what was sent; None when it was larger than the size limit.
            now: seconds since 1970.
            size: how many bytes were seen, where that is not the length of `body`.
        """
        self.settle(now)
        document = validate.parse(body) if body is not None else None
        key = document.get("routing_key") if document else None
        key = key if isinstance(key, str) else None
        call = Call(
            number=self.calls.total + 1,
            at=now,
            api=api,
            size=size if size is not None else len(body or b""),
            effect=Effect.FAULT,
            routing_key=key,
            raw=body if document is not None else None,
        )
        self.calls.add(call, weight=len(call.raw or b""))
        fault = self.faults.strike(key)
        instead: Answer | None = None
        if fault is not None:
            call.fault = fault.kind
            instead = fault.answer()
        if fault is None or fault.shape.accepts:
            reply = self._judge(call, body, document)
        else:
            reply = instead or answer.plain(500, "")  # the latter is never sent
        ending = fault.shape.ending if fault else Ending.ANSWER
        call.status = reply.status if ending is Ending.ANSWER else 0
        self.effects[call.effect] += 1
        return Ruling(
            answer=reply, ending=ending, wait=fault.wait if fault is not None else 0.0, call=call
        )

    def settle(self, now: float) -> None:
        """Let the delayed effects happen whose time has come."""
        while self._pending and self._pending[0][0] <= now:
            self._settle_oldest()

    def _settle_oldest(self) -> None:
        due, call, document = self._pending.popleft()
        self.effects[Effect.PENDING] -= 1
        self._apply(call, document, due)
        self.effects[call.effect] += 1

    @property
    def pending(self) -> int:
        """How many accepted events have not taken effect yet."""
        return len(self._pending)

    def alert(self, dedup_key: str, routing_key: str | None = None) -> Alert | None:
        """The newest alert with this dedup key (of this routing key), open or resolved."""
        newest: Alert | None = None
        for alert in self.ledger:
            if alert.dedup_key == dedup_key and routing_key in (None, alert.routing_key):
                newest = alert
        return newest

    def _judge(self, call: Call, body: bytes | None, document: validate.Document | None) -> Answer:
        config = self.config
        call.effect = Effect.REJECTED
        if body is None or len(body) > config.size_limit:
            # not published
            errors = [f"Event is too large (maximum is {config.size_limit} bytes)"]
            call.errors = tuple(errors)
            return answer.invalid(errors, config.oversize_status)
        if document is None:
            call.errors = ("JSON parse error",)
            return answer.unreadable()
        errors = validate.routing_key_errors(document)
        if not errors:
            key: str = document["routing_key"]
            if config.known_keys is not None and key not in config.known_keys:
                call.errors = ("Invalid routing key",)
                return answer.unknown_routing_key()
            wait = self.rates.admit(key, call.at)
            if wait is not None:
                call.effect = Effect.THROTTLED
                headers = config.rate_headers and rate_headers(config.rate_limit or 0, wait)
                return answer.throttled(headers or ())
        if call.api is Api.CHANGES:
            errors += validate.ruleset_key_errors(document) + validate.change_errors(document)
        else:
            errors += validate.event_errors(document)
        if errors:
            call.errors = tuple(errors)
            return answer.invalid(errors)
        return self._accept(call, document)

    def _accept(self, call: Call, document: validate.Document) -> Answer:
        if call.api is Api.EVENTS:
            call.action = document["event_action"]
            call.dedup_key = document.get("dedup_key") or ""
            if not call.dedup_key.strip():
                call.dedup_key = f"{self._names.getrandbits(128):032x}"
        call.effect = Effect.PENDING
        if self.config.delay > 0 or self._pending:
            # Behind what already waits, also when the delay was shortened: accepted in order,
            # effective in order.
            self._pending.append((call.at + self.config.delay, call, document))
            if len(self._pending) > self.config.keep:
                self._settle_oldest()
        else:
            self._apply(call, document, call.at)
        if call.api is Api.EVENTS:
            return answer.event_accepted(call.dedup_key)
        return answer.change_accepted()

    def _apply(self, call: Call, document: Mapping[str, Any], at: float) -> None:
        key: str = document["routing_key"]
        if call.api is Api.CHANGES:
            payload = document["payload"]
            self.changes.add(
                Change(
                    number=self.changes.total + 1,
                    at=at,
                    call=call.number,
                    summary=payload["summary"],
                    source=(payload.get("source") or "")[:1024],
                    routing_key=key,
                )
            )
            call.effect = Effect.RECORDED
            return
        call.effect, alert = self.ledger.apply(
            key, call.dedup_key, document, at=at, call=call.number
        )
        call.alert = alert.number if alert else None
