"""The quick ways give what the long ones give."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriber.pagerduty import details, timestamp


class Word(StrEnum):
    ONE = "one"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**62, max_value=2**65)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=5)
    | st.sampled_from(["\x00", "\ud800", Word.ONE, Decimal("1.5"), b"x", datetime(2024, 1, 1)])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 3), inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2).map(MappingProxyType)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4))
def test_what_is_fit_for_json_is_copied_as_it_is(value: dict[str, object]) -> None:
    quick, slow = details.presentable(value), details._presentable(value, 0)
    assert json.dumps(quick) == json.dumps(slow)


@pytest.mark.parametrize("depth", [10, 49, 50, 51, 400, 900])
def test_depth_ends_at_the_same_place(depth: int) -> None:
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    assert details.presentable(value) == details._presentable(value, 0)


def test_the_copy_shares_nothing() -> None:
    value = {"a": {"b": ["c"]}}
    copy = details.presentable(value)
    assert copy == value
    copy["a"]["b"].append("d")  # type: ignore[call-overload,index,union-attr]
    assert value == {"a": {"b": ["c"]}}


@given(
    st.datetimes(min_value=datetime(1960, 1, 1), max_value=datetime(2400, 1, 1)),
    st.sampled_from(["", ".", ".1", ".12", ".999", ".9999", ".123456789", ".x", ",5", ".٣"]),
    st.sampled_from(["Z", "z", "", "+00:00", "ZZ"]),
    st.sampled_from(["T", "t", " "]),
)
def test_times_as_nearly_all_are(moment: datetime, fraction: str, zone: str, between: str) -> None:
    text = moment.strftime(f"%Y-%m-%d{between}%H:%M:%S") + fraction + zone
    _same(text)


@given(st.text("0123456789-T:.Z W+", min_size=18, max_size=26))
def test_what_looks_like_a_time(text: str) -> None:
    _same(text)


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:60:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
        "9999-12-31T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2024-W1-1T00:00:00Z",
    ],
)
def test_the_edges_of_time(text: str) -> None:
    _same(text)


def _same(text: str) -> None:
    quick = timestamp._usual(text)
    if not quick:
        return
    moment = timestamp._iso(text)
    assert moment is not None
    assert moment >= datetime(1970, 1, 1, tzinfo=UTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timestamp, "_usual", lambda text: "")
        assert timestamp.pagerduty_time(text) == quick
