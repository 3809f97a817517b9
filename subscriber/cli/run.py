"""`run`: the service."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import asyncio

    from subscriber.cli.session import Session
    from subscriber.cli.stage import Stage
    from subscriber.cli.timeline import Timeline


def run(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The configuration file.")
    ] = None,
    embedded: Annotated[
        bool,
        typer.Option("--embedded", help="Start a nats-server of our own when no server is named."),
    ] = False,
    sample: Annotated[
        bool,
        typer.Option(
            "--sample",
            help="Publish a sample delivery once; only with the embedded server and the simulator.",
        ),
    ] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Send to the simulator, whatever keys are set.")
    ] = False,
    timeline: Annotated[
        bool | None,
        typer.Option(
            "--timeline/--no-timeline",
            help="Draw each step on standard output; on by default with --embedded.",
        ),
    ] = None,
    state: Annotated[
        Path, typer.Option("--state", help="Folder for the embedded server's data.")
    ] = Path(".state"),
) -> None:
    """Listen on NATS and keep PagerDuty informed, until Ctrl-C or SIGTERM.

    Needs no file: NATS_URL and PAGERDUTY_ROUTING_KEY are enough. Without a routing key
    everything goes to a simulator, never to PagerDuty.

    Examples:

        NATS_URL=nats://keptn-nats:4222 PAGERDUTY_ROUTING_KEY=... pagerduty-subscriber run

        pagerduty-subscriber run --config subscriber.yaml

        pagerduty-subscriber run --embedded --sample
    """
    from subscriber.cli.console import problems_end  # noqa: PLC0415
    from subscriber.cli.loop import run_until_done  # noqa: PLC0415
    from subscriber.cli.stage import staged  # noqa: PLC0415

    drawn = embedded if timeline is None else timeline

    async def main(stopping: asyncio.Event) -> None:
        async with staged(config, embedded=embedded, simulate=simulate, state=state) as stage:
            await _serve(stage, stopping, sample=sample, drawn=drawn)

    with problems_end():
        run_until_done(main)


async def _serve(stage: Stage, stopping: asyncio.Event, *, sample: bool, drawn: bool) -> None:
    from subscriber.cli.loop import first_of  # noqa: PLC0415
    from subscriber.cli.session import running_session, watching  # noqa: PLC0415
    from subscriber.cli.stage import describe, listen_address  # noqa: PLC0415
    from subscriber.ports.tracing import secrets_in  # noqa: PLC0415
    from subscriber.service.journal import Journal, Redactor, set_up  # noqa: PLC0415
    from subscriber.service.meters import Meters  # noqa: PLC0415

    log = stage.setup.config.log
    redactor = Redactor((*stage.secrets, *secrets_in(os.environ)))
    set_up(style=log.format, level="warning" if drawn else log.level, redactor=redactor)
    meters = Meters()

    screen = _screen(stage, stopping) if drawn else None
    async with running_session(
        stage,
        observers=(screen or Journal(),),
        meters=meters,
        listen=listen_address(stage),
    ) as session:
        if screen:
            for line in describe(stage, session.url):
                screen.say(line)
            screen.say()
        if sample:
            await _play(session, screen or _screen(stage, stopping), stopping)
        if screen and not stopping.is_set():
            _say_what_next(session, screen)
        await first_of(stopping.wait(), watching(session, meters, redactor))
        if screen:
            screen.say("\nstopping: finishing what is in hand (Ctrl-C again leaves at once)")
    if screen:
        screen.say("stopped; no process is left behind")


def _screen(stage: Stage, stopping: asyncio.Event) -> Timeline:
    from subscriber.cli.console import coloured  # noqa: PLC0415
    from subscriber.cli.timeline import Timeline  # noqa: PLC0415

    def gone() -> None:
        # what is still buffered would be complained about at the very end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        stopping.set()

    return Timeline(
        sys.stdout,
        colour=coloured(),
        state_of=stage.state_of if stage.simulator else None,
        gone=gone,
    )


async def _play(session: Session, screen: Timeline, stopping: asyncio.Event) -> None:
    """Publish the sample delivery, slowly enough to watch."""
    import asyncio  # noqa: PLC0415

    from subscriber.cli.story import DELIVERY  # noqa: PLC0415

    stage = session.stage
    if stage.embedded is None or stage.simulator is None:
        screen.say(
            "The sample delivery is not published: it would page real people. It needs the "
            "embedded nats-server and the simulator."
        )
        return
    for step in DELIVERY:
        if stopping.is_set():
            return
        screen.say(f"\n# {step.says}")
        await session.publish(step)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.2):
                await stopping.wait()


def _near(path: Path) -> str:
    """A path as short as it can be typed here."""
    here = f"{Path.cwd()}/"
    return str(path).replace(here, "")


def _say_what_next(session: Session, screen: Timeline) -> None:
    from subscriber.service.rulebook import packs_folder  # noqa: PLC0415

    stage = session.stage
    server = stage.embedded.url if stage.embedded else "nats://your-server:4222"
    screen.say()
    screen.say("Running. From another terminal:")
    example = packs_folder() / "keptn" / "problem" / "cases" / "open.event.json"
    command = f"{Path(sys.argv[0]).parent / 'pagerduty-subscriber'} send {_near(example)}"
    screen.say("  publish an event (this one, or your own file)")
    screen.say(f"    NATS_URL={server} {_near(Path(command))}")
    if stage.simulator is not None:
        screen.say(f"  see what PagerDuty holds     {stage.simulator.url}/")
    if session.url:
        screen.say(f"  health and metrics           {session.url}/readyz  {session.url}/metrics")
    if stage.embedded is not None:
        screen.say("  listen on a real NATS        NATS_URL=nats://host:4222 make run")
    if stage.simulator is not None:
        screen.say("  page for real                PAGERDUTY_ROUTING_KEY=... make run")
    screen.say("Ctrl-C stops it.")
    screen.say()
