"""The stage of `run` and `demo`: what the service stands on when the real thing is not there.

Rules: with a real routing key nothing ever goes to the simulator; without one nothing ever goes to
PagerDuty, whatever `events_url` says. An embedded nats-server is used only when asked for and only
when nobody names a server. Everything started here is stopped here.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from subscriber.cli.console import read_config
from subscriber.cli.standin import demand_simulator
from subscriber.config import Config
from subscriber.model import Problem, Reason
from subscriber.pagerduty import Accounts, account
from subscriber.ports.outward import proxy_secrets
from subscriber.service import options
from subscriber.service.app import Setup
from subscriber.service.digest import digest_of
from subscriber.service.keys import ROUTING_KEY_VARIABLE, resolve_accounts
from subscriber.service.reload import Signature, signature, watched_files
from subscriber.service.rulebook import load_rules, service_names

if TYPE_CHECKING:
    from subscriber.ports.embedded import EmbeddedNats
    from subscriber.simulator import Simulator


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a service runs on.

    Attributes:
        setup: ready to start.
        embedded: the nats-server of our own, or None.
        simulator: PagerDuty's stand-in, or None when the real one is used.
        config_file: where the configuration came from, or None.
        seen: the states of its files before they were read.
    """

    setup: Setup
    embedded: EmbeddedNats | None
    simulator: Simulator | None
    config_file: Path | None
    seen: Signature = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that no log may show."""
        return secrets_of(self.setup)

    def renewed(self) -> Setup:
        """The same with rules, services and limits read anew.

        Raises:
            Problem: anything wrong with them; nothing has changed then.
        """
        config, document, folder = read_config(self.config_file)
        rules = load_rules(config, document, folder=folder)
        options.policy(config)
        if self.simulator is not None:
            accounts: Accounts | None = _pretended(config, self.simulator, self.setup.accounts)
        else:
            accounts = resolve_accounts(config, os.environ, document, folder=folder)
        if accounts is None:
            raise Problem(Reason.MISSING_SECRET, "no routing key is left", where="services")
        return replace(
            self.setup,
            config=config,
            rules=rules,
            accounts=accounts,
            digest=digest_of(config, folder),
        )

    def state_of(self, service: str, dedup_key: str) -> str:
        """What the simulator holds for a key: triggered, acknowledged, resolved or nothing."""
        if self.simulator is None:
            return ""
        key = self.setup.accounts[service].routing_key.get_secret_value()
        alert = self.simulator.alert(dedup_key, key)
        return str(alert.status) if alert is not None else ""


@asynccontextmanager
async def staged(
    config_file: Path | None,
    *,
    embedded: bool,
    simulate: bool,
    state: Path,
    real_nats: bool = True,
) -> AsyncIterator[Stage]:
    """Read the configuration and set the stage.

    Args:
        config_file: the configuration; None for the defaults.
        embedded: start a nats-server of our own when no server is named.
        simulate: use the simulator even though keys are configured.
        state: folder for the embedded server's data.
        real_nats: whether a server that the environment names may be used.

    Raises:
        Problem: anything wrong with the configuration, keys, or what is started.
    """
    seen = signature([config_file] if config_file else [])
    config, document, folder = read_config(config_file)
    if config_file:
        seen = signature(watched_files(config_file, config)) | seen
    rules = load_rules(config, document, folder=folder)
    options.policy(config)  # now, not after NATS has been waited for
    accounts = None
    if not simulate:
        accounts = resolve_accounts(config, os.environ, document, folder=folder)
    servers = options.nats_servers(config, os.environ) if real_nats else ()
    if not servers and not embedded:
        raise Problem(
            Reason.INVALID_VALUE,
            "no NATS server is named",
            where="nats.url",
            hint="set NATS_URL=nats://host:4222 or nats.url in the configuration, "
            "or add --embedded for a server of our own",
        )
    async with AsyncExitStack() as stack:
        simulator: Simulator | None = None
        if accounts is None:
            demand_simulator("--simulate" if simulate else f"{ROUTING_KEY_VARIABLE} is not set")
            from subscriber.simulator import SimulatorConfig, running  # noqa: PLC0415

            simulator = await stack.enter_async_context(
                running(SimulatorConfig(rate_limit=config.pagerduty.rate_limit or None))
            )
            accounts = _pretended(config, simulator, Accounts(()))
        server: EmbeddedNats | None = None
        if not servers:
            from subscriber.ports.embedded import EmbeddedNats  # noqa: PLC0415

            server = await stack.enter_async_context(EmbeddedNats(state / "nats"))
            servers = (server.url,)
        nats = options.nats_options(config, os.environ, servers, folder)
        yield Stage(
            setup=Setup(
                config=config,
                rules=rules,
                accounts=accounts,
                nats=nats,
                sender=options.sender_options(config, folder),
                digest=digest_of(config, folder),
            ),
            embedded=server,
            simulator=simulator,
            config_file=config_file,
            seen=seen,
        )


def _pretended(config: Config, simulator: Simulator, known: Accounts) -> Accounts:
    """Accounts at the simulator, with made-up keys; a service that had one keeps it."""
    return Accounts(
        known[name]
        if name in known
        else account(name, secrets.token_hex(16), events_url=simulator.url)
        for name in service_names(config)
    )


def secrets_of(setup: Setup) -> tuple[str, ...]:
    """Texts of a setup that no log may show."""
    keys = (one.routing_key.get_secret_value() for one in setup.accounts.values())
    return (*keys, *setup.nats.secrets, *proxy_secrets())


def listen_address(stage: Stage) -> str:
    """Where health and metrics are served; beside an embedded server any free port will do."""
    http = stage.setup.config.http
    if stage.embedded is not None and "listen" not in http.model_fields_set:
        return "127.0.0.1:0"
    return http.listen


def describe(stage: Stage, url: str) -> list[str]:
    """What runs where, a line each."""
    setup, config = stage.setup, stage.setup.config
    subjects = ", ".join(config.nats.subjects)
    if stage.embedded is not None:
        lines = [f"NATS       {stage.embedded.url} (embedded nats-server), listening on {subjects}"]
    else:
        servers = ", ".join(map(without_credentials, setup.nats.servers))
        lines = [f"NATS       {servers}, listening on {subjects}"]
    if stage.simulator is not None:
        named = bool(config.services) or ROUTING_KEY_VARIABLE in os.environ
        why = "--simulate" if named else f"{ROUTING_KEY_VARIABLE} is not set"
        lines.append(f"PagerDuty  {stage.simulator.url} (simulator: {why})")
    else:
        hosts = sorted({one.events_url for one in setup.accounts.values()})
        lines.append(f"PagerDuty  {', '.join(hosts)}, services: {', '.join(setup.accounts)}")
    names = [rule.name for rule in setup.rules.rules]
    lines.append(f"Rules      {', '.join(names)}")
    if url:
        lines.append(f"Health     {url}/readyz  {url}/metrics")
    return lines


def without_credentials(url: str) -> str:
    """A server URL as it may be shown."""
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
