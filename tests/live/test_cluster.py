"""Three servers, three copies of everything: leaders change and servers die, nothing is lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from contract_worlds import until
from private_server import QUICK, Acker, cluster, quick, settled

from subscriber.model import Alert, AlertKey
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.ledger import LedgerOptions, NatsLedger
from subscriber.ports.nats.options import StreamOptions
from subscriber.ports.nats.publish import NatsPublisher
from subscriber.ports.nats.source import JetStreamSource

pytestmark = pytest.mark.live

STREAMS = StreamOptions(subjects=("ev.>",), create_as="EVENTS", replicas=3)
KEY = AlertKey(service="s", dedup_key="k")


async def publish(publisher: NatsPublisher, first: int, last: int) -> None:
    for number in range(first, last + 1):
        while True:
            try:
                headers = {"Nats-Msg-Id": str(number)}
                await publisher.publish("ev.x", b"%d" % number, headers)
                break
            except PortUnavailable:
                await asyncio.sleep(0.1)


async def count_up(ledger: NatsLedger) -> None:
    """One compare-and-set more, whatever happens on the way."""
    while True:
        try:
            alert, revision = await ledger.load(KEY)
            count = int(alert.rule or 0) + 1
            if await ledger.save(replace(alert, rule=str(count)), revision) is not None:
                return
        except PortUnavailable:
            await asyncio.sleep(0.1)


@pytest.mark.timeout(200)  # a cluster on a loaded machine elects slowly
async def test_leaders_change_and_servers_die(tmp_path: Path) -> None:
    async with cluster(tmp_path) as servers:
        urls = tuple(server.url for server in servers)
        async with NatsConnection(quick(urls[0], servers=urls)) as connection:
            consumer = replace(QUICK, ack_wait=3.0)
            source = JetStreamSource(connection, STREAMS, consumer)
            acker = Acker()
            await source.start(acker, capacity=20)
            ledger = NatsLedger(connection, LedgerOptions(replicas=3))
            await ledger.start()
            publisher = NatsPublisher(connection)
            await publish(publisher, 1, 30)
            await until(lambda: len(acker.held) >= 30)
            await count_up(ledger)

            for path in (
                "STREAM.LEADER.STEPDOWN.EVENTS",
                f"CONSUMER.LEADER.STEPDOWN.EVENTS.{QUICK.durable}",
            ):
                await connection.api(path)
                await publish(publisher, *((31, 60) if "STREAM" in path else (61, 90)))
                await count_up(ledger)

            where = connection.client.connected_url
            assert where is not None
            victim = next(server for server in servers if server.url.endswith(f":{where.port}"))
            victim.kill()  # the one that we are connected to
            await publish(publisher, 91, 120)
            await count_up(ledger)
            await until(lambda: {int(data) for data in acker.data} == set(range(1, 121)), within=30)
            await victim.start()
            await settled(source, within=30)
            assert int((await ledger.load(KEY))[0].rule) >= 4  # what was unknown may count too

            # Without a majority JetStream answers with errors, if at all.
            for server in servers[1:]:
                server.kill()
            other = Alert(key=AlertKey(service="s", dedup_key="other"))
            with pytest.raises(PortUnavailable):
                await ledger.save(other, 0)
            for ask in (source.backlog, source.ping, ledger.ping, partial(ledger.load, KEY)):
                with suppress(PortUnavailable):  # a former leader may still answer for a while
                    await ask()
            for server in servers[1:]:
                await server.start()
            await publish(publisher, 121, 150)
            await count_up(ledger)
            await until(
                lambda: {int(data) for data in acker.data} == set(range(1, 151)), within=100
            )
            await settled(source, within=30)
            await source.ping()
            await source.stop()
