"""Rules made ready: every glob prepared, every template compiled, every fault found at start.

Rules: compiling is pure (texts come in as arguments) and reports all faults of all rules together,
each with `file:line:column`. A RuleSet never changes; a new configuration makes a new one.
Templates of shipped rules were proven when they were shipped: they compile when they are first
used, or when `RuleSet.prepare` gets to them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from subscriber.config import ConfigError, Document, RuleSpec, nearest
from subscriber.model import Action, Json, Problem, Reason
from subscriber.rules.match import Condition, compile_condition, compile_glob
from subscriber.template import Expression, Template, TemplateError, compile, compile_expression

DEFAULT_SERVICE = "default"
_ROUTING_KEY_HINT = "name a `service` instead; its routing key comes from the environment or a file"
_PLAIN_START = re.compile(r"[^*?\[]*")
_ROUTING_KEY = re.compile(r"""["']?routing_key["']?\s*:""")

Leaf: TypeAlias = Callable[[dict[str, Json]], Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSource:
    """What the shell found for one rule.

    Attributes:
        spec: the rule as written, `use` already laid over.
        body_text: content of `body_file`, or None.
        body_name: its name for messages.
        proven: whether its templates are known to compile, so that they need not at start.
        origins: where fields were written: (document, path prefix, fields), the first match wins.
    """

    spec: RuleSpec
    body_text: str | None = None
    body_name: str = ""
    proven: bool = False
    origins: tuple[tuple[Document, tuple[str | int, ...], frozenset[str]], ...] = ()

    def where(self, *path: str | int) -> str:
        """`file:line:column` of a field of this rule."""
        for document, prefix, fields in self.origins:
            if not path or path[0] in fields:
                return document.where((*prefix, *path))
        return self.spec.label


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, ready to be asked."""

    name: str
    ordinal: int
    types: tuple[str, ...]
    globs: tuple[re.Pattern[str], ...] = field(repr=False)
    conditions: tuple[Condition, ...] = field(repr=False)
    when: Expression | None = field(repr=False)
    action: Leaf | None = field(repr=False)
    service: Leaf = field(repr=False)
    dedup_key: Leaf | None = field(repr=False)
    body_file: Template | None = field(repr=False)
    body: Leaf | None = field(repr=False)
    page_on_render_error: bool = True
    templates: tuple[Template | Expression, ...] = field(default=(), repr=False)

    def concerns(self, event_type: str) -> bool:
        """Whether one of the rule's type globs matches."""
        return any(glob.match(event_type) for glob in self.globs)


class RuleSet:
    """All rules in their order, found quickly by event type.

    Attributes:
        rules: in order of the configuration.
        services: names that rules may use.
        client: shown in PagerDuty as the monitoring client.
    """

    _CACHED_TYPES = 4096

    def __init__(self, rules: Sequence[Rule], services: Iterable[str], *, client: str = "") -> None:
        self.rules = tuple(rules)
        self.services = frozenset(services)
        self.client = client
        self._by_type: dict[str, tuple[Rule, ...]] = {}
        self._index = _TypeIndex(self.rules)

    def prepare(self) -> Iterator[str]:
        """Compile what was put off, one template between two yields of a rule's name."""
        for rule in self.rules:
            for template in rule.templates:
                template.prepare()
                yield rule.name

    def concerning(self, event_type: str) -> tuple[Rule, ...]:
        """The rules whose type globs match, remembered per type (bounded)."""
        found = self._by_type.get(event_type)
        if found is None:
            found = tuple(self.rules[place] for place in self._index.find(event_type))
            if len(self._by_type) >= self._CACHED_TYPES:
                self._by_type.clear()
            self._by_type[event_type] = found
        return found


class _TypeIndex:
    """Which rules ask for a type that was not seen before.

    Types without wildcards are looked up; globs are tried where the text before their first
    wildcard fits. Of 1,000 rules that takes 2 us instead of 1,400: some producers put a number into
    every type, so that remembering types does not help.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._exact: dict[str, list[int]] = {}
        self._globs: dict[str, list[tuple[int, Callable[[str], object]]]] = {}
        for place, rule in enumerate(rules):
            for pattern, glob in zip(rule.types, rule.globs, strict=True):
                start = _PLAIN_START.match(pattern)
                assert start is not None
                if start[0] == pattern:
                    self._exact.setdefault(pattern, []).append(place)
                else:
                    self._globs.setdefault(start[0], []).append((place, glob.match))
        self._lengths = sorted({len(start) for start in self._globs})

    def find(self, event_type: str) -> list[int]:
        """The places of the rules that ask for it, in their order."""
        found = set(self._exact.get(event_type, ()))
        for length in self._lengths:
            for place, matches in self._globs.get(event_type[:length], ()):
                if place not in found and matches(event_type):
                    found.add(place)
        return sorted(found)


def compile_rules(
    sources: Sequence[RuleSource], services: Iterable[str], *, client: str = ""
) -> RuleSet:
    """Make rules ready.

    Raises:
        ConfigError: every fault of every rule.
    """
    known = frozenset(services)
    faults: list[Problem] = []
    rules: list[Rule] = []
    names: dict[str, str] = {}
    for source in sources:
        spec = source.spec
        if not spec.enabled:
            continue
        if spec.label in names:
            faults.append(
                Problem(
                    Reason.INVALID_VALUE,
                    f"a rule called {spec.label!r} exists already at {names[spec.label]}",
                    where=source.where("name"),
                    hint="give this one a `name` of its own",
                )
            )
        names[spec.label] = source.where()
        rules.append(_Compiler(source, known, faults).rule(len(rules)))
    if faults:
        raise ConfigError(faults)
    return RuleSet(rules, known, client=client)


def bare(condition: str) -> str:
    """A condition without the braces that some people write around it."""
    inner = condition.strip()
    if inner.startswith("{{") and inner.endswith("}}"):
        inner = inner[2:-2].strip("- ")
    return inner


class _Compiler:
    """Compiles one rule, collecting faults instead of stopping at the first."""

    def __init__(self, source: RuleSource, services: frozenset[str], faults: list[Problem]) -> None:
        self._source = source
        self._spec = source.spec
        self._services = services
        self._faults = faults
        self._dialect = source.spec.dialect or "go"
        self._missing = source.spec.missing or "error"
        self._templates: list[Template | Expression] = []

    def rule(self, ordinal: int) -> Rule:
        spec = self._spec
        if not spec.types:
            self._fault(Reason.INVALID_VALUE, "the rule says no event types", "types: [...]")
        if spec.body is None and spec.body_file is None and spec.action is None:
            self._fault(Reason.INVALID_VALUE, "the rule says no action", "add `action: trigger`")
        self._refuse_routing_key(spec.body, ("body",))
        service = spec.service if spec.service is not None else DEFAULT_SERVICE
        self._check_constant("service", service, self._services, Reason.UNKNOWN_SERVICE)
        self._check_constant(
            "action", spec.action, (a.value for a in Action), Reason.INVALID_ACTION
        )
        return Rule(
            name=spec.label,
            ordinal=ordinal,
            types=tuple(spec.types or ()),
            globs=tuple(compile_glob(pattern) for pattern in spec.types or ()),
            conditions=tuple(compile_condition(p, v) for p, v in (spec.match or {}).items()),
            when=self._expression(),
            action=None if spec.action is None else self._leaf(spec.action, ("action",)),
            service=self._leaf(service, ("service",)),
            dedup_key=None
            if spec.dedup_key is None
            else self._leaf(spec.dedup_key, ("dedup_key",)),
            body_file=self._body_file(),
            body=None if spec.body is None else self._leaf(spec.body, ("body",)),
            page_on_render_error=spec.on_render_error != "dead-letter",
            templates=tuple(self._templates),  # the ones of all fields above
        )

    # -- faults ------------------------------------------------------------------------------

    def _fault(self, reason: Reason, message: str, hint: str, *path: str | int) -> None:
        place = self._source.where(*path)
        text = f"rule {self._spec.label!r}: {message}"
        self._faults.append(Problem(reason, text, where=place, hint=hint))

    def _template_fault(self, error: TemplateError, path: tuple[str | int, ...]) -> None:
        """A fault inside of an inline template: its place in the file, and in the template."""
        error.where = self._source.where(*path)
        error.message = (
            f"rule {self._spec.label!r}, {'.'.join(map(str, path))} "
            f"(line {error.line}, column {error.column} of the template): {error.message}"
        )
        self._faults.append(error)

    def _check_constant(
        self, name: str, text: str | None, allowed: Iterable[str], reason: Reason
    ) -> None:
        known = sorted(allowed)
        if text is None or not text.strip() or self._is_template(text):
            return
        if text.strip() in known or (name == "action" and text.strip().lower() in known):
            return
        listed = f"known: {', '.join(known)}" if known else ""
        self._fault(reason, f"unknown {name} {text!r}", nearest(text, known) or listed, name)

    def _refuse_routing_key(self, node: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(node, Mapping):
            for key, value in node.items():
                if key == "routing_key":
                    message = "a routing_key does not belong into a body"
                    self._fault(Reason.INVALID_BODY, message, _ROUTING_KEY_HINT, *path, key)
                self._refuse_routing_key(value, (*path, key))
        elif isinstance(node, list):
            for index, value in enumerate(node):
                self._refuse_routing_key(value, (*path, index))

    # -- templates ---------------------------------------------------------------------------

    def _is_template(self, text: str) -> bool:
        return "{{" in text or (self._dialect == "jinja" and ("{%" in text or "{#" in text))

    def _expression(self) -> Expression | None:
        text = self._spec.when
        if text is None:
            return None
        try:
            condition = compile_expression(
                bare(text),
                name=f"{self._source.where('when')} when",
                dialect=self._dialect,
                missing=self._missing,
                postponed=self._source.proven,
            )
        except TemplateError as error:
            self._template_fault(error, ("when",))
            return None
        self._templates.append(condition)
        return condition

    def _leaf(self, node: Any, path: tuple[str | int, ...]) -> Leaf:
        """A function from the event document to the value; constants cost nothing."""
        if isinstance(node, dict):
            members = [(key, self._leaf(value, (*path, key))) for key, value in node.items()]
            return lambda document: {key: leaf(document) for key, leaf in members}
        if isinstance(node, list):
            leaves = [self._leaf(value, (*path, index)) for index, value in enumerate(node)]
            return lambda document: [leaf(document) for leaf in leaves]
        if not isinstance(node, str) or not self._is_template(node):
            return lambda document: node
        try:
            template = compile(
                node,
                name=f"{self._source.where(*path)} {'.'.join(map(str, path))}",
                dialect=self._dialect,
                context="text",
                missing=self._missing,
                postponed=self._source.proven,
            )
        except TemplateError as error:
            self._template_fault(error, path)
            return lambda document: None
        self._templates.append(template)
        return template.value

    def _body_file(self) -> Template | None:
        text = self._source.body_text
        if text is None:
            return None
        name = self._source.body_name
        found = _ROUTING_KEY.search(text)
        if found:
            line = text.count("\n", 0, found.start()) + 1
            self._faults.append(
                Problem(
                    Reason.INVALID_BODY,
                    "a routing_key does not belong into a body",
                    where=f"{name}:{line}:{found.start() - text.rfind(chr(10), 0, found.start())}",
                    hint=_ROUTING_KEY_HINT,
                )
            )
            return None
        try:
            template = compile(
                text,
                name=name,
                dialect=self._dialect,
                context="json",
                missing=self._missing,
                postponed=self._source.proven,
            )
        except TemplateError as error:
            self._faults.append(error)
            return None
        self._templates.append(template)
        return template
