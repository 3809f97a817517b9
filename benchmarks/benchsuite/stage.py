"""The stage: nats-server (JetStream, file storage), the sink and the publisher, on one core.

Rules: everything here is inherited from our own affinity, which `Stage.open` sets to the servers'
core; contestants are put on the other one. Every run reads a stream through a durable consumer of
its own that begins at the first event, so that one filled stream serves all.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.js.api import StorageType, StreamConfig
from nats.js.errors import NotFoundError

from benchsuite.events import SUBJECTS, Spec, encode
from benchsuite.processes import Broken, Child, cores, cpu_seconds
from benchsuite.sink import SinkDoor
from subscriber.ports.embedded import EmbeddedNats

STREAM = "BENCH"
_WINDOW = 1000
"""Publications between two that JetStream confirms; it queues at most 10,000 unconfirmed."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What JetStream says of a consumer.

    Attributes:
        out: messages handed over and not acknowledged.
        left: messages not handed over yet.
        handed_over: how often a message was handed over, again included.
        waiting: whether somebody is ready to take messages.
    """

    out: int
    left: int
    handed_over: int
    waiting: bool

    @property
    def unsettled(self) -> int:
        return self.out + self.left


class Stage:
    """Use `Stage.open()`; `server_core` and `core` say where what runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server_core, self.core = cores()
        self.nats = EmbeddedNats(folder / "nats", arguments=("-c", str(folder / "nats.conf")))
        self.client: Client
        self.sink: SinkDoor
        self._sink: Child
        self._runs = 0

    @staticmethod
    @asynccontextmanager
    async def open() -> AsyncIterator[Stage]:
        """A fresh one in a temporary folder; everything ends and goes with it."""
        before = os.sched_getaffinity(0)
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
            stage = Stage(Path(folder))
            os.sched_setaffinity(0, {stage.server_core})
            stack.callback(os.sched_setaffinity, 0, before)
            await stage._start(stack)
            yield stage

    async def _start(self, stack: AsyncExitStack) -> None:
        # Only what a growing ledger needs: room on the disk, more than the default of a small one.
        (self.folder / "nats.conf").write_text("jetstream { max_file_store: 16GB }\n")
        await self.nats.start()
        stack.push_async_callback(self.nats.stop)
        self._sink = Child(
            [sys.executable, str(Path(__file__).with_name("sink.py"))],
            core=self.server_core,
            log=self.folder / "sink.log",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        stack.callback(self._sink.end)
        assert self._sink.process.stdout is not None
        line = self._sink.process.stdout.readline()
        if not line.strip():
            raise Broken(f"the sink does not start:\n{self._sink.tail()}")
        self.sink = SinkDoor(int(line))
        self.client = await nats.connect(self.nats.url, max_reconnect_attempts=0)
        stack.push_async_callback(self.client.close)

    @property
    def server_cpu(self) -> float:
        """CPU seconds of everything on the servers' core, ourselves included."""
        return sum(cpu_seconds(pid) for pid in (self.nats.pid, self._sink.pid, os.getpid()))

    @property
    def sink_cpu(self) -> float:
        """CPU seconds of the sink."""
        return cpu_seconds(self._sink.pid)

    def fresh(self, word: str) -> str:
        """A name that no run had before."""
        self._runs += 1
        return f"{word}-{self._runs}"

    # -- streams -----------------------------------------------------------------------------------

    async def fill(self, specs: Iterable[Spec], stream: str = STREAM) -> None:
        """Make the stream anew and publish these events to it.

        Raises:
            Broken: JetStream does not hold them all.
        """
        jetstream = self.client.jetstream(timeout=30)
        with suppress(NotFoundError):
            await jetstream.delete_stream(stream)
        await jetstream.add_stream(
            StreamConfig(name=stream, subjects=[SUBJECTS], storage=StorageType.FILE)
        )
        await self.publish(specs, stream)

    async def publish(self, specs: Iterable[Spec], stream: str = STREAM) -> None:
        """Publish at full speed, and wait until all of it is stored."""
        jetstream = self.client.jetstream(timeout=30)
        before = (await jetstream.stream_info(stream)).state.messages
        count = 0
        for spec in specs:
            count += 1
            if count % _WINDOW:
                await self.client.publish(spec.type, encode(spec))
            else:
                await jetstream.publish(spec.type, encode(spec))
        await self.client.flush()
        deadline = time.monotonic() + 30
        while (held := (await jetstream.stream_info(stream)).state.messages) < before + count:
            if time.monotonic() > deadline:
                raise Broken(f"{stream} holds {held - before} of {count} published events")
            await asyncio.sleep(0.01)

    async def standing(self, durable: str, stream: str = STREAM) -> Standing | None:
        """The consumer of a run, None while it is not there."""
        with suppress(NotFoundError):
            info = await self.client.jetstream(timeout=10).consumer_info(stream, durable)
            return Standing(
                out=info.num_ack_pending or 0,
                left=info.num_pending or 0,
                handed_over=info.delivered.consumer_seq if info.delivered else 0,
                waiting=bool(info.num_waiting or info.push_bound),
            )
        return None

    async def forget(self, durable: str, bucket: str, stream: str = STREAM) -> None:
        """Remove what a run left at the server."""
        jetstream = self.client.jetstream(timeout=30)
        with suppress(NotFoundError):
            await jetstream.delete_consumer(stream, durable)
        with suppress(NotFoundError):
            await jetstream.delete_stream(f"KV_{bucket}")
