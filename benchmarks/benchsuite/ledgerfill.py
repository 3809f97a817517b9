"""Fill a ledger with keys that nobody talks about: the past of a long-lived installation.

Entries are written as the service's own ledger writes them: one is saved through it and read back
as bytes, all others are that one with another key; some of them are then loaded through the ledger
again, so that a change of its format breaks this loudly.
"""

from __future__ import annotations

import time

from nats.aio.client import Client

from benchsuite.processes import Broken
from subscriber.model import Alert, AlertKey, AlertState, Position
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.ledger import LedgerOptions, NatsLedger
from subscriber.ports.nats.options import NatsOptions

_MARK = "old-key-0000000"
_WINDOW = 2000


def _name(number: int) -> str:
    return f"old-key-{number:07d}"


async def fill_ledger(client: Client, url: str, bucket: str, keys: int) -> None:
    """Make the bucket with `keys` resolved alerts.

    Raises:
        Broken: an entry cannot be read back.
    """
    jetstream = client.jetstream(timeout=60)
    async with NatsConnection(NatsOptions(servers=(url,)), lambda state, text: None) as own:
        ledger = NatsLedger(own, LedgerOptions(bucket=bucket))
        await ledger.start()
        stream = f"KV_{bucket}"
        alert = Alert(
            key=AlertKey(service="default", dedup_key=_MARK),
            position=Position(epoch=1, sequence=1),
            state=AlertState.RESOLVED,
            rule="evaluations",
            event_id="old-event",
            updated_at=time.time(),
        )
        await ledger.save(alert, 0)
        sample = await jetstream.get_msg(stream, seq=1)
        if sample.data is None or _MARK.encode() not in sample.data:
            raise Broken(f"the ledger's entries have changed: {sample.data!r}")
        for number in range(1, keys):
            name = _name(number)
            subject = ledger._subject(AlertKey(service="default", dedup_key=name))
            value = sample.data.replace(_MARK.encode(), name.encode())
            if number % _WINDOW and number != keys - 1:
                await client.publish(subject, value)
            else:
                await jetstream.publish(subject, value)
        held = (await jetstream.stream_info(stream)).state.messages
        if held != keys:
            raise Broken(f"{bucket} holds {held} of {keys} entries")
        for number in {keys // 3, keys // 2, keys - 1} - {0}:
            read, _ = await ledger.load(AlertKey(service="default", dedup_key=_name(number)))
            if read.state is not AlertState.RESOLVED or read.doubt is not None:
                raise Broken(f"an entry of {bucket} is not read as written: {read}")
