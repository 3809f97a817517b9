"""The functions against what the real sprig and Alertmanager said (tests/golden/sprig).

Every recorded case gives the recorded result, or the one in differences.jsonl, which names a reason
that the documentation explains. An error counts as equal to an error; the words are ours.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from subscriber.template import Template, TemplateError
from subscriber.template import compile as compile_template
from subscriber.template.functions import EXAMPLE_NOW, FUNCTIONS
from subscriber.template.functions.catalogue import DIFFERENCES

GOLDEN = Path(__file__).parents[2] / "golden" / "sprig"
# What cannot be recorded: the originals' answer depends on the clock or on chance.
NEVER_RECORDED = {"now", "ago", "since"}
SLICES = 12

Case = dict[str, Any]


def read(name: str) -> list[Case]:
    lines = (GOLDEN / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def key(case: Case) -> tuple[str, str, str]:
    return case["library"], case["template"], json.dumps(case["data"])


RECORDED = read("recorded.jsonl")
MEANT = {key(case): case for case in read("differences.jsonl")}


@cache
def compiled(template: str) -> Template:
    return compile_template(template, missing="default")


def answer(case: Case) -> str | None:
    """What is rendered, or None for an error."""
    try:
        return compiled(case["template"]).render(case["data"], now=EXAMPLE_NOW)
    except TemplateError:
        return None


@pytest.mark.parametrize("part", range(SLICES))
def test_functions_answer_as_recorded(part: int) -> None:
    wrong = []
    for case in RECORDED[part::SLICES]:
        expected = MEANT.get(key(case), case).get("output")
        given = answer(case)
        if given != expected:
            wrong.append((case["template"], case["data"], expected, given))

    assert wrong == []


def test_recording_is_large_and_covers_every_function() -> None:
    templates = "\n".join(case["template"] for case in RECORDED)

    assert len(RECORDED) >= 600
    assert {name for name in FUNCTIONS if name not in templates} == NEVER_RECORDED


def test_every_meant_difference_is_one_and_is_explained() -> None:
    recorded = {key(case): case for case in RECORDED}

    assert set(MEANT) <= set(recorded)
    assert {case["reason"] for case in MEANT.values()} <= set(DIFFERENCES)
    assert all(case.get("output") != recorded[name].get("output") for name, case in MEANT.items())
    assert len(MEANT) < len(RECORDED) // 50
