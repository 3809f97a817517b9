"""The cases of the shipped rules, all of them switched on, on the bench that `test` uses too."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from subscriber.config import Config
from subscriber.model import Event, Intent
from subscriber.rules import RuleSet, Trace, compile_rules
from subscriber.service.cases import ARRIVAL, Bench, Case, event_of, pack_cases
from subscriber.service.keyless import keyless
from subscriber.service.rulebook import (
    ShippedRule,
    load_packs,
    packs_folder,
    rule_sources,
    service_names,
)

__all__ = [
    "ARRIVAL",
    "CHANGES_ONLY",
    "Case",
    "all_cases",
    "answer",
    "bench",
    "event_of",
    "packs",
    "request_body",
    "rule_set",
    "trace_of",
]

CHANGES_ONLY = {
    "keptn/deployment-change",
    "cdevents/service",
    "klt/deployment-change",
    "argocd/deployment-change",
    "argo-rollouts/deployment-change",
}
"""Rules that page nobody."""


def all_cases() -> list[Case]:
    """Every case of every shipped rule."""
    return pack_cases(packs_folder())


@cache
def packs() -> dict[str, ShippedRule]:
    """The shipped rules, all switched on."""
    return {
        name: replace(rule, spec=rule.spec.model_copy(update={"enabled": True}))
        for name, rule in load_packs().items()
    }


@cache
def rule_set() -> RuleSet:
    """All of them compiled, those of the packs that are off at first too."""
    config = Config(packs=sorted({rule.pack for rule in packs().values()}))
    sources, faults = rule_sources(config, packs=packs())
    assert not faults
    return compile_rules(sources, service_names(config), client=config.pagerduty.client)


@cache
def bench() -> Bench:
    """Where they are asked."""
    return Bench(rule_set())


def trace_of(rule: str, event: Event) -> Trace:
    """What one rule makes of an event."""
    return bench().trace_of(rule, event)


def request_body(intent: Intent) -> tuple[str, dict[str, Any]]:
    """The API and the request as PagerDuty would read it, without the key."""
    request = keyless(intent)
    return request.api, request.body


def answer(case: Case) -> dict[str, Any]:
    """What the rule says about the case's event, in the form of an expected file."""
    return bench().answer(case)
