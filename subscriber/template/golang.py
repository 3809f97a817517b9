"""The Go dialect's front end: source text to the Jinja trees that `engine` compiles."""

from __future__ import annotations

from jinja2 import nodes

from subscriber.template.lower import callable_names, lower, lower_pipeline
from subscriber.template.nodes import Action
from subscriber.template.parser import parse, parse_pipeline
from subscriber.template.sandbox import Environment


class GoSource:
    """A parsed Go template; makes a new Jinja tree each time it is asked for one.

    Attributes:
        spread: whether the keys of the data are names of their own (no: they are fields of dot).
    """

    spread = False

    def __init__(self, source: str, name: str, environment: Environment, missing: str) -> None:
        self.source = source
        self.name = name
        self.environment = environment
        self.missing = missing
        self._tree = parse(source, name=name, functions=callable_names())

    def main(self) -> nodes.Template:
        """The template to render."""
        tree = self.define(self._tree.main)
        assert tree is not None
        return tree

    def names(self) -> tuple[str, ...]:
        """Every template there is."""
        return tuple(self._tree.templates)

    def define(self, name: str) -> nodes.Template | None:
        """A template by its name, None when it is not defined."""
        body = self._tree.templates.get(name)
        if body is None:
            return None
        return lower(
            body,
            source=self.source,
            name=self.name,
            environment=self.environment,
            missing=self.missing,
        )

    def typed(self) -> nodes.Template | None:
        """The only action of the template as an expression, None when there is more."""
        body = self._tree.templates[self._tree.main]
        if len(body) != 1 or not isinstance(body[0], Action) or body[0].pipe.variables:
            return None
        return lower_pipeline(
            body[0].pipe,
            source=self.source,
            name=self.name,
            environment=self.environment,
            missing=self.missing,
        )

    @staticmethod
    def offset_of(line: int, index: int, text: str) -> int:
        """The offset of a node: its `lineno` is just that, plus one."""
        return line - 1 + index


class GoCondition(GoSource):
    """A Go pipeline without braces."""

    def __init__(self, source: str, name: str, environment: Environment, missing: str) -> None:
        self.source = source
        self.name = name
        self.environment = environment
        self.missing = missing
        self._pipe = parse_pipeline(source, name=name, functions=callable_names())

    def typed(self) -> nodes.Template:
        """The pipeline as an expression."""
        return lower_pipeline(
            self._pipe,
            source=self.source,
            name=self.name,
            environment=self.environment,
            missing=self.missing,
        )
