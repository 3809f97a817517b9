"""What people write instead of this project: the contestants of `faults.py`.

    python peer.py faststream | faststream-nack | naive

Runs in a virtual environment with ``faststream[nats]``, ``httpx`` and ``nats-py``. Each is what a
careful team would have after an afternoon: a durable consumer with explicit acks, a time-out on the
POST, `raise_for_status`, the event's dedup key.
"""

# ruff: noqa: PLC0415  each contestant needs only its own packages

from __future__ import annotations

import asyncio
import json
import os
import sys

import httpx

URL, PAGERDUTY = os.environ["PEER_NATS"], os.environ["PEER_PAGERDUTY"]
KEYS = {"a": os.environ["PEER_KEY_A"], "b": os.environ["PEER_KEY_B"]}
SUBJECT, STREAM, ACK_WAIT, BATCH = "sh.keptn.event.chaos", "EVENTS", 13.0, 10


async def page(http: httpx.AsyncClient, event: dict) -> None:
    data = event["data"]
    answer = await http.post(
        f"{PAGERDUTY}/v2/enqueue",
        json={
            "routing_key": KEYS[data["service"]],
            "event_action": data["action"],
            "dedup_key": data["key"],
            "payload": {"summary": event["id"], "source": "chaos", "severity": "critical"},
        },
    )
    answer.raise_for_status()


async def faststream(nack: bool) -> None:
    from faststream import AckPolicy, FastStream
    from faststream.nats import JStream, NatsBroker, PullSub
    from nats.js.api import ConsumerConfig

    http = httpx.AsyncClient(timeout=2.0)
    broker = NatsBroker(URL)
    chosen = {"ack_policy": AckPolicy.NACK_ON_ERROR} if nack else {}

    @broker.subscriber(
        SUBJECT,
        stream=JStream(STREAM, declare=False),
        durable="peer",
        pull_sub=PullSub(batch_size=BATCH),
        config=ConsumerConfig(ack_wait=ACK_WAIT),
        **chosen,
    )
    async def handle(event: dict) -> None:
        await page(http, event)

    await FastStream(broker).run()


async def naive() -> None:
    import nats
    from nats.js.api import ConsumerConfig

    client = await nats.connect(URL)
    subscription = await client.jetstream().pull_subscribe(
        SUBJECT, "peer", stream=STREAM, config=ConsumerConfig(ack_wait=ACK_WAIT)
    )
    async with httpx.AsyncClient(timeout=2.0) as http:
        while True:
            try:
                messages = await subscription.fetch(BATCH, timeout=1)
            except (TimeoutError, nats.errors.Error):
                await asyncio.sleep(0.05)
                continue
            for message in messages:
                try:
                    await page(http, json.loads(message.data))
                    await message.ack()
                except Exception as error:
                    print(f"failed: {error!r}", file=sys.stderr)
                    await message.nak()


CONTESTANTS = {
    "faststream": lambda: faststream(nack=False),
    "faststream-nack": lambda: faststream(nack=True),
    "naive": naive,
}

if __name__ == "__main__":
    asyncio.run(CONTESTANTS[sys.argv[1]]())
