"""What was drafted of Keptn webhooks, written as a configuration file that a person goes on with.

Pure; values in, text out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from subscriber.config.webhook_drafts import Drafts, RuleDraft

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_HEAD = (
    "# Made from {source} by `pagerduty-subscriber import-webhook`. It is yours now: read it once,",
    "# `check` it, and try it with `sample`, `explain` and `backtest`.",
    "",
    "# The shipped rules are off: they would page for the same events once more. They know",
    "# severities, keys per service and resolves; `packs: [keptn]` without rules may be enough.",
    "packs: []",
)


def written(drafts: Drafts, *, source: str) -> str:
    """The text of the configuration file.

    Args:
        drafts: at least one rule.
        source: the name of the webhook file.
    """
    return "\n".join(_lines(drafts, source)) + "\n"


def _lines(drafts: Drafts, source: str) -> Iterator[str]:
    yield from (line.format(source=_comment(source)) for line in _HEAD)
    yield ""
    yield "services:"
    for service in drafts.services:
        yield f"  {_quoted(service.name)}:"
        yield f"    routing_key_env: {service.variable}  # {_comment(service.origin)}"
        if service.region:
            yield f"    region: {service.region}"
    yield ""
    yield "rules:"
    for rule in drafts.rules:
        yield from _rule(rule)


def _rule(rule: RuleDraft) -> Iterator[str]:
    yield f"  - name: {_quoted(rule.name)}"
    subscription = f", subscription {rule.subscription}" if rule.subscription else ""
    yield f"    # was {_comment(rule.where.rsplit('/', 1)[-1] + subscription)}"
    yield f"    types: {_quoted(rule.types)}"
    if rule.match:
        yield "    match:"
        yield from (f"      {path}: {_quoted(value)}" for path, value in rule.match.items())
    yield f"    service: {_quoted(rule.service)}"
    for name, value in (("action", rule.action), ("dedup_key", rule.dedup_key)):
        if not value:
            continue
        yield f"    {name}: {_quoted(value)}"
        offer = rule.offers.get(name)
        if offer is not None:
            better, why = offer
            yield f"    # {why} Better:"
            yield f"    # {name}: {_quoted(better)}"
    yield f"    body_file: {_quoted(rule.body_file)}"


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _quoted(text: str) -> str:
    """A YAML scalar that reads back as this text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text)  # JSON strings are YAML's double-quoted ones
