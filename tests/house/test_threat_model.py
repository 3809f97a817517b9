"""The threat model promises nothing that no test proves, and its numbers are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from subscriber.cloudevent.attributes import LONGEST, MOST
from subscriber.cloudevent.decode import BATCH_LIMIT, SIZE_LIMIT
from subscriber.cloudevent.strictjson import DEPTH_LIMIT
from subscriber.config import Config
from subscriber.config.yaml import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES
from subscriber.pagerduty.judge import LONGEST_WAIT
from subscriber.ports.files import MAX_SECRET, MAX_TEXT
from subscriber.ports.http import MAX_BODY
from subscriber.service import hand
from subscriber.template.semantics import limits
from subscriber.template.semantics.values import MAX_OUTPUT
from subscriber.web import guard

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("## Limits")[0].splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| who |"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:40])
def test_what_is_stopped_is_proven(row: list[str]) -> None:
    assert len(row) == 4, "who, can try, what stops it, proof"
    proofs = [name.strip() for name in row[3].split(",") if name.strip()]
    assert proofs or "*not stopped*" in row[2]
    for name in proofs:
        path = ROOT / name
        assert path.is_file(), name
        assert re.search(r"^(async )?def test_", path.read_text("utf-8"), re.M), name


def test_everybody_has_a_row() -> None:
    for who in ("event data", "template author", "configuration", "neighbour", "NATS credentials"):
        assert any(who in row[0] for row in ROWS), who


@pytest.mark.parametrize(
    ("says", "value"),
    [
        ("`delivery.max_event_bytes`, 1 MiB", SIZE_LIMIT / 2**20),
        ("1 MiB |", Config().delivery.max_event_bytes / 2**20),
        ("200 levels", DEPTH_LIMIT),
        ("| 4096 |", BATCH_LIMIT),
        ("256, of", MOST),
        ("8192 characters", LONGEST),
        ("512; 192 MiB as", Config().nats.max_in_flight),
        ("192 MiB as", hand.MOST / 2**20),
        ("500000 steps", limits.MAX_STEPS),
        ("1 MB of output", MAX_OUTPUT / 1_000_000),
        ("1000 levels", limits.MAX_DEPTH),
        ("64 KiB, 8 KiB per header", MAX_BODY / 1024),
        ("1 hour", LONGEST_WAIT / 3600),
        ("1 MiB, 50000", MAX_CHARACTERS / 2**20),
        ("50000 values", MAX_VALUES),
        ("64 levels", MAX_DEPTH),
        ("4 MiB | refused", MAX_TEXT / 2**20),
        ("64 KiB, one line", MAX_SECRET / 1024),
        ("10 s for an answer", guard.PATIENCE),
        ("64 | the most idle", guard.MOST),
    ],
)
def test_a_limit_is_what_the_code_says(says: str, value: float) -> None:
    page = re.sub(r"(?<=\d),(?=\d{3})", "", PAGE)
    assert says in page
    number = re.search(r"\d+", says)
    assert number is not None
    assert int(number[0]) == pytest.approx(value, rel=0.05)
