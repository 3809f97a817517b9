"""The pulse: how late the event loop is, and where it stands when it does not turn at all.

One task sleeps for a beat and looks how much longer it took: that is what every message, answer and
time-out waited too. When the loop is blocked nothing here runs, nor does `/healthz` answer, so the
kubelet ends the process; a thread writes where the loop stood before that happens.

Rules: a beat costs microseconds; the trace names files and lines, no values. A process that was
frozen as a whole (SIGSTOP, a paused container) did not stand still by itself and leaves no trace.
The trace is taken as any Python code runs; one from outside the interpreter (faulthandler's) may
read a frame that is being changed, and end the process.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections import deque
from types import TracebackType

import structlog

BEAT = 0.5
"""Seconds between two looks."""
KEPT = 120
"""Beats that `lag` is the worst of: a minute."""


class Pulse:
    """Beats while it is open: `async with Pulse() as pulse`."""

    def __init__(self, *, trace_after: float = 0.0) -> None:
        """Set up.

        Args:
            trace_after: seconds of standstill (more than a beat) after which its place is logged,
                once per standstill; 0: never.
        """
        self._late: deque[float] = deque(maxlen=KEPT)
        self._trace_after = trace_after
        self._task: asyncio.Task[None] | None = None
        self._beats = 0
        self._over = threading.Event()

    @property
    def lag(self) -> float:
        """Seconds by which the loop was late, at worst, within the last minute."""
        return max(self._late, default=0.0)

    async def __aenter__(self) -> Pulse:
        self._task = asyncio.create_task(self._beat(), name="pulse")
        if self._trace_after:
            watched = threading.get_ident()
            threading.Thread(
                target=self._watch, args=(watched,), name="standstill", daemon=True
            ).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(BEAT)
            self._beats += 1
            self._late.append(max(0.0, time.monotonic() - before - BEAT))

    def _watch(self, watched: int) -> None:
        """Look on from a thread of its own, in steps of which a freeze spans one."""
        step = min(BEAT, self._trace_after / 4)
        seen, still = -1, 0.0
        before = time.monotonic()
        while not self._over.wait(step):
            now = time.monotonic()
            passed, before = now - before, now
            if self._beats != seen:
                seen, still = self._beats, 0.0
                continue
            was = still
            still += min(passed, 2 * step)
            if was < self._trace_after <= still:
                frame = sys._current_frames().get(watched)
                structlog.get_logger("pulse").error(
                    "standstill",
                    message=f"the event loop has not turned for {still:.1f} s",
                    exception="".join(traceback.format_stack(frame)),
                )
