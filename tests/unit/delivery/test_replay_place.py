"""A replay keeps its place, and nobody else gets one from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriber.delivery import origin_of, replay_headers
from subscriber.delivery.replay import HEADER, MESSAGE_ID
from subscriber.model import Arrival, Envelope

FIRST = Envelope(
    subject="sh.keptn.event.x",
    data=b'{"id": "1"}',
    headers={"ce-id": "1", "ce-source": "s", "Nats-Msg-Id": "once", "Nats-Rollup": "all", "a": "b"},
    stream="EVENTS",
    stream_epoch=1_700_000_000_000_000_000,
    sequence=17,
    received_at=1_700_000_100.123456,
)
PLACE = Arrival(epoch=FIRST.stream_epoch, sequence=FIRST.sequence, received_at=FIRST.received_at)


def again(first: Envelope = FIRST, **changes: object) -> Envelope:
    """The message as the service gets it after a replay."""
    changes = {"sequence": 400, "received_at": 1_700_030_000.0} | changes
    return replace(first, headers=replay_headers(first, letter="3/then"), **changes)


def own(envelope: Envelope) -> Arrival:
    return Arrival(
        epoch=envelope.stream_epoch,
        sequence=envelope.sequence,
        received_at=envelope.received_at,
    )


def test_a_message_that_is_no_replay_stands_where_it_is() -> None:
    assert origin_of(FIRST) == own(FIRST)


def test_a_replay_stands_where_it_first_was() -> None:
    assert origin_of(again()) == PLACE


def test_a_replay_of_a_replay_stands_where_the_first_was() -> None:
    second = again()
    third = replace(second, headers=replay_headers(second, letter="9/later"), sequence=500)
    assert origin_of(third) == PLACE
    assert third.headers[MESSAGE_ID] != second.headers[MESSAGE_ID]


def test_a_replay_in_a_stream_made_again_still_is_the_older_one() -> None:
    assert origin_of(again(stream_epoch=FIRST.stream_epoch + 1, sequence=1)) == PLACE


def test_orders_to_the_server_are_left_out_and_the_rest_is_kept() -> None:
    headers = replay_headers(FIRST, letter="3/then")
    assert set(headers) == {"ce-id", "ce-source", "a", HEADER, MESSAGE_ID}
    assert headers["a"] == "b"
    assert headers[MESSAGE_ID] != "once"


def test_one_letter_has_one_identity_and_two_have_two() -> None:
    one, two = (replay_headers(FIRST, letter=name) for name in ("3/then", "4/then"))
    assert one == replay_headers(FIRST, letter="3/then")
    assert one[MESSAGE_ID] != two[MESSAGE_ID]


NOT_HONOURED = {
    "newer than the message itself": {"sequence": 16},
    "the same place": {"sequence": 17},
    "a stream made earlier": {"stream_epoch": FIRST.stream_epoch - 1},
    "plain NATS": {"stream": "", "stream_epoch": 0},
    "copied to another payload": {"data": b'{"id": "2"}'},
    "copied to another subject": {"subject": "sh.keptn.event.y"},
}


@pytest.mark.parametrize("changes", NOT_HONOURED.values(), ids=NOT_HONOURED)
def test_a_place_that_is_not_the_messages_is_ignored(changes: dict[str, object]) -> None:
    message = again(**changes)
    assert origin_of(message) == own(message)


@pytest.mark.parametrize("name", ["ce-id", "CE-Source"])
def test_a_place_copied_to_another_binary_event_is_ignored(name: str) -> None:
    message = again()
    headers = {k: v for k, v in message.headers.items() if k.lower() != name.lower()}
    other = replace(message, headers={**headers, name: "another"})
    assert origin_of(other) == own(other)


@pytest.mark.parametrize(
    "text",
    ["", "1", "17", "0-1-1-" + "0" * 32, "1-0-1-" + "0" * 32, "1-1-0-" + "0" * 32,
     "-1-1-1-" + "0" * 32, "1-1-1-" + "0" * 31, "1-1-1-" + "g" * 32, "1-1-1-" + "0" * 32 + "\n",
     "١-1-1-" + "0" * 32, "9" * 5000],
)  # fmt: skip
def test_what_only_looks_like_a_place_is_ignored(text: str) -> None:
    message = replace(again(), headers={HEADER: text})
    assert origin_of(message) == own(message)


def test_a_time_is_never_newer_than_the_messages_own() -> None:
    message = again(received_at=1_000.0)  # a clock that went back
    assert origin_of(message).received_at == 1_000.0


@given(
    header=st.text() | st.from_regex(r"[0-9]{1,19}-[0-9]{1,19}-[0-9]{1,18}-[0-9a-f]{32}"),
    sequence=st.integers(0, 2**62),
)
def test_no_header_makes_a_message_newer(header: str, sequence: int) -> None:
    message = replace(FIRST, headers={HEADER: header}, sequence=sequence)
    found = origin_of(message)
    assert (found.epoch, found.sequence) <= (message.stream_epoch, message.sequence)
    assert found.received_at <= message.received_at


@given(
    epoch=st.integers(1, 2**62),
    sequence=st.integers(1, 2**40),
    later=st.integers(1, 2**40),
    received=st.floats(1.0, 4e9),
    data=st.binary(max_size=40),
    names=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
)
def test_every_replay_finds_its_place_again(
    epoch: int, sequence: int, later: int, received: float, data: bytes, names: dict[str, str]
) -> None:
    first = Envelope(
        subject="s",
        data=data,
        headers=names,
        stream="S",
        stream_epoch=epoch,
        sequence=sequence,
        received_at=received,
    )
    found = origin_of(again(first, sequence=sequence + later, received_at=received + 1.0))
    assert (found.epoch, found.sequence) == (epoch, sequence)
    assert found.received_at == pytest.approx(received, abs=1e-6)


def test_a_letter_without_a_place_is_replayed_as_a_new_message() -> None:
    headers = replay_headers(Envelope(subject="s", data=b"x"), letter="1/then")
    assert HEADER not in headers
    assert MESSAGE_ID in headers
