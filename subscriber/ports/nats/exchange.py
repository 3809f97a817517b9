"""Requests and their replies over one NATS client, failing fast.

nats-py's own `request` lets a request that was in flight when the connection broke wait out its
whole time limit, and answers a missing permission with that same silence. Here a lost connection
ends every open request at once, and a permission that the server denies ends the request it
belongs to. One wildcard inbox serves all requests; its messages are taken straight from the wire.

This module does not know JetStream beyond the ``Status`` header of a reply.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import nats.errors

from subscriber.model import Problem, Reason, excerpt
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.wire import WireClient, header_fields, publication

NO_RESPONDERS = "503"
_TIMER_STEP = 0.01
"""Seconds; requests that run out within one of these end together."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what nats-py raises while `doing` something into `PortUnavailable`, or `Problem`."""
    try:
        yield
    except (nats.errors.BadSubjectError, nats.errors.BadHeaderError) as error:
        raise Problem(
            Reason.INVALID_VALUE, f"NATS: {describe(error)}", where=excerpt(doing)
        ) from error
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise PortUnavailable(f"NATS: {doing}: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """One line about a foreign exception; its class when it has no text."""
    text = " ".join(str(error).removeprefix("nats: ").split())
    return text or type(error).__name__


def header_size(headers: Mapping[str, str] | None) -> int:
    """Bytes that these headers take in a message (0 for none)."""
    if not headers:
        return 0
    lines = sum(len(name.encode()) + len(value.encode()) + 4 for name, value in headers.items())
    return len(b"NATS/1.0\r\n\r\n") + lines


class Answer:
    """One reply; its headers are read when somebody asks for them."""

    __slots__ = ("_headers", "block", "data")

    def __init__(self, data: bytes, block: bytes) -> None:
        self.data = data
        self.block = block
        self._headers: Mapping[str, str] | None = None if block else {}

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; a bare status is under ``Status``."""
        if self._headers is None:
            self._headers = header_fields(self.block)
        return self._headers


Gather = Callable[[Answer], bool]
"""Takes one of several replies and says whether it is the last; must neither wait nor raise."""


class _Open:
    """One request under way; one that several replies answer has a `gather`."""

    __slots__ = ("deadline", "future", "gather", "subject", "within")

    def __init__(
        self,
        future: asyncio.Future[Answer],
        subject: str | bytes,
        deadline: float,
        within: float,
        gather: Gather | None,
    ) -> None:
        self.future = future
        self.gather = gather
        self.subject = subject
        self.deadline = deadline
        self.within = within

    @property
    def name(self) -> str:
        return self.subject if isinstance(self.subject, str) else self.subject.decode()


class Exchange:
    """The open requests of one client.

    One timer serves them all: nearly every request is answered long before its time, and one timer
    each cost as much as the answer's way in. A request whose asker has gone stays until it is
    answered or its time is up.
    """

    def __init__(self, client: WireClient) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._inbox = ""
        self._prefix = b""
        self._count = 0
        self._open: dict[bytes, _Open] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = math.inf

    async def open(self) -> None:
        """Subscribe the inbox; call once, when the client is connected."""
        self._inbox = self._client.new_inbox()
        self._prefix = self._inbox.encode() + b"."
        await self._client.take_from(f"{self._inbox}.*", self._answered)

    async def ask(
        self, subject: str, payload: bytes, headers: Mapping[str, str] | None, within: float
    ) -> Answer:
        """Send and wait for one reply.

        Raises:
            PortUnavailable: no connection, no reply in `within` seconds, or the connection broke.
            Problem: the server does not allow us this subject.
        """
        return await self._ask(subject, payload, headers, within, None)

    async def ask_all(self, subject: str, payload: bytes, within: float, gather: Gather) -> None:
        """Send and wait until `gather` says that a reply was the last.

        Raises as `ask` does; `within` seconds may pass before each of the replies.
        """
        await self._ask(subject, payload, None, within, gather)

    def ask_plain(
        self, subject: bytes, payload: bytes, block: bytes, within: float
    ) -> asyncio.Future[Answer]:
        """The same for a subject and a header block (or none) that the caller vouches for.

        Nothing is checked or waited for on the way out, and no coroutine stands between the caller
        and the reply: a quarter of the CPU time of `ask`. Await what it returns at once.
        """
        token, future = self._expect(subject, within)
        self._client.write(publication(subject, payload, self._prefix + token, block))
        return future

    async def _ask(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str] | None,
        within: float,
        gather: Gather | None,
    ) -> Answer:
        token, future = self._expect(subject, within, gather)
        try:
            with translated(f"request {subject}"):
                await self._client.publish(
                    subject,
                    payload,
                    reply=f"{self._inbox}.{token.decode()}",
                    headers=None if headers is None else dict(headers),
                )
            return await future
        finally:
            self._open.pop(token, None)
            if future.done() and not future.cancelled():
                future.exception()  # mark it as seen: publish may have raised first

    def fail_all(self, text: str) -> None:
        """End every open request: the connection is gone, what became of them is unknown."""
        for one in self._open.values():
            if not one.future.done():
                one.future.set_exception(PortUnavailable(f"NATS: {text}"))

    def refuse(self, error_text: str) -> None:
        """End the requests that a ``Permissions Violation`` from the server is about."""
        for one in self._open.values():
            if not one.future.done() and f'"{one.name}"'.lower() in error_text.lower():
                one.future.set_exception(permission_problem(one.name))

    def _expect(
        self, subject: str | bytes, within: float, gather: Gather | None = None
    ) -> tuple[bytes, asyncio.Future[Answer]]:
        if not self._client.is_connected:
            raise PortUnavailable("NATS: not connected")
        self._count += 1
        token = b"%d" % self._count
        future: asyncio.Future[Answer] = self._loop.create_future()
        deadline = self._loop.time() + within
        self._open[token] = _Open(future, subject, deadline, within, gather)
        if deadline < self._wakes_at:
            self._expire_at(deadline)
        return token, future

    def _answered(self, subject: bytes, _reply: bytes, data: bytes, block: bytes) -> None:
        token = subject[len(self._prefix) :]
        one = self._open.get(token)
        if one is None:
            return
        if not one.future.done():
            answer = Answer(data, block)
            if one.gather is not None and not one.gather(answer):
                one.deadline = self._loop.time() + one.within
                return
            one.future.set_result(answer)
        del self._open[token]

    def _expire_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._expire)
        self._wakes_at = when

    def _expire(self) -> None:
        """End what has waited too long, forget what has ended, come back for what has not."""
        self._timer, self._wakes_at = None, math.inf
        now = self._loop.time()
        for token, one in list(self._open.items()):
            if one.deadline <= now and not one.future.done():
                one.future.set_exception(
                    PortUnavailable(f"NATS: no answer to {one.name} within {one.within:g} s")
                )
            if one.future.done():
                del self._open[token]
        if self._open:
            nearest = min(one.deadline for one in self._open.values())
            self._expire_at(max(nearest, now + _TIMER_STEP))


def permission_problem(subject: str) -> Problem:
    """The server denied us a subject."""
    return Problem(
        Reason.ACCESS_DENIED,
        f"NATS does not allow this user to publish to {excerpt(subject)}",
        hint="grant the permission to the user or account in the NATS server's configuration",
    )
