"""The two worlds in which the contract of the ports is tested: real NATS, and the twins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from subscriber.ports.clock import SystemClock
from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.interfaces import Archive, DeadLetters, History, Ledger, Publisher, Source
from subscriber.ports.memory import (
    MemoryArchive,
    MemoryDeadLetters,
    MemoryHistory,
    MemoryLedger,
    MemoryPublisher,
    MemorySource,
    MemoryStream,
)
from subscriber.ports.nats.archive import NatsArchive
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.deadletters import DeadLetterOptions, NatsDeadLetters
from subscriber.ports.nats.history import NatsHistory
from subscriber.ports.nats.ledger import LedgerOptions, NatsLedger
from subscriber.ports.nats.options import ConsumerOptions, FirstStart, NatsOptions, StreamOptions
from subscriber.ports.nats.provision import bind_streams
from subscriber.ports.nats.publish import NatsPublisher
from subscriber.ports.nats.source import JetStreamSource

ACK_WAIT = 1.5


@dataclass(kw_only=True)
class World:
    """`subject` is one that the sources listen to; `new_source` makes a further replica."""

    subject: str
    new_source: Callable[[], Source]
    publisher: Publisher
    ledger: Ledger
    dead_letters: DeadLetters
    history: History
    archive: Archive


@asynccontextmanager
async def memory_world() -> AsyncIterator[World]:
    """The twins, on the real clock so that both worlds wait alike."""
    stream = MemoryStream(SystemClock(), ack_wait=ACK_WAIT)
    yield World(
        subject="events.x",
        new_source=lambda: MemorySource(stream),
        publisher=MemoryPublisher(stream),
        ledger=MemoryLedger(),
        dead_letters=MemoryDeadLetters(),
        history=MemoryHistory([stream]),
        archive=MemoryArchive([stream]),
    )


@asynccontextmanager
async def nats_world(server: EmbeddedNats, token: str) -> AsyncIterator[World]:
    """Real NATS, everything under a name of its own."""
    streams = StreamOptions(subjects=(f"{token}.>",), create_as=f"EVENTS_{token}")
    consumer = ConsumerOptions(
        ack_wait=ACK_WAIT, heartbeat=0.5, pull_expires=2.0, first_start=FirstStart.ALL
    )
    async with NatsConnection(NatsOptions(servers=(server.url,))) as connection:
        bindings = await bind_streams(connection, streams)
        ledger = NatsLedger(connection, LedgerOptions(bucket=token))
        await ledger.start()
        letters = NatsDeadLetters(
            connection,
            DeadLetterOptions(stream=f"DEAD_{token}", prefix=f"dead-{token}"),
            listening=streams.subjects,
        )
        await letters.start()
        yield World(
            subject=f"{token}.x",
            new_source=lambda: JetStreamSource(connection, streams, consumer),
            publisher=NatsPublisher(connection),
            ledger=ledger,
            dead_letters=letters,
            history=NatsHistory(connection, lambda: bindings),
            archive=NatsArchive(connection, streams),
        )


async def until(condition: Callable[[], object], within: float = 15.0) -> None:
    """Wait for a condition; fail when it does not come true in time."""
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)
