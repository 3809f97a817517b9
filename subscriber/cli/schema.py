"""`schema`: what editors need to complete and check a configuration."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    rule: Annotated[
        bool, typer.Option("--rule", help="The schema of a pack's rule.yaml instead.")
    ] = False,
) -> None:
    """Print the JSON Schema of the configuration.

    Editors with the YAML language server use it when the first line of the file names it:
    `# yaml-language-server: $schema=subscriber.schema.json`, as `init` writes it.

    Examples:

        pagerduty-subscriber schema > subscriber.schema.json

        pagerduty-subscriber schema --rule > rule.schema.json
    """
    from subscriber.cli.console import problems_end  # noqa: PLC0415
    from subscriber.cli.table import as_json  # noqa: PLC0415
    from subscriber.config import rule_schema  # noqa: PLC0415
    from subscriber.service.pages import schema_of_config  # noqa: PLC0415

    with problems_end():
        typer.echo(as_json(rule_schema() if rule else schema_of_config(), indent=2))
