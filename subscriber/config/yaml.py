"""YAML 1.2 text -> plain values, remembering where each of them stands.

Rules: duplicate keys, anchors that explode and non-string keys are refused; every refusal is a
Problem with `file:line:column`. ruamel.yaml does the parsing; this keeps its node positions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from subscriber.model import Problem, Reason

Path: TypeAlias = tuple[str | int, ...]
_MAX_NODES = 200_000


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


def parse(text: str, *, name: str) -> Document:
    """Parse one YAML document.

    Raises:
        Problem: INVALID_YAML, with the position of the fault.
    """
    keys: dict[Path, tuple[int, int]] = {}
    values: dict[Path, tuple[int, int]] = {}
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        message = " ".join(str(error.problem or error.context or "not YAML").split())
        hint = "YAML is indented with spaces, not tabs" if "\\t" in message else ""
        raise Problem(Reason.INVALID_YAML, message, where=where, hint=hint) from None
    except (YAMLError, RecursionError, ValueError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
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
        if seen > _MAX_NODES:
            raise refuse(node, f"more than {_MAX_NODES} values (anchors that multiply?)")
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
                    raise refuse(key_node, f"{key!r} is given twice")
                keys[(*path, key)] = spot(key_node)
                mapping[key] = build(value_node, (*path, key), inside)
            return mapping
        if isinstance(node, SequenceNode):
            return [build(item, (*path, i), inside) for i, item in enumerate(node.value)]
        return scalar(node)

    def scalar(node: Node) -> Any:
        try:
            value = scalars.construct_object(node)
        except (YAMLError, ValueError) as error:
            message = " ".join(str(getattr(error, "problem", None) or error).split())
            raise refuse(node, message) from None
        if value is None or isinstance(value, str | bool | int | float):
            return value
        return str(node.value)  # a date is text to us, as it is in JSON

    return Document(name=name, value=build(root, (), frozenset()), keys=keys, values=values)
