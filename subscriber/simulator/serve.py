"""Serve: the stand-in on a socket, inside the running event loop: `async with running(config)`.

Rules: listens before it is handed out; port 0 takes a free one and `Simulator.url` says which; when
the block ends every connection and task of it has ended too, answered or not. No signal handler is
touched and nothing is logged: both belong to whoever embeds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from typing import Any

import uvicorn
from uvicorn.lifespan.off import LifespanOff
from uvicorn.protocols.http.h11_impl import H11Protocol

from subscriber.simulator.app import TRANSPORT, Observer, application
from subscriber.simulator.faults import Fault, parse_fault
from subscriber.simulator.journal import Call, Change
from subscriber.simulator.ledger import Alert
from subscriber.simulator.settings import SimulatorConfig
from subscriber.simulator.stand_in import StandIn

# How long calls in the middle of an answer get when the stand-in stops, in seconds.
GRACE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """A certificate chain and its key, as PEM files, for clients that insist on https."""

    certfile: str | PathLike[str]
    keyfile: str | PathLike[str]


class Simulator:
    """A running stand-in.

    Attributes:
        url: base URL, without a slash at the end; what a client takes for PagerDuty's.
        host, port: where it listens.
        stand_in: the state machine itself.
    """

    def __init__(
        self, stand_in: StandIn, *, url: str, host: str, port: int, clock: Callable[[], float]
    ) -> None:
        self.stand_in = stand_in
        self.url = url
        self.host = host
        self.port = port
        self._clock = clock
        self._called = asyncio.Event()

    @property
    def calls(self) -> list[Call]:
        """Every call in order, as far as kept."""
        return list(self._settled().calls)

    @property
    def alerts(self) -> list[Alert]:
        """Every alert, oldest first, as far as kept."""
        return list(self._settled().ledger)

    @property
    def changes(self) -> list[Change]:
        """Every accepted change event in order, as far as kept."""
        return list(self._settled().changes)

    def alert(self, dedup_key: str, routing_key: str | None = None) -> Alert | None:
        """The newest alert with this dedup key (of this routing key), open or resolved."""
        return self._settled().alert(dedup_key, routing_key)

    def switch(self, *faults: Fault | str) -> None:
        """Replace all faults, given as values or as texts like ``500:p=0.3``; none: all off."""
        self.stand_in.switch(
            parse_fault(fault) if isinstance(fault, str) else fault for fault in faults
        )

    def configure(self, **changes: object) -> None:
        """Change settings, as PUT /sim/config does."""
        self.stand_in.configure(changes)

    def reset(self) -> None:
        """As on the first day."""
        self.stand_in.reset()

    async def until(
        self, condition: Callable[[Simulator], object], *, seconds: float = 10.0
    ) -> None:
        """Wait until the condition holds; looked at after every call, and every 20 ms.

        Raises:
            TimeoutError: it did not within `seconds`; the text says what was held then.
        """
        deadline = time.monotonic() + seconds
        while not condition(self):
            if time.monotonic() >= deadline:
                held = [(alert.dedup_key, str(alert.status)) for alert in self.alerts]
                raise TimeoutError(
                    f"not within {seconds:g} s; {len(self.calls)} calls, alerts: {held}"
                )
            self._called.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._called.wait(), timeout=0.02)

    def _settled(self) -> StandIn:
        self.stand_in.settle(self._clock())
        return self.stand_in


@contextlib.asynccontextmanager
async def running(
    config: SimulatorConfig | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: Tls | None = None,
    clock: Callable[[], float] = time.time,
    observers: Iterable[Observer] = (),
) -> AsyncIterator[Simulator]:
    """Run a stand-in for as long as the block lasts.

    Args:
        config: settings and faults from the start.
        host: address or name to listen on; only loopback is a good idea.
        port: 0 for a free one.
        tls: serve https with this certificate.
        clock: seconds since 1970; must not go back.
        observers: called with the record of every call, before it is answered.

    Raises:
        OSError: the address cannot be listened on.
    """
    stand_in = StandIn(config)
    stopping = asyncio.Event()
    listener = _listen(host, port)
    bound_port: int = listener.getsockname()[1]
    shown_host = f"[{host}]" if ":" in host else host
    simulator = Simulator(
        stand_in,
        url=f"{'https' if tls else 'http'}://{shown_host}:{bound_port}",
        host=host,
        port=bound_port,
        clock=clock,
    )
    watching = tuple(observers)

    def observe(call: Call) -> None:
        simulator._called.set()
        for observer in watching:
            observer(call)

    server = uvicorn.Server(
        uvicorn.Config(
            application(stand_in, clock=clock, stopping=stopping, observe=observe),
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            ssl_certfile=tls.certfile if tls else None,
            ssl_keyfile=tls.keyfile if tls else None,
        )
    )
    try:
        server.config.load()
        server.lifespan = LifespanOff(server.config)
        await server.startup(sockets=[listener])
    except BaseException:
        listener.close()
        raise
    try:
        yield simulator
    finally:
        stopping.set()
        await _stop(server)


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener


async def _stop(server: uvicorn.Server) -> None:
    """End listeners, then connections, then tasks.

    uvicorn's own shutdown waits for clients to close, over TLS for up to half a minute, and at
    least a tenth of a second; a stand-in ends at once.
    """
    state = server.server_state
    for each in server.servers:
        each.close()
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=GRACE)
    for connection in list(state.connections):
        connection.transport.abort()
    for task in list(state.tasks):
        task.cancel()
    await asyncio.gather(*state.tasks, return_exceptions=True)
    while state.connections:  # noqa: ASYNC110  an aborted one tells its protocol a turn later
        await asyncio.sleep(0)
    for each in server.servers:
        # From Python 3.12 on this also waits for TLS handshakes that a client left half done.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(each.wait_closed(), GRACE)


class _Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, which lets the application reach the connection to break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state: dict[str, Any] = {**self.app_state, TRANSPORT: transport}
        super().connection_made(transport)
