"""`check`: everything about a configuration that can be known without running it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from subscriber.cli.output import Output

if TYPE_CHECKING:
    from subscriber.service.inspection import Inspection


def check(
    config: Annotated[
        Path, typer.Argument(help="The configuration file.", show_default=True)
    ] = Path("subscriber.yaml"),
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 when there are warnings.")
    ] = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="For people, or JSON for machines.")
    ] = Output.TEXT,
) -> None:
    """Check a configuration: keys, types, rules, templates, and what is probably not meant.

    Exit 2 with every fault (file:line:column) when the service would not start, else 0.

    Warnings are for what would start and then not do what it looks like: alerts that nothing
    closes, dedup keys that change with every event, rules that exclude themselves, secrets in the
    file. What is meant as it is gets a comment in its line or the one above:
    `# check: allow never-resolves`.

    Examples:

        pagerduty-subscriber check subscriber.yaml

        pagerduty-subscriber check --strict --output json | jq '.warnings[].message'
    """
    from subscriber.cli.console import complain, problems_end  # noqa: PLC0415
    from subscriber.cli.table import as_json  # noqa: PLC0415
    from subscriber.service.inspection import inspect  # noqa: PLC0415

    with problems_end():
        found = inspect(config)
    if output is Output.JSON:
        typer.echo(as_json(_digest(config, found), indent=2))
    else:
        for line in _lines(config, found):
            typer.echo(line)
        for fault in found.faults:
            complain(fault)
    if found.faults:
        raise typer.Exit(2)
    if strict and found.findings:
        raise typer.Exit(1)


def _lines(config: Path, found: Inspection) -> Iterator[str]:
    from subscriber.cli.console import coloured  # noqa: PLC0415
    from subscriber.cli.table import plain, width  # noqa: PLC0415

    if found.rules is None:
        return
    word = typer.style("warning", fg="yellow") if coloured() else "warning"
    for one in found.findings:
        yield f"{plain(one.where)}: {word}: {plain(one.message)} [{one.code}]"
        yield plain(f"  hint: {one.hint}")
    count = len(found.findings)
    warned = f", {count} warning{'' if count == 1 else 's'}" if count else ""
    services = ", ".join(sorted(found.rules.services))
    yield f"{config}: good{warned}. {len(found.rules.rules)} rules, services: {services}"
    room = width()
    for rule in found.rules.rules:
        line = f"  {rule.name:<32} {', '.join(rule.types)}"
        yield line if len(line) <= room else f"{line[: room - 3]}..."


def _digest(config: Path, found: Inspection) -> dict[str, Any]:
    from subscriber.service.explained import digest_of  # noqa: PLC0415

    rules = found.rules
    return {
        "file": str(config),
        "good": not found.faults,
        "faults": [digest_of(fault) for fault in found.faults],
        "warnings": [
            {
                "code": one.code.value,
                "message": one.message,
                "where": one.where,
                "hint": one.hint,
            }
            for one in found.findings
        ],
        "services": [] if rules is None else sorted(rules.services),
        "rules": []
        if rules is None
        else [{"name": rule.name, "types": list(rule.types)} for rule in rules.rules],
    }
