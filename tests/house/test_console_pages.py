"""What the documentation shows of the command line is what the command line prints."""

from __future__ import annotations

from pathlib import Path

from console_pages import ROOT, played


def test_the_workbench_page_is_real(tmp_path: Path) -> None:
    """A change that is meant: `python tests/house/console_pages.py docs/workbench.md`."""
    page = (ROOT / "docs" / "workbench.md").read_text("utf-8")
    blocks = list(played(page, tmp_path))
    assert len(blocks) == 6
    for written, now in blocks:
        assert now == written
