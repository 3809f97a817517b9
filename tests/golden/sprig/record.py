"""Record what the real sprig and Alertmanager functions answer, into recorded.jsonl.

    python tests/golden/sprig/record.py           # record again
    python tests/golden/sprig/record.py --check   # fail if the recording is not current

The cases are in cases/*.json: groups of templates, each rendered with each of the group's data.
None depends on the clock, on the machine's zone or on the order of a Go map.

Needs `go` and a Go module proxy; without them it says so loudly and changes nothing. The tests
replay the recording and need neither.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
RECORDED = HERE / "recorded.jsonl"
SKIPPED = "NOT RECORDED: the real sprig was not asked, because"


def all_cases() -> Iterator[dict[str, object]]:
    """Every case, file after file."""
    for file in sorted((HERE / "cases").glob("*.json")):
        for group in json.loads(file.read_text(encoding="utf-8")):
            for template in group["templates"]:
                for data in group["data"]:
                    yield {"library": group["library"], "template": template, "data": data}


def record(cases: Iterable[dict[str, object]]) -> str | None:
    """The cases with the originals' answers as JSON lines, or None where it cannot be done."""
    go = shutil.which("go")
    if go is None:
        print(f"{SKIPPED} there is no `go` here", file=sys.stderr)
        return None
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "recorder"
        built = subprocess.run(
            [go, "build", "-o", str(program), "."],
            cwd=HERE / "recorder",
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            print(f"{SKIPPED} the recorder was not built:\n{built.stderr}", file=sys.stderr)
            return None
        lines = "".join(json.dumps(case) + "\n" for case in cases)
        return subprocess.run(
            [str(program)],
            input=lines,
            capture_output=True,
            text=True,
            check=True,
            env={"TZ": "UTC", "PATH": os.defpath, "HOME": folder},
        ).stdout


def main() -> int:
    """Record or check; the exit status for the shell."""
    recording = record(all_cases())
    if recording is None:
        return 0
    if "--check" not in sys.argv:
        RECORDED.write_text(recording, encoding="utf-8")
        print(f"{recording.count(chr(10))} cases recorded")
        return 0
    if recording == RECORDED.read_text(encoding="utf-8"):
        return 0
    print("recorded.jsonl is not current: run record.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
