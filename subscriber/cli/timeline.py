"""The timeline a person watches: one line per step, event -> rule -> action -> answer -> state.

Rules: standard output; fixed columns so that lines compare at a glance; colours only on a terminal;
texts from events are shown without control characters.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from subscriber.model import Action, Event, Intent, Outcome, OutcomeKind
from subscriber.service.report import Report

_COLUMNS = (("TIME", 8), ("EVENT", 27), ("RULE", 23), ("ACTION", 16), ("PAGERDUTY", 13))
_RED, _GREEN, _YELLOW, _DIM, _BOLD, _PLAIN = "31", "32", "33", "2", "1", "0"
_STATE_COLOURS = {"OPEN": _RED, "ACKNOWLEDGED": _YELLOW, "RESOLVED": _GREEN}
_KINDS = {
    OutcomeKind.DELIVERED: _GREEN,
    OutcomeKind.SKIPPED: _DIM,
    OutcomeKind.SUPERSEDED: _DIM,
    OutcomeKind.SUPPRESSED_STALE: _YELLOW,
    OutcomeKind.DEAD_LETTERED: _RED,
    OutcomeKind.DEFERRED: _YELLOW,
}
_WORDS = {"TRIGGERED": "OPEN"}  # PagerDuty's word for it, and the on-call person's
_STATES = {Action.TRIGGER: "OPEN", Action.ACKNOWLEDGE: "ACKNOWLEDGED", Action.RESOLVE: "RESOLVED"}


class Timeline:
    """An observer that prints."""

    def __init__(
        self,
        out: TextIO,
        *,
        colour: bool,
        state_of: Callable[[str, str], str] | None = None,
        gone: Callable[[], None] | None = None,
    ) -> None:
        """Print to `out`.

        Args:
            out: usually standard output.
            colour: whether to use ANSI colours.
            state_of: asks PagerDuty (the simulator) for the state of (service, dedup key); without
                it the state is the one that an accepted request asked for.
            gone: called once when nobody reads any more (``| head``); nothing is printed then.
        """
        self._out = out
        self._colour = colour
        self._state_of = state_of
        self._gone = gone
        self._read = True
        self._headed = False

    def note(self, report: Report) -> None:
        """Print one step."""
        if not self._headed:
            self._headed = True
            head = "  ".join(name.ljust(width) for name, width in _COLUMNS)
            self._print(self._paint(f"{head}  ALERT", _BOLD))
        outcome, event, intent = report.outcome, report.event, report.outcome.intent
        texts = (
            time.strftime("%H:%M:%S", time.localtime(report.now)),
            _event_words(event) if event else _clean(report.envelope.subject),
            report.rule or "-",
            _action_words(intent),
            _answer_words(outcome),
        )
        cells = [
            text if len(text) <= width else text[: width - 1] + "…"
            for text, (_, width) in zip(texts, _COLUMNS, strict=True)
        ]
        padded = [cell.ljust(width) for cell, (_, width) in zip(cells, _COLUMNS, strict=True)]
        padded[4] = self._paint(padded[4], _KINDS[outcome.kind])
        self._print("  ".join(padded) + "  " + self._alert(outcome))
        detail = _detail(outcome)
        if detail:
            self._print(self._paint(f"{'':8}  {detail}", _DIM))

    def say(self, text: str = "") -> None:
        """Print a line that is not a step."""
        self._print(text)

    def _alert(self, outcome: Outcome) -> str:
        intent = outcome.intent
        if intent is None or not intent.dedup_key or intent.action not in _STATES:
            return "-"
        state = ""
        if self._state_of is not None:
            state = self._state_of(intent.service, intent.dedup_key).upper()
        elif outcome.kind is OutcomeKind.DELIVERED:
            state = _STATES[intent.action]
        state = _WORDS.get(state, state) or "-"
        return self._paint(state, _STATE_COLOURS.get(state, _PLAIN))

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code != _PLAIN else text

    def _print(self, text: str) -> None:
        if not self._read:
            return
        try:
            self._out.write(text.rstrip() + "\n")
            self._out.flush()
        except BrokenPipeError:
            self._read = False
            if self._gone is not None:
                self._gone()


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{MIDDLE DOT}" for c in text)


def _event_words(event: Event) -> str:
    """The type without its vendor prefix, and the result when there is one."""
    name = _clean(event.type)
    for prefix in ("sh.keptn.event.", "sh.keptn.events.", "dev.cdevents."):
        name = name.removeprefix(prefix)
    data = event.data if isinstance(event.data, dict) else {}
    result = data.get("result") or data.get("State")
    return f"{name} {_clean(result)}" if isinstance(result, str) else name


def _action_words(intent: Intent | None) -> str:
    if intent is None:
        return "-"
    severity = (intent.payload or {}).get("severity")
    triggers = intent.action is Action.TRIGGER and severity
    return f"{intent.action.value} {severity}" if triggers else intent.action.value


def _answer_words(outcome: Outcome) -> str:
    if outcome.kind is OutcomeKind.DELIVERED:
        return f"{outcome.status or ''} {outcome.reason.value}".strip()
    if outcome.kind is OutcomeKind.DEFERRED:
        return f"in {outcome.delay:.0f} s again"
    return outcome.kind.value


def _detail(outcome: Outcome) -> str:
    intent = outcome.intent
    key = f"[{_clean(intent.dedup_key)}] " if intent and intent.dedup_key else ""
    if outcome.kind is OutcomeKind.DELIVERED:
        payload = (intent.payload if intent else None) or {}
        return f"{key}{_clean(str(payload.get('summary', '')))}".strip()[:240]
    if outcome.kind.value == outcome.reason.value:
        return key.strip()
    text = " ".join((outcome.message, *outcome.errors)).strip()
    return f"{key}{outcome.reason.value}{f': {_clean(text)}' if text else ''}"[:240]
