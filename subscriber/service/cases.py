"""Cases: events beside the rules with the exact requests that they give.

A case is `<case>.event.json`, a CloudEvent as a producer sends it (or a bare CDEvents document),
beside `<case>.expected.json`: the request without its routing key, or the reason for none. In a
pack the cases of a rule are in `<pack>/<rule>/cases/`; those of a configuration's rules are in
`cases/<rule name>/` beside it.

Rules: bytes go in and the request comes out by nothing but the path of the service: decode, the
compiled rules, explain, the request's encoder. Only the rule that a case belongs to is asked, also
when it is switched off. A rule that fails is never what a case expects.

This module does not know how results are shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from subscriber.cloudevent import decode
from subscriber.config import nearest
from subscriber.model import Arrival, Envelope, Event, Problem, Reason
from subscriber.ports.files import read_text
from subscriber.rules import RuleSet, RuleSource, Trace, explain
from subscriber.service.keyless import keyless

EVENT = ".event.json"
EXPECTED = ".expected.json"
ARRIVAL = Arrival(epoch=1, sequence=7, received_at=1_710_125_824.0)
"""When and where the event of a case came in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One pair of files.

    Attributes:
        rule: name of the rule it belongs to.
        name: the files' name without their endings.
        folder: where they are.
    """

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


def pack_cases(root: Path) -> list[Case]:
    """The cases of packs: `<root>/<pack>/<rule>/cases/<case>`."""
    return [
        Case(rule="/".join(folder.parts[-3:-1]), name=name, folder=folder)
        for folder in sorted(root.glob("*/*/cases"))
        for name in _names(folder)
    ]


def own_cases(root: Path) -> list[Case]:
    """The cases of a configuration's rules: `<root>/<rule name>/<case>`."""
    if not root.is_dir():
        return []
    folders = sorted({path.parent for path in root.rglob("*.json")})
    return [
        Case(rule=folder.relative_to(root).as_posix(), name=name, folder=folder)
        for folder in folders
        for name in _names(folder)
    ]


def _names(folder: Path) -> list[str]:
    """Every case in a folder, also one of which only the expected file is there."""
    names = {path.name.removesuffix(EVENT) for path in folder.glob(f"*{EVENT}")}
    return sorted(
        names | {path.name.removesuffix(EXPECTED) for path in folder.glob(f"*{EXPECTED}")}
    )


class Ending(StrEnum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    """The rule says something else than expected."""
    BROKEN = "broken"
    """Nothing could be compared: a file is missing or wrong, or the rule fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one case.

    Attributes:
        ending: passed, failed or broken.
        actual: what the rule says, as the text of an expected file; empty when it says nothing.
        expected: the expected file in the same form; empty when there is none.
        detail: why it is broken.
        seconds: how long it took.
    """

    case: Case
    ending: Ending
    actual: str = ""
    expected: str = ""
    detail: str = ""
    seconds: float = 0.0


def switched_on(sources: Iterable[RuleSource]) -> list[RuleSource]:
    """The rules with those that are off switched on, unless another one has their name."""
    listed = list(sources)
    on = {source.spec.label for source in listed if source.spec.enabled}
    return [
        source
        if source.spec.enabled or source.spec.label in on
        else replace(source, spec=source.spec.model_copy(update={"enabled": True}))
        for source in listed
    ]


def event_of(data: bytes) -> Event:
    """The one event of a message without headers.

    Raises:
        Problem: it cannot be read, or is a batch of none or several.
    """
    events = decode(Envelope(subject="", data=data, received_at=ARRIVAL.received_at))
    if len(events) != 1:
        raise Problem(
            Reason.INVALID_VALUE,
            f"holds {len(events)} events",
            hint="a case is one event: give each a file of its own",
        )
    return events[0]


def written(answer: Mapping[str, Any]) -> str:
    """An answer as the text of an expected file."""
    return json.dumps(answer, indent=2, ensure_ascii=False) + "\n"


class Bench:
    """Asks rules about cases.

    Attributes:
        rules: all that may be asked, compiled.
    """

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._alone = {
            rule.name: RuleSet([rule], rules.services, client=rules.client) for rule in rules.rules
        }

    def trace_of(self, rule: str, event: Event) -> Trace:
        """What one rule makes of an event.

        Raises:
            Problem: UNKNOWN_RULE.
        """
        alone = self._alone.get(rule)
        if alone is None:
            raise Problem(
                Reason.UNKNOWN_RULE,
                f"no rule is called {rule!r}",
                hint=nearest(rule, self._alone) or f"known: {', '.join(sorted(self._alone))}",
            )
        (trace,) = explain(alone, event, ARRIVAL)
        return trace

    def answer(self, case: Case) -> dict[str, Any]:
        """What the rule says about the case's event, in the form of an expected file.

        Raises:
            Problem: the event cannot be read, no rule has the name, or the rule fails.
        """
        text = read_text(case.event_file)
        try:
            event = event_of(text.encode())
        except Problem as problem:
            # where: a path inside of the event, which says nothing without the file
            place = f"{case.event_file}: {problem.where}" if problem.where else str(case.event_file)
            raise Problem(
                problem.reason, problem.message, where=place, hint=problem.hint
            ) from problem
        trace = self.trace_of(case.rule, event)
        if trace.problem is not None:
            raise trace.problem
        if trace.intent is None:
            return {"skipped": trace.reason.value, "detail": trace.detail}
        request = keyless(trace.intent)
        return {"service": trace.intent.service, "api": request.api, "body": request.body}

    def run(self, case: Case) -> Result:
        """Compare what the rule says with what is expected."""
        begun = time.perf_counter()
        try:
            result = self._compared(case)
        except Problem as problem:
            result = Result(case=case, ending=Ending.BROKEN, detail=str(problem))
        return replace(result, seconds=time.perf_counter() - begun)

    def _compared(self, case: Case) -> Result:
        answer = self.answer(case)
        actual = written(answer)
        if not case.expected_file.exists():
            return Result(
                case=case,
                ending=Ending.BROKEN,
                actual=actual,
                detail=f"{case.expected_file} is missing (`--update` writes it)",
            )
        text = read_text(case.expected_file)
        try:
            wanted = json.loads(text)
        except ValueError as error:
            raise Problem(
                Reason.NOT_JSON, f"is not JSON: {error}", where=str(case.expected_file)
            ) from None
        if wanted == answer:
            return Result(case=case, ending=Ending.PASSED, actual=actual, expected=actual)
        return Result(case=case, ending=Ending.FAILED, actual=actual, expected=written(wanted))


def update(case: Case, actual: str) -> bool:
    """Write the expected file; whether that changed it."""
    old = case.expected_file.read_text("utf-8") if case.expected_file.exists() else None
    if old == actual:
        return False
    case.expected_file.write_text(actual, "utf-8")
    return True
