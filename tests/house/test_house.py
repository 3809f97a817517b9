"""What the repository promises about itself."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "subscriber").rglob("*.py"))


def test_the_import_floors_hold() -> None:
    from importlinter.cli import lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith('"""'), "no docstring"
    assert len(text.splitlines()) <= 550, "a file of this length asks to be two"
    assert path.stem not in {"utils", "helpers", "common", "base", "manager"}


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    block = text.split("dependencies = [")[1].split("\n]")[0]
    for line in filter(None, map(str.strip, block.splitlines())):
        assert re.search(r'",\s+# \w', line), line


def test_the_wheel_carries_the_rules_and_nothing_of_the_tests(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "subscriber/templates/keptn/evaluation/rule.yaml" in names
    assert "subscriber/py.typed" in names
    assert "subscriber/cli/starter/cases/approvals/asked.expected.json" in names
    assert not [name for name in names if name.startswith("tests/")]
