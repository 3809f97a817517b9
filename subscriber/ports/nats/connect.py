"""One connection to NATS for the life of the process.

Rules:
- The start is bounded: a refusal is a `Problem` at once, an absent server is tried again with
  back-off for `startup_timeout` seconds and is a `Problem` then.
- Afterwards it reconnects for ever, with jitter. nats-py does that itself; but it closes itself for
  good on some server errors (expired credentials), and its reconnecting task can die. A watcher
  notices both and dials anew.
- A request that is open when the connection breaks fails at once: `PortUnavailable`.

This module knows of JetStream only how its API is asked; the subjects are its callers'.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client, Server

from subscriber.model import Problem, Reason
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.dial import (
    ClientEvents,
    GuardedClient,
    check,
    dial,
    discard,
    display,
)
from subscriber.ports.nats.exchange import (
    NO_RESPONDERS,
    Answer,
    Exchange,
    Gather,
    describe,
    header_size,
    translated,
)
from subscriber.ports.nats.options import ConnectionListener, ConnectionState, NatsOptions
from subscriber.ports.nats.wire import WireClient

API = "$JS.API"
_WATCH_SECONDS = 0.5
_MAX_DOUBLINGS = 16
_NO_LEADER = {10004, 10008, 10009}


class ApiError(PortUnavailable):
    """JetStream refused a request of ours. What nobody in this package understands is unavailable.

    Attributes:
        code: like an HTTP status.
        err_code: JetStream's own number, e.g. 10059 for a stream that is not there.
        description: JetStream's text.
    """

    def __init__(self, code: int, err_code: int, description: str) -> None:
        super().__init__(f"JetStream: {description} ({err_code or code})")
        self.code = code
        self.err_code = err_code
        self.description = description

    @property
    def temporary(self) -> bool:
        """Whether the cluster is only without a leader, so that trying again may help."""
        return self.code == 503 or self.err_code in _NO_LEADER


_decode = msgspec.json.Decoder(dict[str, Any]).decode


def decoded(data: bytes) -> dict[str, Any]:
    """A JetStream answer; raises ApiError for one that says ``error``."""
    try:
        answer = _decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PortUnavailable("NATS: an answer of JetStream is not JSON") from error
    fault = answer.get("error")
    if fault:
        if not isinstance(fault, dict):
            raise PortUnavailable("NATS: an answer of JetStream is none")
        raise ApiError(
            int(fault.get("code", 500)),
            int(fault.get("err_code", 0)),
            str(fault.get("description", "")),
        )
    return answer


class NatsConnection:
    """The connection that every NATS port shares.

    Attributes:
        options: as given.
        closed: `close()` was called.
    """

    def __init__(self, options: NatsOptions, listener: ConnectionListener | None = None) -> None:
        self.options = options
        self._tell = listener or (lambda state, text: None)
        self._context = check(options)
        self._events = ClientEvents(
            error=self._on_error, lost=self._on_lost, reconnected=self._on_reconnected
        )
        self._client: GuardedClient | None = None
        self._exchange: Exchange | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._attempts = 0
        self.closed = False
        self._on_up: list[Callable[[], None]] = []
        self._on_down: list[Callable[[], None]] = []

    # -- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect, within `startup_timeout`.

        Raises:
            Problem: refused credentials, failed TLS, or no server in time.
        """
        limit = self.options.startup_timeout
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit
        while True:
            try:
                await self._connect()
                break
            except PortUnavailable as error:
                pause = self._pause()
                if loop.time() + pause >= deadline:
                    raise Problem(
                        Reason.UNREACHABLE,
                        f"no NATS server could be reached within {limit:g} s: {error}",
                        where=self.where,
                        hint="is the server running, and is the address right?",
                    ) from error
                await asyncio.sleep(pause)
        self._watcher = asyncio.create_task(self._watch(), name="nats-watch")
        self._tell(ConnectionState.CONNECTED, f"connected to {self.where}")

    async def close(self) -> None:
        """Send what is buffered and close; safe to call twice, and before `start`."""
        self.closed = True
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.fail_all("connection closed")
        client, self._client = self._client, None
        if client is not None:
            if client.is_connected:
                with suppress(nats.errors.Error, OSError, TimeoutError):
                    await client.flush(timeout=2)
            await discard(client)
            for callback in tuple(self._on_down):
                callback()
            self._tell(ConnectionState.CLOSED, f"closed the connection to {self.where}")

    async def __aenter__(self) -> NatsConnection:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    # -- what the ports use -------------------------------------------------------------------

    @property
    def where(self) -> str:
        """The servers, without user names and passwords."""
        return display(self.options)

    @property
    def client(self) -> WireClient:
        """The nats-py client of now; raises `PortUnavailable` when there is none."""
        if self._client is None:
            raise PortUnavailable("NATS: not connected")
        return self._client

    @property
    def connected(self) -> bool:
        """Whether a request sent now would leave the process."""
        return self._client is not None and self._client.is_connected

    @property
    def offers_jetstream(self) -> bool:
        """False when the connected server itself has no JetStream (a leaf node may still)."""
        return not self.connected or bool(self.client._server_info.get("jetstream"))

    def fault(self) -> str:
        """Empty while somebody would notice and mend a broken connection; else that nobody does."""
        dead = self._watcher is not None and self._watcher.done() and not self.closed
        return "nothing watches the connection to NATS any more" if dead else ""

    def watch(self, *, up: Callable[[], None], down: Callable[[], None]) -> None:
        """Have `up` called after every reconnect and `down` whenever the connection breaks."""
        self._on_up.append(up)
        self._on_down.append(down)

    def unwatch(self, *, up: Callable[[], None], down: Callable[[], None]) -> None:
        """Undo `watch`."""
        self._on_up.remove(up)
        self._on_down.remove(down)

    async def ping(self) -> None:
        """Return when the server answers; `PortUnavailable` when it does not within 2 s."""
        client = self.client
        if not client.is_connected:
            raise PortUnavailable("NATS: not connected")
        with translated("ping"):
            await client.flush(timeout=2)

    async def publish(
        self,
        subject: str,
        payload: bytes = b"",
        *,
        reply: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Hand a message to the client; buffered while it reconnects, nothing is confirmed."""
        if headers is not None or len(payload) > 65_536:
            self.check_size(payload, headers)
        with translated(f"publish to {subject}"):
            await self.client.publish(
                subject, payload, reply=reply, headers=None if headers is None else dict(headers)
            )

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        within: float = 0.0,
    ) -> Answer:
        """One request, one reply (which may be a 503 status); see `Exchange.ask` for errors."""
        if self._exchange is None:
            raise PortUnavailable("NATS: not connected")
        self.check_size(payload, headers)
        limit = within or self.options.request_timeout
        return await self._exchange.ask(subject, payload, headers, limit)

    async def request_all(self, subject: str, payload: bytes, gather: Gather) -> None:
        """One request, as many replies as `gather` asks for; see `Exchange.ask_all`."""
        if self._exchange is None:
            raise PortUnavailable("NATS: not connected")
        await self._exchange.ask_all(subject, payload, self.options.request_timeout, gather)

    def request_plain(
        self, subject: bytes, payload: bytes = b"", block: bytes = b""
    ) -> Awaitable[Answer]:
        """The same for a subject and a header block of our own making; see `Exchange.ask_plain`."""
        if self._exchange is None:
            raise PortUnavailable("NATS: not connected")
        if len(payload) + len(block) > self.client.max_payload:
            self.check_size(payload + block, None)
        return self._exchange.ask_plain(subject, payload, block, self.options.request_timeout)

    async def api(
        self, subject: str, body: Mapping[str, object] | None = None, *, within: float = 0.0
    ) -> dict[str, Any]:
        """Ask the JetStream API; `subject` goes without its prefix.

        Raises:
            ApiError: JetStream answered with an error.
            PortUnavailable: nobody answers (no connection, no JetStream, no leader).
        """
        payload = b"" if body is None else msgspec.json.encode(body)
        reply = await self.request(f"{API}.{subject}", payload, within=within)
        if reply.headers and reply.headers.get("Status") == NO_RESPONDERS:
            raise PortUnavailable(f"NATS: no JetStream answers {API}.{subject}")
        return decoded(reply.data)

    def check_size(self, payload: bytes, headers: Mapping[str, str] | None) -> None:
        """Raise Problem(TOO_LARGE) for what the server would not take.

        nats-py counts the payload only; the server then closes the whole connection.
        """
        size = len(payload) + header_size(headers)
        if size > self.client.max_payload:
            raise Problem(
                Reason.TOO_LARGE,
                f"the message has {size} bytes, the NATS server takes {self.client.max_payload}",
                hint="raise max_payload in the NATS server's configuration",
            )

    # -- behind it ----------------------------------------------------------------------------

    async def _connect(self) -> None:
        client = await dial(self.options, self._context, self._next_server, self._events)
        exchange = Exchange(client)
        try:
            with translated("subscribe"):
                await exchange.open()
        except BaseException:
            await discard(client)
            raise
        self._client, self._exchange, self._attempts = client, exchange, 0

    async def _watch(self) -> None:
        """Replace a client that has given up."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            client = self._client
            if client is None or not client.is_beyond_hope():
                continue
            self._on_lost(client)
            await discard(client)
            while True:
                try:
                    await self._connect()
                    break
                except (PortUnavailable, Problem) as error:
                    self._tell(ConnectionState.ERROR, str(error))
                    await asyncio.sleep(self._pause())
            self._came_up()

    def _came_up(self) -> None:
        self._attempts = 0
        self._tell(ConnectionState.RECONNECTED, f"connected again to {self.where}")
        for callback in tuple(self._on_up):
            callback()

    async def _on_reconnected(self, client: Client) -> None:
        if client is self._client:
            self._came_up()

    def _on_lost(self, client: Client) -> None:
        if client is not self._client:
            return
        if self._exchange is not None:
            self._exchange.fail_all("the connection broke")
        self._tell(ConnectionState.DISCONNECTED, f"lost the connection to {self.where}")
        for callback in tuple(self._on_down):
            callback()

    def _on_error(self, client: Client, error: Exception) -> None:
        text = describe(error)
        if client is self._client and self._exchange is not None:
            self._exchange.refuse(text)
        self._tell(ConnectionState.ERROR, text)

    def _pause(self) -> float:
        longest = self.options.reconnect_max_wait
        pause = min(self.options.reconnect_wait * 2.0**self._attempts, longest)
        self._attempts = min(self._attempts + 1, _MAX_DOUBLINGS)
        return pause * (1.0 + random.random() / 2)  # noqa: S311  # spreads replicas, no secret

    def _next_server(
        self, servers: list[Server], info: dict[str, Any]
    ) -> tuple[Server | None, float]:
        """Which server nats-py tries next, and after how long: the least tried, soon at first."""
        first = self._attempts == 0
        pause = self._pause() * (random.random() if first else 1.0)  # noqa: S311
        return min(servers, key=lambda server: server.reconnects, default=None), pause
