"""Sample events: the shipped cases, made fresh.

The demo's story, `sample` and whoever else needs an event to try something with take it from here,
so that what a newcomer sees is what the golden tests hold.

Rules: an event is a case of a shipped rule with a fresh id and time and, if asked for, some values
changed; nothing is invented. What a case asks of PagerDuty is read from its expected file.

This module does not know rules or templates.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from subscriber.config import nearest
from subscriber.model import Action, Problem, Reason
from subscriber.service.cases import Case, pack_cases
from subscriber.service.rulebook import packs_folder

_ODD = ("hostile", "missing", "null", "wrong", "long", "data-is", "without", "legacy", "unknown")
_ORDER = (Action.TRIGGER, Action.RESOLVE, Action.CHANGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One event that can be had.

    Attributes:
        case: the shipped case.
        type: its CloudEvents type.
        asks: what the case's rule makes of it; None: nothing.
    """

    case: Case
    type: str
    asks: Action | None

    @property
    def is_plain(self) -> bool:
        """Whether it is an everyday event, not one that tries a rule's patience."""
        return not any(word in self.case.name for word in _ODD)


def samples(root: Path | None = None) -> list[Sample]:
    """Every shipped case that has both of its files, by type and name."""
    found = []
    for case in pack_cases(packs_folder() if root is None else root):
        if case.event_file.exists() and case.expected_file.exists():
            event_type = _type_of(_read(case.event_file))
            found.append(Sample(case=case, type=event_type, asks=_asked(case)))
    return sorted(found, key=lambda one: (one.type, one.case.label))


def choose(wanted: str, asks: Action | None = None, root: Path | None = None) -> Sample:
    """The plainest sample of a type.

    Args:
        wanted: a type, a glob, its beginning or its end (`evaluation.finished`), or the label of
            a case (`keptn/evaluation/fail`).
        asks: only one that asks for this; otherwise a trigger is preferred.
        root: where the packs are.

    Raises:
        Problem: there is none; the hint names the nearest.
    """
    fitting = matching(wanted, root)
    right = [one for one in fitting if asks is None or one.asks is asks]
    if not right:
        offered = sorted({one.asks.value if one.asks else "nothing" for one in fitting})
        raise Problem(
            Reason.INVALID_VALUE,
            f"no sample of {wanted!r} asks for a {asks}",
            hint=f"those that there are ask for: {', '.join(offered)}",
        )
    return min(right, key=_plainness)


def matching(wanted: str, root: Path | None = None) -> list[Sample]:
    """The samples that `wanted` means (see `choose`), all of them when it is empty.

    Raises:
        Problem: there is none; the hint names the nearest.
    """
    known = samples(root)
    fitting = _fitting(known, wanted) if wanted else known
    if not fitting:
        names = sorted({one.type for one in known} | {one.case.label for one in known})
        raise Problem(
            Reason.INVALID_VALUE,
            f"there is no sample of {wanted!r}",
            hint=nearest(wanted, names) or "`sample --list` shows what there is",
        )
    return fitting


def _fitting(known: Sequence[Sample], wanted: str) -> list[Sample]:
    """By label, type, glob, then by the end or the beginning of the type: the first that fits."""
    tests = (
        lambda one: one.case.label == wanted,
        lambda one: one.type == wanted,
        lambda one: fnmatchcase(one.type, wanted),
        lambda one: one.type.endswith(f".{wanted}"),
        lambda one: one.type.startswith(f"{wanted}."),
    )
    for test in tests:
        found = [one for one in known if test(one)]
        if found:
            return found
    return []


def _plainness(sample: Sample) -> tuple[bool, int, bool, int, str]:
    order = _ORDER.index(sample.asks) if sample.asks in _ORDER else len(_ORDER)
    return (
        not sample.is_plain,
        order,
        sample.type.endswith("-draft"),
        len(sample.case.name),
        sample.case.label,
    )


def fresh(
    case: Case,
    *,
    now: datetime | None = None,
    changes: Iterable[tuple[Sequence[str], Any]] = (),
) -> tuple[str, bytes]:
    """The type and the bytes of a case's event, with an id of its own and the present time.

    Args:
        case: which.
        now: the time instead of the present.
        changes: paths into the event and what to put there.

    Raises:
        Problem: a path leads through something that is no object.
    """
    document = _read(case.event_file)
    moment = (now or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if "context" in document:  # a CDEvents document without its envelope
        document["context"].update(id=str(uuid.uuid4()), timestamp=moment)
    else:
        document.update(id=str(uuid.uuid4()), time=moment)
    for path, value in changes:
        _put(document, path, value)
    return _type_of(document), json.dumps(document, ensure_ascii=False).encode()


def _put(document: dict[str, Any], path: Sequence[str], value: Any) -> None:
    inside: Any = document
    for part in path[:-1]:
        inside = inside.setdefault(part, {})
        if not isinstance(inside, dict):
            raise Problem(
                Reason.INVALID_VALUE, f"{part} is no object of the event", where=".".join(path)
            )
    inside[path[-1]] = value


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


def _type_of(document: Mapping[str, Any]) -> str:
    return str(document["context"]["type"] if "context" in document else document["type"])


def _asked(case: Case) -> Action | None:
    expected = _read(case.expected_file)
    if "skipped" in expected:
        return None
    body = expected.get("body", {})
    return Action(body["event_action"]) if "event_action" in body else Action.CHANGE
