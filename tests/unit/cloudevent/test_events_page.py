"""docs/events.md names every reason that reading an event can end with, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from subscriber.model import Reason

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "events.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not part of this checkout")
def test_the_page_and_the_code_name_the_same_reasons() -> None:
    table = PAGE.read_text("utf-8").partition("## What is refused")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE))
    code = "".join(p.read_text("utf-8") for p in (ROOT / "subscriber/cloudevent").glob("*.py"))
    raised = {Reason[name].value for name in re.findall(r"Reason\.([A-Z_]+)", code)}
    assert told == raised
