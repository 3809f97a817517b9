"""Pages whose console blocks are real: commands are run, and what they print is held against them.

    python tests/house/console_pages.py docs/workbench.md

writes what the commands print now into the page's blocks.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROOT = Path(__file__).resolve().parents[2]


def played(page: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Each console block as it is written, and as it would have to be written now."""
    here = folder
    for block in BLOCK.findall(page):
        lines = []
        for line in block.splitlines():
            if not line.startswith("$ "):
                continue
            lines.append(line)
            words = shlex.split(line[2:])
            if words[0] == "cd":
                here = here / words[1]
                continue
            if words[0] == "pagerduty-subscriber":
                words[:1] = [sys.executable, "-m", "subscriber"]
            done = subprocess.run(
                words,
                cwd=here,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(ROOT),
                    "COLUMNS": "100",
                    "NO_COLOR": "1",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=50,
            )
            lines += [written.rstrip() for written in done.stdout.splitlines()]
        yield block, "".join(f"{line}\n" for line in lines)


def main(files: list[str]) -> None:
    """Write the blocks of the pages anew."""
    import tempfile

    for file in map(Path, files):
        page = file.read_text("utf-8")
        with tempfile.TemporaryDirectory() as folder:
            for old, new in list(played(page, Path(folder))):
                page = page.replace(f"```console\n{old}```", f"```console\n{new}```", 1)
        file.write_text(page, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
