"""Checks that look at the rules together, and at the rest of the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from subscriber.config import Config, Document
from subscriber.model import Action
from subscriber.rules.lint.facts import Facts, facts_of
from subscriber.rules.lint.finding import Finding, Lint
from subscriber.rules.lint.patterns import covers, glob, overlap, shapes_meet, subject
from subscriber.rules.lint.single import CHECKS
from subscriber.rules.ruleset import RuleSource

_TYPED_SUBJECTS = ("sh.keptn.", "dev.cdevents.")
"""Subjects below which the subject of an event is its type."""

_CREDENTIALS = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@{}]+:[^/\s@{}]+@", re.IGNORECASE)
_TOKEN = re.compile(r"(?:nats|tls|wss?)://[^/\s:@{}]+@", re.IGNORECASE)


def lint(config: Config, document: Document, sources: Sequence[RuleSource]) -> list[Finding]:
    """Everything that is doubtful about a configuration, in the order of the file.

    Args:
        config: as loaded.
        document: its positions.
        sources: all rules that are on or off, compiled without a fault before.
    """
    rules = [facts_of(source) for source in sources if source.spec.enabled]
    own = [facts for facts in rules if any(one is document for one, _, _ in facts.source.origins)]
    found = [
        *lint_rules(own, rules),
        *_never_arrives(config, document, own, rules),
        *_clear_secrets(config, document),
        *_unused_services(config, document, rules),
    ]
    return sorted(found, key=lambda finding: _place(document, finding))


def _place(document: Document, finding: Finding) -> tuple[bool, int, int]:
    parts = finding.where.rsplit(":", 2)
    numbers = [int(part) for part in parts[1:] if part.isdigit()]
    line, column = numbers if len(numbers) == 2 else (0, 0)
    return parts[0] != document.name, line, column


def lint_rules(own: Sequence[Facts], rules: Sequence[Facts]) -> Iterator[Finding]:
    """What is doubtful about rules.

    Args:
        own: those to judge.
        rules: all that are on, in their order; they may close what others open.
    """
    for facts in own:
        for check in CHECKS:
            yield from check(facts)
        yield from _never_resolves(facts, rules)
        yield from _said_twice(facts, rules)


# -- pairs ---------------------------------------------------------------------------------------


def _never_resolves(facts: Facts, rules: Sequence[Facts]) -> Iterator[Finding]:
    if not facts.must(Action.TRIGGER) or facts.key is None:
        return
    closers = [
        other for other in rules if other.may(Action.RESOLVE) and _same_service(facts, other)
    ]
    if any(_same_key(facts, other) for other in closers):
        return
    yield Finding(
        code=Lint.NEVER_RESOLVES,
        message=f"rule {facts.name!r} opens alerts, and no rule resolves one under such a key",
        where=facts.where("action"),
        hint="give the event that ends it a rule, or a branch here, with action resolve and the "
        "same dedup_key; if a person is to close it: `# check: allow never-resolves`",
    )


def _same_service(one: Facts, other: Facts) -> bool:
    if one.services is None or other.services is None:
        return True
    return bool(one.services & other.services)


def _same_key(one: Facts, other: Facts) -> bool:
    if one.key is None or other.key is None:
        return True
    theirs = other.key.shapes()
    return any(shapes_meet(mine, their) for mine in one.key.shapes() for their in theirs)


def _said_twice(facts: Facts, rules: Sequence[Facts]) -> Iterator[Finding]:
    earlier = True
    for other in rules:
        if other is facts:
            earlier = False
        elif _says_the_same(facts, other) and (earlier or not _says_the_same(other, facts)):
            yield Finding(
                code=Lint.SAID_TWICE,
                message=f"rule {facts.name!r}: every event of it is also one of rule "
                f"{other.name!r}, with the same service and dedup key",
                where=facts.where("types"),
                hint="both speak about one alert, the later one wins: switch one off, or give each "
                "a dedup_key of its own; a shipped rule is changed with `use`",
            )


def _says_the_same(narrow: Facts, wide: Facts) -> bool:
    """Whether `wide` surely says something about every event of `narrow`, under the same key."""
    one, other = narrow.source.spec, wide.source.spec
    if not one.dedup_key or _words(one.dedup_key) != _words(other.dedup_key):
        return False
    if _words(one.service or "default") != _words(other.service or "default"):
        return False
    if other.when is not None and _words(other.when) != _words(one.when):
        return False
    if (other.dialect or "go") != (one.dialect or "go"):
        return False
    asked = {parts: set(map(repr, patterns)) for _, parts, patterns in narrow.match}
    for _, parts, patterns in wide.match:
        if parts not in asked or not asked[parts] <= set(map(repr, patterns)):
            return False
    if not all(any(covers(big, small) for big in other.types or ()) for small in one.types or ()):
        return False
    if _words(one.action) == _words(other.action):
        return True
    # another action: only one that is the same for all events is sure to be asked for
    constant = wide.actions is not None and len(wide.actions) == 1 and "" not in wide.actions
    return constant and bool(wide.actions and narrow.actions and wide.actions & narrow.actions)


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


# -- the rest of the configuration ---------------------------------------------------------------


def _never_arrives(
    config: Config, document: Document, own: Sequence[Facts], rules: Sequence[Facts]
) -> Iterator[Finding]:
    subjects = config.nats.subjects
    if not all(one.startswith(_TYPED_SUBJECTS) for one in subjects):
        return  # elsewhere a subject says nothing about types
    listened = [subject(one) for one in subjects]

    def arrives(facts: Facts) -> bool:
        types = facts.source.spec.types or ()
        return any(overlap(glob(kind), one) for kind in types for one in listened)

    def found(what: str, where: str) -> Finding:
        return Finding(
            code=Lint.NEVER_ARRIVES,
            message=f"{what}: no event of its types comes on the subjects listened on "
            f"({', '.join(subjects)})",
            where=where,
            hint="add the subject of its events to `nats.subjects`",
        )

    for facts in own:
        if not arrives(facts):
            yield found(f"rule {facts.name!r}", facts.where("types"))
    if "packs" not in config.model_fields_set:
        return
    for index, pack in enumerate(config.packs):
        shipped = [facts for facts in rules if facts.name.startswith(f"{pack}/")]
        if shipped and not any(facts in own or arrives(facts) for facts in shipped):
            yield found(f"pack {pack!r}", document.where(("packs", index)))


def _clear_secrets(config: Config, document: Document) -> Iterator[Finding]:
    for name, service in config.services.items():
        if service.routing_key is not None:
            yield Finding(
                code=Lint.CLEAR_SECRET,
                message=f"services.{name}: the routing key is written into this file",
                where=document.where(("services", name, "routing_key")),
                hint="keep it in an environment variable (`routing_key_env`) or a file "
                "(`routing_key_file`)",
            )
    for path, text in _texts(document.value, ()):
        pattern = _CREDENTIALS.search(text) or (path[:1] == ("nats",) and _TOKEN.search(text))
        if pattern:
            yield Finding(
                code=Lint.CLEAR_SECRET,
                message=f"{'.'.join(map(str, path))}: the URL holds a password or token",
                where=document.where(path),
                hint="for NATS: `user` with `password_file`, `token_file`, or the whole URL in "
                "NATS_URL",
            )


def _texts(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))


def _unused_services(
    config: Config, document: Document, rules: Sequence[Facts]
) -> Iterator[Finding]:
    used: set[str] = set()
    for facts in rules:
        if facts.services is None:
            return  # depends on the event
        used |= facts.services
    for name in config.services:
        if name not in used:
            yield Finding(
                code=Lint.UNUSED_SERVICE,
                message=f"service {name!r} is named by no rule that is on",
                where=document.where(("services", name), key=True),
                hint="give a rule `service: " + name + "`, or leave it out",
            )
