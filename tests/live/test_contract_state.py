"""What every Ledger, DeadLetters, History and Publisher promises; see `ports.interfaces`."""

from __future__ import annotations

import asyncio

import pytest
from contract_worlds import World, until

from subscriber.model import Alert, AlertKey, AlertState, Claim, Envelope, Position
from subscriber.model.alert import Doubt, Waiting
from subscriber.ports.interfaces import Held

NASTY = [
    ("service", "deployment:carts:production"),
    ("service", "with space, ünïcode, 🔥 and \x00"),
    ("service", "*.>"),
    ("service", "x" * 255),
    ("", "k"),
    ("a", "bc"),
    ("ab", "c"),
    ("1:a", "b"),
]


def full_alert(key: AlertKey) -> Alert:
    place = Position(epoch=1_795_260_397_727_327_067, sequence=2**53 + 1, index=3)
    return Alert(
        key=key,
        position=place,
        state=AlertState.OPEN,
        acknowledged=place,
        claim=Claim(owner="replica-1/7", position=place, expires_at=1_795_260_397.727_327),
        doubt=Doubt(position=place, until=1.5),
        waiting=Waiting(position=place, until=2.5),
        rule="keptn/evaluation",
        event_id="évènement",
        updated_at=1_795_260_397.1,
    )


# -- the ledger -------------------------------------------------------------------------------


@pytest.mark.parametrize(("service", "dedup_key"), NASTY)
async def test_an_entry_comes_back_as_it_was_saved(
    world: World, service: str, dedup_key: str
) -> None:
    key = AlertKey(service=service, dedup_key=dedup_key)
    assert await world.ledger.load(key) == (Alert(key=key), 0)
    revision = await world.ledger.save(full_alert(key), 0)
    assert revision is not None
    assert revision > 0
    assert await world.ledger.load(key) == (full_alert(key), revision)


async def test_a_key_is_service_and_dedup_key_apart(world: World) -> None:
    for service, dedup_key in NASTY:
        key = AlertKey(service=service, dedup_key=dedup_key)
        assert await world.ledger.save(full_alert(key), 0) is not None
    found = [alert.key async for alert, _ in world.ledger.scan()]
    assert sorted(found) == sorted(AlertKey(service=s, dedup_key=d) for s, d in NASTY)


async def test_a_save_with_an_old_revision_changes_nothing(world: World) -> None:
    key = AlertKey(service="s", dedup_key="k")
    first = await world.ledger.save(Alert(key=key, rule="first"), 0)
    assert first is not None
    assert await world.ledger.save(Alert(key=key, rule="again"), 0) is None
    second = await world.ledger.save(Alert(key=key, rule="second"), first)
    assert second is not None
    assert second > first
    assert await world.ledger.save(Alert(key=key, rule="late"), first) is None
    assert await world.ledger.save(Alert(key=key, rule="early"), second + 100) is None
    assert await world.ledger.load(key) == (Alert(key=key, rule="second"), second)


async def test_of_many_writers_one_wins(world: World) -> None:
    key = AlertKey(service="s", dedup_key="race")
    revision = 0
    for _ in range(3):
        tries = [world.ledger.save(Alert(key=key, rule=f"w{n}"), revision) for n in range(20)]
        won = [(n, new) for n, new in enumerate(await asyncio.gather(*tries)) if new is not None]
        assert len(won) == 1
        winner, revision = won[0]
        assert await world.ledger.load(key) == (Alert(key=key, rule=f"w{winner}"), revision)


async def test_a_forgotten_key_counts_as_never_seen(world: World) -> None:
    key = AlertKey(service="s", dedup_key="k")
    other = AlertKey(service="s", dedup_key="other")
    await world.ledger.save(Alert(key=other), 0)
    revision = await world.ledger.save(full_alert(key), 0)
    assert revision is not None
    await world.ledger.forget(key)
    await world.ledger.forget(key)
    assert await world.ledger.load(key) == (Alert(key=key), 0)
    assert await world.ledger.save(full_alert(key), revision) is None
    assert await world.ledger.save(full_alert(key), 0) is not None
    assert (await world.ledger.load(other))[1] > 0


async def test_a_scan_gives_every_entry_in_its_newest_form(world: World) -> None:
    keys = [AlertKey(service="s", dedup_key=str(number)) for number in range(30)]
    for key in keys:
        revision = await world.ledger.save(Alert(key=key, rule="old"), 0)
        assert revision is not None
        assert await world.ledger.save(Alert(key=key, rule="new"), revision)
    found = {alert.key: (alert.rule, revision) async for alert, revision in world.ledger.scan()}
    assert set(found) == set(keys)
    for key, (rule, revision) in found.items():
        assert rule == "new"
        assert (await world.ledger.load(key))[1] == revision


async def test_an_empty_ledger_is_empty_and_usable(world: World) -> None:
    assert [entry async for entry in world.ledger.scan()] == []
    await world.ledger.ping()


# -- dead letters -----------------------------------------------------------------------------

ENVELOPE = Envelope(
    subject="sh.keptn.event.evaluation.finished",
    data=b'{"broken": \xff\x00',
    headers={"ce-id": "1", "ce-source": "a%20b", "Empty": "", "X-Text": "grün 🔥"},
    stream="keptn",
    stream_epoch=1_795_260_397_727_327_067,
    sequence=17,
    delivery_count=4,
    received_at=1_795_260_397.727_327,
)
HEADERS = {
    "Dead-Letter-Reason": "not-json",
    "Dead-Letter-Rule": "keptn/evaluation",
    "Dead-Letter-Message": "line\r\nbreak, ünïcode \U0001f525, 100 % and \x00 ",
}


async def test_a_letter_is_the_message_untouched_and_our_headers(world: World) -> None:
    number = await world.dead_letters.write(ENVELOPE, HEADERS)
    assert number > 0
    assert await world.dead_letters.read(number) == (ENVELOPE, HEADERS)


@pytest.mark.parametrize(
    "headers",
    [
        {"Nats-Msg-Id": "theirs", "Nats-Rollup": "all", "nats-expected-stream": "no"},
        {"Nats-Expected-Last-Sequence": "1", "Nats-TTL": "1"},
        {"Dead-Letter-Reason": "from an earlier life", "dead-letter-x": "y"},
        {"Odd(name)": "v", "Sla/sh": "v", "Percent": "50%41"},
        {},
    ],
)
async def test_headers_with_a_meaning_of_their_own_come_back(
    world: World, headers: dict[str, str]
) -> None:
    envelope = Envelope(subject="a.b", data=b"x", headers=headers, stream="S", sequence=1)
    for _ in range(2):
        number = await world.dead_letters.write(envelope, HEADERS)
        assert await world.dead_letters.read(number) == (envelope, HEADERS)


async def test_a_letter_written_again_is_one_letter(world: World) -> None:
    first = await world.dead_letters.write(ENVELOPE, HEADERS)
    assert await world.dead_letters.write(ENVELOPE, {**HEADERS, "Dead-Letter-X": "1"}) == first
    other_reason = {**HEADERS, "Dead-Letter-Reason": "expired"}
    other_rule = {**HEADERS, "Dead-Letter-Rule": "mine"}
    numbers = [
        first,
        await world.dead_letters.write(ENVELOPE, other_reason),
        await world.dead_letters.write(ENVELOPE, other_rule),
        await world.dead_letters.write(ENVELOPE, {**HEADERS, "Dead-Letter-Event-Id": "2"}),
    ]
    assert len(set(numbers)) == 4
    assert [number async for number, _, _ in world.dead_letters.scan()] == sorted(numbers)


async def test_letters_are_scanned_oldest_first_and_can_be_removed(world: World) -> None:
    numbers = []
    for sequence in range(1, 8):
        envelope = Envelope(subject="s", data=b"%d" % sequence, stream="S", sequence=sequence)
        numbers.append(await world.dead_letters.write(envelope, HEADERS))
    assert numbers == sorted(numbers)
    await world.dead_letters.remove(numbers[2])
    await world.dead_letters.remove(numbers[2])
    await world.dead_letters.remove(10**6)
    await world.dead_letters.remove(0)
    del numbers[2]
    found = [(n, letter.data, dict(h)) async for n, letter, h in world.dead_letters.scan()]
    assert [number for number, _, _ in found] == numbers
    assert [data for _, data, _ in found] == [b"1", b"2", b"4", b"5", b"6", b"7"]
    assert all(headers == HEADERS for _, _, headers in found)


@pytest.mark.parametrize("number", [0, -1, 1, 10**9])
async def test_a_letter_that_is_not_there_is_none(world: World, number: int) -> None:
    assert await world.dead_letters.read(number) is None
    assert [letter async for letter in world.dead_letters.scan()] == []
    await world.dead_letters.ping()


async def test_foreign_and_endless_headers_are_not_kept_whole(world: World) -> None:
    headers = {**HEADERS, "Other": "x", "Dead-Letter-Errors": "e" * 100_000}
    number = await world.dead_letters.write(ENVELOPE, headers)
    letter = await world.dead_letters.read(number)
    assert letter is not None
    assert "Other" not in letter[1]
    assert letter[1]["Dead-Letter-Errors"] == "e" * 4095 + "…"


# -- history and publisher --------------------------------------------------------------------


async def test_history_finds_what_was_published(world: World) -> None:
    await world.publisher.publish(world.subject, b"one", {"X": "ä", "ce-id": "1"})
    await world.publisher.publish(world.subject, b"")
    held: list[Held] = []
    source = world.new_source()
    await source.start(held.append, capacity=10)
    await until(lambda: len(held) == 2)
    for message in held:
        arrived = message.envelope
        for epoch in (0, arrived.stream_epoch):
            found = await world.history.read(arrived.sequence, epoch=epoch)
            assert found is not None
            assert (found.subject, found.data) == (arrived.subject, arrived.data)
            assert dict(found.headers) == dict(arrived.headers)
            assert (found.stream, found.stream_epoch) == (arrived.stream, arrived.stream_epoch)
            assert found.sequence == arrived.sequence
            assert found.received_at == pytest.approx(arrived.received_at, abs=1e-3)
        await message.ack()
    await source.stop()


async def test_history_does_not_mistake_another_stream_or_place(world: World) -> None:
    await world.publisher.publish(world.subject, b"one")
    assert await world.history.read(1) is not None
    assert await world.history.read(2) is None
    assert await world.history.read(0) is None
    assert await world.history.read(1, epoch=12345) is None
    await world.history.ping()


async def test_the_same_message_id_is_stored_once(world: World) -> None:
    headers = {"Nats-Msg-Id": "evt-1"}
    for data in (b"first", b"second"):
        await world.publisher.publish(world.subject, data, headers)
    assert headers == {"Nats-Msg-Id": "evt-1"}
    first = await world.history.read(1)
    assert first is not None
    assert first.data == b"first"
    assert await world.history.read(2) is None
    await world.publisher.ping()
