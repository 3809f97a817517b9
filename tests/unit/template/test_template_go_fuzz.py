"""A short differential run against real Go, when a Go toolchain is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[2] / "golden" / "go" / "fuzz.py"


@pytest.mark.skipif(
    not (os.environ.get("GO") or shutil.which("go")),
    reason="NO GO TOOLCHAIN: put `go` on the PATH or name it in GO to compare with real Go",
)
def test_random_templates_agree_with_go() -> None:
    run = subprocess.run(
        [sys.executable, str(FUZZ), "--count", "600", "--seed", "11"],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "600 templates" in run.stdout
