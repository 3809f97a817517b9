"""`render`: one template, or one rule, over one event."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Dialect(StrEnum):
    """Languages of a template."""

    GO = "go"
    JINJA = "jinja"


class Context(StrEnum):
    """What the output is."""

    TEXT = "text"
    JSON = "json"


class Missing(StrEnum):
    """What a missing key does."""

    ERROR = "error"
    DEFAULT = "default"
    ZERO = "zero"


def render(
    template: Annotated[
        Path | None, typer.Argument(help="Template file, `-` for standard input.")
    ] = None,
    event: Annotated[
        Path | None,
        typer.Option(
            help="File with the CloudEvent (for a TEMPLATE, any JSON object); `-`: standard input."
        ),
    ] = None,
    rule: Annotated[
        str, typer.Option("--rule", metavar="NAME", help="Render what this rule would send.")
    ] = "",
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="With --rule: the configuration file; by default subscriber.yaml if there is one "
            "here, else the shipped rules.",
        ),
    ] = None,
    dialect: Annotated[
        Dialect | None, typer.Option(help="Go's text/template (usual) or Jinja.")
    ] = None,
    context: Annotated[
        Context | None, typer.Option(help="`json` escapes values for JSON and checks the result.")
    ] = None,
    missing: Annotated[
        Missing | None, typer.Option(help="What a missing key does (Go's missingkey).")
    ] = None,
) -> None:
    """Render a template, or what a rule would send, over an event.

    With a TEMPLATE: its text. With --rule: the request as JSON, without the routing key; what was
    cut, moved or filled in on the way goes to standard error.

    Exit 0 when it renders, 1 with the template's line and a caret when it does not, or with the
    reason when the rule does not match.

    Examples:

        pagerduty-subscriber render body.json.tmpl --event event.json --context json

        echo '{{.data.result | upper}}' | pagerduty-subscriber render - --event event.json

        pagerduty-subscriber render --rule keptn/evaluation --event event.json | jq .payload.summary
    """
    for_template = {"--dialect": dialect, "--context": context, "--missing": missing}
    if event is None:
        raise typer.BadParameter("name the event: --event FILE", param_hint="--event")
    if (template is None) == (not rule):
        raise typer.BadParameter("give a TEMPLATE file or --rule NAME, one of them")
    if rule:
        given = [name for name, value in for_template.items() if value is not None]
        if given:
            raise typer.BadParameter(f"{', '.join(given)}: a rule says this itself")
        _render_rule(rule, event, config)
        return
    if config is not None:
        raise typer.BadParameter("--config goes with --rule; a TEMPLATE needs none")
    assert template is not None
    _render_template(
        template,
        event,
        dialect=dialect or Dialect.GO,
        context=context or Context.TEXT,
        missing=missing or Missing.ERROR,
    )


def _render_template(
    template: Path, event: Path, *, dialect: Dialect, context: Context, missing: Missing
) -> None:
    from subscriber.cli.console import problems_end, read_text  # noqa: PLC0415
    from subscriber.cli.table import plain  # noqa: PLC0415
    from subscriber.template import compile  # noqa: PLC0415

    with problems_end(2):
        source, data = read_text(template), _event(read_text(event), event)
    with problems_end(1):
        compiled = compile(
            source,
            name=str(template),
            dialect=dialect.value,
            context=context.value,
            missing=missing.value,
        )
        text = compiled.render(data)
        if sys.stdout.isatty():  # into a file or a pipe it goes as it is
            text = "\n".join(map(plain, text.split("\n")))
        typer.echo(text, nl=False)


def _render_rule(rule: str, event: Path, config: Path | None) -> None:
    from glob import escape  # noqa: PLC0415

    from subscriber.cli.console import (  # noqa: PLC0415
        complain,
        problems_end,
        read_config,
        read_text,
        usual_config,
    )
    from subscriber.cli.table import as_readable_json, plain  # noqa: PLC0415
    from subscriber.service.cases import event_of  # noqa: PLC0415
    from subscriber.service.explained import explained  # noqa: PLC0415
    from subscriber.service.rulebook import load_rules, rules_named  # noqa: PLC0415

    with problems_end(2):
        settings, document, folder = read_config(usual_config(config))
        rules = rules_named(load_rules(settings, document, folder=folder), escape(rule))
        happened = event_of(read_text(event).encode())
        (answer,) = explained(rules, happened)
    trace, intent = answer.trace, answer.trace.intent
    if trace.problem is not None:
        complain(trace.problem)
        if intent is not None:
            typer.echo("The service would send this plain page in its place:", err=True)
    if intent is None or answer.request is None:
        if trace.problem is None:
            typer.echo(plain(f"{rule}: {trace.reason}: {trace.detail}"), err=True)
        raise typer.Exit(1)
    for note in intent.notes:
        typer.echo(plain(f"{rule}: {note}"), err=True)
    typer.echo(as_readable_json(answer.request.body))
    if not answer.matched:
        raise typer.Exit(1)


def _event(text: str, path: Path) -> Any:
    """The document that templates see: a CloudEvent's, or the JSON as it is."""
    import msgspec  # noqa: PLC0415

    from subscriber.cloudevent import decode  # noqa: PLC0415
    from subscriber.model import Envelope, Problem, Reason  # noqa: PLC0415

    try:
        return decode(Envelope(subject="", data=text.encode()))[0].document()
    except Problem as problem:
        unreadable = problem
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem(Reason.NOT_JSON, f"is not JSON: {error}", where=str(path)) from None
    if isinstance(value, dict) and "specversion" in value:
        raise unreadable
    return value
