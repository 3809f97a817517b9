"""Replaying dead letters into a running service: order is kept, every letter ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import product

import pytest
from service_world import RULES, SmallWorld, small_world

from subscriber.config import load_config
from subscriber.model import Envelope, Problem, Reason
from subscriber.ports.memory import MemoryHistory, MemoryPublisher
from subscriber.service import options
from subscriber.service.rehearsal import Rehearsal
from subscriber.service.replay import Batches, Desk, Letter, Replayed, Selection
from subscriber.service.rulebook import load_rules
from subscriber.simulator import parse_fault

SUBJECT = "sh.keptn.event.x"


def desk_of(world: SmallWorld) -> Desk:
    return Desk(
        letters=world.dead_letters,
        history=MemoryHistory((world.stream,)),
        publisher=MemoryPublisher(world.stream),
        listening=("sh.keptn.>",),
    )


async def publish(world: SmallWorld, result: str, *, dies: bool) -> None:
    """An evaluation that PagerDuty rejects for no good reason, or one that gets through."""
    world.stand_in.switch([parse_fault("400-text")] if dies else [])
    world.publish(service="a", result=result)
    await world.settle(1)
    world.stand_in.switch([])


async def all_of(letters: AsyncIterator[Letter]) -> list[Letter]:
    return [letter async for letter in letters]


async def replay_all(world: SmallWorld) -> list[Replayed]:
    desk, batches = desk_of(world), Batches()
    async for letter in desk.select(Selection()):
        batches.add(letter)
    done = [one async for one in desk.replay(batches.ordered())]
    await world.settle(5)
    return done


HISTORIES = [
    tuple(zip(results, deaths, strict=True))
    for results in product(("fail", "pass"), repeat=3)
    for deaths in product((False, True), repeat=3)
    if any(deaths)
]


@pytest.mark.parametrize("history", HISTORIES, ids=lambda h: "-".join(r + "!" * d for r, d in h))
async def test_after_a_replay_the_newest_event_of_all_decides(
    history: tuple[tuple[str, bool], ...],
) -> None:
    async with small_world() as world:
        for result, dies in history:
            await publish(world, result, dies=dies)
        died = world.ends()["dead-lettered: rejected"]
        done = await replay_all(world)
        assert len(done) == died
        assert all(one.problem is None for one in done)
        assert await world.letters() == []
        open_now = world.state("a") == "triggered"
        assert open_now == (history[-1][0] == "fail")
        assert sum(world.ends().values()) == len(history) + died
        assert world.stream.unsettled == 0


async def test_an_outdated_trigger_opens_nothing() -> None:
    async with small_world() as world:
        await publish(world, "fail", dies=True)
        await publish(world, "pass", dies=False)
        calls = world.stand_in.calls.total
        await replay_all(world)
        assert world.ends()["superseded: superseded"] == 1
        assert world.stand_in.calls.total == calls
        assert world.state("a") != "triggered"


async def test_what_comes_after_a_replay_counts_as_newer() -> None:
    async with small_world() as world:
        await publish(world, "fail", dies=True)
        await replay_all(world)
        assert world.state("a") == "triggered"
        await publish(world, "pass", dies=False)
        assert world.state("a") == "resolved"


async def test_a_letter_that_dies_again_keeps_its_first_place() -> None:
    async with small_world() as world:
        await publish(world, "fail", dies=True)
        world.stand_in.switch([parse_fault("400-text")])
        await replay_all(world)
        assert len(await world.letters()) == 1
        await publish(world, "pass", dies=False)
        await replay_all(world)
        assert world.ends() == {
            "dead-lettered: rejected": 2,
            "delivered: accepted": 1,
            "superseded: superseded": 1,
        }


async def test_a_batch_says_only_what_has_not_been_said() -> None:
    def member(number: int, **data: object) -> dict[str, object]:
        return {
            "specversion": "1.0",
            "id": f"m{number}",
            "source": "test",
            "type": "sh.keptn.event.evaluation.finished",
            "data": {"note": number, "result": "fail", **data},
        }

    async with small_world() as world:
        batch = [member(0, service="good"), member(1), member(2, service=["x"]), {"id": "broken"}]
        world.raw(
            json.dumps(batch).encode(), **{"Content-Type": "application/cloudevents-batch+json"}
        )
        await world.settle(1)
        calls, letters = world.stand_in.calls.total, len(await world.letters())
        assert letters >= 2
        (done,) = await replay_all(world)  # one message, however many letters
        assert len(done.numbers) == letters
        assert world.ends()["delivered: duplicate"] >= 1
        assert world.stand_in.calls.total == calls
        assert len(await world.letters()) == letters  # the broken ones died again


async def test_a_repeated_replay_of_one_letter_is_one_message() -> None:
    async with small_world() as world:
        await publish(world, "fail", dies=True)
        (letter,) = await all_of(desk_of(world).select(Selection()))
        message = await desk_of(world).ready(letter)
        first = world.stream.publish(message.subject, message.data, message.headers)
        (done,) = await replay_all(world)  # after a crash between publishing and removing
        assert done.problem is None
        assert await world.letters() == []
        assert world.stream.get(first + 1) is None
        assert world.ends()["delivered: accepted"] == 1


# -- the desk -----------------------------------------------------------------------------------


async def test_letters_are_selected_by_number_reason_and_time() -> None:
    async with small_world() as world:
        world.raw(b"{")
        await world.settle()
        await world.clock.advance(3600)
        world.raw(b"")
        world.raw(b"[1]")
        await world.settle()
        desk, now = desk_of(world), world.clock.now()

        async def numbers(**how: object) -> list[int]:
            found = await all_of(desk.select(Selection(**how)))  # type: ignore[arg-type]
            return [letter.number for letter in found]

        assert await numbers() == [1, 2, 3]
        assert await numbers(numbers=(3, 1, 1, 99)) == [1, 3]
        assert await numbers(reason=Reason.NOT_JSON) == [1]
        assert await numbers(since=now - 60) == [2, 3]
        assert await numbers(since=now - 60, reason=Reason.EMPTY_MESSAGE) == [2]
        assert await numbers(since=now + 60) == []


async def test_several_are_replayed_oldest_first_whatever_order_they_died_in() -> None:
    def letter(number: int, sequence: int, epoch: int = 5) -> Letter:
        envelope = Envelope(
            subject=SUBJECT, data=b"", stream="S", stream_epoch=epoch, sequence=sequence
        )
        return Letter(number=number, envelope=envelope, facts={"Reason": "rejected"})

    batches = Batches()
    for one in (letter(1, 30), letter(2, 10), letter(3, 20), letter(4, 10), letter(5, 40, 4)):
        batches.add(one)
    assert [batch.numbers for batch in batches.ordered()] == [(5,), (2, 4), (3,), (1,)]


class NoStream:
    """A publisher whose streams are gone."""

    async def publish(self, subject: str, data: bytes, headers: object = None) -> None:
        raise Problem(Reason.STREAM_CONFLICT, "no stream holds this subject any more")

    async def ping(self) -> None:
        """Usable."""


async def test_what_cannot_be_published_is_kept_and_said() -> None:
    async with small_world() as world:
        await publish(world, "fail", dies=True)
        desk = replace(desk_of(world), publisher=NoStream())
        batches = Batches()
        async for letter in desk.select(Selection()):
            batches.add(letter)
        (done,) = [one async for one in desk.replay(batches.ordered())]
        assert done.problem is not None
        assert done.problem.reason is Reason.STREAM_CONFLICT
        assert len(await world.letters()) == 1


REFUSED = {
    "not ours": ({}, SUBJECT, "no dead letter of ours"),
    "nobody listens": ({"Reason": "rejected"}, "else.where", "does not listen on 'else.where'"),
    "cut": ({"Reason": "rejected", "Cut-Data": "9"}, SUBJECT, "only a part"),
    "trimmed": ({"Reason": "rejected", "Trimmed-Headers": "1"}, SUBJECT, "only a part"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_must_not_be_replayed(name: str) -> None:
    facts, subject, says = REFUSED[name]
    async with small_world() as world:
        envelope = Envelope(subject=subject, data=b"x", stream="S", stream_epoch=1, sequence=1)
        with pytest.raises(Problem) as caught:
            await desk_of(world).ready(Letter(number=1, envelope=envelope, facts=facts))
        assert says in str(caught.value)


async def test_a_cut_letter_takes_the_whole_message_from_the_stream() -> None:
    async with small_world() as world:
        sequence = world.raw(b"x" * 100, a="b")
        whole = world.stream.get(sequence)
        assert whole is not None
        facts = {"Reason": "too-large", "Cut-Data": "100", "Trimmed-Headers": "1"}
        letter = Letter(number=1, envelope=replace(whole, data=b"x" * 10, headers={}), facts=facts)
        message = await desk_of(world).ready(letter)
        assert message.data == whole.data
        assert message.headers["a"] == "b"
        other = replace(letter, envelope=replace(letter.envelope, data=b"y"))
        with pytest.raises(Problem):
            await desk_of(world).ready(other)


# -- the rehearsal ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "history", HISTORIES[::3], ids=lambda h: "-".join(r + "!" * d for r, d in h)
)
async def test_a_rehearsal_says_what_then_happens(history: tuple[tuple[str, bool], ...]) -> None:
    config, document = load_config(RULES)
    async with small_world() as world:
        for result, dies in history:
            await publish(world, result, dies=dies)
        rehearsal = Rehearsal(
            rules=load_rules(config, document),
            policy=options.policy(config),
            ledger=world.ledger,
            clock=world.clock,
            size_limit=1_000_000,
        )
        desk, batches = desk_of(world), Batches()
        async for letter in desk.select(Selection()):
            batches.add(letter)
        before = world.stand_in.calls.total
        said, seen = [], len(world.reports)
        # one at a time, as a rehearsal assumes
        for batch in batches.ordered():
            (letter,) = await all_of(desk.select(Selection(numbers=batch.numbers)))
            async for expected in rehearsal.expect(await desk.ready(letter)):
                said.append((expected.outcome.kind, expected.outcome.reason, bool(expected.told)))
        assert world.stand_in.calls.total == before  # it said nothing
        came = []
        for batch in batches.ordered():
            calls = world.stand_in.calls.total
            assert [one.problem async for one in desk.replay([batch])] == [None]
            await world.settle(1)
            outcome = world.reports[-1].outcome
            came.append((outcome.kind, outcome.reason, world.stand_in.calls.total > calls))
        assert len(world.reports) == seen + len(came)
        assert said == came
