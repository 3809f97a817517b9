"""Make the terminal pictures of the README: `python tests/house/terminal_pictures.py`.

Each is a real run on a pseudo terminal, drawn as SVG.
"""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "docs" / "pictures"
WIDTH = 128
US = f"{sys.executable} -m subscriber"
WORKBENCH = (
    "init .",
    "check",
    "test",
    "explain cases/approvals/not-in-staging.event.json --rule approvals",
    "sample sh.keptn.event.evaluation.finished --fail > event.json",
    "render --rule keptn/evaluation --event event.json",
)


def on_a_terminal(command: str, folder: Path) -> str:
    """What a command prints on a terminal, colours included."""
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "PAGERDUTY_"))}
    environment |= {"TERM": "xterm-256color", "COLUMNS": str(WIDTH), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, shell=True, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    output = bytearray()
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:
            break
        if not chunk:
            break
        output += chunk
    process.wait()
    os.close(ours)
    return output.decode().replace("\r\n", "\n")


def draw(name: str, title: str, text: str) -> None:
    """Write one picture."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text), soft_wrap=False)
    TARGET.mkdir(exist_ok=True)
    svg = console.export_svg(title=title, unique_id=name)
    # without web fonts: the reader's own monospace will do
    lines = [line for line in svg.splitlines() if "url(" not in line or "clip-path" in line]
    (TARGET / f"{name}.svg").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Make both."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        draw("demo", "make demo", on_a_terminal(f"{US} demo", here).strip())
        parts = []
        for arguments in WORKBENCH:
            parts.append(f"\x1b[1m$ pagerduty-subscriber {arguments}\x1b[0m")
            parts.append(on_a_terminal(f"{US} {arguments}", here).strip())
        draw("workbench", "from init to a tested rule", "\n".join(parts))


if __name__ == "__main__":
    main()
