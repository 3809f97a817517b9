"""The tree of a Go template: what the parser makes and `lower` reads.

Rules: nodes are values without behaviour; `offset` is where the node starts, in characters of the
source; names are as written, with their dot or dollar taken off where they are split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from subscriber.template.literals import Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Bool:
    """``true`` or ``false``."""

    offset: int
    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class String:
    """A string literal's value."""

    offset: int
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberLiteral:
    """A number or character constant."""

    offset: int
    number: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Nil:
    """``nil``."""

    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """``.``"""

    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """``.a.b``: names looked up one after the other, starting at dot."""

    offset: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """``$x.a.b``; `name` has its dollar."""

    offset: int
    name: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """``(pipeline).a.b`` or ``function.a.b``."""

    offset: int
    operand: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A function's name."""

    offset: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Operands beside one another: a value, or a function with its arguments."""

    offset: int
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipe:
    """Commands joined by ``|``, and the variables that the result is given to."""

    offset: int
    commands: tuple[Command, ...]
    variables: tuple[Variable, ...] = ()
    assigns: bool = False


Operand: TypeAlias = (
    Bool | String | NumberLiteral | Nil | Dot | Field | Variable | Chain | Identifier | Pipe
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Literal text."""

    offset: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """``{{pipeline}}``: printed unless it sets a variable."""

    offset: int
    pipe: Pipe


@dataclass(frozen=True, slots=True, kw_only=True)
class If:
    """``{{if}}``; an ``else if`` is an If alone in `orelse`."""

    offset: int
    pipe: Pipe
    body: tuple[Node, ...]
    orelse: tuple[Node, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class With:
    """``{{with}}``; an ``else with`` is a With alone in `orelse`."""

    offset: int
    pipe: Pipe
    body: tuple[Node, ...]
    orelse: tuple[Node, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """``{{range}}``."""

    offset: int
    pipe: Pipe
    body: tuple[Node, ...]
    orelse: tuple[Node, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """``{{break}}``."""

    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Continue:
    """``{{continue}}``."""

    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoke:
    """``{{template "name" pipeline}}``, also what a ``{{block}}`` leaves in its place."""

    offset: int
    name: str
    pipe: Pipe | None


Node: TypeAlias = Text | Action | If | With | Range | Break | Continue | Invoke


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A parsed source: every template it defines by name; `main` is the one to render."""

    main: str
    templates: dict[str, tuple[Node, ...]]
