"""simulate: run the PagerDuty stand-in on its own, to look at and to aim clients at.

Rules: prints its URL first, then one line per call; keys are masked, and what came from outside
cannot drive the terminal. Ctrl-C and SIGTERM end it cleanly.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from subscriber.simulator import Call, SimulatorConfig, Tls

_COLOURS = {
    "opened": typer.colors.RED,
    "acknowledged": typer.colors.YELLOW,
    "resolved": typer.colors.GREEN,
    "rejected": typer.colors.MAGENTA,
    "throttled": typer.colors.MAGENTA,
    "fault": typer.colors.MAGENTA,
}


def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8282,
    rate_limit: Annotated[
        bool,
        typer.Option("--rate-limit/--no-rate-limit", help="Answer 429 above the rate of a key."),
    ] = True,
    rate: Annotated[
        int, typer.Option(min=0, help="That rate, in calls per routing key and 60 seconds.")
    ] = 120,
    rate_headers: Annotated[
        bool, typer.Option("--rate-headers", help="Send Retry-After and ratelimit-* with it.")
    ] = False,
    known_key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            envvar="SIMULATOR_KNOWN_KEYS",
            help="Accept only this routing key; repeat for more. Default: any well-formed key.",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="Let calls go wrong: KIND[:OPTION=VALUE,...]; repeat for more, the first that "
            "strikes wins. Kinds: 408, 429, 500, 502, 503, 504, 400-text, 401-html, "
            "timeout-before, timeout-after, reset-before, reset-after, slow. "
            "Options: p (probability), next (how many calls), skip (calls first let through), "
            "key (only this routing key), seconds, retry-after, reset.",
        ),
    ] = None,
    delay: Annotated[
        float, typer.Option(min=0, help="Seconds between a 202 and its effect on the alerts.")
    ] = 0.0,
    size_limit: Annotated[
        int, typer.Option(min=1, help="Largest body in bytes; the other reading is 524288.")
    ] = 512_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the dice behind p=.")] = 0,
    tls_cert: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Serve https: certificate.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Serve https: its key.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the URL only, not every call.")
    ] = False,
) -> None:
    """Run a PagerDuty stand-in: Events API v2, change events, faults on demand.

    Nobody is paged from here. Alerts and calls are shown at its URL, as JSON under /sim/.

    Examples:

        pagerduty-subscriber simulate
        pagerduty-subscriber simulate --port 0 --no-rate-limit --quiet
        pagerduty-subscriber simulate --fault 500:p=0.3
        pagerduty-subscriber simulate --fault 429:next=5,retry-after=2
        pagerduty-subscriber simulate --fault timeout-after:next=1,skip=3
        pagerduty-subscriber simulate --known-key 0123456789abcdef0123456789abcdef
    """
    # Here and not above: the other verbs need no web server.
    import asyncio  # noqa: PLC0415

    from subscriber.cli.console import problems_end  # noqa: PLC0415
    from subscriber.cli.standin import demand_simulator  # noqa: PLC0415

    with problems_end():
        demand_simulator("simulate")
    from subscriber.model import Problem  # noqa: PLC0415
    from subscriber.simulator import SimulatorConfig, Tls, parse_fault  # noqa: PLC0415

    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("--tls-cert and --tls-key go together")
    try:
        config = SimulatorConfig(
            known_keys=frozenset(known_key) if known_key else None,
            rate_limit=rate if rate_limit else None,
            rate_headers=rate_headers,
            size_limit=size_limit,
            delay=delay,
            faults=tuple(parse_fault(spec) for spec in fault or ()),
            seed=seed,
        )
    except Problem as problem:
        raise typer.BadParameter(str(problem)) from None
    tls = Tls(certfile=tls_cert, keyfile=tls_key) if tls_cert and tls_key else None
    asyncio.run(_serve(_Place(host=host, port=port, tls=tls), config, quiet=quiet))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    host: str
    port: int
    tls: Tls | None


async def _serve(place: _Place, config: SimulatorConfig, *, quiet: bool) -> None:
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    from subscriber.simulator import running  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # on Windows Ctrl-C cancels this task instead
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    observers = () if quiet else (_show,)
    async with contextlib.AsyncExitStack() as stack:
        try:
            simulator = await stack.enter_async_context(
                running(
                    config, host=place.host, port=place.port, tls=place.tls, observers=observers
                )
            )
        except OSError as error:  # the address, or the certificate
            reason = error.strerror or error
            typer.echo(f"cannot listen on {place.host}:{place.port}: {reason}", err=True)
            raise typer.Exit(1) from None
        typer.echo(f"PagerDuty simulator listening on {simulator.url} (Ctrl-C ends it)")
        await stop.wait()
        held = simulator.stand_in
        typer.echo(
            f"Stopped after {held.calls.total} calls: {held.ledger.total} alerts, "
            f"{held.ledger.open} still open, {held.changes.total} change events"
        )


def _show(call: Call) -> None:
    from subscriber.simulator.views import columns  # noqa: PLC0415

    time, status, effect, *rest = columns(call)
    effect = typer.style(f"{effect:<12}", fg=_COLOURS.get(effect))
    typer.echo("  ".join((time, status, effect, *rest)))
