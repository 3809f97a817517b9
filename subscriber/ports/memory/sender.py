"""A sender that asks a function."""

from __future__ import annotations

import inspect
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

    async def send(self, request: Request) -> Reply:
        """What the function says."""
        self.requests.append(request)
        reply = self._answer(request)
        return await reply if inspect.isawaitable(reply) else reply

    async def ping(self) -> None:
        """Always usable."""
