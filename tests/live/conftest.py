"""Fixtures of the live tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from contract_worlds import World, memory_world, nats_world

from subscriber.ports.embedded import EmbeddedNats


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.live)])
async def world(
    request: pytest.FixtureRequest, nats_server: EmbeddedNats, token: str
) -> AsyncIterator[World]:
    """Every contract test runs in both worlds."""
    made = memory_world() if request.param == "memory" else nats_world(nats_server, token)
    async with made as ready:
        yield ready
