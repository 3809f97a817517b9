"""YAML 1.2 text -> plain values, remembering where each of them stands.

Rules: duplicate keys, anchors that explode and non-string keys are refused; every refusal is a
Problem with `file:line:column`. ruamel.yaml does the parsing; this keeps its node positions. It
reads about ten thousand values a second, so they are counted while they are read: no text of a
megabyte takes longer than a few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from subscriber.model import Problem, Reason, excerpt
from subscriber.model.problem import KEY_SHAPED

Path: TypeAlias = tuple[str | int, ...]
MAX_CHARACTERS = 1_048_576
"""Of one text; a Kubernetes ConfigMap holds no more either."""
MAX_VALUES = 50_000
"""In one text, those that an alias repeats counted each time. A rule has about fifteen."""
MAX_DEPTH = 64
"""Mappings and lists in one another."""
_MAX_DIGITS = 400
"""Digits of a number, whatever its base: what is longer is text that lost its quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file.

    Attributes:
        name: file name for messages.
        value: plain Python value (dict, list, str, int, float, bool, None).
        keys: position (line, column; both from 1) of each mapping key, by path.
        values: position of each value, by path.
    """

    name: str
    value: Any
    keys: dict[Path, tuple[int, int]] = field(repr=False)
    values: dict[Path, tuple[int, int]] = field(repr=False)

    def where(self, path: Path, *, key: bool = False) -> str:
        """`file:line:column` of a value (or of its key); of the nearest parent if it has none."""
        while True:
            table = self.keys if key and path in self.keys else self.values
            if path in table:
                line, column = table[path]
                return f"{self.name}:{line}:{column}"
            if not path:
                return self.name
            path, key = path[:-1], False


_EQUALS = "tag:yaml.org,2002:value"
"""What a plain `=` is to the parser; to YAML 1.2 it is text."""


class _Bounded(Composer):
    """ruamel.yaml's composer with an end to width and depth, while it reads."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False  # legal, and the warning would go past our own errors
        self._composed = 0
        self._level = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._composed += 1
        self._level += 1
        if self._composed > MAX_VALUES or self._level > MAX_DEPTH:
            what = (
                f"more than {MAX_VALUES} values"
                if self._composed > MAX_VALUES
                else f"more than {MAX_DEPTH} mappings and lists in one another"
            )
            raise ComposerError(None, None, what, self.parser.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self._level -= 1
        return node


def _masked(text: str) -> str:
    """What the parser says, on one line and without a word that could be a routing key."""
    return KEY_SHAPED.sub("***", " ".join(text.split()))


def parse(text: str, *, name: str) -> Document:
    """Parse one YAML document.

    Raises:
        Problem: INVALID_YAML with the position of the fault, or TOO_LARGE.
    """
    keys: dict[Path, tuple[int, int]] = {}
    values: dict[Path, tuple[int, int]] = {}
    if len(text) > MAX_CHARACTERS:
        raise Problem(
            Reason.TOO_LARGE,
            f"the text has {len(text)} characters, the limit is {MAX_CHARACTERS}",
            where=name,
        )
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Bounded
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        message = _masked(str(error.problem or error.context or "not YAML"))
        hint = "YAML is indented with spaces, not tabs" if "\\t" in message else ""
        raise Problem(Reason.INVALID_YAML, message, where=where, hint=hint) from None
    except (YAMLError, RecursionError, ValueError) as error:
        message = _masked(str(error)) or type(error).__name__
        raise Problem(Reason.INVALID_YAML, message, where=name) from None
    if root is None:
        return Document(name=name, value=None, keys=keys, values=values)
    scalars = SafeConstructor(loader=yaml)
    seen = 0

    def spot(node: Node) -> tuple[int, int]:
        return node.start_mark.line + 1, node.start_mark.column + 1

    def refuse(node: Node, message: str, hint: str = "") -> Problem:
        line, column = spot(node)
        return Problem(Reason.INVALID_YAML, message, where=f"{name}:{line}:{column}", hint=hint)

    def build(node: Node, path: Path, parents: frozenset[int]) -> Any:
        nonlocal seen
        seen += 1
        if seen > MAX_VALUES:
            raise refuse(node, f"more than {MAX_VALUES} values (anchors that multiply?)")
        if id(node) in parents:
            raise refuse(node, "this anchor contains itself")
        values.setdefault(path, spot(node))
        inside = parents | {id(node)}
        if isinstance(node, MappingNode):
            mapping: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = scalar(key_node) if isinstance(key_node, ScalarNode) else None
                if not isinstance(key, str):
                    raise refuse(key_node, "a key must be text", "put it in quotes")
                if key in mapping:
                    raise refuse(key_node, f"{excerpt(key)} is given twice")
                keys[(*path, key)] = spot(key_node)
                mapping[key] = build(value_node, (*path, key), inside)
            return mapping
        if isinstance(node, SequenceNode):
            return [build(item, (*path, i), inside) for i, item in enumerate(node.value)]
        return scalar(node)

    def scalar(node: Node) -> Any:
        if str(node.tag).endswith((":int", ":float")):
            if "_" in node.value:  # numbers have none in YAML 1.2
                return str(node.value)
            if len(node.value) > _MAX_DIGITS:
                raise refuse(node, f"a number of {len(node.value)} digits", "put text in quotes")
        if node.tag == _EQUALS:
            return "="
        try:
            value = scalars.construct_object(node)
        except (YAMLError, ValueError) as error:
            message = _masked(str(getattr(error, "problem", None) or error))
            raise refuse(node, message) from None
        if value is None or isinstance(value, str | bool | int | float):
            return value
        return str(node.value)  # a date is text to us, as it is in JSON

    return Document(name=name, value=build(root, (), frozenset()), keys=keys, values=values)
