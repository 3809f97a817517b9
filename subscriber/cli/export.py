"""Decisions as a file: CSV for spreadsheets, JSON lines for programs.

Rules: one row per decision, written as it comes. Texts of events are data: in CSV a cell that a
spreadsheet would take for a formula is put behind an apostrophe.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import typer

from subscriber.cli.table import as_json
from subscriber.model import Problem, Reason
from subscriber.service.backtest import Row, moment_of

COLUMNS = (
    "configuration",
    "sequence",
    "stored_at",
    "moment",
    "event_type",
    "event_id",
    "event_source",
    "rule",
    "decision",
    "reason",
    "service",
    "dedup_key",
    "severity",
    "summary",
    "detail",
    "differs",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Export:
    """Writes rows."""

    def __init__(self, out: TextIO, *, lines: bool, configurations: tuple[str, ...]) -> None:
        self._out = out
        self._lines = lines
        self._names = configurations
        self._csv = csv.writer(out)
        if not lines:
            self._csv.writerow(COLUMNS)

    def __call__(self, row: Row) -> None:
        """Write one."""
        cells = self._cells(row)
        if self._lines:
            self._out.write(as_json(cells) + "\n")
        else:
            self._csv.writerow([_harmless(cell) for cell in cells.values()])

    def _cells(self, row: Row) -> dict[str, object]:
        finding, event, intent = row.finding, row.event, row.finding.intent
        stored = row.envelope.received_at
        occurred = event.occurred_at if event is not None else None
        values = (
            self._names[row.configuration],
            row.envelope.sequence,
            round(stored, 3),
            round(moment_of(occurred, stored), 3),
            event.type if event is not None else row.envelope.subject,
            event.id if event is not None else "",
            event.source if event is not None else "",
            finding.rule,
            finding.decision.value,
            finding.reason.value,
            intent.service if intent is not None else "",
            intent.dedup_key if intent is not None else "",
            finding.severity,
            finding.summary,
            finding.detail,
            row.differs,
        )
        return dict(zip(COLUMNS, values, strict=True))


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def is_lines(path: Path) -> bool:
    """Whether a file of this name holds JSON lines (else CSV).

    Raises:
        typer.BadParameter: neither.
    """
    if path.suffix not in (".csv", ".jsonl"):
        raise typer.BadParameter(f"{path.name!r} must end in .csv or .jsonl")
    return path.suffix == ".jsonl"


@contextmanager
def exporting(path: Path | None, configurations: tuple[str, ...]) -> Iterator[Export | None]:
    """A file to write decisions into; what was there before is replaced.

    Raises:
        Problem: the file cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        out = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise Problem(
            Reason.MISSING_FILE, f"cannot be written: {error.strerror}", where=str(path)
        ) from None
    with out:
        yield Export(out, lines=is_lines(path), configurations=configurations)
