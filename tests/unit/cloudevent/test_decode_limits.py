"""Messages made to hurt: each is answered, by name, in a moment."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import pytest

from subscriber.cloudevent import decode, decode_each, peek_type
from subscriber.cloudevent.attributes import LONGEST, MOST
from subscriber.cloudevent.decode import BATCH, BATCH_LIMIT, SIZE_LIMIT
from subscriber.cloudevent.strictjson import DEPTH_LIMIT, check_value, read_json
from subscriber.model import Envelope, Event, Problem, Reason

SECONDS = 3.0
"""Of CPU time for a megabyte; the worst takes a quarter of one on an idle machine."""
HEAD = b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":'
MILLION = 1_000_000


def message(data: bytes, **headers: str) -> Envelope:
    return Envelope(subject="x", data=data, headers=headers)


def event(**more: object) -> Envelope:
    attributes = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", **more}
    return message(json.dumps(attributes).encode())


def first(envelope: Envelope) -> Reason | None:
    """The reason of the first result, None for an event; within the time."""
    began = time.process_time()
    peek_type(envelope)
    result = decode_each(envelope)[0]
    assert time.process_time() - began < SECONDS
    return None if isinstance(result, Event) else result.reason


HOSTILE: Mapping[str, tuple[Envelope, Reason | None]] = {
    "nothing but brackets": (message(b"[" * MILLION), Reason.TOO_DEEP),
    "objects in one another": (
        message(b'{"a":' * 160_000 + b"1" + b"}" * 160_000),
        Reason.TOO_DEEP,
    ),
    "a million quotes": (message(b'"' * MILLION), Reason.NOT_JSON),
    "a million backslashes": (message(b'{"a":"' + b"\\" * MILLION), Reason.NOT_JSON),
    "numbers at the end of floating point": (
        message(HEAD + b"[" + b"1e308," * 160_000 + b"1]}"),
        None,
    ),
    "numbers beyond it": (
        message(HEAD + b"[" + b"1e308," * 160_000 + b"1e309]}"),
        Reason.NOT_A_NUMBER,
    ),
    "the smallest numbers": (message(HEAD + b"[" + b"4.9e-324," * 110_000 + b"1]}"), None),
    "a number of a million digits": (message(HEAD + b"9" * MILLION + b"}"), Reason.NOT_A_NUMBER),
    "objects without end": (message(HEAD + b"[" + b"{}," * 340_000 + b"{}]}"), None),
    "one key again and again": (
        message(b"{" + b'"a":1,' * 140_000 + b'"b":1}'),
        Reason.DUPLICATE_KEY,
    ),
    "escaped surrogates": (
        message(HEAD + b"[" + b'"\\ud83d\\ude00",' * 65_000 + b'"\\ud83d"]}'),
        Reason.LONE_SURROGATE,
    ),
    "a batch without end": (
        Envelope(
            subject="x", data=b"[" + b"{}," * 340_000 + b"{}]", headers={"content-type": BATCH}
        ),
        Reason.TOO_LARGE,
    ),
    "base64 without end": (event(data_base64="A" * (MILLION - 100)), None),
    "a long id": (event(id="x" * MILLION), Reason.TOO_LARGE),
    "a long time": (event(time="2" * MILLION), Reason.TOO_LARGE),
    "a media type of parameters": (
        event(datacontenttype="a/b;" + "x=y;" * 240_000),
        Reason.TOO_LARGE,
    ),
    "a long header": (
        message(
            b"",
            **{
                "ce-id": "%41" * 300_000,
                "ce-specversion": "1.0",
                "ce-source": "s",
                "ce-type": "t",
            },
        ),
        Reason.TOO_LARGE,
    ),
    "headers without end": (
        message(
            b"",
            **{"ce-id": "1", "ce-specversion": "1.0", "ce-source": "s", "ce-type": "t"},
            **{f"ce-a{i}": "x" for i in range(100_000)},
        ),
        Reason.TOO_LARGE,
    ),
    "attributes without end": (event(**{f"a{i}": "" for i in range(60_000)}), Reason.TOO_LARGE),
    "extensions without end": (
        event(extensions={f"a{i}": "" for i in range(60_000)}),
        Reason.TOO_LARGE,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_message_is_answered_in_a_moment(name: str) -> None:
    envelope, reason = HOSTILE[name]
    assert len(envelope.data) <= SIZE_LIMIT, "or the size alone would answer"
    assert first(envelope) == reason


def test_the_size_comes_before_everything() -> None:
    assert first(message(b"[" * (SIZE_LIMIT + 1))) is Reason.TOO_LARGE
    small = decode_each(event(), size_limit=10)[0]
    assert isinstance(small, Problem)
    assert small.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "dataschema", "anything"])
@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_an_attribute_may_be_as_long_as_the_limit_and_no_longer(name: str, mode: str) -> None:
    def carried(length: int) -> Envelope:
        value = "x" * length
        if mode == "structured":
            return event(**{name: value})
        headers = {"ce-id": "1", "ce-specversion": "1.0", "ce-source": "s", "ce-type": "t"}
        return message(b"", **{**headers, f"ce-{name}": value})

    assert first(carried(LONGEST)) is None
    problem = decode_each(carried(LONGEST + 1))[0]
    assert isinstance(problem, Problem)
    assert problem.reason is Reason.TOO_LARGE
    assert problem.where.removeprefix("ce-") == name
    assert len(str(problem)) < 300


def test_an_event_may_have_as_many_attributes_as_the_limit() -> None:
    some = {f"a{i}": "x" for i in range(MOST - 4)}
    assert first(event(**some)) is None
    assert first(event(**some, more="x")) is Reason.TOO_LARGE


def test_a_batch_may_have_as_many_events_as_the_limit() -> None:
    one = event().data
    whole = b"[" + b",".join([one] * BATCH_LIMIT) + b"]"
    headers = {"content-type": BATCH}
    assert len(decode(Envelope(subject="x", data=whole, headers=headers))) == BATCH_LIMIT


def test_data_may_be_as_deep_as_the_limit() -> None:
    inside = DEPTH_LIMIT - 1  # the event itself is one
    assert first(message(HEAD + b"[" * inside + b"]" * inside + b"}")) is None
    assert first(message(HEAD + b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT + b"}")) is Reason.TOO_DEEP


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, {"b c": float("inf")}]}, "data.a[1].b c"),
        ([[], [0, "\ud800"]], "data[1][1]"),
        ({"k\ud800": 1}, "data"),
        (float("nan"), "data"),
    ],
)
def test_a_refused_value_is_found_at_its_place(value: object, where: str) -> None:
    with pytest.raises(Problem) as caught:
        check_value(value, "data")  # type: ignore[arg-type]
    assert caught.value.where == where


def test_numbers_read_the_slow_way_are_the_same_numbers() -> None:
    numbers = [1e308, -4.9e-324, 1.7976931348623157e308, 2.5e300] * 200
    text = json.dumps(numbers).encode()
    assert len(text) > 4096
    assert read_json(text) == numbers
