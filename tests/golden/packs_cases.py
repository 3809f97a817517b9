"""The cases of the shipped rules, and the production path that a case walks.

A case is `templates/<pack>/<rule>/cases/<case>.event.json`, a CloudEvent as a producer sends it (or
a bare CDEvents document), beside `<case>.expected.json`: the request without its routing key, or
the reason for none. Here bytes go in and the request comes out, by nothing but shipped code:
decode, the compiled packs, plan, request_for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from subscriber.cloudevent.decode import decode
from subscriber.config import Config
from subscriber.model import Envelope, Event, Intent, Reason
from subscriber.pagerduty import Accounts, account, request_for
from subscriber.rules import Arrival, RuleSet, Trace, compile_rules, explain
from subscriber.service.rulebook import (
    ShippedRule,
    load_packs,
    packs_folder,
    rule_sources,
    service_names,
)

ARRIVAL = Arrival(epoch=1, sequence=7, received_at=1_710_125_824.0)
ACCOUNTS = Accounts([account("default", "0" * 32)])
EVENT = ".event.json"
EXPECTED = ".expected.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One pair of files."""

    rule: str
    name: str
    folder: Path

    @property
    def label(self) -> str:
        """How tests and people call it."""
        return f"{self.rule}/{self.name}"

    @property
    def event_file(self) -> Path:
        """What goes in."""
        return self.folder / f"{self.name}{EVENT}"

    @property
    def expected_file(self) -> Path:
        """What must come out."""
        return self.folder / f"{self.name}{EXPECTED}"


def all_cases() -> list[Case]:
    """Every case of every shipped rule."""
    return [
        Case(
            rule="/".join(path.parts[-4:-2]),
            name=path.name.removesuffix(EVENT),
            folder=path.parent,
        )
        for path in sorted(packs_folder().glob(f"*/*/cases/*{EVENT}"))
    ]


@cache
def packs() -> dict[str, ShippedRule]:
    """The shipped rules, all switched on."""
    return {
        name: replace(rule, spec=rule.spec.model_copy(update={"enabled": True}))
        for name, rule in load_packs().items()
    }


@cache
def rule_set() -> RuleSet:
    """All of them compiled, as a first installation has them."""
    config = Config()
    sources, faults = rule_sources(config, packs=packs())
    assert not faults
    return compile_rules(sources, service_names(config), client=config.pagerduty.client)


def event_of(data: bytes) -> Event:
    """The one event of a message without headers."""
    (event,) = decode(Envelope(subject="test", data=data, received_at=ARRIVAL.received_at))
    return event


@cache
def alone(rule: str) -> RuleSet:
    """One rule of the set, so that only it is asked."""
    everything = rule_set()
    chosen = [candidate for candidate in everything.rules if candidate.name == rule]
    return RuleSet(chosen, everything.services, client=everything.client)


def trace_of(rule: str, event: Event) -> Trace:
    """What one rule makes of an event."""
    (trace,) = explain(alone(rule), event, ARRIVAL)
    return trace


def request_body(intent: Intent) -> tuple[str, dict[str, Any]]:
    """The API and the request as PagerDuty would read it, without the key."""
    request = request_for(intent, ACCOUNTS)
    body = json.loads(request.body)
    assert body.pop("routing_key") == "0" * 32
    return request.api.value, body


def answer(case: Case) -> dict[str, Any]:
    """What the rule says about the case's event, in the form of an expected file."""
    trace = trace_of(case.rule, event_of(case.event_file.read_bytes()))
    if trace.problem is not None:
        return {"problem": trace.problem.reason.value, "detail": str(trace.problem)}
    if trace.intent is None:
        assert trace.reason is not Reason.MATCHED
        return {"skipped": trace.reason.value, "detail": trace.detail}
    api, body = request_body(trace.intent)
    return {"service": trace.intent.service, "api": api, "body": body}
