"""`docs`: the pages that are made from the code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def docs(
    page: Annotated[
        str, typer.Argument(metavar="[PAGE]", help="`configuration`, `functions` or `metrics`.")
    ] = "configuration",
    write: Annotated[
        Path | None, typer.Option("--write", metavar="DIR", help="Write all pages that changed.")
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", metavar="DIR", help="Exit 1 when a page there is not current."),
    ] = None,
) -> None:
    """Print or write the reference of the configuration, template functions and metrics.

    Examples:

        pagerduty-subscriber docs configuration

        pagerduty-subscriber docs --write docs
    """
    from subscriber.cli.console import problems_end  # noqa: PLC0415
    from subscriber.service.pages import PAGES, stale_pages, write_pages  # noqa: PLC0415

    if write is not None and check is not None:
        raise typer.BadParameter("give --write or --check, not both")
    with problems_end():
        if write is not None:
            for name in write_pages(write):
                typer.echo(f"written: {write / name}")
            return
        if check is not None:
            stale = stale_pages(check)
            for name in stale:
                typer.echo(f"not current: {check / name} (`docs --write {check}` mends it)")
            if stale:
                raise typer.Exit(1)
            typer.echo(f"{check}: {len(PAGES)} pages are current")
            return
    make = PAGES.get(f"{page.removesuffix('.md')}.md")
    if make is None:
        known = ", ".join(name.removesuffix(".md") for name in PAGES)
        raise typer.BadParameter(f"no page is called {page[:40]!a}; there are {known}")
    typer.echo(make(), nl=False)
