"""What is known about one rule without an event: read once, asked by every check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from subscriber.model import Action
from subscriber.rules.match import split_path
from subscriber.rules.ruleset import DEFAULT_SERVICE, RuleSource, bare
from subscriber.template.outline import Demand, Path, Sketch, outline, outline_condition

KEY_OF_RULE: tuple[str, ...] = ("dedup_key",)
KEY_OF_BODY: tuple[str, ...] = ("body", "dedup_key")
Pattern = str | bool | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One rule.

    Attributes:
        actions: what it can ask for, "" for nothing; None when not known.
        key: its dedup key; None when not known.
        key_at: where in the rule the key is written.
        services: names that it can page; None when not known.
        match: patterns by path, one entry for each line of `match`.
        demands: what `when` demands of single fields.
    """

    source: RuleSource = field(repr=False)
    actions: frozenset[str] | None
    key: Sketch | None
    key_at: tuple[str, ...]
    services: frozenset[str] | None
    match: tuple[tuple[str, Path, tuple[Pattern, ...]], ...]
    demands: tuple[Demand, ...]

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.source.spec.label

    def may(self, action: Action) -> bool:
        """Whether it can ask for the action, as far as is known."""
        return self.actions is None or action.value in self.actions

    def must(self, action: Action) -> bool:
        """Whether it is known that it can ask for the action."""
        return self.actions is not None and action.value in self.actions

    def where(self, *path: str | int) -> str:
        """`file:line:column` of a part of the rule.

        Of the rule's `use` when the part comes from there; of the rule when it is not written.
        """
        origins = self.source.origins
        if path and origins:
            document, prefix, written = origins[0]
            if path[0] not in written:
                return document.where((*prefix, "use") if len(origins) > 1 else prefix)
        return self.source.where(*path)

    def filled(self) -> frozenset[Path]:
        """Fields that are not empty in any event that the rule matches."""
        matched = {
            parts
            for _, parts, patterns in self.match
            if not any(isinstance(one, str) and fnmatchcase("", one) for one in patterns)
        }
        return frozenset(matched | {("id",), ("source",), ("type",), ("specversion",)})


def facts_of(source: RuleSource) -> Facts:
    """What is known about a rule that compiles."""
    spec = source.spec
    dialect = spec.dialect or "go"
    body: Mapping[str, Any] = spec.body or {}
    said = source.body_text or ""

    def sketch(text: object) -> Sketch | None:
        return outline(text, dialect=dialect) if isinstance(text, str) else None

    def known(text: object) -> frozenset[str] | None:
        found = sketch(text)
        return None if found is None else found.texts()

    if spec.action is not None:
        actions = known(spec.action)
    elif "event_action" in body:
        actions = known(body["event_action"])
    else:
        actions = None if "event_action" in said else frozenset({Action.TRIGGER.value})
    key, key_at = sketch(spec.dedup_key), KEY_OF_RULE
    if key is None and "dedup_key" in body:
        key, key_at = sketch(body["dedup_key"]), KEY_OF_BODY
    demands: tuple[Demand, ...] = ()
    if spec.when is not None:
        _, demands = outline_condition(bare(spec.when), dialect=dialect)
    return Facts(
        source=source,
        actions=None if actions is None else frozenset(action.lower() for action in actions),
        key=key,
        key_at=key_at,
        services=known(spec.service if spec.service is not None else DEFAULT_SERVICE),
        match=tuple(
            (path, split_path(path), tuple(patterns))
            for path, patterns in (spec.match or {}).items()
        ),
        demands=demands,
    )
