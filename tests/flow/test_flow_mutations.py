"""Each safeguard of the protocol switched off: the invariants break, so the proof can fail."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest
from flow_small import Bounds, explore
from flow_world import Faults, Task, World

from subscriber.delivery import entry, exchange, table
from subscriber.model import Action, Alert, Claim, Effect, Save

FAULTS = {
    "late": Faults(crash=0.3, freeze=1, late_write=2, rate=0.3, most=6, bounded=True),
    "flight": Faults(slow_flight=1, crash=1, rate=0.3, most=6),
    "unbounded": Faults(freeze=1, late_write=2, rate=0.3, most=6),
    "frozen": Faults(crash=1, freeze=2, rate=0.4, most=8),
    "calm": Faults(most=0),
}


def wrong(
    faults: Faults, histories: int = 1_500, *, looks: bool = True, enough: int = 1_500
) -> int:
    """Histories that end wrong, or never; stops looking at `enough` of them."""
    count = 0
    for seed in range(histories):
        if count == enough:
            break
        world = World(seed, faults, looks=looks)
        try:
            world.run()
            count += bool(world.violations())
        except Exception:
            count += 1
    return count


def silent(*_: object) -> Generator[Effect, object, None]:
    return
    yield


def no_repair(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(entry, "owes_repetition", lambda alert: False)
    patch.setattr(exchange, "note_doubt", silent)


def no_note_of_late_sends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exchange, "note_doubt", silent)


def no_doubt_after_take_over(patch: pytest.MonkeyPatch) -> None:
    def take(alert: Alert, claim: Claim, **_: object) -> Alert:
        return entry.replace(alert, claim=claim)

    patch.setattr(entry, "claimed", take)


def no_doubt_after_a_time_out(patch: pytest.MonkeyPatch) -> None:
    honest = entry.doubted

    def forget(alert: Alert, position: object, until: float) -> Alert:
        # Only what `released` would note: the claim is gone and nothing of it is kept.
        return alert if alert.claim is None else honest(alert, position, until)  # type: ignore[arg-type]

    patch.setattr(entry, "doubted", forget)


def no_lease_check(patch: pytest.MonkeyPatch) -> None:
    """Neither the flow nor (see `looks`) the driver looks at the clock before a request."""
    patch.setattr(entry, "time_left", lambda claim, now: 1e9)


def no_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(table, "place_of", lambda alert, intent: table.Place.NEWER)


def guesses_unproven(patch: pytest.MonkeyPatch) -> None:
    """What follows a guess is written over whatever is there."""
    honest = World._save

    def save(world: World, task: Task, effect: Save, fault: str) -> object:
        _, revision = world.entries.get(effect.alert.key, (None, 0))
        if not effect.revision:
            effect = Save(alert=effect.alert, revision=revision)
        return honest(world, task, effect, fault)

    patch.setattr(World, "_save", save)


def no_claims(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(entry, "is_live", lambda claim, **_: False)


def rest_in_doubt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(entry, "is_at_rest", lambda alert: True)


def acknowledge_moves_the_position(patch: pytest.MonkeyPatch) -> None:
    def move(alert: Alert, position: object) -> Alert:
        return entry.replace(alert, position=position)

    patch.setattr(entry, "remembered", move)


def acknowledge_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(entry, "remembered", lambda alert, position: alert)


MUTATIONS: list[tuple[Callable[[pytest.MonkeyPatch], None], str, bool]] = [
    (no_repair, "late", True),
    (no_note_of_late_sends, "unbounded", True),
    (no_doubt_after_take_over, "late", True),
    (no_doubt_after_a_time_out, "flight", True),
    (no_lease_check, "frozen", False),
    (no_fence, "calm", True),
    (guesses_unproven, "calm", True),
    (rest_in_doubt, "flight", True),
    (acknowledge_moves_the_position, "calm", True),
    (acknowledge_forgotten, "calm", True),
]


@pytest.mark.parametrize("name", FAULTS)
def test_the_protocol_itself_is_right_on_the_same_histories(name: str) -> None:
    assert wrong(FAULTS[name]) == 0


@pytest.mark.parametrize(
    ("mutate", "name", "looks"), MUTATIONS, ids=[m[0].__name__ for m in MUTATIONS]
)
def test_without_it_histories_end_wrong(
    mutate: Callable[[pytest.MonkeyPatch], None],
    name: str,
    looks: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutate(monkeypatch)
    assert wrong(FAULTS[name], 8_000, looks=looks, enough=3) == 3


def calls(histories: int = 300) -> int:
    """What PagerDuty hears in calm histories, all together."""
    count = 0
    for seed in range(histories):
        world = World(seed, FAULTS["calm"])
        world.run()
        assert not world.violations()
        count += len(world.pagerduty.heard)
    return count


def test_claims_save_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is right without them too: every take-over is a doubt, and that is repaired."""
    with_claims = calls()
    no_claims(monkeypatch)
    assert calls() > 1.2 * with_claims


def test_the_exhaustive_search_finds_a_missing_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    no_fence(monkeypatch)
    found = explore((Action.TRIGGER, Action.RESOLVE), Bounds(deliveries=1))
    assert found.bad
    assert found.example is not None


def test_the_exhaustive_search_finds_a_missing_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    no_repair(monkeypatch)
    found = explore((Action.TRIGGER, Action.RESOLVE), Bounds(ticks=1, deliveries=1))
    assert found.bad
