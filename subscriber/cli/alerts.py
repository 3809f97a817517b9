"""`alerts`: look at the ledger (what we believe PagerDuty holds) and mend it.

Rules: `list` and `show` change nothing. `resolve` really talks to PagerDuty, by the protocol of the
running replicas, and says it is done only when PagerDuty said so; without a routing key it refuses.
`forget` changes the ledger only, and says what that means.
"""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from subscriber.cli.duration import parse_duration
from subscriber.cli.output import Output

if TYPE_CHECKING:
    import asyncio

    from subscriber.cli.reach import Reach
    from subscriber.model import Alert, Outcome

_PATIENCE = 60.0
"""Seconds for which `resolve` keeps trying."""

alerts = typer.Typer(
    name="alerts",
    help="Read and mend the ledger: which alerts we believe PagerDuty holds.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class State(StrEnum):
    """The states that can be asked for."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    NONE = "none"


ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="The configuration file.")
]
ServiceOption = Annotated[
    str | None,
    typer.Option("--service", "-s", metavar="NAME", help="PagerDuty service, as rules name it."),
]
OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="For people, or JSON for machines.")
]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The alert's dedup key.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@alerts.command(name="list")
def list_alerts(
    state: Annotated[
        State | None, typer.Option("--state", help="Only alerts in this state.")
    ] = None,
    service: ServiceOption = None,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
) -> None:
    """List the alerts of the ledger, the one settled last first.

    Examples:

        pagerduty-subscriber alerts list --state open

        pagerduty-subscriber alerts list --service checkout --output json
    """
    from subscriber.cli.entries import alert_table, as_data, is_change  # noqa: PLC0415
    from subscriber.cli.reach import working  # noqa: PLC0415
    from subscriber.cli.table import Progress, as_json_array  # noqa: PLC0415

    async def work(reach: Reach, _stopping: asyncio.Event) -> tuple[list[Alert], int]:
        found: dict[Any, Alert] = {}
        changes = read = 0
        with Progress("entries read") as progress:
            async for alert, _ in (await reach.ledger()).scan():
                read += 1
                progress.count(read)
                if service is not None and alert.key.service != service:
                    continue
                if state is not None and alert.state.value != state.value:
                    continue
                if is_change(alert):
                    changes += 1
                else:
                    found[alert.key] = alert
        return sorted(found.values(), key=lambda one: (-one.updated_at, one.key)), changes

    found, changes = working(config, work)
    now = time.time()
    if output is Output.JSON:
        typer.echo(as_json_array(as_data(alert, now) for alert in found))
        return
    for line in alert_table(found, now):
        typer.echo(line)
    aside = f", and the records of {changes} change events" if changes else ""
    typer.echo(f"{len(found)} {'alert' if len(found) == 1 else 'alerts'}{aside}.")


@alerts.command()
def show(
    key: KeyArgument,
    service: ServiceOption = None,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
) -> None:
    """Show what the ledger knows of an alert.

    Exit 1 when it knows nothing of this key.

    Examples:

        pagerduty-subscriber alerts show carts-production

        pagerduty-subscriber alerts show carts-production --service checkout --output json
    """
    from subscriber.cli.entries import as_data, as_facts  # noqa: PLC0415
    from subscriber.cli.reach import working  # noqa: PLC0415
    from subscriber.cli.table import as_json, facts, width  # noqa: PLC0415

    async def work(reach: Reach, _stopping: asyncio.Event) -> Alert | None:
        return await _one(reach, key, service)

    alert = working(config, work)
    if alert is None:
        _unknown(key, service)
    now = time.time()
    if output is Output.JSON:
        typer.echo(as_json(as_data(alert, now), indent=2))
        return
    for line in facts(as_facts(alert, now), width()):
        typer.echo(line)


@alerts.command()
def resolve(
    key: KeyArgument,
    service: ServiceOption = None,
    yes: YesOption = False,
    unknown: Annotated[
        bool,
        typer.Option("--unknown", help="Also when the ledger has no such alert (give --service)."),
    ] = False,
    within: Annotated[
        float | None,
        typer.Option(
            "--within",
            parser=parse_duration,
            metavar="DURATION",
            show_default="60s",
            help="How long to keep trying while PagerDuty or a replica is busy.",
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Resolve an alert at PagerDuty and in the ledger, by hand.

    Uses the routing keys of the configuration and the environment, as `run` does. Takes its turn
    among the running replicas; an event that comes later counts as newer, whatever it asks. Exit 0
    only when PagerDuty has accepted it.

    Examples:

        PAGERDUTY_ROUTING_KEY=... pagerduty-subscriber alerts resolve carts-production

        pagerduty-subscriber alerts resolve carts-production -s checkout -c subscriber.yaml --yes
    """
    from subscriber.cli.confirm import confirmed  # noqa: PLC0415
    from subscriber.cli.entries import account_of, courier_for, naming  # noqa: PLC0415
    from subscriber.cli.reach import working  # noqa: PLC0415
    from subscriber.cli.table import plain  # noqa: PLC0415
    from subscriber.service import byhand  # noqa: PLC0415

    async def look(reach: Reach, _stopping: asyncio.Event) -> tuple[Alert | None, str]:
        alert = await _one(reach, key, service)
        if alert is None and unknown:
            alert = _unseen(key, service)
        return alert, "" if alert is None else account_of(reach, alert)

    async def work(reach: Reach, stopping: asyncio.Event) -> tuple[Outcome, bool]:
        def tell(outcome: Outcome) -> None:
            text = f"{outcome.reason.value}; trying again in {outcome.delay:.1f} s"
            typer.echo(plain(str(reach.redactor.clean(text))), err=True)

        assert alert is not None
        async with courier_for(reach, alert) as (courier, clock):
            outcome = await byhand.resolve(
                alert,
                ledger=await reach.ledger(),
                courier=courier,
                clock=clock,
                stopping=stopping,
                within=_PATIENCE if within is None else within,
                tell=tell,
            )
        return outcome, stopping.is_set()

    alert, where = working(config, look)
    if alert is None:
        _unknown(key, service, hint="--unknown --service NAME sends a resolve all the same")
    said = f"{naming(alert)}, {alert.state.value} as far as we know"
    confirmed(f"Resolve {said}, at {where}?", yes=yes)
    outcome, interrupted = working(config, work, patient=True)
    _report(alert, outcome, where, 130 if interrupted else 1)


@alerts.command()
def forget(
    key: KeyArgument,
    service: ServiceOption = None,
    yes: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Remove an alert from the ledger, as if it had never been seen. PagerDuty is told nothing.

    An alert that is open at PagerDuty stays open there. What the entry held back is held back no
    more: an older event that is still on its way, or a replayed dead letter, counts as new and may
    open the alert again. The next event of this key is sent, whatever it asks.

    Examples:

        pagerduty-subscriber alerts forget carts-production

        pagerduty-subscriber alerts forget carts-production --service checkout --yes
    """
    from subscriber.cli.confirm import confirmed  # noqa: PLC0415
    from subscriber.cli.entries import busy_until, naming  # noqa: PLC0415
    from subscriber.cli.reach import working  # noqa: PLC0415

    async def look(reach: Reach, _stopping: asyncio.Event) -> Alert | None:
        return await _one(reach, key, service)

    async def work(reach: Reach, _stopping: asyncio.Event) -> str:
        ledger = await reach.ledger()
        assert alert is not None
        current, _ = await ledger.load(alert.key)
        busy = busy_until(current, time.time())
        if not busy:
            await ledger.forget(alert.key)
        return busy

    alert = working(config, look)
    if alert is None:
        _unknown(key, service)
    typer.echo(
        f"{naming(alert)} is {alert.state.value} in the ledger. Forgotten, PagerDuty keeps what it "
        "has, and an older event\nof this key that still comes (late, or replayed) counts as new.",
        err=True,
    )
    confirmed("Forget it?", yes=yes)
    busy = working(config, work, patient=True)
    if busy:
        typer.echo(f"a replica is talking to PagerDuty about it until {busy}; try again", err=True)
        raise typer.Exit(1)
    typer.echo(f"{naming(alert)} is forgotten.")


# -- finding ------------------------------------------------------------------------------------


async def _one(reach: Reach, key: str, service: str | None) -> Alert | None:
    """The entry of a key; without a service there must be only one.

    Raises:
        Problem: several services have this key.
    """
    from subscriber.model import AlertKey, Problem, Reason, excerpt  # noqa: PLC0415
    from subscriber.service import byhand  # noqa: PLC0415
    from subscriber.service.rulebook import service_names  # noqa: PLC0415

    ledger = await reach.ledger()
    if service is not None:
        alert, revision = await ledger.load(AlertKey(service=service, dedup_key=key))
        return alert if revision else None
    found = await byhand.find(ledger, key, tuple(service_names(reach.config)))
    if len(found) > 1:
        services = ", ".join(sorted(excerpt(one.key.service, 60) for one in found))
        raise Problem(
            Reason.INVALID_VALUE,
            f"several services have an alert of this key: {services}",
            hint="say which with --service",
        )
    return found[0] if found else None


def _unseen(key: str, service: str | None) -> Alert:
    from subscriber.model import Alert, AlertKey  # noqa: PLC0415

    if service is None:
        raise typer.BadParameter("--unknown needs --service")
    return Alert(key=AlertKey(service=service, dedup_key=key))


def _unknown(key: str, service: str | None, *, hint: str = "") -> NoReturn:
    from subscriber.cli.table import plain  # noqa: PLC0415

    where = f" of service {service}" if service is not None else ""
    text = f"the ledger has no alert {plain(key)}{plain(where)}"
    typer.echo(f"{text}\n  hint: {hint}" if hint else text, err=True)
    raise typer.Exit(1)


def _report(alert: Alert, outcome: Outcome, where: str, code: int) -> None:
    """Say how a resolve went; exit with this code unless PagerDuty took it."""
    from subscriber.cli.entries import naming  # noqa: PLC0415
    from subscriber.cli.table import plain  # noqa: PLC0415
    from subscriber.model import OutcomeKind, Reason  # noqa: PLC0415

    if outcome.kind is OutcomeKind.DELIVERED:
        typer.echo(f"{naming(alert)} is resolved: accepted by {where}, settled in the ledger.")
        return
    if outcome.kind is OutcomeKind.SUPERSEDED:
        text = "a newer event of this key came first; look again with `alerts show`"
    elif outcome.reason is Reason.IN_DOUBT:
        text = (
            f"{where} accepted it, but an older request may still arrive after it: "
            "`alerts resolve` once more in a minute"
        )
    else:
        words = (outcome.reason.value, outcome.message, *outcome.errors)
        text = f"not resolved: {': '.join(word for word in words if word)}"
    typer.echo(plain(f"{naming(alert)}: {text}"), err=True)
    raise typer.Exit(code)
