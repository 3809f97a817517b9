"""Casebooks: where the cases of a configuration or of packs are, and the bench that runs them.

Rules: a folder with `subscriber.yaml` is a configuration, whose cases are in `cases/` beside it; a
folder with `rule.yaml`, in it or up to two levels down, is a rule, a pack, or a folder of packs.
Rules that are switched off are tested too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from subscriber.config import Config, ConfigError, load_config, nearest
from subscriber.model import Problem, Reason
from subscriber.ports.files import read_text
from subscriber.rules import compile_rules
from subscriber.service.cases import Bench, Case, own_cases, pack_cases, switched_on
from subscriber.service.rulebook import load_packs, packs_folder, rule_sources, service_names

CONFIGURATION = "subscriber.yaml"
CASES = "cases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Casebook:
    """Cases and who answers them.

    Attributes:
        bench: the rules, compiled.
        cases: in order of their rules' names.
        expected_of: names of the rules that should have cases.
    """

    bench: Bench
    cases: Sequence[Case]
    expected_of: Sequence[str] = ()

    def chosen(self, pattern: str) -> list[Case]:
        """The cases of the rules that a glob matches.

        Raises:
            Problem: UNKNOWN_RULE when there are none.
        """
        found = [case for case in self.cases if fnmatchcase(case.rule, pattern)]
        if not found:
            names = sorted({case.rule for case in self.cases})
            raise Problem(
                Reason.UNKNOWN_RULE,
                f"no rule called {pattern!r} has a case",
                hint=nearest(pattern, names) or f"cases are there for {', '.join(names)}",
            )
        return found

    def without_cases(self) -> list[str]:
        """Rules that should have cases and have none."""
        asked = {case.rule for case in self.cases}
        return [name for name in self.expected_of if name not in asked]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a casebook is read from.

    Attributes:
        read: reads it anew; raises Problem when a file is wrong or there are no cases.
        roots: files and folders that it depends on.
    """

    read: Callable[[], Casebook]
    roots: Callable[[], Iterator[Path]] = field(repr=False)


def shipped() -> Place:
    """The cases of the shipped rules."""
    return _packs(packs_folder(), "*")


def find(folder: Path, config: Path | None = None) -> Place:
    """Where the cases of a folder are.

    Args:
        folder: what the person named.
        config: the configuration that they named; `folder` then holds its cases.

    Raises:
        Problem: MISSING_FILE when it is none of the kinds of folders that have cases.
    """
    if config is not None:
        return _configured(config, folder)
    if (folder / CONFIGURATION).is_file():
        return _configured(folder / CONFIGURATION, folder / CASES)
    here = folder.resolve()
    if (here / "rule.yaml").is_file():
        return _packs(here.parent.parent, f"{here.parent.name}/{here.name}")
    if any(here.glob("*/rule.yaml")):
        return _packs(here.parent, f"{here.name}/*")
    if any(here.glob("*/*/rule.yaml")):
        return _packs(here, "*")
    raise Problem(
        Reason.MISSING_FILE,
        f"no {CONFIGURATION} and no rule.yaml is here" if folder.is_dir() else "no such folder",
        where=str(folder),
        hint="name a DIR or --config; `init` makes a configuration, `test --packs` tests the "
        "shipped rules",
    )


def _packs(root: Path, pattern: str) -> Place:
    def read() -> Casebook:
        packs = {
            name: replace(rule, spec=rule.spec.model_copy(update={"enabled": True}))
            for name, rule in load_packs(root).items()
        }
        config = Config(packs=sorted({rule.pack for rule in packs.values()}))
        sources, faults = rule_sources(config, packs=packs)
        if faults:
            raise ConfigError(faults)
        rules = compile_rules(sources, service_names(config), client=config.pagerduty.client)
        cases = [case for case in pack_cases(root) if fnmatchcase(case.rule, pattern)]
        if not cases:
            raise _no_cases(root / "<pack>" / "<rule>" / CASES)
        names = [name for name in packs if fnmatchcase(name, pattern)]
        return Casebook(bench=Bench(rules), cases=cases, expected_of=names)

    def roots() -> Iterator[Path]:
        yield root

    return Place(read=read, roots=roots)


def _configured(path: Path, cases: Path) -> Place:
    def read() -> Casebook:
        config, document = load_config(read_text(path), name=str(path))
        sources, faults = rule_sources(config, document, folder=path.parent)
        try:
            rules = compile_rules(
                switched_on(sources), service_names(config), client=config.pagerduty.client
            )
        except ConfigError as error:
            faults.extend(error.problems)
        if faults:
            raise ConfigError(faults)
        found = own_cases(cases)
        if not found:
            raise _no_cases(cases / "<rule>")
        own = [spec.label for spec in config.rules if spec.enabled]
        return Casebook(bench=Bench(rules), cases=found, expected_of=own)

    def roots() -> Iterator[Path]:
        yield path
        yield cases
        try:
            config, _ = load_config(read_text(path), name=str(path))
        except Problem:
            return  # only a change of the file itself can mend that
        for spec in config.rules:
            if spec.body_file:
                yield path.parent / spec.body_file

    return Place(read=read, roots=roots)


def _no_cases(where: Path) -> Problem:
    return Problem(
        Reason.MISSING_FILE,
        "there are no cases",
        where=str(where),
        hint="a case is an event, <case>.event.json, in this folder; `test --update` writes "
        "<case>.expected.json beside it",
    )
