"""Dead letters on the wire: any message and any header text comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriber.model import Envelope
from subscriber.ports.letter import IDENTITY, kept, letter_id
from subscriber.ports.nats.exchange import header_size
from subscriber.ports.nats.letters import ENVELOPE, escape, pack, unescape, unpack
from subscriber.ports.nats.stored import parse_headers

MAX = 1_048_576
# What nats-py can hand over as a header: printable name, stripped value without line ends.
names = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1
)
values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")).map(str.strip)
envelopes = st.builds(
    Envelope,
    subject=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    data=st.binary(max_size=200),
    headers=st.dictionaries(names, values, max_size=5),
    stream=st.text(st.characters(exclude_categories=["Cs"])),
    stream_epoch=st.integers(0, 2**63),
    sequence=st.integers(0, 2**63),
    delivery_count=st.integers(1, 10**6),
    received_at=st.floats(0, 4e9),
)


def over_the_wire(wire: dict[str, str]) -> dict[str, str]:
    """Write headers as nats-py does, and read them as we do."""
    lines = [f"{name}: {value.strip()}\r\n" for name, value in wire.items()]
    raw = ("NATS/1.0\r\n" + "".join(lines) + "\r\n").encode()
    assert len(raw) <= header_size(wire)
    return parse_headers(raw)


@given(envelopes, st.dictionaries(st.sampled_from([*IDENTITY, "Dead-Letter-X"]), st.text()))
def test_every_letter_comes_back(envelope: Envelope, headers: dict[str, str]) -> None:
    data, wire = pack(envelope, headers, MAX)
    assert all(name.isascii() and "\r" not in value for name, value in wire.items())
    assert unpack(data, over_the_wire(wire)) == (envelope, headers)


@given(st.text())
def test_every_text_survives_as_a_header_value(text: str) -> None:
    escaped = escape(text)
    assert escaped.isascii()
    assert escaped == escaped.strip()
    assert escaped.isprintable()
    assert unescape(escaped) == text


@given(envelopes, st.integers(2_000, 5_000), st.integers(0, 6_000))
def test_no_letter_is_larger_than_the_server_takes(
    envelope: Envelope, limit: int, size: int
) -> None:
    large = Envelope(subject="s", data=b"x" * size, headers=envelope.headers, stream="S")
    data, wire = pack(large, {"Dead-Letter-Reason": "too-large"}, limit)
    assert len(data) + header_size(wire) <= limit
    assert ENVELOPE in wire
    opened, ours = unpack(data, over_the_wire(wire))
    if opened.data != large.data:
        assert ours["Dead-Letter-Cut-Data"] == str(size)
    if opened.headers != large.headers:
        assert int(ours["Dead-Letter-Trimmed-Headers"]) == len(large.headers) - len(opened.headers)


def test_the_identity_of_a_letter() -> None:
    base = Envelope(subject="s", data=b"1", stream="S", stream_epoch=1, sequence=1)
    headers = {"Dead-Letter-Reason": "a", "Dead-Letter-Rule": "b"}
    same = Envelope(
        subject="s",
        data=b"1",
        stream="S",
        stream_epoch=1,
        sequence=1,
        delivery_count=9,
        received_at=5,
    )
    assert letter_id(base, headers) == letter_id(same, {**headers, "Dead-Letter-Message": "x"})
    others = [
        (Envelope(subject="s", data=b"1", stream="S", stream_epoch=2, sequence=1), headers),
        (Envelope(subject="s", data=b"1", stream="S", stream_epoch=1, sequence=2), headers),
        (Envelope(subject="s", data=b"1", stream="T", stream_epoch=1, sequence=1), headers),
        *((base, {**headers, name: "other"}) for name in IDENTITY),
        (base, {"Dead-Letter-Reason": "b", "Dead-Letter-Rule": "a"}),
        (base, {}),
    ]
    assert len({letter_id(base, headers), *(letter_id(*other) for other in others)}) == 10
    core = [Envelope(subject="s", data=data, sequence=1) for data in (b"1", b"2")]
    assert letter_id(core[0], {}) != letter_id(core[1], {})


@pytest.mark.parametrize(("length", "expected"), [(0, 0), (4096, 4096), (4097, 4096)])
def test_values_are_bounded(length: int, expected: int) -> None:
    assert len(kept({"Dead-Letter-X": "v" * length, "Other": "v"})["Dead-Letter-X"]) == expected
    assert "Other" not in kept({"Other": "v"})
