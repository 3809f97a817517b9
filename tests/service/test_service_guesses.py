"""A look at the ledger is spared where keys are new, and never where that would be wrong."""

from __future__ import annotations

import pytest
from service_world import SmallWorld, small_world

from subscriber.model import Alert, AlertKey


class Counted:
    """What the ledger was asked."""

    def __init__(self, world: SmallWorld, patch: pytest.MonkeyPatch) -> None:
        self.loads = self.conflicts = 0
        load, save = world.ledger.load, world.ledger.save

        async def counted_load(key: AlertKey) -> tuple[Alert, int]:
            self.loads += 1
            return await load(key)

        async def counted_save(alert: Alert, revision: int) -> int | None:
            saved = await save(alert, revision)
            self.conflicts += saved is None
            return saved

        patch.setattr(world.ledger, "load", counted_load)
        patch.setattr(world.ledger, "save", counted_save)


async def test_new_keys_are_looked_up_once_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async with small_world() as world:
        counted = Counted(world, monkeypatch)
        for number in range(20):
            world.publish(service=f"s{number}", result="fail")
            await world.settle()
        assert world.ends() == {"delivered: accepted": 20}
        assert (counted.loads, counted.conflicts) == (1, 0)


async def test_known_keys_are_looked_up_after_one_wrong_guess(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with small_world() as world:
        for number in range(5):
            world.publish(service=f"s{number}", result="fail")
            await world.settle()
        counted = Counted(world, monkeypatch)
        for number in range(5):
            world.publish(service=f"s{number}", result="pass")
            await world.settle()
        assert world.ends() == {"delivered: accepted": 10}
        assert (counted.loads, counted.conflicts) == (5, 1)
        assert all(world.state(f"s{number}") == "resolved" for number in range(5))


async def test_a_wrong_guess_spends_one_call_of_the_allowance() -> None:
    async with small_world() as world:
        for result in ("fail", "pass"):  # the second guesses wrong
            world.publish(service="a", result=result)
            await world.settle()
        allowance = world.machine.courier._book.allowances["default"]
        assert allowance.left("default", world.clock.now()) == allowance.limit - 2
