"""A configuration looked at from all sides without running it: faults, and what is doubtful.

Rules: faults are what a start would refuse; findings are what it would not, and probably is not
meant. Keys, credentials and servers are not looked up: the machine that checks need not have them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from subscriber.config import ConfigError, Document, load_config
from subscriber.model import Problem
from subscriber.ports.files import read_text
from subscriber.rules import RuleSet, compile_rules
from subscriber.rules.lint import Finding, allowed, lint
from subscriber.service import options
from subscriber.service.rulebook import rule_sources, service_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found.

    Attributes:
        rules: compiled, None when there are faults.
        faults: why the service would not start, in the order of the file.
        findings: what is doubtful; only looked for when there are no faults.
    """

    rules: RuleSet | None = None
    faults: tuple[Problem, ...] = ()
    findings: tuple[Finding, ...] = field(default=())


def inspect(path: Path) -> Inspection:
    """Look at a configuration file.

    Raises:
        Problem: the file itself cannot be read.
    """
    text = read_text(path)
    try:
        config, document = load_config(text, name=str(path))
    except Problem as problem:
        return Inspection(faults=_each(problem))
    sources, faults = rule_sources(config, document, folder=path.parent)
    rules: RuleSet | None = None
    try:
        rules = compile_rules(sources, service_names(config), client=config.pagerduty.client)
    except ConfigError as error:
        faults.extend(error.problems)
    try:
        options.policy(config)
    except Problem as problem:
        faults.append(_placed(problem, document))
    if faults or rules is None:
        return Inspection(faults=tuple(faults))
    findings = allowed(text, str(path), lint(config, document, sources))
    return Inspection(rules=rules, findings=tuple(findings))


def _each(problem: Problem) -> tuple[Problem, ...]:
    return problem.problems if isinstance(problem, ConfigError) else (problem,)


def _placed(problem: Problem, document: Document) -> Problem:
    """A problem that names a key, with the key's place in the file."""
    where = document.where(tuple(problem.where.split(".")))
    return Problem(problem.reason, problem.message, where=where, hint=problem.hint)
