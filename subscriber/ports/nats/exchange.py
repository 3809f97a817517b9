"""Requests and their replies over one NATS client, failing fast.

nats-py's own `request` lets a request that was in flight when the connection broke wait out its
whole time limit, and answers a missing permission with that same silence. Here a lost connection
ends every open request at once, and a permission that the server denies ends the request it
belongs to. One wildcard inbox serves all requests.

This module does not know JetStream beyond the ``Status`` header of a reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from subscriber.model import Problem, Reason, excerpt
from subscriber.ports.interfaces import PortUnavailable

NO_RESPONDERS = "503"


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


class Exchange:
    """The open requests of one client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = ""
        self._count = 0
        self._open: dict[str, tuple[asyncio.Future[Msg], str]] = {}

    async def open(self) -> None:
        """Subscribe the inbox; call once, when the client is connected."""
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(
            f"{self._inbox}.*", cb=self._answered, pending_msgs_limit=0, pending_bytes_limit=0
        )

    async def ask(
        self, subject: str, payload: bytes, headers: Mapping[str, str] | None, within: float
    ) -> Msg:
        """Send and wait for one reply.

        Raises:
            PortUnavailable: no connection, no reply in `within` seconds, or the connection broke.
            Problem: the server does not allow us this subject.
        """
        if not self._client.is_connected:
            raise PortUnavailable("NATS: not connected")
        loop = asyncio.get_running_loop()
        self._count += 1
        token = str(self._count)
        future: asyncio.Future[Msg] = loop.create_future()
        self._open[token] = (future, subject)
        timer = loop.call_later(within, self._expire, token, within)
        try:
            with translated(f"request {subject}"):
                await self._client.publish(
                    subject,
                    payload,
                    reply=f"{self._inbox}.{token}",
                    headers=None if headers is None else dict(headers),
                )
            return await future
        finally:
            timer.cancel()
            self._open.pop(token, None)
            if future.done() and not future.cancelled():
                future.exception()  # mark it as seen: publish may have raised first

    def fail_all(self, text: str) -> None:
        """End every open request: the connection is gone, what became of them is unknown."""
        for future, _ in self._open.values():
            if not future.done():
                future.set_exception(PortUnavailable(f"NATS: {text}"))

    def refuse(self, error_text: str) -> None:
        """End the requests that a ``Permissions Violation`` from the server is about."""
        for future, subject in self._open.values():
            if not future.done() and f'"{subject}"'.lower() in error_text.lower():
                future.set_exception(permission_problem(subject))

    async def _answered(self, message: Msg) -> None:
        entry = self._open.get(message.subject.rpartition(".")[2])
        if entry is not None and not entry[0].done():
            entry[0].set_result(message)

    def _expire(self, token: str, within: float) -> None:
        future, subject = self._open[token]
        if not future.done():
            future.set_exception(
                PortUnavailable(f"NATS: no answer to {subject} within {within:g} s")
            )


def permission_problem(subject: str) -> Problem:
    """The server denied us a subject."""
    return Problem(
        Reason.ACCESS_DENIED,
        f"NATS does not allow this user to publish to {excerpt(subject)}",
        hint="grant the permission to the user or account in the NATS server's configuration",
    )
