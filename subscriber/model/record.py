"""Records: frozen dataclasses that are made quickly, for the ones that every event makes.

Rules: `record` is `dataclasses.dataclass` with another `__init__`, and nothing else is different; a
type checker is told that it is the same. It takes frozen, slotted, keyword-only classes without
bases.

The `__init__` that the standard library makes for a frozen class goes through
``object.__setattr__`` for every field: 1.9 us for an event with its 12. This one lets the new
object be of an ordinary class with the same slots for as long as they are filled: 0.9 us. Eight
such records are made for an event that is read, twenty for one that is said.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

__all__ = ["record"]

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(**options: Any) -> Any:
        """As `dataclasses.dataclass`."""

        def make(written: type) -> type:
            made = dataclasses.dataclass(**options)(written)
            _speed_up(made)
            return made

        return make


def _speed_up(made: type) -> None:
    """Give a frozen dataclass the `__init__` that the module speaks of."""
    if not dataclasses.fields(made):
        return
    mould = type(f"_{made.__name__}Mould", (), {"__slots__": made.__slots__})  # type: ignore[attr-defined]
    names: dict[str, Any] = {"become": object.__setattr__, "mould": mould, "made": made}
    taken, filled = [], []
    for field in dataclasses.fields(made):
        name, default = field.name, f"default_{field.name}"
        taken.append(name)
        filled.append(f" self.{name} = {name}")
        if field.default is not dataclasses.MISSING:
            names[default] = field.default
            taken[-1] = f"{name}={default}"
        elif field.default_factory is not dataclasses.MISSING:
            names[default], names[f"make_{name}"] = _UNSET, field.default_factory
            taken[-1] = f"{name}={default}"
            filled[-1] = f" self.{name} = make_{name}() if {name} is {default} else {name}"
    lines = (
        f"def __init__(self, *, {', '.join(taken)}):",
        " become(self, '__class__', mould)",
        *filled,
        " self.__class__ = made",
    )
    exec("\n".join(lines), names)  # noqa: S102  of nothing but our own field names
    quick = names["__init__"]
    quick.__qualname__ = f"{made.__qualname__}.__init__"
    quick.__module__ = made.__module__
    quick.__annotations__ = dict(made.__init__.__annotations__)  # type: ignore[misc]
    made.__init__ = quick  # type: ignore[misc]


_UNSET = object()
