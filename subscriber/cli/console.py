"""What every verb shares: errors as a person reads them, and reading the files they name."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from subscriber.config import Config, ConfigError, Document, load_config
from subscriber.model import Problem, Reason
from subscriber.ports import files
from subscriber.template import TemplateError

USUAL_CONFIG = "subscriber.yaml"


def coloured() -> bool:
    """Whether standard output is a terminal that wants colours (NO_COLOR is honoured)."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def complain(problem: Problem) -> None:
    """Print a problem to standard error: place, what, source line with a caret, hint."""
    for one in problem.problems if isinstance(problem, ConfigError) else (problem,):
        where = f"{one.where}: " if one.where else ""
        typer.echo(f"{where}{one.message}", err=True)
        template = one if isinstance(one, TemplateError) else one.__cause__
        if isinstance(template, TemplateError) and template.source_line:
            typer.echo(template.caret(), err=True)
        if one.hint:
            typer.echo(f"  hint: {one.hint}", err=True)


@contextmanager
def problems_end(code: int = 2) -> Iterator[None]:
    """A Problem inside ends the command with its text and this exit code."""
    try:
        yield
    except Problem as problem:
        complain(problem)
        raise typer.Exit(code) from None


def read_config(path: Path | None) -> tuple[Config, Document | None, Path]:
    """The configuration, its positions, and the folder its relative paths start from.

    Raises:
        Problem: the file cannot be read or is wrong.
    """
    if path is None:
        return Config(), None, Path()
    config, document = load_config(read_text(path), name=str(path))
    return config, document, path.parent


def usual_config(path: Path | None) -> Path | None:
    """The named configuration, else the `subscriber.yaml` of this folder if it has one."""
    if path is None and Path(USUAL_CONFIG).is_file():
        return Path(USUAL_CONFIG)
    return path


def read_text(path: Path) -> str:
    """A UTF-8 file, or standard input for `-`.

    Raises:
        Problem: it cannot be read, is too large, or is not UTF-8.
    """
    if str(path) != "-":
        return files.read_text(path)
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(Reason.INVALID_ENCODING, "is not UTF-8", where="standard input") from None
