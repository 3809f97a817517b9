"""What a terminal is shown of events: plain text in columns that fit, JSON for machines.

Rules: nothing that came from outside reaches the terminal raw: control and formatting characters
are shown as a dot (in JSON as escapes). A table is never wider than the terminal, 100 columns when
there is none; the widest columns give way first, and what is cut ends in an ellipsis.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from textwrap import wrap

from rich.cells import cell_len, set_cell_size

_GAP = "  "
_NARROWEST = 6
_AGES = ((86_400, "d"), (3600, "h"), (60, "min"))


def plain(text: str) -> str:
    """The text on one line, without anything that a terminal would act on."""
    return "".join(c if c.isprintable() else "\N{MIDDLE DOT}" for c in text)


def width() -> int:
    """Columns of the terminal; 100 without one."""
    return max(60, shutil.get_terminal_size((100, 24)).columns)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], columns: int) -> list[str]:
    """The lines of a table at most `columns` wide; empty cells show a dash."""
    cells = [tuple(head), *(tuple(plain(cell) or "-" for cell in row) for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    room = columns - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    return [
        _GAP.join(_fitted(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _fitted(text: str, size: int) -> str:
    return text if cell_len(text) == size else set_cell_size(_cut(text, size), size)


def _cut(text: str, size: int) -> str:
    return text if cell_len(text) <= size else set_cell_size(text, size - 1) + "…"


def facts(pairs: Iterable[tuple[str, str]], columns: int = 0) -> list[str]:
    """A name and a value per fact, in two columns; facts without a value are left out.

    Args:
        columns: long values go on in lines below, within so many; 0: they stay whole.
    """
    known = [(plain(name), plain(value)) for name, value in pairs if value]
    size = max((len(name) for name, _ in known), default=0) + len(_GAP)
    lines: list[str] = []
    for name, value in known:
        room = max(20, columns - size) if columns else max(1, len(value))
        for number, part in enumerate(wrap(value, room, break_on_hyphens=False) or [value]):
            lines.append(f"{name if number == 0 else '':<{size}}{part}".rstrip())
    return lines


def as_json(value: object, *, indent: int | None = None) -> str:
    """JSON in printable ASCII."""
    # DEL is ASCII, so json leaves it; a terminal would act on it
    return json.dumps(value, ensure_ascii=True, indent=indent).replace("\x7f", "\\u007f")


def as_readable_json(value: object) -> str:
    """Indented JSON with every printable character as it is, the others as escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return "".join(c if c.isprintable() or c == "\n" else as_json(c)[1:-1] for c in text)


def as_yaml(value: object) -> str:
    """YAML in printable ASCII."""
    from ruamel.yaml import YAML  # noqa: PLC0415  slow to load

    yaml = YAML(typ="safe", pure=True)
    yaml.allow_unicode = False
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    written = io.StringIO()
    yaml.dump(value, written)
    return written.getvalue().replace("\x7f", "\\x7F")


def as_json_array(values: Iterable[object]) -> str:
    """A JSON array with one value per line."""
    lines = ",\n".join(as_json(value) for value in values)
    return f"[\n{lines}\n]" if lines else "[]"


def moment(seconds: float) -> str:
    """A time in UTC, to the second; empty for none."""
    if not 0 < seconds < 253402300800:  # year 10000: datetime ends there
        return ""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(seconds: float, now: float) -> str:
    """How long ago, in the largest fitting unit; empty for no time."""
    if seconds <= 0:
        return ""
    past = max(0.0, now - seconds)
    for size, unit in _AGES:
        if past >= size:
            return f"{int(past // size)} {unit} ago"
    return f"{int(past)} s ago"


class Progress:
    """A line on the terminal that counts, for work that takes more than a moment.

    Attributes:
        shown: whether it is on the screen now.
    """

    def __init__(self, doing: str) -> None:
        """`doing` stands before the count; off a terminal nothing is printed."""
        self.shown = False
        self._doing = doing
        self._next = time.monotonic() + 0.5
        self._on = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_error: object) -> None:
        self.clear()

    def count(self, done: int, of: int = 0) -> None:
        """So many are done."""
        now = time.monotonic()
        if self._on and now >= self._next:
            self._next, self.shown = now + 0.1, True
            total = f" of {of}" if of else ""
            sys.stderr.write(f"\r\x1b[K{self._doing}: {done}{total}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self.shown = False
