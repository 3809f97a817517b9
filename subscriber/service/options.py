"""From the configuration (and the environment) to the ports' own options.

Rules: plain mapping, one place; NATS_URL, NATS_PASSWORD and NATS_TOKEN win over the file. What a
file names is read here, at start.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from subscriber.config import Config
from subscriber.delivery import Allowance, OnStale, Policy
from subscriber.model import Problem, Reason
from subscriber.ports.files import read_secret
from subscriber.ports.http import SenderOptions
from subscriber.ports.nats.deadletters import DeadLetterOptions
from subscriber.ports.nats.ledger import LedgerOptions
from subscriber.ports.nats.options import ConsumerOptions, FirstStart, NatsOptions, StreamOptions

LEASE_ABOVE_TIMEOUT = 10.0
"""Seconds that a claim on a key outlives the longest call to PagerDuty."""


def nats_servers(config: Config, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The servers, from NATS_URL or the file; empty when nobody names one."""
    variable = environment.get("NATS_URL", "")
    return tuple(url.strip() for url in variable.split(",") if url.strip()) or tuple(
        config.nats.url
    )


def nats_options(
    config: Config, environment: Mapping[str, str], servers: tuple[str, ...], folder: Path
) -> NatsOptions:
    """How to reach NATS.

    Raises:
        Problem: a secret's file cannot be read.
    """
    nats, tls = config.nats, config.nats.tls

    def path(name: str) -> str:
        return str(folder / name) if name else ""

    def secret(variable: str, file: str) -> str:
        value = environment.get(variable, "").strip()
        return value or (read_secret(folder / file) if file else "")

    return NatsOptions(
        servers=servers,
        credentials_file=path(nats.credentials_file),
        nkey_seed_file=path(nats.nkey_file),
        user=nats.user or environment.get("NATS_USER", ""),
        password=secret("NATS_PASSWORD", nats.password_file),
        token=secret("NATS_TOKEN", nats.token_file),
        tls=tls is not None,
        tls_ca_file=path(tls.ca_file) if tls else "",
        tls_cert_file=path(tls.cert_file) if tls else "",
        tls_key_file=path(tls.key_file) if tls else "",
        tls_hostname=tls.server_name if tls else "",
        startup_timeout=nats.startup_timeout,
    )


def stream_options(config: Config) -> StreamOptions:
    """Which streams to read, and how to make one when nobody has."""
    nats = config.nats
    return StreamOptions(subjects=tuple(nats.subjects), stream=nats.stream, replicas=nats.replicas)


def consumer_options(config: Config) -> ConsumerOptions:
    """The durable consumer."""
    nats = config.nats
    return ConsumerOptions(
        durable=nats.durable,
        ack_wait=nats.ack_wait,
        first_start=FirstStart(nats.deliver),
    )


def ledger_options(config: Config) -> LedgerOptions:
    """The bucket of the alerts."""
    return LedgerOptions(bucket=config.delivery.ledger_bucket, replicas=config.nats.replicas)


def dead_letter_options(config: Config) -> DeadLetterOptions:
    """The stream of the dead letters."""
    return DeadLetterOptions(
        stream=config.delivery.dead_letter_stream, replicas=config.nats.replicas
    )


def sender_options(config: Config, folder: Path) -> SenderOptions:
    """How requests travel to PagerDuty."""
    spec = config.pagerduty
    return SenderOptions(
        connect_timeout=min(5.0, spec.timeout),
        total_timeout=spec.timeout,
        ca_file=str(folder / spec.ca_file) if spec.ca_file else "",
    )


def policy(config: Config) -> Policy:
    """Times and limits of a delivery.

    Raises:
        Problem: a message would be handed to another replica while it is still being said.
    """
    spec = config.delivery
    lease = config.pagerduty.timeout + LEASE_ABOVE_TIMEOUT
    if config.nats.ack_wait <= lease:
        raise Problem(
            Reason.INVALID_VALUE,
            f"nats.ack_wait ({config.nats.ack_wait:g} s) must be longer than pagerduty.timeout "
            f"+ {LEASE_ABOVE_TIMEOUT:g} s",
            where="nats.ack_wait",
            hint=f"give it at least {lease + 5:g}",
        )
    return Policy(
        lease=lease,
        send_timeout=config.pagerduty.timeout,
        max_age=spec.max_age,
        stale_after=spec.stale_after or None,
        on_stale=OnStale(spec.on_stale),
    )


def allowances(config: Config, services: tuple[str, ...]) -> dict[str, Allowance]:
    """The calls that each service may make; a limit of 0 leaves a service out."""
    found: dict[str, Allowance] = {}
    for name in services:
        spec = config.services.get(name)
        limit = config.pagerduty.rate_limit
        if spec is not None and spec.rate_limit is not None:
            limit = spec.rate_limit
        if limit:
            found[name] = Allowance(limit=limit)
    return found
