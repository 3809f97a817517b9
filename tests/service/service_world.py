"""A whole service in memory: shipped twins for NATS, the independent stand-in for PagerDuty."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from subscriber.config import load_config
from subscriber.pagerduty import Accounts, Reply, Request, account
from subscriber.ports.http import SenderOptions
from subscriber.ports.memory import (
    ManualClock,
    MemoryDeadLetters,
    MemoryHistory,
    MemoryLedger,
    MemorySender,
    MemorySource,
    MemoryStream,
)
from subscriber.ports.nats.options import NatsOptions
from subscriber.ports.tracing import Tracing
from subscriber.service.app import Machine, Ports, Setup, assemble
from subscriber.service.meters import Meters
from subscriber.service.pump import Pump
from subscriber.service.report import Report
from subscriber.service.rulebook import load_rules, service_names
from subscriber.simulator import SimulatorConfig, StandIn
from subscriber.simulator.faults import Ending
from subscriber.simulator.journal import Api

KEY = "0123456789abcdef0123456789ABCDEF"

RULES = """
packs: []
rules:
  - name: evaluation
    types: sh.keptn.event.evaluation.finished
    match: {data.result: [pass, fail]}
    action: '{{if eq .data.result "pass"}}resolve{{else}}trigger{{end}}'
    dedup_key: '{{.data.service}}'
    body: {summary: '{{.data.service}} {{.data.result}} {{.data.note}}', severity: critical}
"""


@dataclass(kw_only=True)
class SmallWorld:
    """What a test sees of it."""

    clock: ManualClock
    stream: MemoryStream
    stand_in: StandIn
    dead_letters: MemoryDeadLetters
    ledger: MemoryLedger
    meters: Meters
    pump: Pump
    machine: Machine
    ports: Ports
    setup: Setup
    reports: list[Report] = field(default_factory=list)

    def note(self, report: Report) -> None:
        self.reports.append(report)

    def publish(self, **data: Any) -> int:
        """An evaluation of `service` that ended in `result`."""
        number = len(self.stream._messages) + 1
        event = {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": "test",
            "type": "sh.keptn.event.evaluation.finished",
            "data": {"note": number, **data},
        }
        return self.raw(json.dumps(event).encode())

    def raw(self, data: bytes, subject: str = "sh.keptn.event.x", **headers: str) -> int:
        return self.stream.publish(subject, data, headers)

    async def replace_killed(self, *, capacity: int = 64) -> None:
        """Kill the process (nothing is given back, nothing is said any more); start another."""
        dead = self.pump
        await dead._source.stop()
        tasks = [*dead._tasks, dead._keepalive, dead._holdback._watch]
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
        ports = replace(self.ports, source=MemorySource(self.stream))
        self.machine = assemble(
            ports, self.setup, name="next", meters=self.meters, observers=(self,)
        )
        self.pump = self.machine.pump
        await self.pump.start(capacity=capacity)

    async def settle(self, seconds: float = 0.0) -> None:
        """Let everything that can happen within so much time happen."""
        for _ in range(20):
            await self.clock.advance(0)
        if seconds:
            await self.clock.advance(seconds)
            await self.settle()

    def ends(self) -> Counter[str]:
        """How many ended how, those aside that come back."""
        return Counter(
            f"{report.outcome.kind.value}: {report.outcome.reason.value}"
            for report in self.reports
            if report.outcome.kind.value != "deferred"
        )

    def state(self, key: str) -> str:
        alert = self.stand_in.alert(key)
        return str(alert.status) if alert else ""

    async def letters(self) -> list[tuple[bytes, dict[str, str]]]:
        return [(e.data, dict(h)) async for _, e, h in self.dead_letters.scan()]


@asynccontextmanager
async def small_world(
    config_text: str = RULES,
    *,
    simulator: SimulatorConfig | None = None,
    capacity: int = 64,
    tracing: Tracing | None = None,
) -> AsyncIterator[SmallWorld]:
    """Start it; stop it at the end, whatever happened."""
    config, document = load_config(config_text)
    clock = ManualClock()
    stream = MemoryStream(clock, ack_wait=config.nats.ack_wait)
    stand_in = StandIn(simulator or SimulatorConfig(rate_limit=None))

    async def answer(request: Request) -> Reply:
        api = Api.CHANGES if request.url.endswith("/change/enqueue") else Api.EVENTS
        ruling = stand_in.receive(api, request.body, clock.now())
        if ruling.wait:
            await clock.sleep(ruling.wait)
        if ruling.ending is Ending.SILENCE:
            return Reply(status=0, fault="timeout")
        if ruling.ending is not Ending.ANSWER:
            return Reply(status=0, fault="reset")
        reply = ruling.answer
        headers = {name.lower(): value for name, value in reply.headers}
        return Reply(status=reply.status, body=reply.body, headers=headers)

    world = SmallWorld(
        clock=clock,
        stream=stream,
        stand_in=stand_in,
        dead_letters=MemoryDeadLetters(),
        ledger=MemoryLedger(),
        meters=Meters(),
        pump=None,  # type: ignore[arg-type]
        machine=None,  # type: ignore[arg-type]
        ports=None,  # type: ignore[arg-type]
        setup=None,  # type: ignore[arg-type]
    )
    setup = Setup(
        config=config,
        rules=load_rules(config, document),
        accounts=Accounts(
            account(name, KEY, events_url="https://pagerduty.example")
            for name in service_names(config)
        ),
        nats=NatsOptions(),
        sender=SenderOptions(),
    )
    ports = Ports(
        source=MemorySource(stream),
        ledger=world.ledger,
        history=MemoryHistory((stream,)),
        dead_letters=world.dead_letters,
        sender=MemorySender(answer),
        clock=clock,
    )
    machine = assemble(
        ports, setup, name="test", meters=world.meters, observers=(world,), tracing=tracing
    )
    world.pump, world.machine = machine.pump, machine
    world.ports, world.setup = ports, setup
    await world.pump.start(capacity=capacity)
    try:
        yield world
    finally:
        await world.pump.drain(0.2)
