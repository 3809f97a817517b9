"""A sender that asks a function."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable

from subscriber.pagerduty.request import Reply, Request

Answer = Callable[[Request], Reply | Awaitable[Reply]]


class MemorySender:
    """See `ports.interfaces.Sender`.

    Attributes:
        requests: everything that was sent, in order.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        """`answer` may be async; without one everything is accepted."""
        self._answer = answer or (lambda request: Reply(status=202, body=b'{"status":"success"}'))
        self.requests: list[Request] = []

    async def send(self, request: Request, *, within: float = math.inf) -> Reply:
        """What the function says, or a time-out when it takes longer than `within` seconds."""
        self.requests.append(request)
        reply = self._answer(request)
        if not inspect.isawaitable(reply):
            return reply
        try:
            async with asyncio.timeout(within if math.isfinite(within) else None):
                return await reply
        except TimeoutError:
            return Reply(status=0, fault="timeout", seconds=within)

    async def ping(self) -> None:
        """Always usable."""
