"""The tree of a Go template: what the parser makes and `lower` reads.

Rules: nodes are values without behaviour; `offset` is where the node starts, in characters of the
source; names are as written, with their dot or dollar taken off where they are split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from subscriber.template.literals import Number

Frozen = dataclass(frozen=True, slots=True, kw_only=True)


@Frozen
class Bool:
    """``true`` or ``false``."""

    offset: int
    value: bool


@Frozen
class String:
    """A string literal's value."""

    offset: int
    value: str


@Frozen
class NumberLiteral:
    """A number or character constant."""

    offset: int
    number: Number


@Frozen
class Nil:
    """``nil``."""

    offset: int


@Frozen
class Dot:
    """``.``"""

    offset: int


@Frozen
class Field:
    """``.a.b``: names looked up one after the other, starting at dot."""

    offset: int
    names: tuple[str, ...]


@Frozen
class Variable:
    """``$x.a.b``; `name` has its dollar."""

    offset: int
    name: str
    names: tuple[str, ...] = ()


@Frozen
class Chain:
    """``(pipeline).a.b`` or ``function.a.b``."""

    offset: int
    operand: Operand
    names: tuple[str, ...]


@Frozen
class Identifier:
    """A function's name."""

    offset: int
    name: str


@Frozen
class Command:
    """Operands beside one another: a value, or a function with its arguments."""

    offset: int
    operands: tuple[Operand, ...]


@Frozen
class Pipe:
    """Commands joined by ``|``, and the variables that the result is given to."""

    offset: int
    commands: tuple[Command, ...]
    variables: tuple[Variable, ...] = ()
    assigns: bool = False


Operand: TypeAlias = (
    Bool | String | NumberLiteral | Nil | Dot | Field | Variable | Chain | Identifier | Pipe
)


@Frozen
class Text:
    """Literal text."""

    offset: int
    text: str


@Frozen
class Action:
    """``{{pipeline}}``: printed unless it sets a variable."""

    offset: int
    pipe: Pipe


@Frozen
class If:
    """``{{if}}``; an ``else if`` is an If alone in `orelse`."""

    offset: int
    pipe: Pipe
    body: tuple[Node, ...]
    orelse: tuple[Node, ...] | None


@Frozen
class With:
    """``{{with}}``; an ``else with`` is a With alone in `orelse`."""

    offset: int
    pipe: Pipe
    body: tuple[Node, ...]
    orelse: tuple[Node, ...] | None


@Frozen
class Range:
    """``{{range}}``."""

    offset: int
    pipe: Pipe
    body: tuple[Node, ...]
    orelse: tuple[Node, ...] | None


@Frozen
class Break:
    """``{{break}}``."""

    offset: int


@Frozen
class Continue:
    """``{{continue}}``."""

    offset: int


@Frozen
class Invoke:
    """``{{template "name" pipeline}}``, also what a ``{{block}}`` leaves in its place."""

    offset: int
    name: str
    pipe: Pipe | None


Node: TypeAlias = Text | Action | If | With | Range | Break | Continue | Invoke


@Frozen
class Tree:
    """A parsed source: every template it defines by name; `main` is the one to render."""

    main: str
    templates: dict[str, tuple[Node, ...]]
