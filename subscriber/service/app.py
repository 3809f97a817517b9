"""The composition root: the one place where things are constructed, started and stopped.

Rules: what is opened here is closed here, in reverse order, whatever happens in between. Runs
inside any event loop; knows neither signals nor the command line.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType

import structlog

from subscriber.config import Config
from subscriber.model import Problem, Reason
from subscriber.pagerduty import Accounts
from subscriber.ports.clock import SystemClock
from subscriber.ports.http import HttpSender, SenderOptions
from subscriber.ports.interfaces import (
    Clock,
    DeadLetters,
    History,
    Ledger,
    PortUnavailable,
    Sender,
    Source,
)
from subscriber.ports.memory import MemoryDeadLetters, MemoryHistory, MemoryLedger
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.core import CoreSource
from subscriber.ports.nats.deadletters import NatsDeadLetters
from subscriber.ports.nats.history import NatsHistory
from subscriber.ports.nats.ledger import NatsLedger
from subscriber.ports.nats.options import ConnectionState, NatsOptions
from subscriber.ports.nats.source import JetStreamSource
from subscriber.ports.tracing import NoTracing, Tracing
from subscriber.rules import RuleSet
from subscriber.service import options
from subscriber.service.book import Book, succeeding
from subscriber.service.courier import Courier, World
from subscriber.service.meters import Meters
from subscriber.service.pulse import Pulse
from subscriber.service.pump import Pump
from subscriber.service.report import Observer, Observers
from subscriber.service.sweep import Sweep
from subscriber.service.vitals import read_vitals

_CONVERSATIONS = 64
"""Keys that are talked about with PagerDuty at once, per process."""
_START_PAUSE = 0.5
"""Seconds between two tries of a step of the start."""
_PREPARE_PAUSE = 0.01
"""Seconds between two templates that the start has put off."""
_STANDSTILL = 10.0
"""Seconds that the event loop may stand still before it is written where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything a service is made of.

    Attributes:
        config: the checked configuration.
        rules: compiled.
        accounts: services and their routing keys.
        nats: how to reach NATS.
        sender: how requests travel to PagerDuty.
        digest: tells two configurations apart, see `digest`; empty when nobody cares.
    """

    config: Config
    rules: RuleSet
    accounts: Accounts
    nats: NatsOptions
    sender: SenderOptions
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world, one door each; the shipped twins fit as well."""

    source: Source
    ledger: Ledger
    history: History
    dead_letters: DeadLetters
    sender: Sender
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The moving parts."""

    courier: Courier
    pump: Pump
    sweep: Sweep

    def switch(self, book: Book) -> None:
        """Go by another book from the next message on."""
        self.courier.switch(book)
        self.pump.switch(book)


def _expect(meters: Meters, setup: Setup, now: float) -> None:
    """Tell the meters what is configured."""
    meters.expect(services=tuple(setup.accounts), rules=[rule.name for rule in setup.rules.rules])
    meters.configured(setup.digest, now)


def book_of(setup: Setup) -> Book:
    """The part of a setup that may change while the service runs."""
    return Book(
        rules=setup.rules,
        accounts=setup.accounts,
        allowances=options.allowances(setup.config, tuple(setup.accounts)),
    )


def assemble(
    ports: Ports,
    setup: Setup,
    *,
    name: str,
    meters: Meters,
    observers: tuple[Observer, ...],
    tracing: Tracing | None = None,
) -> Machine:
    """Put the parts together; nothing is started.

    Args:
        ports: the world.
        setup: what the service is made of; its NATS and HTTP options are not looked at here.
        name: unique among all running replicas.
        meters, observers: who is told of every end.
        tracing: who is shown each delivery; nobody when left out.

    Raises:
        Problem: times that do not fit together.
    """
    tracing = NoTracing() if tracing is None else tracing
    config = setup.config
    policy, book = options.policy(config), book_of(setup)
    courier = Courier(
        world=World(
            ledger=ports.ledger,
            history=ports.history,
            sender=tracing.sender(ports.sender),
            clock=ports.clock,
        ),
        book=book,
        policy=policy,
        name=name,
        width=_CONVERSATIONS,
        meters=meters,
    )
    pump = Pump(
        source=ports.source,
        book=book,
        deliver=courier.deliver,
        dead_letters=ports.dead_letters,
        observer=Observers((meters, *observers)),
        meters=meters,
        clock=ports.clock,
        size_limit=config.delivery.max_event_bytes,
        ack_wait=config.nats.ack_wait,
        room=max(1, config.nats.max_in_flight * 3 // 4),
        tracing=tracing,
    )
    sweep = Sweep(
        ledger=ports.ledger,
        mend=courier.mend,
        policy=policy,
        meters=meters,
        clock=ports.clock,
        name=name,
    )
    _expect(meters, setup, ports.clock.now())
    read_vitals(meters, source=ports.source, pump=pump, courier=courier, clock=ports.clock)
    return Machine(courier=courier, pump=pump, sweep=sweep)


class Service:
    """A running subscriber: `async with Service(setup, ...) as service`.

    Attributes:
        name: unique among all replicas.
        config_fault: why a changed configuration was rejected, empty when it was not; readiness
            shows it.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        meters: Meters,
        observers: tuple[Observer, ...],
        tracing: Tracing | None = None,
    ) -> None:
        """Set up; nothing is started.

        Args:
            setup: what the service is made of.
            meters, observers: who is told of every end.
            tracing: who is shown each delivery; nobody when left out. It is closed at the stop.
        """
        self._tracing = NoTracing() if tracing is None else tracing
        self._setup = setup
        self._meters = meters
        self._observers = observers
        self._log = structlog.get_logger("service")
        self._open = AsyncExitStack()
        self._connection = NatsConnection(setup.nats, self._heard)
        self._ports: Ports | None = None
        self._machine: Machine | None = None
        self._book = book_of(setup)
        self._sweep: asyncio.Task[None] | None = None
        self._pulse = Pulse(trace_after=_STANDSTILL)
        self.config_fault = ""
        self._closing = False
        # unique among all replicas, also when a pod's name or a process id comes again
        self.name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"

    @property
    def connection(self) -> NatsConnection:
        """The NATS connection, for whoever publishes beside us."""
        return self._connection

    async def __aenter__(self) -> Service:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connect, provision and begin to take messages.

        Raises:
            Problem: NATS refuses us or is not there in time, or its streams cannot be used.
        """
        try:
            await self._start()
        except BaseException:
            await self._open.aclose()
            raise

    async def _start(self) -> None:
        setup, config = self._setup, self._setup.config
        self._meters.read("event_loop_lag_seconds", lambda: {(): self._pulse.lag})
        self._open.push_async_callback(self._tracing.close)
        await self._open.enter_async_context(self._pulse)
        sender = await self._open.enter_async_context(HttpSender(setup.sender))
        await self._open.enter_async_context(self._connection)
        core = config.nats.mode == "core"
        ports = self._core(sender) if core else await self._jetstream(sender)
        machine = assemble(
            ports,
            setup,
            name=self.name,
            meters=self._meters,
            observers=self._observers,
            tracing=self._tracing,
        )
        self._machine = machine
        await self._insist(lambda: machine.pump.start(capacity=config.nats.max_in_flight))
        self._sweep = asyncio.create_task(machine.sweep.run(), name="sweep")
        self._ports = ports

    def switch(self, setup: Setup) -> None:
        """Go by the rules, services and limits of another setup from the next message on.

        What concerns NATS, HTTP and times stays as it was at the start.
        """
        self._book = succeeding(self._book, book_of(setup))
        if self._machine is not None:
            self._machine.switch(self._book)
        _expect(self._meters, setup, SystemClock().now())

    async def prepare(self) -> None:
        """Compile what the start put off, one template (7 ms, 27 at most) at a time.

        Whatever comes first does not have to wait for all: a template that is not ready compiles
        when it is used, and between two of them there is time for a conversation. Without that
        pause one that comes meanwhile takes 200 ms, for each of its steps waits for a template.
        """
        for _ in self._book.rules.prepare():
            await asyncio.sleep(_PREPARE_PAUSE)

    async def _insist(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do a step of the start, again while NATS stumbles, for `startup_timeout` seconds.

        A replica that is restarted while a server is restarted too must not end for that.

        Raises:
            Problem: NATS stayed unusable, or the step itself is refused.
        """
        limit = self._setup.nats.startup_timeout
        clock = asyncio.get_running_loop().time
        deadline = clock() + limit
        while True:
            try:
                return await step()
            except PortUnavailable as error:
                if clock() + _START_PAUSE >= deadline:
                    raise Problem(
                        Reason.UNREACHABLE,
                        f"NATS could not be used within {limit:g} s: {error}",
                        where=self._connection.where,
                        hint="does JetStream have a leader, and is the server up to stay?",
                    ) from error
                self._log.warning(
                    "start-delayed", reason=Reason.UNREACHABLE.value, message=str(error)
                )
                await asyncio.sleep(_START_PAUSE)

    async def _jetstream(self, sender: Sender) -> Ports:
        config, connection = self._setup.config, self._connection
        letters = NatsDeadLetters(
            connection, options.dead_letter_options(config), listening=config.nats.subjects
        )
        ledger = NatsLedger(connection, options.ledger_options(config))
        source = JetStreamSource(
            connection,
            options.stream_options(config),
            options.consumer_options(config),
            without=(config.delivery.dead_letter_stream,),
            listener=self._heard,
        )
        await self._insist(letters.start)
        await self._insist(ledger.start)
        return Ports(
            source=source,
            ledger=ledger,
            history=NatsHistory(connection, lambda: source.bindings),
            dead_letters=letters,
            sender=sender,
            clock=SystemClock(),
        )

    def _core(self, sender: Sender) -> Ports:
        """Plain NATS keeps nothing: ledger and dead letters live and end with this process."""
        nats = self._setup.config.nats
        self._log.warning(
            "weaker-promise",
            message="mode core: events that arrive while no subscriber runs are lost; order, "
            "retries and dead letters last only as long as this process",
        )
        return Ports(
            source=CoreSource(
                self._connection, tuple(nats.subjects), queue=nats.durable, listener=self._heard
            ),
            ledger=MemoryLedger(),
            history=MemoryHistory(),
            dead_letters=MemoryDeadLetters(),
            sender=sender,
            clock=SystemClock(),
        )

    async def stop(self) -> int:
        """Take nothing more, finish what is in hand within the drain time, close everything.

        Returns:
            how many messages were given back unfinished.
        """
        left = 0
        if self._sweep is not None:
            self._sweep.cancel()
            await asyncio.gather(self._sweep, return_exceptions=True)
            self._sweep = None
        if self._machine is not None:
            left = await self._machine.pump.drain(self._setup.config.delivery.drain_timeout)
            self._machine = None
        self._closing = True
        await self._open.aclose()
        return left

    def faults(self) -> dict[str, str]:
        """What liveness asks: part -> empty text while it runs, else what has died or hangs.

        A server that is away is no fault: only what a restart of this process mends counts.
        """
        found = {"loop": "", "nats": self._connection.fault()}
        if self._ports is not None and self._machine is not None:
            found["source"] = self._ports.source.fault()
            found["pump"] = self._machine.pump.fault()
            dead = self._sweep is not None and self._sweep.done()
            found["sweep"] = "nothing looks through the ledger any more" if dead else ""
        return found

    async def checks(self) -> dict[str, str]:
        """What readiness asks: name -> empty text when well, else what is wrong."""
        if self._ports is None:
            return {"started": "not yet"}
        asked = {
            "nats": self._connection.ping,
            "source": self._ports.source.ping,
            "ledger": self._ports.ledger.ping,
            "dead_letters": self._ports.dead_letters.ping,
        }
        found = dict(zip(asked, await asyncio.gather(*map(_trouble, asked.values())), strict=True))
        found["config"] = self.config_fault
        return found

    def _heard(self, state: ConnectionState, text: str) -> None:
        """The connection to NATS has changed."""
        if state in (ConnectionState.CONNECTED, ConnectionState.RECONNECTED):
            self._meters.connected(True)
            if state is ConnectionState.RECONNECTED:
                self._meters.reconnections.inc()
            self._log.info(state.value, message=text)
            return
        if self._closing and state is ConnectionState.ERROR:
            return  # what is being closed complains of being closed
        if state is not ConnectionState.ERROR:
            self._meters.connected(False)
        level = self._log.info if state is ConnectionState.CLOSED else self._log.warning
        level(state.value, reason=Reason.UNREACHABLE.value, message=text)


async def _trouble(ping: Callable[[], Awaitable[None]]) -> str:
    """What a port says is wrong with it; empty when it is usable."""
    try:
        await ping()
    except PortUnavailable as error:
        return str(error)
    return ""
