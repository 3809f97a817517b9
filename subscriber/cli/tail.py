"""`tail`: what the rules make of events while they pass by."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from subscriber.cli.output import Output

if TYPE_CHECKING:
    import asyncio

    from subscriber.cli.reach import Reach
    from subscriber.model import Envelope, Event
    from subscriber.ports.interfaces import Held
    from subscriber.service.dryrun import Finding

_CAPACITY = 1024


def tail(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="The configuration file; by default subscriber.yaml if there is one here, else "
            "the shipped rules.",
        ),
    ] = None,
    subjects: Annotated[
        list[str] | None,
        typer.Option(
            "--subject", metavar="SUBJECT", help="Listen here instead of on nats.subjects."
        ),
    ] = None,
    said: Annotated[
        bool, typer.Option("--said", help="Only what PagerDuty would hear, and failures.")
    ] = False,
    count: Annotated[
        int, typer.Option("--count", "-n", min=0, help="End after so many events; 0: never.")
    ] = 0,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="For people, or JSON lines for machines.")
    ] = Output.TEXT,
) -> None:
    """Follow events as they come, with what each rule makes of them. Nothing is sent.

    Listens beside the running service and takes nothing away from it; JetStream is not needed. The
    first trigger of an alert counts as a page, whatever happened before. Ctrl-C ends it.

    Examples:

        pagerduty-subscriber tail

        pagerduty-subscriber tail --config new.yaml --said

        pagerduty-subscriber tail --subject 'sh.keptn.event.evaluation.>' --output json | jq .
    """
    from subscriber.cli.console import usual_config  # noqa: PLC0415
    from subscriber.cli.reach import working  # noqa: PLC0415

    async def work(reach: Reach, stopping: asyncio.Event) -> None:
        await _follow(reach, stopping, tuple(subjects or ()), said, count, output)

    working(usual_config(config), work, patient=True, any_mode=True, listener=_tell)


def _tell(state: object, text: str) -> None:
    from subscriber.cli.table import plain  # noqa: PLC0415

    typer.echo(plain(text), err=True)


async def _follow(
    reach: Reach,
    stopping: asyncio.Event,
    subjects: tuple[str, ...],
    said: bool,
    count: int,
    output: Output,
) -> None:
    import asyncio  # noqa: PLC0415

    from subscriber.cloudevent import decode_each  # noqa: PLC0415
    from subscriber.model import Problem  # noqa: PLC0415
    from subscriber.ports.nats.core import CoreSource  # noqa: PLC0415
    from subscriber.service import options  # noqa: PLC0415
    from subscriber.service.dryrun import DryRun  # noqa: PLC0415

    listening = subjects or tuple(reach.config.nats.subjects)
    rules = reach.rules()
    run = DryRun(rules, options.policy(reach.config))
    limit = reach.config.delivery.max_event_bytes
    arrived: asyncio.Queue[Held] = asyncio.Queue()
    # without a queue group every message comes to us as well as to everybody else
    source = CoreSource(reach.connection, listening, queue="", listener=_tell)
    await source.start(arrived.put_nowait, capacity=_CAPACITY)
    typer.echo(f"listening on {', '.join(listening)}; nothing is sent, Ctrl-C ends", err=True)
    stopped = asyncio.create_task(stopping.wait())
    seen = 0
    try:
        while not stopping.is_set() and not (count and seen >= count):
            waiting = asyncio.create_task(arrived.get())
            await asyncio.wait((waiting, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                waiting.cancel()
                break
            held = waiting.result()
            envelope = held.envelope
            for event in decode_each(envelope, size_limit=limit):
                seen += 1
                for finding in run.judge(event, envelope):
                    if said and not finding.said and finding.problem is None:
                        continue
                    readable = None if isinstance(event, Problem) else event
                    _show(envelope, readable, finding, output)
            await held.ack()
    finally:
        stopped.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stopped
        await source.stop()


def _show(envelope: Envelope, event: Event | None, finding: Finding, output: Output) -> None:
    from subscriber.cli.table import as_json, plain  # noqa: PLC0415

    if output is Output.JSON:
        typer.echo(as_json(_digest(envelope, event, finding)))
        return
    moment = time.strftime("%H:%M:%S", time.localtime(envelope.received_at))
    name = event.type if event is not None else envelope.subject
    intent, about = finding.intent, ""
    if intent is not None:
        about = f"{intent.service} [{intent.dedup_key}]" if intent.dedup_key else intent.service
    text = finding.summary if finding.said and finding.problem is None else finding.detail
    if not finding.said:
        text = f"{finding.reason.value}: {text}" if text else finding.reason.value
    rule = plain(finding.rule or "-")
    parts = (moment, plain(name), rule, _word(finding), plain(about), plain(text))
    typer.echo("  ".join(part for part in parts if part))


def _word(finding: Finding) -> str:
    from subscriber.cli.console import coloured  # noqa: PLC0415
    from subscriber.service.dryrun import Decision  # noqa: PLC0415

    word = f"{finding.decision.value} {finding.severity}".strip()
    if not coloured():
        return word
    colour = {Decision.PAGE: "red", Decision.RESOLVE: "green", Decision.DEAD_LETTER: "red"}
    return typer.style(word, fg=colour.get(finding.decision), dim=not finding.said)


def _digest(envelope: Envelope, event: Event | None, finding: Finding) -> dict[str, Any]:
    intent = finding.intent
    return {
        "received_at": round(envelope.received_at, 3),
        "subject": envelope.subject,
        "event_type": event.type if event is not None else "",
        "event_id": event.id if event is not None else "",
        "rule": finding.rule,
        "decision": finding.decision.value,
        "reason": finding.reason.value,
        "detail": finding.detail,
        "service": intent.service if intent is not None else "",
        "dedup_key": intent.dedup_key if intent is not None else "",
        "severity": finding.severity,
        "summary": finding.summary,
    }
