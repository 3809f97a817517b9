"""What is held back of several streams never fills a stream's share of the capacity."""

from __future__ import annotations

import asyncio

import pytest

from subscriber.model import Action, AlertKey, Envelope, Order, Position
from subscriber.ports.memory import ManualClock
from subscriber.service.holdback import Holdback


@pytest.mark.parametrize(("streams", "held"), [(0, 7), (1, 7), (2, 3), (3, 1), (100, 0)])
async def test_the_room_is_divided_among_streams(streams: int, held: int) -> None:
    needed: list[int] = []
    holdback = Holdback[int](
        clock=ManualClock(),
        room=8,
        needed=needed.append,
        needless=needed.append,
        heard_at=lambda: 0.0,
    )
    holdback.divide(streams)
    for number in range(8):
        key = AlertKey(service="s", dedup_key=str(number))
        order = Order(Action.TRIGGER, key, Position(sequence=number))
        envelope = Envelope(subject="s", data=b"", stream="A", sequence=number, pending=500)
        assert holdback.take(order, number, envelope)
        if needed:
            break
    assert len(needed) == held + 1
    holdback.withdraw()
    await asyncio.sleep(0)
