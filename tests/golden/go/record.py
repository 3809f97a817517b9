"""Record Go's answers to the cases into recorded.jsonl, which the tests replay without Go.

    python tests/golden/go/record.py

The first line names the version of Go and the data documents; every other line is a list: template,
number of its data document, missingkey, and what Go wrote, or null when Go refused. Cases that
differ for a documented reason and very long answers are left out.
"""

from __future__ import annotations

import json
import sys

from cases import cases
from fuzz import explained
from oracle import HERE, ask, version

TARGET = HERE / "recorded.jsonl"
LONGEST = 4000


def main() -> int:
    """Ask Go and write the file."""
    listed = list(cases())
    documents: dict[str, int] = {}
    rows = []
    for case, answer in zip(listed, ask(listed), strict=True):
        if explained(answer) or len(answer.text or "") > LONGEST:
            continue
        number = documents.setdefault(case.data, len(documents))
        rows.append([case.template, number, case.missing, answer.text])
    header = {"go": version(), "data": list(documents)}
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in (header, *rows)]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(lines) - 1} cases by {version()} in {TARGET.name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
