"""Pulling into a callback, one ordered lane per key: `python callback_peer.py template | plain`.

What an expert writes when `fetch` is too slow: own pull requests, answers come to one inbox, each
message goes to the lane of its dedup key, 16 lanes POST with aiohttp. `plain` makes the body in
Python instead of a template.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp
import nats
import uvloop
from nats.aio.msg import Msg
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
    build,
    render,
)

BATCH, LANES = 500, 16
Lane = asyncio.Queue[tuple[Msg, dict[str, Any]]]
body_of = build if sys.argv[1:] == ["plain"] else render


async def drive(lane: Lane, session: aiohttp.ClientSession) -> None:
    while True:
        message, event = await lane.get()
        try:
            async with session.post(ENQUEUE, data=body_of(event), headers=HEADERS) as answer:
                await answer.read()
                if answer.status != 202:
                    raise RuntimeError(f"PagerDuty says {answer.status}")
            await message.ack()
        except Exception as error:
            print(f"failed: {error!r}", file=sys.stderr)
            await message.nak(1)


async def main() -> None:
    client = await nats.connect(NATS)
    await client.jetstream().add_consumer(
        STREAM,
        ConsumerConfig(
            durable_name=DURABLE,
            filter_subject=SUBJECTS,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy="explicit",
            max_ack_pending=2 * BATCH,
        ),
    )
    inbox = client.new_inbox()
    lanes: list[Lane] = [asyncio.Queue() for _ in range(LANES)]
    asked = 0

    async def pull() -> None:
        nonlocal asked
        asked += BATCH
        request = {"batch": BATCH, "expires": 30_000_000_000}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{DURABLE}"
        await client.publish(subject, json.dumps(request).encode(), reply=inbox)

    async def arrived(message: Msg) -> None:
        nonlocal asked
        if message.subject == inbox:  # the request ended; the header says how much was left of it
            left = (message.headers or {}).get("Nats-Pending-Messages", "0")
            asked -= int(left)
        else:
            asked -= 1
            event = json.loads(message.data)
            if event["type"] == WANTED:
                lanes[hash(event["data"]["service"]) % LANES].put_nowait((message, event))
            else:
                await message.ack()
        if asked < BATCH // 2:
            await pull()

    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:
        drivers = [asyncio.create_task(drive(lane, session)) for lane in lanes]
        await client.subscribe(inbox, cb=arrived, pending_msgs_limit=0, pending_bytes_limit=0)
        await pull()
        await asyncio.gather(*drivers)


if __name__ == "__main__":
    uvloop.run(main())
