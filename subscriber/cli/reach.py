"""How the verbs that read and mend reach what a running service keeps in NATS.

Rules: the configuration and the environment are read as `run` reads them; nothing is created on
NATS; an absent server is told within seconds; every text that is printed loses the secrets that
this process knows. NATS that goes away in the middle ends the verb with exit code 1.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import typer

from subscriber.cli.console import problems_end, read_config
from subscriber.cli.loop import run_until_done
from subscriber.config import Config, Document
from subscriber.model import Problem, Reason
from subscriber.pagerduty import Accounts
from subscriber.ports.clock import SystemClock
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats import survey
from subscriber.ports.nats.archive import NatsArchive
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.deadletters import NatsDeadLetters
from subscriber.ports.nats.history import NatsHistory
from subscriber.ports.nats.ledger import NatsLedger
from subscriber.ports.nats.options import ConnectionListener
from subscriber.ports.outward import proxy_secrets
from subscriber.rules import RuleSet
from subscriber.service import options
from subscriber.service.journal import Redactor
from subscriber.service.keys import resolve_accounts
from subscriber.service.rehearsal import Rehearsal
from subscriber.service.rulebook import load_rules

T = TypeVar("T")

_STARTUP = 5.0
"""Seconds that a command waits for NATS; a service waits longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a verb works with.

    Attributes:
        accounts: None when no routing key is configured.
        unreadable: why the routing keys could not be read, None when they could.
        redactor: takes out secrets.
    """

    config: Config
    document: Document | None
    folder: Path
    connection: NatsConnection
    accounts: Accounts | None
    unreadable: Problem | None
    redactor: Redactor

    def dead_letters(self) -> NatsDeadLetters:
        """The letters; an absent stream is not created."""
        return NatsDeadLetters(
            self.connection,
            options.dead_letter_options(self.config),
            listening=self.config.nats.subjects,
        )

    async def ledger(self) -> NatsLedger:
        """The ledger.

        Raises:
            Problem: there is none; one that is not there is not created.
        """
        bucket = self.config.delivery.ledger_bucket
        if await survey.stream(self.connection, f"KV_{bucket}") is None:
            raise Problem(
                Reason.STREAM_CONFLICT,
                "there is no such bucket: no service has kept a ledger here yet",
                where=bucket,
                hint="is this the right NATS server, and delivery.ledger_bucket the right one?",
            )
        return NatsLedger(self.connection, options.ledger_options(self.config))

    async def history(self) -> NatsHistory | None:
        """The streams that the service reads; None when there are none (any more)."""
        bindings = await survey.standing(
            self.connection,
            options.stream_options(self.config),
            without=(self.config.delivery.dead_letter_stream,),
        )
        return NatsHistory(self.connection, lambda: bindings) if bindings else None

    def archive(self) -> NatsArchive:
        """Everything in the streams that the service reads."""
        return NatsArchive(
            self.connection,
            options.stream_options(self.config),
            without=(self.config.delivery.dead_letter_stream,),
        )

    async def rehearsal(self) -> Rehearsal:
        """What the service would say, by this configuration's rules and the ledger of now."""
        return Rehearsal(
            rules=self.rules(),
            policy=options.policy(self.config),
            ledger=await self.ledger(),
            clock=SystemClock(),
            size_limit=self.config.delivery.max_event_bytes,
        )

    def rules(self) -> RuleSet:
        """The configuration's rules.

        Raises:
            Problem: every fault in them.
        """
        return load_rules(self.config, self.document, folder=self.folder)


@asynccontextmanager
async def reached(
    config_file: Path | None, *, any_mode: bool = False, listener: ConnectionListener | None = None
) -> AsyncIterator[Reach]:
    """Read the configuration and connect.

    Args:
        config_file: None: the defaults.
        any_mode: whether JetStream can be done without.
        listener: is told when the connection comes and goes.

    Raises:
        Problem: wrong configuration, no server named or there, mode core.
    """
    config, document, folder = read_config(config_file)
    if config.nats.mode == "core" and not any_mode:
        raise Problem(
            Reason.INVALID_VALUE,
            "with mode core ledger and dead letters live and end with the service's process",
            where="nats.mode",
            hint="they can be read and mended with `mode: jetstream`",
        )
    servers = options.nats_servers(config, os.environ)
    if not servers:
        raise Problem(
            Reason.INVALID_VALUE,
            "no NATS server is named",
            where="nats.url",
            hint="set NATS_URL=nats://host:4222, or give --config",
        )
    nats = options.nats_options(config, os.environ, servers, folder)
    accounts, unreadable = None, None
    try:
        accounts = resolve_accounts(config, os.environ, document, folder=folder)
    except Problem as problem:  # only who sends needs the keys
        unreadable = problem
    keys = [one.routing_key.get_secret_value() for one in (accounts or {}).values()]
    redactor = Redactor((*keys, *nats.secrets, *proxy_secrets()))
    nats = replace(nats, startup_timeout=min(_STARTUP, nats.startup_timeout))
    async with NatsConnection(nats, listener) as connection:
        yield Reach(
            config=config,
            document=document,
            folder=folder,
            connection=connection,
            accounts=accounts,
            unreadable=unreadable,
            redactor=redactor,
        )


Work: TypeAlias = Callable[[Reach, asyncio.Event], Coroutine[Any, Any, T]]


def working(
    config_file: Path | None,
    work: Work[T],
    *,
    patient: bool = False,
    any_mode: bool = False,
    listener: ConnectionListener | None = None,
) -> T:
    """Connect, run `work(reach, stopping)` and close; its result.

    Ctrl-C ends the work where it is with exit code 130. With `patient` only `stopping` is set, for
    work that must not be torn apart: it looks there between its steps. `any_mode` and `listener`:
    see `reached`.
    """

    async def main(stopping: asyncio.Event) -> T:
        begun = False

        async def whole() -> T:
            nonlocal begun
            async with reached(config_file, any_mode=any_mode, listener=listener) as reach:
                begun = True
                return await work(reach, stopping)

        task = asyncio.create_task(whole())
        stopped = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            if task.done() or (patient and begun):
                return await task
            raise typer.Exit(130)
        finally:
            for one in (task, stopped):
                one.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    with faults_end():
        return run_until_done(main)


@contextmanager
def faults_end() -> Iterator[None]:
    """Problems end the verb with exit code 2, a world that went away with 1."""
    with problems_end():
        try:
            yield
        except PortUnavailable as error:
            typer.echo(f"{error}\n  hint: nothing more was done; try again", err=True)
            raise typer.Exit(1) from None
