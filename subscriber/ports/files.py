"""Texts and secrets from files and the environment.

Rules: nothing is read without a size limit; a secret never appears in an error, and comes without
the line end that editors and ``echo`` put behind it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from subscriber.model import Problem, Reason

MAX_TEXT = 4 * 1024 * 1024
MAX_SECRET = 64 * 1024


def read_text(path: str | Path, *, limit: int = MAX_TEXT) -> str:
    """The text of a file, UTF-8, without a byte order mark.

    Raises:
        Problem: it cannot be read, is larger than `limit` bytes, or is not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        text = getattr(error, "strerror", None) or "not a file name"
        raise Problem(Reason.MISSING_FILE, f"cannot be read: {text}", where=str(path)) from error
    if len(data) > limit:
        raise Problem(Reason.TOO_LARGE, f"the file has more than {limit} bytes", where=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(
            Reason.INVALID_ENCODING,
            f"the file is not UTF-8 (byte {error.start})",
            where=str(path),
        ) from None


def read_secret(path: str | Path) -> str:
    """A secret from a file, without white space around it.

    Raises:
        Problem: it cannot be read, is empty, too large, or has a control character inside.
    """
    try:
        secret = read_text(path, limit=MAX_SECRET).strip()
    except Problem as problem:
        if problem.reason is Reason.MISSING_FILE:
            raise Problem(Reason.MISSING_SECRET, problem.message, where=str(path)) from None
        raise
    return _usable(secret, str(path))


def environment_secret(name: str, environment: Mapping[str, str] | None = None) -> str:
    """A secret from an environment variable, without white space around it.

    Raises:
        Problem: the variable is not set or empty, or has a control character inside.
    """
    variables = os.environ if environment is None else environment
    if name not in variables:
        raise Problem(Reason.MISSING_SECRET, "the environment variable is not set", where=name)
    return _usable(variables[name].strip(), name)


def _usable(secret: str, where: str) -> str:
    if not secret:
        raise Problem(Reason.MISSING_SECRET, "the secret is empty", where=where)
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in secret):
        raise Problem(
            Reason.INVALID_VALUE,
            "the secret holds a line end or another control character",
            where=where,
            hint="write one secret into the file, and nothing else",
        )
    return secret
