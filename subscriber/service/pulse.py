"""The pulse: how late the event loop is, and where it stands when it does not turn at all.

One task sleeps for a beat and looks how much longer it took: that is what every message, answer and
time-out waited too. When the loop is blocked nothing here runs, nor does `/healthz` answer, so the
kubelet ends the process; a watchdog outside of the loop writes where it stood before that happens.

Rules: a beat costs microseconds; the trace names files and lines, no values.
"""

from __future__ import annotations

import asyncio
import faulthandler
import time
from collections import deque
from types import TracebackType
from typing import TextIO

BEAT = 0.5
"""Seconds between two looks."""
KEPT = 120
"""Beats that `lag` is the worst of: a minute."""


class Pulse:
    """Beats while it is open: `async with Pulse() as pulse`."""

    def __init__(self, *, trace_after: float = 0.0, trace_to: TextIO | None = None) -> None:
        """Set up.

        Args:
            trace_after: seconds of standstill after which the trace of all threads is written,
                once per standstill; 0: never. One per process.
            trace_to: a real file, such as standard error.
        """
        self._late: deque[float] = deque(maxlen=KEPT)
        self._trace_after = trace_after if trace_to is not None else 0.0
        self._trace_to = trace_to
        self._task: asyncio.Task[None] | None = None

    @property
    def lag(self) -> float:
        """Seconds by which the loop was late, at worst, within the last minute."""
        return max(self._late, default=0.0)

    async def __aenter__(self) -> Pulse:
        self._task = asyncio.create_task(self._beat(), name="pulse")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._trace_after:
            faulthandler.cancel_dump_traceback_later()

    async def _beat(self) -> None:
        while True:
            if self._trace_after:
                assert self._trace_to is not None
                faulthandler.dump_traceback_later(self._trace_after, file=self._trace_to)
            before = time.monotonic()
            await asyncio.sleep(BEAT)
            self._late.append(max(0.0, time.monotonic() - before - BEAT))
