"""The time of this machine."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """See `ports.interfaces.Clock`. Replicas compare these times: keep machines in step (NTP)."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 or less only lets others run."""
        await asyncio.sleep(max(0.0, seconds))
