"""Files, secrets, clocks, and how the twins keep time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from subscriber.model import Envelope, Problem, Reason
from subscriber.ports.clock import SystemClock
from subscriber.ports.files import environment_secret, read_secret, read_text
from subscriber.ports.interfaces import Held
from subscriber.ports.memory import (
    ManualClock,
    MemoryDeadLetters,
    MemoryHistory,
    MemorySource,
    MemoryStream,
)

SECRET = "R0UT1NGKEY"


def test_text_is_utf8_without_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes("\ufeffgrün\r\n".encode())
    assert read_text(file) == "grün\r\n"
    assert read_text(str(file), limit=10) == "grün\r\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x" * 11, Reason.TOO_LARGE),
        (b"\xff", Reason.INVALID_ENCODING),
        (None, Reason.MISSING_FILE),
    ],
)
def test_what_is_no_text_is_a_problem(
    tmp_path: Path, content: bytes | None, reason: Reason
) -> None:
    file = tmp_path / "f"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Problem) as caught:
        read_text(file, limit=10)
    assert caught.value.reason is reason
    assert caught.value.where == str(file)


@pytest.mark.parametrize("path", ["", "\0", ".", "/proc/self/mem"])
def test_odd_paths_are_problems(path: str) -> None:
    with pytest.raises(Problem) as caught:
        read_text(path)
    assert caught.value.reason is Reason.MISSING_FILE


@pytest.mark.parametrize(
    "content", [SECRET, f"{SECRET}\n", f"  {SECRET}\r\n", f"\ufeff{SECRET}\n\n"]
)
def test_a_secret_comes_without_its_line_end(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(content.encode())
    assert read_secret(file) == SECRET
    assert environment_secret("KEY", {"KEY": content.removeprefix("\ufeff")}) == SECRET


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", Reason.MISSING_SECRET),
        (" \n", Reason.MISSING_SECRET),
        (f"{SECRET}\nsecond", Reason.INVALID_VALUE),
        (f"{SECRET}\0", Reason.INVALID_VALUE),
        (SECRET * 10_000, Reason.TOO_LARGE),
    ],
)
def test_an_unusable_secret_is_a_problem_that_does_not_show_it(
    tmp_path: Path, content: str, reason: Reason
) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(Problem) as caught:
        read_secret(file)
    assert caught.value.reason is reason
    assert SECRET not in str(caught.value)
    if reason is not Reason.TOO_LARGE:
        with pytest.raises(Problem) as caught:
            environment_secret("KEY", {"KEY": content})
        assert caught.value.reason is reason
        assert SECRET not in str(caught.value)


def test_a_missing_secret_names_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem) as caught:
        read_secret(tmp_path / "none")
    assert caught.value.reason is Reason.MISSING_SECRET
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(Problem) as caught:
        environment_secret("NO_SUCH_KEY")
    assert (caught.value.reason, caught.value.where) == (Reason.MISSING_SECRET, "NO_SUCH_KEY")
    monkeypatch.setenv("NO_SUCH_KEY", SECRET)
    assert environment_secret("NO_SUCH_KEY") == SECRET


async def test_the_system_clock() -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 1
    began = time.monotonic()
    await clock.sleep(0.05)
    assert time.monotonic() - began >= 0.049
    await clock.sleep(-1)


async def test_a_manual_clock_wakes_sleepers_in_order_each_at_its_time() -> None:
    clock = ManualClock(100.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, clock.now()))

    tasks = [
        asyncio.ensure_future(sleeper("a", 3.0, 3.0)),
        asyncio.ensure_future(sleeper("b", 1.0, 1.0)),
        asyncio.ensure_future(sleeper("c", 0.0, -1.0)),
        asyncio.ensure_future(sleeper("gone", 2.0)),
    ]
    await clock.advance(0.5)
    tasks[3].cancel()
    await clock.advance(4.5)
    assert woken == [("c", 100.0), ("c", 100.0), ("b", 101.0), ("b", 102.0), ("a", 103.0)]
    assert clock.now() == 105.0
    await clock.advance(10)
    assert woken[-1] == ("a", 106.0)
    await asyncio.gather(*tasks[:3])


async def test_redelivery_follows_the_clock_it_is_given() -> None:
    clock = ManualClock()
    stream = MemoryStream(clock, ack_wait=60.0)
    source = MemorySource(stream)
    held: list[Held] = []
    await source.start(held.append, capacity=10)
    for number in range(3):
        stream.publish("s", b"%d" % number)
    await clock.advance(0)
    assert len(held) == 3
    await held[0].nak(3600.0)
    await held[1].ack()
    await clock.advance(59.0)
    await held[2].in_progress()
    assert len(held) == 3
    await clock.advance(59.0)
    assert len(held) == 3
    await clock.advance(2.0)
    assert [message.envelope.sequence for message in held[3:]] == [3]
    assert held[3].envelope.delivery_count == 2
    await held[2].ack()  # late, but it is done: what went out again is settled too
    await held[3].nak(0)
    await clock.advance(3485.0)  # 3605 s after it was given back
    assert [message.envelope.sequence for message in held[4:]] == [1]
    await held[4].term("expired")
    assert stream.terminated == [(1, "expired")]
    assert await source.backlog() == 0
    await source.stop()


async def test_a_message_that_left_the_stream_is_not_delivered() -> None:
    clock = ManualClock()
    stream = MemoryStream(clock)
    stream.delete(stream.publish("s", b"1"))
    assert stream.publish("s", b"2", {"Nats-Msg-Id": "x"}) == 2
    assert stream.publish("s", b"again", {"Nats-Msg-Id": "x"}) == 2
    held: list[Held] = []
    await MemorySource(stream).start(held.append, capacity=10)
    await clock.advance(0)
    assert [message.envelope.data for message in held] == [b"2"]


async def test_history_without_streams_finds_nothing() -> None:
    assert await MemoryHistory().read(1) is None
    await MemoryHistory().ping()


async def test_dead_letters_in_memory_are_bounded() -> None:
    letters = MemoryDeadLetters(limit=3)
    for sequence in range(1, 10):
        envelope = Envelope(subject="s", data=b"", stream="S", sequence=sequence)
        assert await letters.write(envelope, {}) == sequence
    assert [number async for number, _, _ in letters.scan()] == [7, 8, 9]


async def test_dead_letters_in_memory_are_bounded_by_their_bytes_too() -> None:
    letters = MemoryDeadLetters(most_bytes=250)
    for sequence in range(1, 10):
        await letters.write(Envelope(subject="s", data=b"x" * 100, sequence=sequence), {})
    assert [number async for number, _, _ in letters.scan()] == [8, 9]
    await letters.remove(8)
    await letters.write(Envelope(subject="s", data=b"x" * 150, sequence=99), {})
    assert [number async for number, _, _ in letters.scan()] == [9, 10]
