"""`backtest`: what the rules would have done with the events that NATS still holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from subscriber.cli.duration import parse_duration
from subscriber.cli.output import Output

if TYPE_CHECKING:
    import asyncio

    from subscriber.cli.reach import Reach
    from subscriber.service.backtest import Backtest
    from subscriber.service.dryrun import DryRun

_BEAT = 512
"""Messages between two looks at the clock and at Ctrl-C."""


def backtest(
    since: Annotated[
        float,
        typer.Option(
            "--since",
            parser=parse_duration,
            metavar="DURATION",
            show_default=False,
            help="Events stored in the last 30m, 12h, 30d ...; by default 7d.",
        ),
    ] = "7d",  # type: ignore[assignment]  # typer hands it to the parser
    until: Annotated[
        float | None,
        typer.Option(
            "--until",
            parser=parse_duration,
            metavar="DURATION",
            help="... but not in the last 1h, 2d ...",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="The configuration file; by default subscriber.yaml if there is one here, else "
            "the shipped rules.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", metavar="OTHER", help="Another configuration, to tell the difference."
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Every decision, as .csv or .jsonl."),
    ] = None,
    flaps: Annotated[
        int, typer.Option("--flaps", min=1, help="An alert opened more often than this flaps.")
    ] = 3,
    show: Annotated[
        int, typer.Option("--show", min=0, help="How many alerts and differences to print.")
    ] = 10,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="For people, or JSON for machines.")
    ] = Output.TEXT,
) -> None:
    """Run the rules over the events that NATS still holds, and say what they would have done.

    Nothing is sent and nothing changes: the events are read through a consumer of their own, the
    service's own place in the stream is not touched. The ledger begins empty. Ctrl-C ends early and
    prints the result so far (exit 130); so does a NATS that goes away (exit 1).

    Examples:

        pagerduty-subscriber backtest --since 24h

        pagerduty-subscriber backtest --config subscriber.yaml --against new.yaml --show 50

        pagerduty-subscriber backtest --since 30d --until 7d --export decisions.csv
    """
    from subscriber.cli.console import problems_end, usual_config  # noqa: PLC0415
    from subscriber.cli.export import exporting, is_lines  # noqa: PLC0415
    from subscriber.cli.reach import working  # noqa: PLC0415
    from subscriber.cli.table import as_json  # noqa: PLC0415
    from subscriber.cli.verdict import Page  # noqa: PLC0415

    if export is not None:
        is_lines(export)
    chosen = usual_config(config)
    names = tuple(str(one or "the shipped rules") for one in (chosen, against)[: 1 + bool(against)])

    async def work(reach: Reach, stopping: asyncio.Event) -> Page:
        from subscriber.ports.interfaces import PortUnavailable  # noqa: PLC0415
        from subscriber.service.backtest import Backtest  # noqa: PLC0415

        runs, limits = _runs(reach, against)
        with problems_end(), exporting(export, names) as sink:
            test = Backtest(
                runs,
                limits=limits,
                size_limit=reach.config.delivery.max_event_bytes,
                show=show,
                export=sink,
            )
            begun, now = time.monotonic(), time.time()
            bounds = (now - since, None if until is None else now - until)
            lost = ""
            try:
                total = await _read(reach, test, bounds, stopping)
            except PortUnavailable as error:
                if not test.messages:
                    raise
                total, lost = test.messages, str(error)
        return Page(
            test=test,
            names=names,
            of=total,
            seconds=time.monotonic() - begun,
            interrupted=stopping.is_set(),
            lost=lost,
            flaps=flaps,
            show=show,
        )

    page = working(chosen, work, patient=True)
    if output is Output.JSON:
        typer.echo(as_json(page.digest(), indent=2))
    else:
        for line in page.lines():
            typer.echo(line)
    if export is not None:
        typer.echo(f"Every decision is in {export}.", err=True)
    if page.interrupted:
        raise typer.Exit(130)
    if page.lost:
        raise typer.Exit(1)


def _runs(reach: Reach, against: Path | None) -> tuple[list[DryRun], list[dict[str, int]]]:
    """A dry run for each configuration, and the limits of its services.

    Raises:
        Problem: every fault in their rules.
    """
    from subscriber.cli.console import read_config  # noqa: PLC0415
    from subscriber.service import options  # noqa: PLC0415
    from subscriber.service.dryrun import DryRun  # noqa: PLC0415
    from subscriber.service.rulebook import load_rules  # noqa: PLC0415

    configurations = [(reach.config, reach.rules())]
    if against is not None:
        config, document, folder = read_config(against)
        configurations.append((config, load_rules(config, document, folder=folder)))
    runs, limits = [], []
    for config, rules in configurations:
        runs.append(DryRun(rules, options.policy(config)))
        allowed = options.allowances(config, tuple(rules.services))
        limits.append({name: one.limit for name, one in allowed.items()})
    return runs, limits


async def _read(
    reach: Reach,
    test: Backtest,
    bounds: tuple[float, float | None],
    stopping: asyncio.Event,
) -> int:
    """Feed everything to the test, or what there is time for; how much there was."""
    import asyncio  # noqa: PLC0415

    total = 0
    with _progress() as advance:
        async with aclosing(reach.archive().scan(since=bounds[0], until=bounds[1])) as scan:
            async for envelope in scan:
                total = total or envelope.pending + 1
                test.take(envelope)
                if test.messages % _BEAT == 0:
                    advance(test.messages, max(total, test.messages))
                    if stopping.is_set():
                        break
                    await asyncio.sleep(0)
    return max(total, test.messages) if stopping.is_set() else test.messages


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, on a terminal only; call it with how many are done, of how many."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, of: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("events read", total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)
