"""The script people write: nats-py `fetch`, then the POSTs of the batch together, with aiohttp."""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp
import nats
import uvloop
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy
from work import AT_ONCE, DURABLE, ENQUEUE, HEADERS, NATS, STREAM, SUBJECTS, WANTED, render

BATCH = 100


async def handle(session: aiohttp.ClientSession, message: Msg) -> None:
    try:
        event = json.loads(message.data)
        if event["type"] == WANTED:
            async with session.post(ENQUEUE, data=render(event), headers=HEADERS) as answer:
                await answer.read()
                if answer.status != 202:
                    raise RuntimeError(f"PagerDuty says {answer.status}")
        await message.ack()
    except Exception as error:
        print(f"failed: {error!r}", file=sys.stderr)
        await message.nak(1)


async def main() -> None:
    client = await nats.connect(NATS)
    subscription = await client.jetstream().pull_subscribe(
        SUBJECTS,
        DURABLE,
        stream=STREAM,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL),
    )
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:
        while True:
            try:
                messages = await subscription.fetch(BATCH, timeout=5)
            except (TimeoutError, nats.errors.TimeoutError):
                continue
            await asyncio.gather(*(handle(session, message) for message in messages))


if __name__ == "__main__":
    uvloop.run(main())
