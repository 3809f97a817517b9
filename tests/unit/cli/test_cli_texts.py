"""Durations, tables and JSON of the command line."""

from __future__ import annotations

import json

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from subscriber.cli.duration import parse_duration
from subscriber.cli.table import ago, as_json, as_json_array, facts, moment, plain, table

GOOD = {
    "30s": 30,
    "15m": 900,
    "2h": 7200,
    "7d": 604_800,
    "1w": 604_800,
    "1h30m": 5400,
    "0.5h": 1800,
    " 2H ": 7200,
}
BAD = [
    "",
    "2",
    "h",
    "2 h",
    "-2h",
    "2h3",
    "2y",
    "1e3s",
    "٢h",
    "0s",
    "99999999d",
    "2h\x1b[31m",
    "nan",
]


@pytest.mark.parametrize("text", GOOD)
def test_a_length_of_time(text: str) -> None:
    assert parse_duration(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_length_of_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        parse_duration(text)
    assert "\x1b" not in str(caught.value)
    assert "30s, 15m, 2h" in str(caught.value) or "between" in str(caught.value)


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=6), st.integers(60, 140))
def test_a_table_fits_and_shows_nothing_raw(rows: list[tuple[str, ...]], columns: int) -> None:
    lines = table(("A", "BB", "C"), rows, columns)
    assert len(lines) == len(rows) + 1
    for line in lines:
        assert cell_len(line) <= columns
        assert line.isprintable()


def test_the_widest_column_gives_way() -> None:
    lines = table(("ID", "TEXT"), [("1", "x" * 200)], 60)
    assert lines[1] == "1   " + "x" * 55 + "…"


@given(st.text())
def test_plain_text_is_one_line_without_commands(text: str) -> None:
    assert plain(text).isprintable()
    assert len(plain(text)) == len(text)


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=5))
def test_json_is_printable_and_the_same_value(value: object) -> None:
    text = as_json(value)
    assert json.loads(text) == value
    assert text.isprintable()
    assert text.isascii()


def test_a_json_array_has_a_line_for_each_value() -> None:
    assert as_json_array([]) == "[]"
    assert as_json_array([1, "a"]) == '[\n1,\n"a"\n]'


def test_facts_line_up_and_leave_out_what_is_unknown() -> None:
    assert facts([("A", "1"), ("Longer", "2"), ("Empty", "")]) == ["A       1", "Longer  2"]
    assert facts([("Why", "a long sentence " * 3)], 30) == [
        "Why  a long sentence a long",
        "     sentence a long sentence",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, ""), (999.9, "0 s ago"), (940.0, "1 min ago"), (-100_000.0, "")],
)
def test_how_long_ago(seconds: float, text: str) -> None:
    assert ago(seconds, 1000.0) == text


def test_ages_use_the_largest_unit() -> None:
    now = 1_000_000.0
    assert [ago(now - past, now) for past in (59, 60, 3599, 3600, 86_400)] == [
        "59 s ago", "1 min ago", "59 min ago", "1 h ago", "1 d ago",
    ]  # fmt: skip


def test_a_moment() -> None:
    assert moment(1_700_000_000.9) == "2023-11-14T22:13:20Z"
    assert moment(0) == moment(1e18) == moment(float("inf")) == ""
