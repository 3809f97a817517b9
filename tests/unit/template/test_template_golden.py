"""What real Go answered, replayed: the same bytes, or a refusal on both sides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from subscriber.template import TemplateError, compile

RECORDED = Path(__file__).parents[2] / "golden" / "go" / "recorded.jsonl"
# A line may contain U+2028, which splitlines would take for an end of line.
HEADER, *ROWS = map(json.loads, RECORDED.read_text(encoding="utf-8").strip().split("\n"))
CHUNK = 500


@pytest.mark.parametrize("start", range(0, len(ROWS), CHUNK))
def test_every_recorded_answer_of_go_is_ours_too(start: int) -> None:
    differing = []
    for template, document, missing, expected in ROWS[start : start + CHUNK]:
        data = HEADER["data"][document]
        try:
            text = compile(template, name="t", missing=missing).render(json.loads(data))
        except TemplateError as error:
            text, told = None, str(error)
        else:
            told = ""
        if text != expected:
            differing.append((template, data[:200], missing, expected, text, told))
    assert not differing


def test_the_record_is_whole() -> None:
    assert HEADER["go"].startswith("go1.")
    assert len(ROWS) > 5000
    refused = sum(row[3] is None for row in ROWS)
    assert 1000 < refused < len(ROWS) - 3000
