"""What Keptn webhooks become: services, rules and notes, before anything is written.

Plain values; this module does not know how they are found or written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class NoteKind(StrEnum):
    """What a note is about."""

    TODO = "to do"
    WARNING = "warning"
    LEFT_OUT = "not carried over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something the person must know; `where` is a place in the webhook file."""

    kind: NoteKind
    where: str
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDraft:
    """A service to be; its key is in an environment variable."""

    name: str
    variable: str
    region: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDraft:
    """A rule to be.

    Attributes:
        where, subscription: what it was made of.
        action: a template; empty when the pair of trigger and resolve is to be written.
        offers: what would be better, to be written as comments: field -> value and why.
        body: the text of its body file.
    """

    name: str
    where: str
    subscription: str
    types: str
    match: Mapping[str, str]
    service: str
    action: str
    dedup_key: str
    offers: Mapping[str, tuple[str, str]]
    body: str

    @property
    def body_file(self) -> str:
        """Its name."""
        return f"{self.name}.json.tmpl"


@dataclass(slots=True, kw_only=True)
class Drafts:
    """What became of the webhooks."""

    services: list[ServiceDraft] = field(default_factory=list)
    rules: list[RuleDraft] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
