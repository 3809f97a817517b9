"""What one rendering may use: steps, text, depth; and the time it sees.

Rules: the limits are checked where work can grow (a loop, a function, a text), never by a clock;
the numbers are chosen so that the worst template ends within a second. Exceeding one is a Fault
with TEMPLATE_LIMIT, never a hang.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from subscriber.model.reason import Reason
from subscriber.template.semantics.values import MAX_OUTPUT, Fault, FunctionError, too_long

MAX_STEPS = 500_000
"""Steps of one rendering: one is at most about two microseconds here."""

MAX_DEPTH = 1_000
"""How deep templates may call templates."""

Pieces: TypeAlias = Generator[Any, None, None]
"""What a rendering makes: texts, and the pieces of templates called on the way."""

Templates: TypeAlias = Mapping[str, Callable[["Run", Any], Pieces]]
"""The templates that a template may call, by name."""

_CHARACTERS_PER_STEP = 64
_PAY_AT_ONCE = 1_000
"""A loop longer than this pays piece by piece, so that a break makes it cheap."""


class Run:
    """One rendering's allowance; `functions.registry.Run` is the part that functions see."""

    __slots__ = ("_now", "_sizes", "keyed", "steps", "templates", "time")

    def __init__(self, now: float | None, time: object, templates: Templates) -> None:
        self.steps = MAX_STEPS
        self.keyed = False  # a range with two variables went through a map
        self._now = now
        self._sizes: dict[int, tuple[object, int]] = {}
        self.time = time
        self.templates = templates

    @property
    def now(self) -> float:
        """The time given to render, else the event's `time` attribute, in seconds since 1970."""
        if self._now is None:
            self._now = _seconds(self.time)
        return self._now

    def charge(self, steps: int) -> None:
        """Pay for work about to be done."""
        self.steps -= steps
        if self.steps < 0:
            raise Fault(
                f"the template takes more than {MAX_STEPS} steps",
                hint="a range over too many elements, or ranges inside one another",
                reason=Reason.TEMPLATE_LIMIT,
            )

    def charge_text(self, length: int) -> None:
        """Pay for a text of this length; refuse one beyond the output limit."""
        if length > MAX_OUTPUT:
            raise too_long()
        self.charge(length // _CHARACTERS_PER_STEP)

    def charge_value(self, value: list[Any] | dict[str, Any]) -> None:
        """Pay for a list or map just made, with everything inside.

        Shared parts count as often as they occur (that is what printing them costs), so the sizes
        already known are kept, with their owners, for this rendering.
        """
        if id(value) not in self._sizes:
            self.charge(self.measure(value))

    def charge_longer(self, longer: list[Any], values: list[Any]) -> None:
        """Pay for a list just made of another one and one more item.

        What is charged is the same as by `charge_value`, but only the item is measured.
        """
        size = self.measure(values) + 1
        item = longer[-1]
        kind = type(item)
        if kind is str:
            size += len(item) // _CHARACTERS_PER_STEP
        elif kind is dict or kind is list:
            size += self.measure(item) - 1
        self._sizes[id(longer)] = (longer, size)
        self.charge(size)

    def measure(self, value: list[Any] | dict[str, Any]) -> int:
        """How much is inside a list or map."""
        known = self._sizes.get(id(value))
        if known is not None:
            return known[1]
        size = 1 + len(value)
        for item in value.values() if isinstance(value, dict) else value:
            kind = type(item)
            if kind is str:
                size += len(item) // _CHARACTERS_PER_STEP
            elif kind is dict or kind is list:
                size += self.measure(item) - 1
        self._sizes[id(value)] = (value, size)
        return size

    def loop(self, items: range | list[object], weight: int) -> Iterable[object]:
        """The items of a loop whose body costs `weight` steps, paid for."""
        if len(items) <= _PAY_AT_ONCE:
            self.steps -= len(items) * weight
            if self.steps < 0:
                self.charge(0)
            return items
        return _Paying(self, items, weight)


class _Paying:
    """A long loop's items, paid for in portions; true, because it is not empty."""

    __slots__ = ("items", "run", "weight")

    def __init__(self, run: Run, items: range | list[object], weight: int) -> None:
        self.run = run
        self.items = items
        self.weight = weight

    def __iter__(self) -> Iterator[object]:
        for start in range(0, len(self.items), _PAY_AT_ONCE):
            portion = self.items[start : start + _PAY_AT_ONCE]
            self.run.charge(len(portion) * self.weight)
            yield from portion


def _seconds(time: object) -> float:
    if isinstance(time, str) and time:
        try:
            parsed = datetime.fromisoformat(time)
        except ValueError:
            pass
        else:
            if parsed.tzinfo is not None:
                return parsed.timestamp()
    raise FunctionError("the event carries no time", hint="its `time` attribute is missing")
