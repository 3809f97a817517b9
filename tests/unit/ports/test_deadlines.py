"""Many limits, one timer: who is ended, when, and that nobody else is."""

from __future__ import annotations

import asyncio
import time

import pytest

from subscriber.ports.deadlines import Deadlines

LONG = 30.0


async def limited(deadlines: Deadlines, limit: float, work: float) -> tuple[bool, float]:
    """Whether the limit ended the work, and after how long."""
    began = time.monotonic()
    with deadlines.limit(limit) as one:
        await asyncio.sleep(work)
    return one.over, time.monotonic() - began


async def test_what_is_quick_enough_never_notices() -> None:
    deadlines = Deadlines()
    for _ in range(3):
        over, _ = await limited(deadlines, LONG, 0)
        assert not over
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("limit", [-1.0, 0.0, 0.05, 0.2])
async def test_what_is_not_goes_on_behind_its_block(limit: float) -> None:
    over, seconds = await limited(Deadlines(), limit, LONG)
    assert over
    assert limit - 0.01 <= seconds < 5
    await asyncio.sleep(0)  # no cancellation is left
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_each_has_its_own_whatever_their_order() -> None:
    deadlines = Deadlines()
    limits = [0.3, LONG, 0.1, 0.2, LONG, 0.1]
    works = [LONG, 0.15, LONG, LONG, 0, 0]
    ends = await asyncio.gather(
        *(limited(deadlines, limit, work) for limit, work in zip(limits, works, strict=True))
    )
    assert [over for over, _ in ends] == [True, False, True, True, False, False]
    for (_, seconds), limit, work in zip(ends, limits, works, strict=True):
        assert min(limit, work) - 0.01 <= seconds < min(limit, work) + 3
    # the timer of those that came to nothing does not end the next
    assert not (await limited(deadlines, LONG, 0.4))[0]


async def test_somebody_elses_cancellation_stays_one() -> None:
    deadlines = Deadlines()
    task = asyncio.ensure_future(limited(deadlines, LONG, LONG))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_both_at_once_is_a_cancellation() -> None:
    deadlines = Deadlines()
    task = asyncio.ensure_future(limited(deadlines, 0.01, LONG))
    await asyncio.sleep(0)
    time.sleep(0.05)  # noqa: ASYNC251  # the limit is reached, and nobody was told yet
    asyncio.get_running_loop().call_later(0, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_inside_comes_out() -> None:
    with pytest.raises(ValueError, match="mine"), Deadlines().limit(LONG):
        raise ValueError("mine")
