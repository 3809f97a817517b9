"""A running service on a real nats-server and the stand-in, and commands as processes beside it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service_world import KEY

from subscriber.config import load_config
from subscriber.model import AlertKey, AlertState
from subscriber.pagerduty import Accounts, account
from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.http import SenderOptions
from subscriber.ports.nats.ledger import NatsLedger
from subscriber.ports.nats.options import NatsOptions
from subscriber.ports.nats.publish import NatsPublisher
from subscriber.service import options
from subscriber.service.app import Service, Setup
from subscriber.service.meters import Meters
from subscriber.service.report import Report
from subscriber.service.rulebook import load_rules, service_names
from subscriber.simulator import Simulator, SimulatorConfig, running

SUBJECT = "sh.keptn.event.evaluation.finished"
CONFIG = """
packs: []
services: {shop: {routing_key_env: SHOP_KEY}}
pagerduty: {events_url: 'URL', timeout: 1, rate_limit: 0}
nats: {ack_wait: 11.5, subjects: [sh.keptn.>]}
rules:
  - name: evaluation
    types: sh.keptn.event.evaluation.finished
    match: {data.result: [pass, fail]}
    action: '{{if eq .data.result "pass"}}resolve{{else}}trigger{{end}}'
    dedup_key: '{{.data.service}}'
    service: shop
    body: {summary: '{{.data.service}} {{.data.result}}', severity: critical}
"""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(kw_only=True)
class CliWorld:
    """What a test sees of it."""

    server: EmbeddedNats
    simulator: Simulator
    service: Service
    setup: Setup
    config: Path
    reports: list[Report] = field(default_factory=list)
    published: int = 0

    def note(self, report: Report) -> None:
        self.reports.append(report)

    @property
    def ends(self) -> list[str]:
        return [
            f"{one.outcome.kind.value}: {one.outcome.reason.value}"
            for one in self.reports
            if one.outcome.kind.value != "deferred"
        ]

    async def publish(self, data: bytes, subject: str = SUBJECT, **headers: str) -> None:
        """Put a message on NATS and wait for its end."""
        ended = len(self.ends)
        await NatsPublisher(self.service.connection).publish(subject, data, headers)
        await self.until(lambda: len(self.ends) > ended)

    async def evaluate(self, result: str, service: str = "checkout", *, dies: bool = False) -> None:
        """An evaluation; PagerDuty rejects it when it `dies`."""
        self.published += 1
        event = {
            "specversion": "1.0",
            "id": f"e{self.published}",
            "source": "test",
            "type": SUBJECT,
            "data": {"service": service, "result": result},
        }
        if dies:
            self.simulator.switch("400-text")
        headers = {"Nats-Msg-Id": f"e{self.published}", "X-Pipeline": "nightly"}
        await self.publish(json.dumps(event).encode(), **headers)
        self.simulator.switch()

    async def until(self, condition: Any, seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  nothing tells us
                await asyncio.sleep(0.01)

    def held(self, key: str = "checkout") -> str:
        """What PagerDuty holds."""
        alert = self.simulator.alert(key)
        return str(alert.status) if alert else ""

    async def believed(self, key: str = "checkout") -> AlertState:
        """What the ledger says."""
        ledger = NatsLedger(self.service.connection, options.ledger_options(self.setup.config))
        alert, _ = await ledger.load(AlertKey(service="shop", dedup_key=key))
        return alert.state

    async def start(self, *arguments: str, **extra: str) -> asyncio.subprocess.Process:
        """Begin a command."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "PAGERDUTY_"))}
        given = {"NO_COLOR": "1", "NATS_URL": self.server.url, "SHOP_KEY": KEY, "COLUMNS": "100"}
        environment = {k: v for k, v in (kept | given | extra).items() if v}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "subscriber", *arguments, "--config", str(self.config)),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def call(self, *arguments: str, code: int = 0, **extra: str) -> Ended:
        """Run a command to its end."""
        process = await self.start(*arguments, **extra)
        try:
            async with asyncio.timeout(40):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        done = Ended(process.returncode or 0, out.decode(), err.decode())
        assert done.code == code, done
        assert "Traceback" not in done.err
        for text in (done.out, done.err):
            assert KEY not in text
            assert all(c.isprintable() or c == "\n" for c in text), text
        if "list" in arguments and "json" not in arguments:
            assert all(len(line) <= 100 for line in done.out.splitlines()), done
        return done


@asynccontextmanager
async def cli_world(folder: Path) -> AsyncIterator[CliWorld]:
    """Start it; stop it at the end."""
    async with (
        EmbeddedNats(folder / "nats") as server,
        running(SimulatorConfig(rate_limit=None)) as simulator,
    ):
        file = folder / "subscriber.yaml"
        file.write_text(CONFIG.replace("URL", simulator.url))
        config, document = load_config(file.read_text())
        setup = Setup(
            config=config,
            rules=load_rules(config, document),
            accounts=Accounts(
                account(name, KEY, events_url=simulator.url) for name in service_names(config)
            ),
            nats=NatsOptions(servers=(server.url,), startup_timeout=10, reconnect_wait=0.05),
            sender=SenderOptions(),
        )
        world = CliWorld(
            server=server,
            simulator=simulator,
            service=None,  # type: ignore[arg-type]
            setup=setup,
            config=file,
        )
        async with Service(setup, meters=Meters(), observers=(world,)) as service:
            world.service = service
            yield world
