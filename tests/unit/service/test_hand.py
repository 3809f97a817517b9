"""How heavy messages are, and that what is too heavy waits instead of ending the container."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriber.cloudevent.strictjson import read_json
from subscriber.service import hand
from subscriber.service.hand import Hand, weight_of

SHAPES = {
    "empty objects": b"[" + b"{}," * 100_000 + b"1]",
    "empty lists": b"[" + b"[]," * 100_000 + b"1]",
    "small objects": b"[" + b'{"a":1},' * 50_000 + b"1]",
    "one large object": b"{" + b",".join(b'"k%d":1' % i for i in range(40_000)) + b"}",
    "short texts": b"[" + b",".join(b'"%d"' % i for i in range(60_000)) + b"]",
    "numbers": b"[" + b",".join(b"%d" % (i + 1000) for i in range(60_000)) + b"]",
    "fractions": b"[" + b"1.5," * 90_000 + b"1]",
    "a text": b'"' + b"x" * 400_000 + b'"',
    "umlauts": '"{}"'.format("\u00e4" * 200_000).encode(),
    "a text in a foreign script": '"{}"'.format("\u4e2d" * 130_000).encode(),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_message_is_no_heavier_than_it_is_said_to_be(name: str) -> None:
    data = SHAPES[name]
    tracemalloc.start()
    try:
        value = read_json(data)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert value is not None
    assert taken <= weight_of(data)
    assert weight_of(data) < 25 * taken, "and not without measure"


def test_ordinary_events_do_not_crowd() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"a": "b" * 1500}}
    assert 512 * weight_of(json.dumps(event).encode()) < hand.MOST
    evaluation = json.dumps({**event, "data": [{"value": {"metric": "x", "y": 1.5}}] * 200})
    assert 400 * weight_of(evaluation.encode()) < 2 * hand.MOST


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1000)), max_size=40))
def test_the_weight_is_that_of_what_is_there(steps: list[tuple[str, int]]) -> None:
    held: Hand[str] = Hand()
    for key, weight in steps:
        if weight % 3 == 0:
            held.drop(key)
        else:
            held[key] = weight
        assert held.weight == sum(held.values())
    held.clear()
    assert held.weight == 0


def test_one_message_is_never_too_heavy() -> None:
    held: Hand[str] = Hand()
    assert held.has_room(10 * hand.MOST)
    held["a"] = 10 * hand.MOST
    assert not held.has_room(1)
    del held["a"]
    assert held.has_room(1)
