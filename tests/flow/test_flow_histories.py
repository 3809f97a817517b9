"""Thousands of random histories per class of fault: the invariants hold at rest, in every one.

A failing history prints its class and seed; `pytest tests/flow --flow-seed "<class>:<seed>"` plays
the very same one again and prints every step of it.
"""

from __future__ import annotations

import pytest
from flow_world import Faults, World

CLASSES = {
    "interleavings": Faults(most=0),
    "crashes": Faults(crash=1),
    "freezes of several leases": Faults(freeze=1),
    "crashes and freezes": Faults(crash=1, freeze=1, rate=0.2, most=8),
    "writes long after the lease": Faults(late_write=1, freeze=1, rate=0.2),
    "lost replies and redelivery": Faults(lost_reply=1, refusal=0.5, lost_ack=0.1),
    "requests in flight after their time-out": Faults(slow_flight=1, refusal=0.3, crash=0.3),
    "clocks two seconds apart": Faults(crash=1, freeze=1, skew=1),
    "rejected events": Faults(poison=0.3, crash=1, lost_reply=0.5, freeze=0.5),
    "everything, late writes bounded": Faults(
        crash=1, freeze=1, late_write=1, lost_reply=1, refusal=1, slow_flight=1,
        lost_ack=0.05, skew=1, poison=0.06, bounded=True, rate=0.2, most=8,
    ),
    "everything": Faults(
        crash=1, freeze=1, late_write=1, lost_reply=1, refusal=1, slow_flight=1,
        lost_ack=0.05, skew=1, poison=0.06, rate=0.2, most=8,
    ),
    "crashes and late writes, dense": Faults(crash=1, late_write=2, rate=0.3, most=5),
}  # fmt: skip
"""A class in which a hole may open: a write that leaves more than `Policy.doubt` after its lease
*and* whose process dies before it can note that. Only the last two (and nothing else) can."""

HISTORIES = 2_000
OPEN_TO_THE_HOLE = ("everything", "crashes and late writes, dense")


def play(name: str, seed: int, *, trace: bool = False) -> World:
    world = World(seed, CLASSES[name], trace=trace)
    world.run()
    return world


@pytest.mark.parametrize("name", CLASSES)
def test_histories(name: str, flow_seed: str, record_property: pytest.RecordProperty) -> None:
    if flow_seed:
        pytest.skip("one history is played by test_one_history")
    failed: list[str] = []
    holes = wrong_in_hole = 0
    for seed in range(HISTORIES):
        try:
            world = play(name, seed)
        except Exception as error:
            failed.append(f"{name}:{seed}: {error!r}")
            continue
        violations = world.violations()
        holes += world.hole
        if violations and world.hole and name in OPEN_TO_THE_HOLE:
            wrong_in_hole += 1
        elif violations:
            failed.append(f"{name}:{seed}: {'; '.join(violations)}")
    print(f"{name}: {HISTORIES} histories, {holes} with the hole open, {wrong_in_hole} wrong in it")
    assert not failed, "\n".join(failed[:10])


def test_one_history(flow_seed: str) -> None:
    if not flow_seed:
        pytest.skip("plays what --flow-seed names")
    name, _, seed = flow_seed.rpartition(":")
    world = World(int(seed), CLASSES[name], trace=True)
    try:
        world.run()
    finally:
        print("\n".join(world.trace or []))
    assert not world.violations()


@pytest.mark.parametrize("name", ["crashes", "everything"])
def test_a_seed_plays_the_same_history_again(name: str) -> None:
    for seed in range(50):
        first, second = play(name, seed, trace=True), play(name, seed, trace=True)
        assert first.trace == second.trace
        assert first.pagerduty.heard == second.pagerduty.heard
        assert first.trace


def test_the_classes_do_meet_their_faults() -> None:
    """A proof over histories in which nothing happens would prove nothing."""
    text = "\n".join(
        line
        for seed in range(300)
        for line in play("everything, late writes bounded", seed, trace=True).trace or []
    )
    for sign in (
        "dies",
        "freezes for",
        "loses a compare-and-set",
        "repaired",
        "in-doubt",
        "already-resolved",
        "not-open",
        "superseded",
        "busy",
        "rejected",
        "ledger-unavailable",
    ):
        assert sign in text, sign
