"""Asking before something cannot be taken back."""

from __future__ import annotations

import sys

import typer


def confirmed(question: str, *, yes: bool) -> None:
    """Return when the person agrees, or said `--yes`; end the verb otherwise.

    Exit 2 when nobody can be asked, 1 when the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        typer.echo(f"{question} Nobody can be asked here: give --yes.", err=True)
        raise typer.Exit(2)
    if not typer.confirm(question, err=True):
        typer.echo("Nothing was changed.", err=True)
        raise typer.Exit(1)
