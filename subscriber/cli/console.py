"""What every verb shares: errors as a person reads them, and reading the files they name."""

from __future__ import annotations

import os
import re
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
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_KEY_SHAPED = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{32}(?![0-9A-Za-z])")


def coloured() -> bool:
    """Whether standard output is a terminal that wants colours (NO_COLOR is honoured)."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def complain(problem: Problem) -> None:
    """Print a problem to standard error: place, what, source line with a caret, hint."""
    for one in problem.problems if isinstance(problem, ConfigError) else (problem,):
        where = f"{one.where}: " if one.where else ""
        typer.echo(_shown(f"{where}{one.message}"), err=True)
        template = one if isinstance(one, TemplateError) else one.__cause__
        if isinstance(template, TemplateError) and template.source_line:
            for line in template.caret().split("\n"):
                typer.echo(_shown(line), err=True)
        if one.hint:
            typer.echo(_shown(f"  hint: {one.hint}"), err=True)


def _shown(text: str) -> str:
    """One line of a message: files and events may hold commands to a terminal, URLs passwords."""
    masked = _CREDENTIALS_IN_URL.sub("***@", text)
    # as long as it was, so that a caret stays under its place
    masked = _KEY_SHAPED.sub(lambda found: "*" * len(found[0]), masked)
    return "".join(c if c.isprintable() else "\N{MIDDLE DOT}" for c in masked)


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
    data = sys.stdin.buffer.read(files.MAX_TEXT + 1)
    if len(data) > files.MAX_TEXT:
        raise Problem(
            Reason.TOO_LARGE, f"has more than {files.MAX_TEXT} bytes", where="standard input"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(Reason.INVALID_ENCODING, "is not UTF-8", where="standard input") from None
