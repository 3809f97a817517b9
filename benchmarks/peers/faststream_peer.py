"""FastStream with a durable pull subscriber: `python faststream_peer.py httpx | aiohttp`.

Batches of 100, their messages handled at the same time (FastStream's own task group). A failed POST
raises, and the message is given back. httpx with FastStream's default loop, aiohttp with uvloop:
each is faster so.
"""

# ruff: noqa: PLC0415  each variant needs only its own packages

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js.api import ConsumerConfig, DeliverPolicy
from work import (
    AT_ONCE,
    DURABLE,
    ENQUEUE,
    HEADERS,
    NATS,
    STREAM,
    SUBJECTS,
    WANTED,
    render,
)

Post = Callable[[bytes], Awaitable[int]]


async def serve(post: Post) -> None:
    broker = NatsBroker(NATS, log_level=logging.DEBUG)

    @broker.subscriber(
        SUBJECTS,
        stream=JStream(STREAM, declare=False),
        durable=DURABLE,
        pull_sub=PullSub(batch_size=100),
        config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL),
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def handle(event: dict[str, Any]) -> None:
        if event["type"] != WANTED:
            return
        status = await post(render(event))
        if status != 202:
            raise RuntimeError(f"PagerDuty says {status}")

    await FastStream(broker, logger=None).run()


async def with_httpx() -> None:
    import httpx

    # Ten connections: with more of them httpx gets slower, not faster.
    limits = httpx.Limits(max_connections=10)
    async with httpx.AsyncClient(timeout=30.0, limits=limits) as client:

        async def post(body: bytes) -> int:
            return (await client.post(ENQUEUE, content=body, headers=HEADERS)).status_code

        await serve(post)


async def with_aiohttp() -> None:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def post(body: bytes) -> int:
            async with session.post(ENQUEUE, data=body, headers=HEADERS) as answer:
                await answer.read()
                return answer.status

        await serve(post)


if __name__ == "__main__":
    if sys.argv[1] == "httpx":
        asyncio.run(with_httpx())
    else:
        import uvloop

        uvloop.run(with_aiohttp())
