"""How a dead letter is shown: as a row, as a whole, as JSON; and what a replay of it would do.

Rules: secrets that this process knows are taken out, and so is the value of every header or field
whose name says that it is one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from subscriber.cli.table import moment, plain, table, width
from subscriber.model import Action, OutcomeKind
from subscriber.service.journal import Redactor
from subscriber.service.rehearsal import Expected
from subscriber.service.replay import Letter

_HEAD = ("ID", "WRITTEN", "REASON", "RULE", "EVENT", "ALERT")
_MASK = "********"
_SECRET_NAME = re.compile(r"auth|token|secret|passw|cookie|api[-_]?key|routing[-_]?key", re.I)
_SECRET_FIELD = re.compile(
    r'("[^"]*(?:auth|token|secret|passw|api_?key|routing_?key)[^"]*"\s*:\s*")((?:[^"\\]|\\.)*)',
    re.I,
)
_FACTS = (
    ("Reason", "Reason"),
    ("Why", "Message"),
    ("Errors", "Errors"),
    ("Rule", "Rule"),
    ("Action", "Action"),
    ("Service", "Service"),
    ("Dedup key", "Dedup-Key"),
    ("Event", "Event-Type"),
    ("Event id", "Event-Id"),
    ("Event source", "Event-Source"),
    ("HTTP status", "Status"),
    ("Attempts", "Attempts"),
    ("Deliveries", "Deliveries"),
    ("Subject", "Subject"),
    ("Stream", "Stream"),
    ("Sequence", "Sequence"),
    ("Received", "Received-At"),
    ("Written", "Written-At"),
    ("Data cut from", "Cut-Data"),
    ("Headers cut", "Trimmed-Headers"),
)
_PREFIXES = ("sh.keptn.event.", "sh.keptn.events.", "dev.cdevents.")


def row(letter: Letter, redactor: Redactor) -> tuple[str, ...]:
    """The cells of a letter in `letter_table`."""
    facts = letter.facts
    event = facts.get("Event-Type", "") or letter.envelope.subject
    for prefix in _PREFIXES:
        event = event.removeprefix(prefix)
    cells = (
        str(letter.number),
        moment(letter.written_at),
        letter.reason or "not ours",
        facts.get("Rule", ""),
        event,
        facts.get("Dedup-Key", ""),
    )
    return tuple(str(redactor.clean(cell)) for cell in cells)


def letter_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of the list; none for no letters."""
    return table(_HEAD, rows, width()) if rows else []


def digest(letter: Letter, redactor: Redactor) -> dict[str, Any]:
    """A letter for machines, without its message."""
    facts = {_snake(name): value for name, value in letter.facts.items()}
    facts.setdefault("subject", letter.envelope.subject)
    found = {"id": letter.number, **facts, "bytes": len(letter.envelope.data)}
    return dict(redactor.clean(found))


def whole(letter: Letter, redactor: Redactor) -> dict[str, Any]:
    """A letter for machines, its message included: `data`, or `data_base64` when it is no text."""
    envelope = letter.envelope
    found = digest(letter, redactor)
    found["headers"] = {
        name: _MASK if _SECRET_NAME.search(name) else redactor.clean(value)
        for name, value in envelope.headers.items()
    }
    try:
        found["data"] = _SECRET_FIELD.sub(rf"\1{_MASK}", redactor.clean(envelope.data.decode()))
    except UnicodeDecodeError:
        found["data_base64"] = base64.b64encode(envelope.data).decode()
    return found


def spoken(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts of a `digest` under names for people."""
    return [(name, str(found.get(_snake(key), ""))) for name, key in _FACTS]


def _snake(name: str) -> str:
    return name.lower().replace("-", "_")


def expectation(expected: Expected, redactor: Redactor) -> str:
    """One line about what the service would make of an event."""
    outcome, parts = expected.outcome, []
    intent = outcome.intent
    if intent is not None:
        alert = f" {intent.dedup_key}" if intent.action is not Action.CHANGE else ""
        parts.append(f"{intent.rule}: {intent.action.value}{alert} ->")
    elif expected.rule:
        parts.append(f"{expected.rule}:")
    parts.append(_ending(expected))
    return plain(str(redactor.clean(" ".join(parts))))


def _ending(expected: Expected) -> str:
    outcome = expected.outcome
    if expected.told and outcome.kind in (OutcomeKind.DELIVERED, OutcomeKind.DEFERRED):
        said = " and ".join(dict.fromkeys(intent.action.value for intent in expected.told))
        return f"PagerDuty is told ({said})"
    text = outcome.kind.value
    if outcome.reason.value != text:
        text += f", {outcome.reason.value}"
    text = f"nothing is sent: {text}"
    if outcome.kind is OutcomeKind.DEAD_LETTERED:
        text = f"a dead letter again: {outcome.reason.value}"
    return f"{text}: {outcome.message}" if outcome.message else text
