"""`render`: one template over one event."""

from __future__ import annotations

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
    template: Annotated[Path, typer.Argument(help="Template file, `-` for standard input.")],
    event: Annotated[Path, typer.Option(help="File with the CloudEvent (or any JSON object).")],
    dialect: Annotated[Dialect, typer.Option(help="Go's text/template or Jinja.")] = Dialect.GO,
    context: Annotated[
        Context, typer.Option(help="`json` escapes values for JSON and checks the result.")
    ] = Context.TEXT,
    missing: Annotated[
        Missing, typer.Option(help="What a missing key does (Go's missingkey).")
    ] = Missing.ERROR,
) -> None:
    """Render a template over an event and print the result.

    Exit 0 when it renders, 1 with the template's line and a caret when it does not.

    Examples:

        pagerduty-subscriber render body.json.tmpl --event event.json --context json

        echo '{{.data.result | upper}}' | pagerduty-subscriber render - --event event.json
    """
    from subscriber.cli.console import problems_end, read_text  # noqa: PLC0415
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
        typer.echo(compiled.render(data), nl=False)


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
    except msgspec.DecodeError as error:
        raise Problem(Reason.NOT_JSON, f"is not JSON: {error}", where=str(path)) from None
    if isinstance(value, dict) and "specversion" in value:
        raise unreadable
    return value
