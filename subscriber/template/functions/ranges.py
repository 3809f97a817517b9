"""Lists of numbers: counting up, down and in steps.

Rule: the numbers are whole; a list longer than a page could use is refused before it is made.

This module does not know loops; a template can also range over a number.
"""

from __future__ import annotations

from subscriber.model.event import Json
from subscriber.template.functions.arguments import whole
from subscriber.template.functions.registry import FunctionError, Run, function

_MOST_NUMBERS = 100_000


@function(
    "until",
    signature="until count",
    doc="The whole numbers from 0 up to, but not including, `count`.",
    category="lists",
    examples=[("{{until 3 | toJson}}", None, "[0,1,2]")],
    run=True,
)
def until(run: Run, count: Json) -> Json:
    """Counts down for a negative count."""
    stop = whole(count, "the count")
    return _numbers(run, 0, stop, -1 if stop < 0 else 1)


@function(
    "untilStep",
    signature="untilStep start stop step",
    doc="The whole numbers from `start` up to, but not including, `stop`, `step` apart.",
    category="lists",
    examples=[("{{untilStep 0 10 4 | toJson}}", None, "[0,4,8]")],
    run=True,
)
def until_step(run: Run, start: Json, stop: Json, step: Json) -> Json:
    """Empty if the step leads away from the stop."""
    begin, end, by = whole(start, "the start"), whole(stop, "the stop"), whole(step, "the step")
    return _numbers(run, begin, end, by)


@function(
    "seq",
    signature="seq [start [step]] stop",
    doc="The whole numbers from `start` (1) to `stop`, including both, as text with spaces.",
    category="lists",
    examples=[("{{seq 3}}", None, "1 2 3"), ("{{seq 10 -5 0}}", None, "10 5 0")],
    run=True,
)
def seq(run: Run, *bounds: Json) -> Json:
    """Like the shell's command of this name."""
    numbers = [whole(bound, "each number") for bound in bounds]
    match numbers:
        case [stop]:
            start, step = 1, -1 if stop < 1 else 1
        case [start, stop]:
            step = -1 if stop < start else 1
        case [start, step, stop]:
            if stop < start and step > 0:
                return ""
        case _:
            return ""
    beyond = stop + (-1 if stop < start else 1)
    return " ".join(map(str, _numbers(run, start, beyond, step)))


def _numbers(run: Run, start: int, stop: int, step: int) -> list[Json]:
    if step == 0:
        return []
    numbers = range(start, stop, step)
    if len(numbers) > _MOST_NUMBERS:
        raise FunctionError(
            f"a list of more than {_MOST_NUMBERS} numbers is refused",
            hint="a page nobody could read would come of it",
        )
    run.charge(len(numbers) // 10)
    return list[Json](numbers)
