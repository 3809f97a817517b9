"""The ledger as a dictionary, with the revisions of a NATS bucket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from subscriber.model import Alert, AlertKey


class MemoryLedger:
    """See `ports.interfaces.Ledger`. Lost with the process, and not shared with others."""

    def __init__(self) -> None:
        self._entries: dict[AlertKey, tuple[Alert, int]] = {}
        self._revision = 0

    async def load(self, key: AlertKey) -> tuple[Alert, int]:
        """The entry and its revision; a key never seen gives ``(Alert(key=key), 0)``."""
        await asyncio.sleep(0)  # others get in between, as they would over a network
        return self._entries.get(key, (Alert(key=key), 0))

    async def save(self, alert: Alert, revision: int) -> int | None:
        """Write if the entry still has `revision`; the new revision, or None when it has not."""
        await asyncio.sleep(0)
        if self._entries.get(alert.key, (alert, 0))[1] != revision:
            return None
        self._revision += 1
        self._entries[alert.key] = (alert, self._revision)
        return self._revision

    async def forget(self, key: AlertKey) -> None:
        """Remove the entry; the key counts as never seen."""
        self._entries.pop(key, None)

    async def scan(self) -> AsyncIterator[tuple[Alert, int]]:
        """Every entry, in no order."""
        for entry in tuple(self._entries.values()):
            yield entry

    async def ping(self) -> None:
        """Always usable."""
