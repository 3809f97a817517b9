"""What is held back while a backlog is read, and what is let go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriber.delivery import Backlog
from subscriber.model import AlertKey, Position


def key(name: str) -> AlertKey:
    return AlertKey(service="s", dedup_key=name)


def at(sequence: int) -> Position:
    return Position(sequence=sequence)


def offer(
    backlog: Backlog[int], name: str, sequence: int, now: float = 0, behind: int = 9
) -> list[int]:
    return backlog.offer(key(name), at(sequence), sequence, now=now, behind=behind)


def test_the_newest_two_of_a_key_stay() -> None:
    backlog = Backlog[int](room=100)
    assert [offer(backlog, "a", n) for n in (1, 2, 3, 4)] == [[], [], [1], [2]]
    assert offer(backlog, "b", 5) == []
    assert backlog.release() == [4, 3, 5]
    assert len(backlog) == 0


def test_an_older_one_that_comes_late_goes_at_once() -> None:
    backlog = Backlog[int](room=100)
    for n in (5, 6):
        offer(backlog, "a", n)
    assert offer(backlog, "a", 1) == [1]
    assert backlog.release() == [6, 5]


@pytest.mark.parametrize(
    ("now", "behind", "due"),
    [
        (0.0, 9, True),  # quiet for so long
        (0.0, 0, True),  # nothing waits behind
    ],
)
def test_everything_is_released_together(now: float, behind: int, due: bool) -> None:
    backlog = Backlog[int](room=100, quiet=0.25, longest=5)
    offer(backlog, "a", 1, now=now, behind=behind)
    assert (backlog.due(now) <= 0) is (behind == 0)
    assert (backlog.due(now + 0.25) <= 0) is due


def test_a_steady_stream_cannot_hold_it_for_ever() -> None:
    backlog = Backlog[int](room=10_000, quiet=0.25, longest=5)
    now = 0.0
    while backlog.due(now) > 0:
        offer(backlog, f"k{now}", 1, now=now)
        now += 0.1
        assert now < 6
    assert now >= 5


@pytest.mark.parametrize(
    ("late", "held"),
    [(-100.0, 5), (0.0, 5), (4.9, 5), (5.1, 5.1), (30.0, 30), (60.0, 60), (3600.0, 60)],
)
def test_an_event_is_held_no_longer_than_it_is_late(late: float, held: float) -> None:
    backlog = Backlog[int](room=100, quiet=0.25, longest=5, patience=60)
    backlog.offer(key("a"), at(1), 1, now=0, behind=9, stored_at=-late)
    assert backlog.due(0, heard_at=1e9) == pytest.approx(held)


def test_one_that_came_in_time_ends_the_wait_of_all() -> None:
    backlog = Backlog[int](room=100, quiet=0.25, longest=5, patience=60)
    backlog.offer(key("a"), at(1), 1, now=0, behind=9, stored_at=-3600)
    backlog.offer(key("b"), at(2), 2, now=10, behind=9, stored_at=9)
    backlog.offer(key("b"), at(3), 3, now=11, behind=9, stored_at=-3600)
    assert backlog.due(12, heard_at=1e9) == pytest.approx(3)
    assert backlog.release() == [1, 3, 2]
    backlog.offer(key("a"), at(4), 4, now=20, behind=9, stored_at=-3600)
    assert backlog.due(20, heard_at=1e9) == pytest.approx(60)


READ_AT = 10.0  # messages a second


@pytest.mark.parametrize(
    ("behind", "held"),
    [
        (49, 4.9),  # read within the limit
        (60, 6.0),  # in sight when the limit is reached: 1 s more
        (99, 9.9),  # as far as is waited for
        (110, 5.0),  # would take too long
        (1000, 5.0),
    ],
)
def test_what_is_in_sight_when_time_is_up_is_waited_for(behind: int, held: float) -> None:
    backlog = Backlog[int](room=10_000, quiet=0.25, longest=5)
    now, left = 0.0, behind
    offer(backlog, "a", 1, now=now, behind=left)
    while backlog.due(now) > 0:
        now += 1 / READ_AT
        left -= 1
        offer(backlog, "a", behind - left + 1, now=now, behind=left)
    assert now == pytest.approx(held, abs=0.11)


def test_a_reading_that_slows_down_is_waited_for_no_longer_than_that() -> None:
    backlog = Backlog[int](room=10_000, quiet=0.25, longest=5)
    now, left = 0.0, 100.0
    offer(backlog, "a", 1, now=now, behind=100)
    number = 1
    while backlog.due(now) > 0:
        assert now <= 10.0
        now, number = now + 0.1, number + 1
        left -= 1.2 if now < 4 else 0.4
        offer(backlog, "a", number, now=now, behind=int(left))
    assert left > 0


def test_each_stream_must_be_in_sight() -> None:
    def offered(other_behind: int) -> Backlog[int]:
        backlog = Backlog[int](room=100, quiet=0.25, longest=5)
        for now, mine, other in ((0.0, 100, 100), (5.0, 10, other_behind)):
            for stream, behind in (("one", mine), ("other", other)):
                backlog.offer(key(stream), at(int(now)), 1, now=now, behind=behind, stream=stream)
        return backlog

    assert offered(40).due(5.0) > 0
    assert offered(60).due(5.0) <= 0  # 7.5 s more
    assert offered(100).due(5.0) <= 0  # does not move
    assert offered(120).due(5.0) <= 0  # grows


def test_a_queue_that_was_empty_and_grows_is_not_in_sight() -> None:
    backlog = Backlog[int](room=100, quiet=0.25, longest=5)
    for now, mine, other in ((0.0, 100, 0), (5.0, 10, 7)):
        for stream, behind in (("one", mine), ("other", other)):
            backlog.offer(key(stream), at(int(now)), 1, now=now, behind=behind, stream=stream)
    assert backlog.due(5.0) <= 0


@pytest.mark.parametrize(("behind", "quiet"), [(1, 0.25), (99, 0.25), (100, 1), (100_000, 1)])
def test_silence_far_from_the_end_is_taken_for_a_pause(behind: int, quiet: float) -> None:
    backlog = Backlog[int](room=100, quiet=0.25, longest=5)
    offer(backlog, "a", 1, now=0, behind=behind)
    assert backlog.due(0) == pytest.approx(quiet)


def test_messages_that_are_not_for_us_show_that_reading_goes_on() -> None:
    backlog = Backlog[int](room=100, quiet=0.25, longest=5)
    offer(backlog, "a", 1, now=0)
    assert backlog.due(0.25) <= 0
    assert backlog.due(0.25, heard_at=0.2) == pytest.approx(0.2)


def test_the_present_may_begin_with_a_message_that_is_not_for_us() -> None:
    backlog = Backlog[int](room=100)
    backlog.offer(key("a"), at(1), 1, now=0, behind=200, stream="x")
    backlog.passed("y", 0)  # of a stream that holds nothing back
    backlog.passed("x", 3)
    assert not backlog.complete
    backlog.passed("x", 0)
    assert backlog.complete


def test_all_streams_must_come_to_their_end() -> None:
    backlog = Backlog[int](room=100)

    def read(stream: str, behind: int) -> bool:
        backlog.offer(key("a"), at(1), 1, now=0, behind=behind, stream=stream)
        return backlog.complete

    assert [read("x", 9), read("y", 0), read("y", 5), read("x", 0), read("y", 0)] == [
        False,
        False,
        False,
        False,
        True,
    ]
    backlog.release()
    assert read("y", 0)


def test_a_room_can_only_get_smaller() -> None:
    backlog = Backlog[int](room=4)
    backlog.narrow(2)
    backlog.narrow(9)
    offer(backlog, "a", 1)
    assert backlog.due(0) > 0
    offer(backlog, "b", 2)
    assert backlog.due(0) <= 0


def test_a_full_room_is_emptied() -> None:
    backlog = Backlog[int](room=3)
    for n in range(3):
        assert backlog.due(0) > 0
        offer(backlog, f"k{n}", n)
    assert backlog.due(0) <= 0


@pytest.mark.parametrize(
    "limits",
    [
        {"room": 0},
        {"room": 1, "quiet": 0},
        {"room": 1, "longest": 0.1},
        {"room": 1, "longest": 9, "patience": 8},
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="backlog needs"):
        Backlog[int](**limits)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50)), max_size=80))
def test_each_item_leaves_exactly_once_and_the_newest_last(events: list[tuple[str, int]]) -> None:
    backlog = Backlog[int](room=1000)
    gone: list[int] = []
    newest: dict[str, int] = {}
    for number, (name, sequence) in enumerate(events):
        gone += backlog.offer(key(name), at(sequence), number, now=0, behind=9)
        newest[name] = max(newest.get(name, 0), sequence)
        assert all(events[item][1] <= newest[events[item][0]] for item in gone)
    released = backlog.release()
    assert sorted(gone + released) == list(range(len(events)))
    said = {
        name: max((events[i][1] for i in released if events[i][0] == name), default=0)
        for name in newest
    }
    assert said == newest
