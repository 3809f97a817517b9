"""A session: the service with its HTTP side, started together and stopped in the right order."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from subscriber.cli.stage import Stage, secrets_of
from subscriber.ports.clock import SystemClock
from subscriber.ports.tracing import tracing
from subscriber.service.app import Service
from subscriber.service.journal import Redactor
from subscriber.service.meters import Meters
from subscriber.service.reload import Reload, watched_files
from subscriber.service.report import Observer
from subscriber.web import Health, HttpServer, Remembered, create_app

if TYPE_CHECKING:
    from subscriber.cli.story import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What runs; `url` is that of the HTTP side, empty when it is off."""

    stage: Stage
    service: Service
    url: str

    async def publish(self, step: Step) -> None:
        """Put a step of the sample delivery on NATS, as a pipeline would."""
        from subscriber.cli.story import message  # noqa: PLC0415
        from subscriber.ports.nats.publish import NatsPublisher  # noqa: PLC0415

        subject, data = message(step)
        await NatsPublisher(self.service.connection).publish(subject, data)


async def watching(session: Session, meters: Meters, redactor: Redactor) -> None:
    """Follow the configuration on disk, until cancelled; without a file there is nothing to do."""
    stage = session.stage
    file = stage.config_file
    if file is None:
        await asyncio.Event().wait()
        return
    await Reload(
        load=stage.renewed,
        files=lambda config: watched_files(file, config),
        service=session.service,
        config=stage.setup.config,
        meters=meters,
        clock=SystemClock(),
        seen=stage.seen,
        accepted=lambda setup: redactor.learn(secrets_of(setup)),
    ).run()


_BREATH = 0.05
"""Seconds between the start and the work that the start put off: the first probe comes before."""


async def _settle(service: Service) -> None:
    """Once it runs: finish what the start put off, then keep the collector away from all of it.

    Looking through everything that never goes away costs 40 ms at a time, which an event that
    comes then would wait for. Nor is it looked through now, for some hundred objects of 300,000.
    """
    await asyncio.sleep(_BREATH)
    await service.prepare()
    gc.freeze()
    # An event makes some hundreds of objects that refer to others: looking through the young ones
    # after every 700 of them costs a tenth of its CPU time, for garbage that is hardly ever there;
    # after every 5,000 it costs 4 % more than after these, and the memory is the same.
    gc.set_threshold(20_000, 20, 20)


@asynccontextmanager
async def running_session(
    stage: Stage, *, observers: tuple[Observer, ...], meters: Meters, listen: str
) -> AsyncIterator[Session]:
    """Start the service, then its health and metrics; stop them in reverse.

    Raises:
        Problem: NATS or the listen address cannot be used.
    """
    traced, trouble = tracing(os.environ, instance=f"{socket.gethostname()}-{os.getpid()}")
    if trouble:
        structlog.get_logger("traces").warning("no-traces", message=trouble)
    service = Service(
        stage.setup,
        meters=meters,
        observers=observers,
        tracing=traced,
    )
    app = create_app(
        meters.registry,
        alive=lambda: Health(checks=service.faults()),
        ready=Remembered(service.checks),
    )
    server = HttpServer(app, listen) if listen else None
    if server is not None:
        await server.start()
    try:
        async with service:
            settling = asyncio.create_task(_settle(service), name="settle")
            try:
                yield Session(stage=stage, service=service, url=server.url if server else "")
            finally:
                settling.cancel()
                await asyncio.gather(settling, return_exceptions=True)
    finally:
        if server is not None:
            await server.stop()
