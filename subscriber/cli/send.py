"""`send`: publish an event."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import asyncio


def send(
    event: Annotated[Path, typer.Argument(help="File with the CloudEvent; `-`: standard input.")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The configuration file (for nats:).")
    ] = None,
    subject: Annotated[
        str, typer.Option(help="NATS subject; by default the event's type, as Keptn does.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Publish it even if it is not a valid CloudEvent.")
    ] = False,
) -> None:
    """Publish an event on NATS, as a pipeline would.

    The server is the one of NATS_URL, or of the configuration.

    Examples:

        NATS_URL=nats://127.0.0.1:4222 pagerduty-subscriber send event.json

        cat event.json | pagerduty-subscriber send - --config subscriber.yaml
    """
    from subscriber.cli.console import problems_end, read_config, read_text  # noqa: PLC0415
    from subscriber.cli.loop import run_until_done  # noqa: PLC0415

    with problems_end():
        text = read_text(event)
        where = subject or _type_of(text, event, force)
        settings, _, folder = read_config(config)

        async def main(_stopping: asyncio.Event) -> str:
            import os  # noqa: PLC0415

            from subscriber.model import Problem, Reason  # noqa: PLC0415
            from subscriber.ports.nats.connect import NatsConnection  # noqa: PLC0415
            from subscriber.ports.nats.publish import NatsPublisher  # noqa: PLC0415
            from subscriber.service import options  # noqa: PLC0415

            servers = options.nats_servers(settings, os.environ)
            if not servers:
                raise Problem(
                    Reason.INVALID_VALUE,
                    "no NATS server is named",
                    where="nats.url",
                    hint="set NATS_URL=nats://host:4222, or give --config",
                )
            found = options.nats_options(settings, os.environ, servers, folder)
            async with NatsConnection(found) as connection:
                await NatsPublisher(connection).publish(where, text.encode())
                return connection.where

        server = run_until_done(main)
    typer.echo(f"published {where} on {server}")


def _type_of(text: str, path: Path, force: bool) -> str:
    """The event's type, which is also its subject on Keptn's NATS."""
    from subscriber.cloudevent import decode  # noqa: PLC0415
    from subscriber.model import Envelope, Problem, Reason, excerpt  # noqa: PLC0415
    from subscriber.ports import subjects  # noqa: PLC0415

    try:
        events = decode(Envelope(subject="", data=text.encode()))
    except Problem as problem:
        hint = "name a --subject" if force else problem.hint or "--force publishes it all the same"
        raise Problem(
            problem.reason, f"{path}: {problem.message}", where=problem.where, hint=hint
        ) from None
    event_type = events[0].type
    if not subjects.valid(event_type):  # the Keptn Lifecycle Toolkit's have spaces
        raise Problem(
            Reason.INVALID_VALUE,
            f"the type {excerpt(event_type)} is no NATS subject",
            where=str(path),
            hint="name one that nats.subjects covers: --subject klt.events",
        )
    return event_type
