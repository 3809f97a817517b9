"""`check`: everything about a configuration that can be known without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    config: Annotated[
        Path, typer.Argument(help="The configuration file.", show_default=True)
    ] = Path("subscriber.yaml"),
) -> None:
    """Check a configuration: keys, types, rules, templates, services.

    Exit 0 when it is good, 2 with one line per fault (file:line:column) when it is not.

    Examples:

        pagerduty-subscriber check subscriber.yaml
    """
    from subscriber.cli.console import problems_end, read_config  # noqa: PLC0415
    from subscriber.service.rulebook import load_rules  # noqa: PLC0415

    with problems_end():
        settings, document, folder = read_config(config)
        rules = load_rules(settings, document, folder=folder)
    services = ", ".join(sorted(rules.services))
    typer.echo(f"{config}: good. {len(rules.rules)} rules, services: {services}")
    for rule in rules.rules:
        typer.echo(f"  {rule.name:<32} {', '.join(rule.types)}")
