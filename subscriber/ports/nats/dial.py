"""One attempt to connect, and what its failure means.

Rules: `dial` ends within a known time, leaves nothing open when it fails, and tells refusals (a
wrong password, a certificate: trying again cannot help; `Problem`) from absence
(`PortUnavailable`).
With TLS asked for, credentials never travel in the clear, by TCP or WebSocket: nats-py encrypts
only when the server says so, and we refuse to go on when it does not.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client, Server, Srv

from subscriber.model import Problem, Reason
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.exchange import describe
from subscriber.ports.nats.options import NatsOptions
from subscriber.ports.nats.wire import WireClient
from subscriber.ports.outward import tls_context

ServerChoice = Callable[[list[Server], dict[str, Any]], tuple[Server | None, float]]


class PlaintextRefused(nats.errors.Error):
    """We asked for TLS and the server offers none."""

    def __str__(self) -> str:
        return "TLS is asked for, and the server offers none"


class ReaderDied(nats.errors.Error):
    """nats-py stopped reading a connection that is still there."""

    def __str__(self) -> str:
        return "reading ended unexpectedly; connecting again"


class GuardedClient(WireClient):
    """nats-py's client, except for its short way (`wire`) and four things.

    It keeps credentials off an unencrypted connection. It closes the socket of an attempt that
    failed after the connection was there (nats-py only forgets it). It takes an answer to a ping
    whose asker has given up (nats-py's reader dies of that). And a reader that ends for whatever
    reason of its own brings a new connection at once, where nats-py goes on as connected and deaf
    until its pings have gone unanswered.
    """

    def __init__(self, *, wants_tls: bool) -> None:
        super().__init__()
        self._wants_tls = wants_tls

    async def _connect_to_server(self, s: Srv) -> None:
        if self._transport:
            self._transport.close()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)

    def _connect_command(self) -> bytes:
        # The last moment before CONNECT, which carries the credentials, is written.
        if self._wants_tls and not self._is_encrypted():
            raise PlaintextRefused
        command: bytes = super()._connect_command()
        return command

    async def _process_pong(self) -> None:
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
            self._pongs_received += 1
            self._pings_outstanding = 0
        else:
            await super()._process_pong()

    async def _read_loop(self) -> None:
        await super()._read_loop()
        # A lost connection and a wanted end have left the connected state by now.
        if self.is_connected and self._reading_task is asyncio.current_task():
            await self._error_cb(ReaderDied())
            await self._process_op_err(ReaderDied())

    def _is_encrypted(self) -> bool:
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            return writer.get_extra_info("ssl_object") is not None
        # a WebSocket shows no socket; its URL decided
        return self._current_server is not None and self._current_server.uri.scheme == "wss"

    def is_beyond_hope(self) -> bool:
        """Closed for good, or disconnected with nobody trying to reconnect."""
        if self.is_connected:
            return False
        task = self._reconnection_task
        return self.is_closed or task is None or task.done()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEvents:
    """What a connected client reports about itself."""

    error: Callable[[Client, Exception], None]
    lost: Callable[[Client], None]
    reconnected: Callable[[Client], Awaitable[None]]


def display(options: NatsOptions) -> str:
    """The servers, without user names and passwords."""
    return ", ".join(_without_credentials(server) for server in options.servers)


def _without_credentials(url: str) -> str:
    head, separator, tail = url.partition("://")
    address = (tail if separator else head).rpartition("@")[2]
    return f"{head}://{address}" if separator else address


def check(options: NatsOptions) -> ssl.SSLContext | None:
    """Refuse options that cannot work before anything is opened; gives the TLS context, if any.

    Raises:
        Problem: no server, a URL that is none, or a file that cannot be read.
    """
    if not options.servers:
        raise Problem(Reason.INVALID_VALUE, "no NATS server is given")
    for server in options.servers:
        try:
            parts = urlsplit(server if "://" in server else f"nats://{server}")
            parts.port  # noqa: B018  # raises when it is not a number
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("nats", "tls", "ws", "wss") or not parts.hostname:
            raise Problem(
                Reason.INVALID_VALUE,
                "not the address of a NATS server",
                where=_without_credentials(server),
                hint="write it as nats://host:4222 or tls://host:4222",
            )
        if options.wants_tls and parts.scheme == "ws":
            raise Problem(
                Reason.TLS_FAILED,
                "TLS is asked for, and ws:// is not encrypted",
                where=_without_credentials(server),
                hint="write wss://, or leave the TLS options out",
            )
    files = (options.credentials_file, options.nkey_seed_file, options.tls_ca_file)
    for path in (*files, options.tls_cert_file, options.tls_key_file):
        _readable(path)
    return _tls_context(options)


def _readable(path: str) -> None:
    if not path:
        return
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise Problem(
            Reason.MISSING_FILE, f"cannot be read: {error.strerror}", where=path
        ) from error


def _tls_context(options: NatsOptions) -> ssl.SSLContext | None:
    if not (options.wants_tls or options.tls_insecure):
        return None
    try:
        context = tls_context(options.tls_ca_file)
        if options.tls_cert_file:
            context.load_cert_chain(options.tls_cert_file, options.tls_key_file or None)
    except (ssl.SSLError, OSError) as error:
        raise Problem(
            Reason.TLS_FAILED,
            f"the TLS files cannot be used: {describe(error)}",
            where=options.tls_cert_file or options.tls_ca_file,
            hint="they must be PEM files, and key and certificate must belong together",
        ) from error
    if options.tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def refusal(error: Exception, where: str) -> Problem | None:
    """The Problem behind an error that trying again cannot cure; None for all others."""
    text = describe(error)
    if isinstance(error, (ssl.SSLError, PlaintextRefused)):
        return Problem(
            Reason.TLS_FAILED,
            f"no TLS connection to NATS: {text}",
            where=where,
            hint="check the CA, the certificate and the host name that it is made out to",
        )
    denied = ("authorization", "authentication", "account", "revoked")
    if isinstance(error, nats.errors.Error) and any(word in text.lower() for word in denied):
        return Problem(
            Reason.ACCESS_DENIED,
            f"NATS refuses our credentials: {text}",
            where=where,
            hint="check the user and password, token, nkey or creds file",
        )
    return None


async def discard(client: Client) -> None:
    """Close a client in whatever state it is; what it has to say about that is of no interest."""
    with suppress(Exception):
        await client.close()


async def dial(
    options: NatsOptions,
    context: ssl.SSLContext | None,
    choose: ServerChoice,
    events: ClientEvents,
) -> GuardedClient:
    """Try every server once; the connected client.

    Raises:
        PortUnavailable: none answered.
        Problem: one refused us.
    """
    client = GuardedClient(wants_tls=options.wants_tls)
    where = display(options)
    failures: list[Exception] = []
    enough = asyncio.Event()
    dialling = True

    async def on_error(error: Exception) -> None:
        if not dialling:
            events.error(client, error)
            return
        failures.append(error)
        if refusal(error, where) is not None or len(failures) >= len(options.servers):
            enough.set()

    async def on_lost() -> None:
        if not dialling:
            events.lost(client)

    async def on_reconnected() -> None:
        if not dialling:
            await events.reconnected(client)

    connecting = asyncio.create_task(
        client.connect(
            servers=list(options.servers),
            name=options.name,
            error_cb=on_error,
            disconnected_cb=on_lost,
            reconnected_cb=on_reconnected,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.05,  # type: ignore[arg-type]  # typed int, used as seconds
            reconnect_to_server_handler=choose,
            connect_timeout=options.connect_timeout,  # type: ignore[arg-type]
            ping_interval=options.ping_interval,  # type: ignore[arg-type]
            max_outstanding_pings=2,
            pending_size=options.pending_bytes,
            flush_timeout=options.connect_timeout,
            tls=context,
            tls_hostname=options.tls_hostname or None,
            user=options.user or None,
            password=options.password or None,
            token=options.token or None,
            user_credentials=options.credentials_file or None,
            nkeys_seed=options.nkey_seed_file or None,
        ),
        name="nats-dial",
    )
    stopped = asyncio.create_task(enough.wait())
    limit = options.connect_timeout * (len(options.servers) + 1)
    try:
        await asyncio.wait(
            {connecting, stopped}, timeout=limit, return_when=asyncio.FIRST_COMPLETED
        )
        if connecting.done():
            connecting.result()
            # A server that dislikes our certificate hangs up after the handshake, and nats-py
            # returns from connect() all the same: ask for a sign of life.
            await client.flush(timeout=2)
            if client.is_connected:
                dialling = False
                return client
    except (nats.errors.Error, OSError, TimeoutError) as error:
        failures.append(error)
    except Exception as error:  # nkeys and the reader of creds files raise what they like
        raise Problem(
            Reason.INVALID_VALUE,
            f"the NATS credentials cannot be used: {type(error).__name__}",
            where=options.credentials_file or options.nkey_seed_file or where,
        ) from error
    finally:
        connecting.cancel()
        stopped.cancel()
        await asyncio.gather(connecting, stopped, return_exceptions=True)
        if dialling:
            await discard(client)
    for failure in failures:
        problem = refusal(failure, where)
        if problem is not None:
            raise problem from failure
    if client._server_info.get("tls_verify") and not options.tls_cert_file:
        raise Problem(
            Reason.TLS_FAILED,
            "the NATS server wants a client certificate",
            where=where,
            hint="set the TLS certificate and key files",
        )
    cause = failures[-1] if failures else TimeoutError("no answer")
    raise PortUnavailable(f"NATS: {where}: {describe(cause)}") from cause
