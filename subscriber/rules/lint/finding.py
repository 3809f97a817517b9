"""A finding, its code, and how a person says that something is meant as it is.

Rules: codes are kebab-case and stable, since people write them into their files:
`# check: allow CODE` at the end of the line of a finding, or in the line above, takes it away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Lint(StrEnum):
    """What can be found."""

    UNSTABLE_KEY = "unstable-key"
    """The dedup key changes with every event."""
    UNBOUNDED_KEY = "unbounded-key"
    """The dedup key can be longer than PagerDuty takes."""
    NEVER_RESOLVES = "never-resolves"
    """What the rule opens no rule closes."""
    EMPTY_SUMMARY = "empty-summary"
    """PagerDuty refuses a page without a summary."""
    NEVER_ARRIVES = "never-arrives"
    """No subject that is listened on carries events of the rule's types."""
    NEVER_MATCHES = "never-matches"
    """Two conditions exclude each other."""
    SAID_TWICE = "said-twice"
    """Another rule says the same about the same events."""
    CLEAR_SECRET = "clear-secret"  # noqa: S105  a name
    """A secret is written into the file."""
    UNUSED_SERVICE = "unused-service"
    """No rule names the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is probably not meant.

    Attributes:
        code: what kind of thing.
        message: one sentence; never holds a secret.
        where: ``file:line:column``.
        hint: what to do about it.
    """

    code: Lint
    message: str
    where: str
    hint: str


_ALLOW = re.compile(r"#\s*check:\s*allow\s+([a-z][a-z, -]*)")


def allowed(text: str, name: str, findings: Iterable[Finding]) -> list[Finding]:
    """The findings without those that comments in the file allow.

    Args:
        text: the file's text.
        name: the file's name, as findings call it.
        findings: of this file and others.
    """
    lines = text.splitlines()
    kept = []
    for finding in findings:
        file, _, place = finding.where.removeprefix(name).partition(":")
        number = place.partition(":")[0]
        meant: set[str] = set()
        if finding.where.startswith(name) and not file and number.isdigit():
            here = lines[max(0, int(number) - 2) : int(number)]
            above = [line for line in here[:-1] if line.lstrip().startswith("#")]
            for line in [*above, *here[-1:]]:
                for match in _ALLOW.finditer(line):
                    meant |= set(re.split(r"[,\s]+", match.group(1)))
        if finding.code not in meant:
            kept.append(finding)
    return kept
