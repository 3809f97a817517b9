"""One way to run asynchronous verbs: uvloop, and signals that end them in order.

Rules: the first SIGINT or SIGTERM asks to stop, a later one leaves at once (exit 130 or 143). One
keystroke may arrive twice, from the terminal and from a wrapper that passes it on: what follows
within a second counts as the same.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_SAME_KEYSTROKE = 1.0


def run_until_done(main: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """Run `main(stopping)`; `stopping` is set by the first signal."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415

        factory = uvloop.new_event_loop

    async def with_signals() -> T:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        asked_at = 0.0

        def ask(number: int) -> None:
            nonlocal asked_at
            if not stopping.is_set():
                asked_at = loop.time()
                stopping.set()
            elif loop.time() - asked_at > _SAME_KEYSTROKE:
                os._exit(128 + number)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ask, number)
        try:
            return await main(stopping)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(with_signals())


async def first_of(*waits: Awaitable[Any]) -> None:
    """Return when the first of these has ended, or raise what it raised; cancel the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
