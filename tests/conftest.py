"""What many tests need: one real nats-server per test process, names that nobody else uses."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.options import NatsOptions


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    """A nats-server with JetStream, shared by all tests of this process: use unique names."""
    server = EmbeddedNats(tmp_path_factory.mktemp("nats"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def connection(nats_server: EmbeddedNats) -> AsyncIterator[NatsConnection]:
    """A connection to the shared server."""
    async with NatsConnection(NatsOptions(servers=(nats_server.url,))) as connected:
        yield connected


@pytest.fixture
def token() -> str:
    """A word for subjects, streams and buckets of this test alone."""
    return f"t{uuid.uuid4().hex[:12]}"
