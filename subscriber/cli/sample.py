"""`sample`: an event to try things with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from subscriber.cli.output import Output

if TYPE_CHECKING:
    from subscriber.service.samples import Sample


def sample(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="[TYPE]",
            help="An event type, its end (`evaluation.finished`), a glob, or a case "
            "(`keptn/evaluation/fail`); none: the list.",
            show_default=False,
        ),
    ] = "",
    passes: Annotated[
        bool | None,
        typer.Option(
            "--pass/--fail",
            help="One that closes an alert, or one that opens it; otherwise what there is, "
            "failures first.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Put a value into the event; JSON, or text. Can be repeated.",
        ),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List every sample of the type, or all types.")
    ] = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Of the list: for people, or for machines.")
    ] = Output.TEXT,
) -> None:
    """Print a valid event of a known type, with a fresh id and the present time.

    The events are the cases of the shipped rules. They go to standard output as `send`, `explain`
    and `render` read them.

    Examples:

        pagerduty-subscriber sample sh.keptn.event.evaluation.finished

        pagerduty-subscriber sample evaluation.finished --pass | pagerduty-subscriber send -

        pagerduty-subscriber sample deployment.finished --set data.stage=dev > event.json

        pagerduty-subscriber sample --list
    """
    from subscriber.cli.console import problems_end  # noqa: PLC0415
    from subscriber.model import Action  # noqa: PLC0415
    from subscriber.service.samples import choose, fresh, matching  # noqa: PLC0415

    with problems_end():
        if listed or not wanted:
            _show(matching(wanted), by_type=not wanted, output=output)
            return
        asks = None if passes is None else Action.RESOLVE if passes else Action.TRIGGER
        chosen = choose(wanted, asks)
        _, data = fresh(chosen.case, changes=[_change(text) for text in changes or ()])
    typer.echo(json.dumps(json.loads(data), indent=2, ensure_ascii=False))


def _change(text: str) -> tuple[tuple[str, ...], Any]:
    """`data.stage=dev` as a path and a value."""
    from subscriber.rules.match import split_path  # noqa: PLC0415

    path, equals, value = text.partition("=")
    if not equals or not path:
        raise typer.BadParameter(f"{text!r} is not PATH=VALUE, e.g. data.stage=dev")
    try:
        return split_path(path), json.loads(value)
    except ValueError:
        return split_path(path), value


def _show(found: list[Sample], *, by_type: bool, output: Output) -> None:
    from subscriber.cli.table import as_json_array, table, width  # noqa: PLC0415

    if output is Output.JSON:
        typer.echo(
            as_json_array(
                {
                    "type": one.type,
                    "case": one.case.label,
                    "asks": one.asks.value if one.asks else None,
                }
                for one in found
            )
        )
        return
    if by_type:
        types: dict[str, list[Sample]] = {}
        for one in found:
            types.setdefault(one.type, []).append(one)
        rows = [(name, _asked(group), str(len(group))) for name, group in types.items()]
        head = ("TYPE", "ASKS FOR", "SAMPLES")
    else:
        rows = [(one.case.label, _asked([one]), one.type) for one in found]
        head = ("CASE", "ASKS FOR", "TYPE")
    for line in table(head, rows, width()):
        typer.echo(line)


def _asked(group: list[Sample]) -> str:
    words = dict.fromkeys(one.asks.value if one.asks else "nothing" for one in group)
    return ", ".join(sorted(words, key=_ASKED.index))


_ASKED = ("trigger", "acknowledge", "resolve", "change", "nothing")
