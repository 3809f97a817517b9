"""The arithmetic of the benchmark results."""

import pytest
from benchsuite.figures import medians, number, percentile, ranges, ratios, rotated
from benchsuite.trial import Sample, window
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([5.0], 50, 5.0),
        ([5.0], 99.9, 5.0),
        ([1.0, 2.0], 50, 1.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        (list(range(1, 101)), 50, 50),
        (list(range(1, 101)), 99, 99),
        (list(range(1, 101)), 99.9, 100),
        (list(range(1, 1001)), 99.9, 999),
        ([1.0, 2.0, 3.0], 0, 1.0),
        ([1.0, 2.0, 3.0], 100, 3.0),
    ],
)
def test_percentile_is_the_nearest_rank(values, percent, expected):
    assert percentile(values, percent) == expected


def test_percentile_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0.1, 100))
def test_percentile_covers_so_many_and_is_one_of_the_values(values, percent):
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-6


ROUNDS = [
    {"ours": 100.0, "peer": 50.0},
    {"ours": 50.0, "peer": 40.0},
    {"ours": 200.0, "peer": 60.0},
]


def test_ratios_are_taken_inside_the_rounds():
    # Of the medians it would be 0.5 by chance; here 0.5, 0.8 and 0.3 have the median 0.5.
    assert ratios(ROUNDS, "ours") == {"ours": 1.0, "peer": 0.5}
    skewed = [{"ours": 1.0, "peer": 2.0}, {"ours": 10.0, "peer": 10.0}, {"ours": 4.0, "peer": 2.0}]
    assert ratios(skewed, "ours")["peer"] == 1.0
    assert medians(skewed)["peer"] / medians(skewed)["ours"] == 0.5


def test_who_is_missing_from_a_round_is_compared_in_the_others():
    rounds = [{"ours": 1.0}, {"ours": 2.0, "peer": 4.0}, {"peer": 9.0}]
    assert ratios(rounds, "ours") == {"ours": 1.0, "peer": 2.0}
    assert medians(rounds)["peer"] == 6.5
    assert ratios(rounds, "nobody") == {}
    assert ratios([{"ours": 0.0, "peer": 1.0}], "ours") == {}


def test_ranges():
    assert ranges(ROUNDS) == {"ours": (50.0, 200.0), "peer": (40.0, 60.0)}


def test_the_order_is_turned_so_that_everybody_comes_first_once():
    names = ["a", "b", "c"]
    orders = [rotated(names, turn) for turn in range(3)]
    assert orders == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]
    assert rotated(names, 3) == names
    assert rotated([], 2) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (48_321.7, "48,300"),
        (1_234_567, "1,230,000"),
        (999.6, "1,000"),
        (100, "100"),
        (12.34, "12.3"),
        (2.0, "2.00"),
        (0.0719, "0.0719"),
        (0, "0"),
        (float("inf"), "-"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def sample(at: float, done: int) -> Sample:
    return Sample(at=at, done=done, cpu=at / 2, server=at / 4, core=at)


def test_the_window_is_from_a_tenth_to_the_end():
    samples = [sample(0.0, 0), sample(1.0, 99), sample(2.0, 100), sample(3.0, 700), sample(4, 1000)]
    assert window(samples, 1000) == (samples[2], samples[4])


def test_a_window_with_one_look_begins_before_the_first_message():
    samples = [sample(0.0, 0), sample(1.0, 1000)]
    assert window(samples, 1000) == (samples[0], samples[1])
