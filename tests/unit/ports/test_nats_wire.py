"""The short way through nats-py's client does what its own long way does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from subscriber.ports.nats.wire import WireClient, WireParser, header_fields, publication


class Recorder:
    """What a parser tells its client; subscription 1 takes directly."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.errors: list[Exception] = []
        self.strict = True
        self.takers = {1: self._take}

    def _take(self, subject: bytes, reply: bytes, data: bytes, block: bytes) -> None:
        self.heard.append(("msg", 1, subject, reply, data, block))
        if data == b"raise":
            raise RuntimeError("a bug")

    async def _error_cb(self, error: Exception) -> None:
        self.errors.append(error)

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        self.heard.append(("msg", sid, subject, reply, data, headers or b""))
        if self.strict and data == b"raise":
            raise UnicodeDecodeError("utf-8", b"", 0, 1, "a bug of nats-py's")

    async def _process_ping(self) -> None:
        self.heard.append(("ping",))

    async def _process_pong(self) -> None:
        self.heard.append(("pong",))

    async def _process_info(self, info: dict[str, Any]) -> None:
        self.heard.append(("info", info))

    async def _process_err(self, text: str) -> None:
        self.heard.append(("err", text))


def run(coroutine: Any) -> None:
    """Drive a coroutine that waits for nothing."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


def theirs(stream: bytes) -> list[tuple[Any, ...]]:
    recorder = Recorder()
    recorder.strict = False
    run(Parser(recorder).parse(stream))
    return recorder.heard


def ours(pieces: list[bytes]) -> Recorder:
    recorder = Recorder()
    parser = WireParser(recorder)  # type: ignore[arg-type]
    for piece in pieces:
        run(parser.parse(piece))
    assert parser.buf == b""
    return recorder


tokens = st.text("abc.$_>*-", min_size=1, max_size=12).map(str.encode)
# What looks like protocol inside of a payload must not be taken for it.
payloads = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"\r\n", b"PING\r\n", b"MSG a 1 3\r\nabc\r\n", b"raise", b"x" * 9000]),
)
blocks = st.dictionaries(tokens, tokens, min_size=1, max_size=3).map(
    lambda fields: b"NATS/1.0\r\n" + b"".join(b"%b: %b\r\n" % f for f in fields.items()) + b"\r\n"
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    sid, subject, payload = draw(st.sampled_from([1, 2, 77])), draw(tokens), draw(payloads)
    reply = draw(st.one_of(st.just(b""), tokens.map(lambda token: token + b" ")))
    if draw(st.booleans()):
        return b"MSG %b %d %b%d\r\n%b\r\n" % (subject, sid, reply, len(payload), payload)
    block = draw(blocks)
    size = len(block) + len(payload)
    head = b"HMSG %b %d %b%d %d\r\n" % (subject, sid, reply, len(block), size)
    return head + block + payload + b"\r\n"


lines = st.sampled_from(
    [b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b"-ERR 'Stale Connection'\r\n", b'INFO {"a":[1]}\r\n']
)


@given(frames=st.lists(st.one_of(messages(), lines), max_size=8), data=st.data())
@settings(max_examples=300)
def test_any_stream_cut_anyhow_is_understood_as_nats_py_does(
    frames: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(frames)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    recorder = ours(pieces)
    assert recorder.heard == theirs(stream)
    # A message that cannot be dealt with is said, and nothing else is lost for it.
    bugs = sum(entry[0] == "msg" and entry[4] == b"raise" for entry in recorder.heard)
    assert len(recorder.errors) == bugs


def test_every_cut_of_one_stream() -> None:
    stream = (
        b"MSG a 1 r 5\r\nhello\r\nHMSG b 2 r 22 25\r\nNATS/1.0\r\nA: bcdef\r\n\r\nxyz\r\nPING\r\n"
        b"HMSG inbox 1 16 16\r\nNATS/1.0 100\r\n\r\n\r\n+OK\r\nMSG c 9 0\r\n\r\n"
    )
    expected = theirs(stream)
    assert len(expected) == 5
    for first in range(len(stream)):
        for second in range(first, len(stream)):
            pieces = [stream[:first], stream[first:second], stream[second:]]
            assert ours(pieces).heard == expected


@pytest.mark.parametrize(
    "stream",
    [
        b"HELLO\r\n",
        b"\r\n",
        b"msg a 1 1\r\nx\r\n",
        b"MSG a\r\n",
        b"MSG a x 1\r\nx\r\n",
        b"MSG a 1 -7\r\nx\r\n",
        b"MSG a 1 x\r\nx\r\n",
        b"MSG\r\n",
        b"HMSG a 1 9 5\r\nNATS/1.0\r\n\r\n",
    ],
)
async def test_what_is_not_the_protocol_ends_the_connection(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        await WireParser(Recorder()).parse(stream)  # type: ignore[arg-type]


async def test_a_large_message_is_put_together_once_all_of_it_is_there() -> None:
    body = bytes(range(256)) * 4096
    stream = b"MSG big 1 %d\r\n%b\r\nPING\r\n" % (len(body), body)
    recorder = Recorder()
    parser = WireParser(recorder)  # type: ignore[arg-type]
    for at in range(0, len(stream), 1000):
        await parser.parse(stream[at : at + 1000])
    assert recorder.heard == [("msg", 1, b"big", b"", body, b""), ("ping",)]


async def test_what_follows_on_a_connection_that_was_given_up_is_not_read() -> None:
    class Resetting(Recorder):
        async def _process_err(self, text: str) -> None:
            parser.reset()

    recorder = Resetting()
    parser = WireParser(recorder)  # type: ignore[arg-type]
    await parser.parse(b"PING\r\n-ERR 'Stale Connection'\r\nMSG a 1 1\r\nx\r\n")
    assert recorder.heard == [("ping",)]
    await parser.parse(b"PONG\r\n")
    assert recorder.heard == [("ping",), ("pong",)]


names = st.text(st.characters(codec="utf-8", exclude_characters="\r\n:"), min_size=1, max_size=8)
values = st.binary(max_size=12).filter(lambda value: b"\r" not in value and b"\n" not in value)


@given(
    status=st.sampled_from([b"", b" 408 Request Timeout", b" 409  Two  blanks"]),
    fields=st.lists(st.tuples(names, values), max_size=4),
)
@example(status=b" 408 Request Timeout", fields=[("Nats-Pending-Messages", b" 7 ")])
@example(status=b" 100", fields=[])
@example(status=b" 503", fields=[])
@example(status=b"", fields=[("A", b"1"), ("a", b"2"), ("A", b"3"), ("b c", b"4")])
def test_headers_are_read_as_nats_py_reads_them(
    status: bytes, fields: list[tuple[str, bytes]]
) -> None:
    lines = b"".join(b"%b: %b\r\n" % (name.encode(), value) for name, value in fields)
    block = b"NATS/1.0" + status + b"\r\n" + lines + b"\r\n"
    expected: dict[str, str] = {}

    async def ask() -> None:
        expected.update(await Client()._process_headers(block) or {})

    run(ask())
    found = header_fields(block)
    assert {**found, "Description": ""} == {**expected, "Description": ""}
    # nats-py keeps the blanks around a status text
    assert found.get("Description", "").split() == expected.get("Description", "").split()


def test_fields_behind_a_bare_status_are_fields() -> None:
    """nats-py takes the first of them for the status text, and dies when it is not UTF-8."""
    block = b"NATS/1.0 100\r\nNats-Last-Stream: \xff7\r\nB: c\r\n\r\n"
    assert header_fields(block) == {"Status": "100", "Nats-Last-Stream": "\ufffd7", "B": "c"}


def test_no_header_block_is_no_headers() -> None:
    assert header_fields(b"") == header_fields(None) == {}


def test_a_publication_is_the_command_of_the_protocol() -> None:
    assert publication(b"a.b", b"xy") == b"PUB a.b  2\r\nxy\r\n"
    assert publication(b"a.b", b"", b"r") == b"PUB a.b r 0\r\n\r\n"


async def test_nothing_is_kept_for_a_client_that_is_closed_or_has_too_much_to_send() -> None:
    client = WireClient()
    client._max_pending_size = 100
    for _ in range(20):  # not connected yet: it waits, up to the limit
        client.write(b"x" * 30)
    assert client.pending_data_size == 120
    await asyncio.sleep(0)
    client._status = Client.CLOSED
    client.write(b"x")
    assert client.pending_data_size == 120
