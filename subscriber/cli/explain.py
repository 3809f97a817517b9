"""`explain`: what each rule would make of an event, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from subscriber.cli.output import Format

if TYPE_CHECKING:
    from subscriber.model import Event, Problem
    from subscriber.service.explained import Explained

_FEW = 3
"""So many rules are told one by one, also those of other types."""


def explain(
    events: Annotated[
        list[Path],
        typer.Argument(
            metavar="EVENT...",
            help="Files with CloudEvents (a JSON array is a batch); `-`: standard input.",
        ),
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="The configuration file; by default subscriber.yaml if there is one here, else "
            "the shipped rules.",
        ),
    ] = None,
    rule: Annotated[
        str, typer.Option("--rule", metavar="NAME", help="Ask only the rules of this name or glob.")
    ] = "",
    output: Annotated[
        Format, typer.Option("--output", "-o", help="For people, or for machines.")
    ] = Format.TEXT,
    expect_match: Annotated[
        bool,
        typer.Option("--expect-match", help="Exit 1 unless every event is matched by some rule."),
    ] = False,
) -> None:
    """Tell what each rule would make of an event, down to the value that decided.

    Nothing is sent and no key is needed: this is the path of the service up to the request.
    Exit 1 when an event cannot be read (the service would write a dead letter).

    Examples:

        pagerduty-subscriber explain event.json

        pagerduty-subscriber explain event.json --rule keptn/evaluation --output yaml

        pagerduty-subscriber explain events/*.json --config subscriber.yaml --expect-match
    """
    from subscriber.cli.console import (  # noqa: PLC0415
        problems_end,
        read_config,
        read_text,
        usual_config,
    )
    from subscriber.model import Problem  # noqa: PLC0415
    from subscriber.service.explained import explained  # noqa: PLC0415
    from subscriber.service.rulebook import load_rules, rule_sources, rules_named  # noqa: PLC0415

    with problems_end():
        settings, document, folder = read_config(usual_config(config))
        rules = load_rules(settings, document, folder=folder)
        sources, _ = rule_sources(settings, document, folder=folder)
        if rule:
            rules = rules_named(rules, rule)
        limit = settings.delivery.max_event_bytes
        texts = [(path, read_text(path)) for path in events]
        read = [(path, event) for path, text in texts for event in _decoded(text, limit)]
        told = [
            (
                path,
                event,
                [] if isinstance(event, Problem) else explained(rules, event, sources=sources),
            )
            for path, event in read
        ]
    if output is Format.TEXT:
        for number, (path, event, answers) in enumerate(told):
            if number:
                typer.echo()
            for line in _lines(path, event, answers):
                typer.echo(line)
    else:
        _for_machines(told, output)
    unread = any(isinstance(event, Problem) for _, event, _ in told)
    unmatched = any(not any(answer.matched for answer in answers) for _, _, answers in told)
    if unread or (expect_match and unmatched):
        raise typer.Exit(1)


def _decoded(text: str, limit: int) -> tuple[Event | Problem, ...]:
    from subscriber.cloudevent import decode_each  # noqa: PLC0415
    from subscriber.model import Envelope  # noqa: PLC0415

    batch = text.lstrip().startswith("[")
    headers = {"content-type": "application/cloudevents-batch+json"} if batch else {}
    return decode_each(Envelope(subject="", data=text.encode(), headers=headers), size_limit=limit)


def _lines(path: Path, event: Event | Problem, answers: list[Explained]) -> Iterator[str]:
    from textwrap import wrap  # noqa: PLC0415

    from subscriber.cli.table import plain, width  # noqa: PLC0415
    from subscriber.model import Problem  # noqa: PLC0415

    if isinstance(event, Problem):
        yield plain(f"{path}: cannot be read, the service would write a dead letter")
        yield plain(f"  {event.reason}: {event}")
        return
    yield plain(f"{path}: {event.type}")
    yield plain(f"  id {event.id}, source {event.source}, time {event.time or 'unknown'}")
    yield ""
    # without --rule, those of other types share a line: there are many, and they say little
    apart = len(answers) > _FEW
    for answer in answers:
        if answer.concerned or not apart:
            yield from _answer(answer)
    others = [answer.trace.rule for answer in answers if not answer.concerned]
    if apart and others:
        text = f"of other types: {', '.join(others)}"
        yield from wrap(text, width(), initial_indent="  no   ", subsequent_indent=" " * 7)
    if not any(answer.matched for answer in answers):
        yield ""
        yield "  no rule matches"


def _answer(answer: Explained) -> Iterator[str]:
    from subscriber.cli.console import coloured  # noqa: PLC0415
    from subscriber.cli.table import as_readable_json, plain  # noqa: PLC0415

    trace, intent = answer.trace, answer.trace.intent
    word, colour = ("yes", "green") if answer.matched else ("no ", "")
    if trace.problem is not None:
        word, colour = "bad", "red"
    shown = typer.style(word, fg=colour, bold=True) if coloured() and colour else word
    said = f"{trace.reason}: {trace.detail}"
    if intent is not None:
        action = " ".join(filter(None, (intent.action.value, answer.severity)))
        said = f"{action} -> service {intent.service}"
    yield f"  {shown}  {trace.rule}"
    yield plain(f"       {said}")
    for line in answer.looked_at:
        yield plain(f"       {line}")
    if trace.problem is not None:
        yield plain(f"       {trace.reason}: {trace.problem.where}: {trace.problem.message}")
        if trace.problem.hint:
            yield plain(f"       hint: {trace.problem.hint}")
    if intent is None or answer.request is None:
        return
    if intent.dedup_key:
        yield plain(f"       dedup key: {intent.dedup_key}")
    for note in intent.notes:
        yield plain(f"       note: {note}")
    for line in as_readable_json(answer.request.body).splitlines():
        yield f"       {line}"


def _for_machines(
    told: list[tuple[Path, Event | Problem, list[Explained]]], output: Format
) -> None:
    from subscriber.cli.table import as_json, as_yaml  # noqa: PLC0415
    from subscriber.model import Problem  # noqa: PLC0415
    from subscriber.service.explained import digest_of  # noqa: PLC0415

    found: list[dict[str, Any]] = []
    for path, event, answers in told:
        if isinstance(event, Problem):
            found.append({"file": str(path), "problem": digest_of(event)})
            continue
        found.append(
            {
                "file": str(path),
                "event": {
                    "id": event.id,
                    "source": event.source,
                    "type": event.type,
                    "time": event.time,
                },
                "matched": any(answer.matched for answer in answers),
                "rules": [answer.digest() for answer in answers],
            }
        )
    typer.echo(as_json(found, indent=2) if output is Format.JSON else as_yaml(found), nl=False)
