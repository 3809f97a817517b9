"""Checks that look at one rule alone: its key, its summary, its conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from subscriber.model import Action
from subscriber.pagerduty.limits import DEDUP_KEY_CHARACTERS
from subscriber.rules.lint.facts import Facts, Pattern
from subscriber.rules.lint.finding import Finding, Lint
from subscriber.rules.lint.patterns import glob, overlap
from subscriber.template.outline import Path, outline
from subscriber.template.outline.sketch import HOLE, Piece, Sketch, Text

_OF_ONE_EVENT: frozenset[Path] = frozenset({("id",), ("time",), ("traceparent",), ("sequence",)})
"""Fields that no two events share."""

_OF_ONE_SEQUENCE: frozenset[Path] = frozenset({("shkeptncontext",)})
"""Fields that all events of one delivery share, and no two deliveries."""

_LONG = frozenset(
    {
        "message", "description", "summary", "details", "log", "logs", "stacktrace",
        "stackTrace", "labels", "annotations", "sloFileContent",
    }
)  # fmt: skip
"""Names of fields that hold as much text as somebody cares to write."""


def dotted(path: Path) -> str:
    """A path as people write it in a template."""
    return "." + ".".join(path)


def unstable_key(facts: Facts) -> Iterator[Finding]:
    """A key that the event which closes the alert cannot have."""
    if facts.key is None or not facts.may(Action.TRIGGER):
        return
    always = facts.key.always()
    if ("triggeredid",) in always:
        return  # the id of a .triggered event is the triggeredid of its .finished event
    changing = sorted(always & _OF_ONE_EVENT)
    why = "is another one in every event, so nothing can ever close the alert"
    types = facts.source.spec.types or ()
    if not changing and all(kind.endswith(".finished") for kind in types):
        changing = sorted(always & _OF_ONE_SEQUENCE)
        why = "is another one in the next delivery, so that cannot close the alert"
    if changing:
        yield Finding(
            code=Lint.UNSTABLE_KEY,
            message=f"rule {facts.name!r}: the dedup key holds {dotted(changing[0])}, which {why}",
            where=facts.where(*facts.key_at),
            hint="build it from what stays: project, stage, service, the name of a check",
        )


def unbounded_key(facts: Facts) -> Iterator[Finding]:
    """A key that can be longer than PagerDuty takes."""
    if facts.key is None or facts.actions in (frozenset({"change"}), frozenset({"", "change"})):
        return
    literal = min(len(shape.replace(HOLE, "")) for shape in facts.key.shapes())
    long = sorted(
        path
        for value in facts.key.values()
        if not value.cut
        for path in value.always
        if path[-1] in _LONG
    )
    if literal > DEDUP_KEY_CHARACTERS:
        message = f"the dedup key has at least {literal} characters"
    elif long:
        message = f"the dedup key holds {dotted(long[0])}, a text of any length"
    else:
        return
    yield Finding(
        code=Lint.UNBOUNDED_KEY,
        message=f"rule {facts.name!r}: {message}; PagerDuty takes {DEDUP_KEY_CHARACTERS}",
        where=facts.where(*facts.key_at),
        hint="longer keys are cut and end in a hash that nobody can read: leave it out, or use "
        "`trunc` or `sha1sum`",
    )


# -- summary -------------------------------------------------------------------------------------


def empty_summary(facts: Facts) -> Iterator[Finding]:
    """A summary that can be nothing."""
    if not (facts.may(Action.TRIGGER) or facts.may(Action.CHANGE)):
        return
    spec = facts.source.spec
    body: dict[str, Any] = spec.body or {}
    payload = body.get("payload", body)
    inside = ("body", "payload") if payload is not body else ("body",)
    written = payload.get("summary") if isinstance(payload, dict) else None
    if written is not None:
        if isinstance(written, str):
            sketch = outline(written, dialect=spec.dialect or "go")
            if sketch.may_be_empty(facts.filled()):
                yield _empty(facts, sketch, facts.where(*inside, "summary"))
    elif facts.source.body_text is not None:
        yield from _in_file(facts, facts.source.body_text)
    else:
        yield Finding(
            code=Lint.EMPTY_SUMMARY,
            message=f"rule {facts.name!r}: the body has no summary",
            where=facts.where("body" if spec.body else "name"),
            hint="add `summary` to it; without one only a plain page goes out",
        )


_SUMMARY = re.compile(r'"summary"\s*:\s*("?)$')


def _in_file(facts: Facts, text: str) -> Iterator[Finding]:
    """The summary in a body file, when its value can be followed."""
    sketch = outline(text, dialect=facts.source.spec.dialect or "go")
    pieces = list(sketch.pieces)
    for index, piece in enumerate(pieces):
        found = _SUMMARY.search(piece.text) if isinstance(piece, Text) else None
        if found:
            value = Sketch(pieces=tuple(_until(pieces[index + 1 :], '"' if found[1] else ",}\n")))
            if value.may_be_empty(facts.filled()):
                at = text.find('"summary"')
                line = text.count("\n", 0, at) + 1
                column = at - text.rfind("\n", 0, at)
                yield _empty(facts, value, f"{facts.source.body_name}:{line}:{column}")
            return


def _until(pieces: Iterable[Piece], ends: str) -> Iterator[Piece]:
    """The pieces up to one of these characters in literal text."""
    for piece in pieces:
        if isinstance(piece, Text):
            places = [at for at in map(piece.text.find, ends) if at >= 0]
            if places:
                yield Text(text=piece.text[: min(places)])
                return
        yield piece


def _empty(facts: Facts, sketch: Sketch, where: str) -> Finding:
    fields = sorted({path for value in sketch.values() for path in value.shown})
    when = f" when {dotted(fields[0])} is" if len(fields) == 1 else ""
    return Finding(
        code=Lint.EMPTY_SUMMARY,
        message=f"rule {facts.name!r}: the summary can be empty{when}",
        where=where,
        hint='write some text beside it, or `| default "..."`; PagerDuty takes no empty summary',
    )


# -- conditions ----------------------------------------------------------------------------------


def never_matches(facts: Facts) -> Iterator[Finding]:
    """Conditions of which one or the other fails, whatever the event."""
    for index, (path, parts, patterns) in enumerate(facts.match):
        for other, other_parts, other_patterns in facts.match[:index]:
            if parts == other_parts and not _agree(patterns, other_patterns):
                yield _excluded(facts, path, f"`{path}` excludes `{other}`, the same field")
        if parts == ("type",) and not _type_agrees(facts, patterns):
            yield _excluded(facts, path, f"`{path}` excludes all of the rule's `types`")
        for demand in facts.demands:
            if demand.path == parts and not _satisfiable(patterns, demand.values, demand.equal):
                verb = "be" if demand.equal else "not be"
                wanted = " or ".join(repr(value) for value in sorted(demand.values))
                text = f"`when` wants {dotted(parts)} to {verb} {wanted}, which `match` excludes"
                yield _excluded(facts, path, text)
    for index, demand in enumerate(facts.demands):
        for earlier in facts.demands[:index]:
            both = demand.path == earlier.path and demand.equal and earlier.equal
            if both and not demand.values & earlier.values:
                yield Finding(
                    code=Lint.NEVER_MATCHES,
                    message=f"rule {facts.name!r}: `when` wants {dotted(demand.path)} to be two "
                    "things at once",
                    where=facts.where("when"),
                    hint="the rule never applies: use `or`",
                )


def _excluded(facts: Facts, path: str, text: str) -> Finding:
    return Finding(
        code=Lint.NEVER_MATCHES,
        message=f"rule {facts.name!r}: {text}",
        where=facts.where("match", path),
        hint="the rule never applies: all conditions must hold together; alternatives are a list",
    )


def _is_glob(pattern: Pattern) -> bool:
    return isinstance(pattern, str) and any(c in pattern for c in "*?[")


def _agree(one: Iterable[Pattern], other: Iterable[Pattern]) -> bool:
    """Whether a value can fit a pattern of each."""
    listed = list(other)
    return any(_meet(left, right) for left in one for right in listed)


def _meet(left: Pattern, right: Pattern) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return overlap(glob(left), glob(right))
    if isinstance(left, str) or isinstance(right, str):
        return True  # text also meets numbers and booleans by their spelling
    return left == right


def _type_agrees(facts: Facts, patterns: Iterable[Pattern]) -> bool:
    types = facts.source.spec.types or ()
    return any(_meet(pattern, kind) for pattern in patterns for kind in types)


def _satisfiable(patterns: Iterable[Pattern], values: frozenset[str], equal: bool) -> bool:
    """Whether a value can fit a pattern and what `when` wants; numbers are left alone."""
    listed = list(patterns)
    if not all(isinstance(pattern, str) for pattern in listed):
        return True
    if equal:
        return any(fnmatchcase(value, str(one)) for value in values for one in listed)
    return any(_is_glob(one) or one not in values for one in listed)


CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    unstable_key,
    unbounded_key,
    empty_summary,
    never_matches,
)
"""Every check of this module."""
