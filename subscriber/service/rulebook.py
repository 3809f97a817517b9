"""Where rules are on disk: shipped packs, the user's file, and body files beside either.

Rules: reading happens here, meaning in `rules/`. A shipped rule that the configuration `use`s takes
the place of the default one; everything else in the listed packs stays on as shipped. Only what is
asked for is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path

from subscriber.config import (
    Config,
    ConfigError,
    Document,
    RuleSpec,
    load_rule,
    nearest,
    overlay,
)
from subscriber.model import Problem, Reason
from subscriber.ports.files import read_text
from subscriber.rules import DEFAULT_SERVICE, RuleSet, RuleSource, compile_rules

_MAX_FILE = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedRule:
    """One folder `templates/<pack>/<rule>/`; `proven` when our own tests have compiled it."""

    name: str
    folder: Path
    spec: RuleSpec
    document: Document
    proven: bool = False

    @property
    def pack(self) -> str:
        """The pack's name."""
        return pack_of(self.name)


def packs_folder() -> Path:
    """Where the shipped packs are: inside the wheel, or at the top of a checkout."""
    inside = Path(str(files("subscriber"))) / "templates"
    return inside if inside.is_dir() else inside.parent.parent / "templates"


class Packs(Mapping[str, ShippedRule]):
    """The shipped rules by name, in alphabetical order; each is read when it is asked for.

    Asking for one raises Problem when its file is broken (its place is in the text).
    """

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: packs of somebody else, instead of those that are shipped."""
        self._root = packs_folder() if folder is None else folder
        self._proven = folder is None
        self._paths = {
            f"{path.parent.parent.name}/{path.parent.name}": path
            for path in sorted(self._root.glob("*/*/rule.yaml"))
        }
        self._read: dict[str, ShippedRule] = {}

    def __getitem__(self, name: str) -> ShippedRule:
        found = self._read.get(name)
        if found is None:
            path = self._paths[name]
            shown = f"{self._root.name}/{name}/rule.yaml"
            spec, document = load_rule(_read(path, shown), name=shown, label=name)
            found = self._read[name] = ShippedRule(
                name=name, folder=path.parent, spec=spec, document=document, proven=self._proven
            )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def load_packs(folder: Path | None = None) -> dict[str, ShippedRule]:
    """Every shipped rule by name, in alphabetical order, all of them read.

    Raises:
        Problem: a rule file is broken (its place is in the text).
    """
    return dict(Packs(folder))


def pack_of(name: str) -> str:
    """The pack of a shipped rule: the part of its name before the slash."""
    return name.split("/", 1)[0]


def rule_sources(
    config: Config,
    document: Document | None = None,
    *,
    folder: Path | None = None,
    packs: Mapping[str, ShippedRule] | None = None,
) -> tuple[list[RuleSource], list[Problem]]:
    """All active rules in order: the configuration's, then what else the packs ship.

    Args:
        config: the checked configuration.
        document: its positions, for messages.
        folder: where relative `body_file`s of the configuration are looked up.
        packs: the shipped rules, read from the package when left out.

    Returns:
        the rules that were found, and the faults: unknown packs or rules, missing body files.
    """
    shipped = Packs() if packs is None else packs
    faults: list[Problem] = []
    sources: list[RuleSource] = []
    taken: set[str] = set()
    here = Path() if folder is None else folder
    for index, spec in enumerate(config.rules):
        base = None
        if spec.use:
            base = shipped.get(spec.use)
            taken.add(spec.use)
            if base is None:
                faults.append(_unknown_rule(spec.use, shipped, document, index))
                continue
        sources.append(_own_source(spec, document, ("rules", index), base, here, faults))
    known_packs = sorted(set(map(pack_of, shipped)))
    for index, pack in enumerate(config.packs):
        if pack not in known_packs:
            where = document.where(("packs", index)) if document else "packs"
            hint = nearest(pack, known_packs) or f"known: {', '.join(known_packs)}"
            faults.append(
                Problem(Reason.UNKNOWN_RULE, f"no pack is called {pack!r}", where=where, hint=hint)
            )
    default = [
        shipped[name] for name in shipped if pack_of(name) in config.packs and name not in taken
    ]
    if (
        config.services
        and DEFAULT_SERVICE not in config.services
        and any(map(_pages_default, default))
    ):
        faults.append(
            Problem(
                Reason.UNKNOWN_SERVICE,
                f"the shipped rules page a service called {DEFAULT_SERVICE!r}, and none is",
                where=document.where(("services",), key=True) if document else "services",
                hint=f"add `{DEFAULT_SERVICE}` to services, or switch the packs off (`packs: []`)"
                " and `use:` single rules with a `service` of their own",
            )
        )
        default = []
    sources.extend(_shipped_source(rule, faults) for rule in default)
    return sources, faults


def _pages_default(rule: ShippedRule) -> bool:
    spec = rule.spec
    return spec.enabled and (spec.service is None or spec.service == DEFAULT_SERVICE)


def load_rules(
    config: Config, document: Document | None = None, *, folder: Path | None = None
) -> RuleSet:
    """The configuration's rules, compiled.

    Raises:
        ConfigError: every fault of every rule.
    """
    sources, faults = rule_sources(config, document, folder=folder)
    try:
        rules = compile_rules(sources, service_names(config), client=config.pagerduty.client)
    except ConfigError as error:
        faults.extend(error.problems)
    if faults:
        raise ConfigError(faults)
    return rules


def rules_named(rules: RuleSet, pattern: str) -> RuleSet:
    """Only the rules of a name, or those that a glob matches.

    Raises:
        Problem: UNKNOWN_RULE when there is none.
    """
    names = [rule.name for rule in rules.rules]
    chosen = [rule for rule in rules.rules if fnmatchcase(rule.name, pattern)]
    if not chosen:
        hint = nearest(pattern, names) or f"those that are on: {', '.join(names)}"
        raise Problem(Reason.UNKNOWN_RULE, f"no rule is called {pattern!r}", hint=hint)
    return RuleSet(chosen, rules.services, client=rules.client)


def service_names(config: Config) -> Iterable[str]:
    """Names that rules may use; `default` when the configuration lists none."""
    return config.services or (DEFAULT_SERVICE,)


def _unknown_rule(
    name: str, shipped: Mapping[str, ShippedRule], document: Document | None, index: int
) -> Problem:
    where = document.where(("rules", index, "use")) if document else "rules"
    hint = nearest(name, shipped) or f"shipped: {', '.join(shipped)}"
    return Problem(
        Reason.UNKNOWN_RULE, f"no shipped rule is called {name!r}", where=where, hint=hint
    )


def _shipped_source(rule: ShippedRule, faults: list[Problem]) -> RuleSource:
    origins = ((rule.document, (), frozenset(rule.spec.model_fields_set)),)
    return _with_body(
        RuleSource(spec=rule.spec, origins=origins, proven=rule.proven),
        rule.folder,
        _shown(rule.folder),
        faults,
    )


def _own_source(
    spec: RuleSpec,
    document: Document | None,
    prefix: tuple[str | int, ...],
    base: ShippedRule | None,
    folder: Path,
    faults: list[Problem],
) -> RuleSource:
    written = frozenset(spec.model_fields_set)
    origins: list[tuple[Document, tuple[str | int, ...], frozenset[str]]] = []
    shown = ""
    if document is not None:
        origins.append((document, prefix, written))
    if base is not None:
        origins.append((base.document, (), frozenset(base.spec.model_fields_set)))
        spec = overlay(base.spec, spec)
        if "body_file" not in written:
            folder, shown = base.folder, _shown(base.folder)
    return _with_body(RuleSource(spec=spec, origins=tuple(origins)), folder, shown, faults)


def _with_body(source: RuleSource, folder: Path, shown: str, faults: list[Problem]) -> RuleSource:
    """The source with its body file read; a file that cannot be read is a fault."""
    name = source.spec.body_file
    if not name:
        return source
    path = folder / name
    label = f"{shown}/{name}" if shown else str(path)
    try:
        return replace(source, body_text=_read(path, label), body_name=label)
    except Problem as problem:
        faults.append(
            Problem(
                problem.reason,
                f"rule {source.spec.label!r}: {problem.message}",
                where=source.where("body_file"),
                hint=problem.hint,
            )
        )
        return source


def _shown(folder: Path) -> str:
    """A shipped folder as people know it: `templates/<pack>/<rule>`."""
    return "/".join(folder.parts[-3:])


def _read(path: Path, name: str) -> str:
    """A file's text; what is wrong is said under the name that people know."""
    try:
        return read_text(path, limit=_MAX_FILE)
    except Problem as problem:
        siblings = []
        if path.parent.is_dir():
            siblings = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
        hint = nearest(path.name, siblings) or "paths are relative to the file that names them"
        raise Problem(problem.reason, f"{name} {problem.message}", where=name, hint=hint) from None
