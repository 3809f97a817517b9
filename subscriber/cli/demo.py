"""`demo`: the sample delivery, checked step by step, then the end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import asyncio

    from subscriber.cli.session import Session
    from subscriber.cli.story import Step
    from subscriber.service.meters import Meters

_PATIENCE = 15.0
"""Seconds in which PagerDuty must hold what a step expects."""


def demo() -> None:
    """Play the sample delivery on an embedded nats-server and a simulated PagerDuty.

    Exit 0 only if PagerDuty holds the expected alerts after every step.

    Examples:

        pagerduty-subscriber demo
    """
    from subscriber.cli.console import problems_end  # noqa: PLC0415
    from subscriber.cli.loop import run_until_done  # noqa: PLC0415

    with problems_end():
        wrong = run_until_done(_main)
    if wrong:
        raise typer.Exit(1)


async def _main(stopping: asyncio.Event) -> int:
    """Play every step; the number of steps that went wrong."""
    import tempfile  # noqa: PLC0415

    from subscriber.cli.console import coloured  # noqa: PLC0415
    from subscriber.cli.loop import first_of  # noqa: PLC0415
    from subscriber.cli.session import running_session  # noqa: PLC0415
    from subscriber.cli.stage import staged  # noqa: PLC0415
    from subscriber.cli.story import DELIVERY  # noqa: PLC0415
    from subscriber.cli.timeline import Timeline  # noqa: PLC0415
    from subscriber.service.journal import Redactor, set_up  # noqa: PLC0415
    from subscriber.service.meters import Meters  # noqa: PLC0415

    wrong = len(DELIVERY)
    with tempfile.TemporaryDirectory(prefix="pagerduty-subscriber-") as folder:
        async with staged(
            None, embedded=True, simulate=True, state=Path(folder), real_nats=False
        ) as stage:
            set_up(style="text", level="warning", redactor=Redactor(stage.secrets))
            screen = Timeline(sys.stdout, colour=coloured(), state_of=stage.state_of)
            meters = Meters()
            async with running_session(
                stage, observers=(screen,), meters=meters, listen=""
            ) as session:
                for step in DELIVERY:
                    screen.say(f"\n# {step.says}")
                    await session.publish(step)
                    await first_of(_reached(session, step, meters), stopping.wait())
                    if stopping.is_set():
                        screen.say("interrupted")
                        break
                    fault = _difference(session, step, meters)
                    if fault:
                        screen.say(f"  NOT as expected: {fault}")
                    else:
                        wrong -= 1
    verdict = "every step as expected" if not wrong else f"{wrong} not as expected"
    screen.say(f"\n{len(DELIVERY)} steps, {verdict}; stopped, no process is left behind")
    return wrong


async def _reached(session: Session, step: Step, meters: Meters) -> None:
    """Wait until PagerDuty holds what the step expects, but not for ever."""
    import asyncio  # noqa: PLC0415

    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while asyncio.get_running_loop().time() < deadline:
        if not _difference(session, step, meters):
            await asyncio.sleep(0.1)  # and that nothing follows which should not
            return
        await asyncio.sleep(0.02)


def _difference(session: Session, step: Step, meters: Meters) -> str:
    """What PagerDuty holds that the step does not expect; empty when all is as it should be."""
    simulator = session.stage.simulator
    assert simulator is not None
    faults = []
    for key, wanted in step.alerts.items():
        held = session.stage.state_of("default", key)
        if held != wanted:
            faults.append(f"{key} is {held or 'unknown'}, wanted {wanted or 'unknown'}")
    changes = len(simulator.changes)
    if changes != step.changes:
        faults.append(f"{changes} change events, wanted {step.changes}")
    dead = meters.total("dead-lettered")
    if dead != step.dead_letters:
        faults.append(f"{dead} dead letters, wanted {step.dead_letters}")
    return "; ".join(faults)
