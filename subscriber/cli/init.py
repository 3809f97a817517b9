"""`init`: a configuration with a rule of one's own and its cases, ready to be changed.

Rules: nothing that exists is overwritten unless `--force` says so, and nothing is written when
something is in the way. What is written is in `starter/`, beside this file, and passes `check
--strict` and `test` as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_STARTER = Path(__file__).parent / "starter"
SCHEMA = "subscriber.schema.json"


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where to; made if it does not exist.")
    ] = Path(),
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that are there already.")
    ] = False,
) -> None:
    """Write a commented subscriber.yaml, a rule with its body and cases, and the JSON Schema.

    Exit 1, with nothing written, when one of the files exists.

    Examples:

        pagerduty-subscriber init

        pagerduty-subscriber init deploy/pagerduty
    """
    from subscriber.cli.console import problems_end  # noqa: PLC0415
    from subscriber.cli.table import as_json  # noqa: PLC0415
    from subscriber.model import Problem, Reason  # noqa: PLC0415
    from subscriber.service.pages import schema_of_config  # noqa: PLC0415

    sources = sorted(path for path in _STARTER.rglob("*") if path.is_file())
    files = {folder / path.relative_to(_STARTER): path.read_text("utf-8") for path in sources}
    files[folder / SCHEMA] = as_json(schema_of_config(), indent=2) + "\n"
    in_the_way = [path for path in files if path.exists()]
    if in_the_way and not force:
        for path in in_the_way:
            typer.echo(f"{path} exists", err=True)
        typer.echo("Nothing was written. Name another DIR, or --force overwrites.", err=True)
        raise typer.Exit(1)
    with problems_end():
        for path, text in files.items():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
            except OSError as error:
                raise Problem(
                    Reason.MISSING_FILE, f"cannot be written: {error.strerror}", where=str(path)
                ) from None
            typer.echo(f"written: {path}")
    here = folder == Path()
    typer.echo("\nNext:")
    if not here:
        typer.echo(f"  cd {folder}")
    typer.echo("  pagerduty-subscriber check")
    typer.echo("  pagerduty-subscriber test")
    typer.echo("  pagerduty-subscriber run --config subscriber.yaml --embedded --sample")
