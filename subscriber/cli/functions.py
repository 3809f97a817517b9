"""`functions`: what templates may call."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def functions(
    name: Annotated[str, typer.Argument(help="Only this function, with its examples.")] = "",
) -> None:
    """List the template functions, each with an example.

    Examples:

        pagerduty-subscriber functions

        pagerduty-subscriber functions trunc
    """
    from subscriber.config import nearest  # noqa: PLC0415
    from subscriber.template.functions.catalogue import catalogue  # noqa: PLC0415

    known = catalogue()
    if name:
        found = [function for function in known if function.name == name]
        if not found:
            hint = nearest(name, (function.name for function in known))
            typer.echo(f"no function is called {name!r}{f' ({hint})' if hint else ''}", err=True)
            raise typer.Exit(2)
        for function in found:
            typer.echo(f"{function.signature}\n  {function.doc}")
            for template, data, output in function.examples:
                given = "" if data is None else f"   with {json.dumps(data, ensure_ascii=False)}"
                typer.echo(f"  {template}{given}\n    -> {output}")
        return
    category = ""
    for function in known:
        if function.category != category:
            category = function.category
            typer.echo(f"\n{category}")
        typer.echo(f"  {function.signature:<40} {function.doc}")
