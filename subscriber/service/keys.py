"""Routing keys: read from the environment or files, at the last moment, into `Accounts`.

Rules: a configured service without a key stops the start; only the unconfigured default may be
without one (then nothing goes to PagerDuty). Messages name the variable or the file, never a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from subscriber.config import Config, ConfigError, Document, ServiceSpec
from subscriber.model import Problem
from subscriber.pagerduty import Account, Accounts, account
from subscriber.ports.files import environment_secret, read_secret
from subscriber.rules import DEFAULT_SERVICE

ROUTING_KEY_VARIABLE = "PAGERDUTY_ROUTING_KEY"


def resolve_accounts(
    config: Config,
    environment: Mapping[str, str],
    document: Document | None = None,
    *,
    folder: Path | None = None,
) -> Accounts | None:
    """The accounts of all configured services.

    Args:
        config: the checked configuration.
        environment: the process environment.
        document: positions, for messages.
        folder: where relative key files are looked up.

    Returns:
        None when no service is configured and PAGERDUTY_ROUTING_KEY is not set.

    Raises:
        ConfigError: keys that are missing or malformed, all of them.
    """
    services = config.services
    if not services:
        if not environment.get(ROUTING_KEY_VARIABLE, "").strip():
            return None
        services = {DEFAULT_SERVICE: ServiceSpec(routing_key_env=ROUTING_KEY_VARIABLE)}
    here = Path() if folder is None else folder
    accounts: list[Account] = []
    faults: list[Problem] = []
    for name, spec in services.items():
        where = document.where(("services", name), key=True) if document else f"services.{name}"
        try:
            key = _key(spec, environment, here)
            accounts.append(
                account(
                    name,
                    key,
                    region=spec.region or config.pagerduty.region,
                    events_url=config.pagerduty.events_url,
                )
            )
        except Problem as problem:
            faults.append(
                Problem(
                    problem.reason,
                    f"service {name!r}: {problem}",
                    where=where,
                )
            )
    if faults:
        raise ConfigError(faults)
    return Accounts(accounts)


def _key(spec: ServiceSpec, environment: Mapping[str, str], folder: Path) -> str:
    if spec.routing_key is not None:
        return spec.routing_key.get_secret_value()
    if spec.routing_key_file:
        return read_secret(folder / spec.routing_key_file)
    try:
        return environment_secret(spec.routing_key_env, environment)
    except Problem as problem:
        raise Problem(
            problem.reason,
            f"{spec.routing_key_env}: {problem.message}",
            hint="set it to the integration key of an Events API v2 integration",
        ) from None
