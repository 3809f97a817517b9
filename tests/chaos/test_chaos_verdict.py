"""The verdict sees each kind of damage, and nothing in a history without any."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from chaos_events import Kind, planned
from chaos_verdict import Line, Said, Standing, Stored, Verdict, judge
from chaos_weather import Trouble, schedule


@dataclass(kw_only=True)
class History:
    """A clean one: opened, refreshed, resolved, opened again; one skipped, one broken event."""

    promised: list[str] = field(default_factory=lambda: [f"e{n}" for n in range(1, 7)])
    stored: list[Stored] = field(
        default_factory=lambda: [
            Stored(sequence=1, id="e1", key="k", kind=Kind.TRIGGER),
            Stored(sequence=2, id="e2", key="k", kind=Kind.TRIGGER),
            Stored(sequence=3, id="e3", key="k", kind=Kind.RESOLVE),
            Stored(sequence=4, id="e4", key="k", kind=Kind.TRIGGER),
            Stored(sequence=5, id="e5", key="", kind=Kind.NOBODYS),
            Stored(sequence=6, id="e6", key="", kind=Kind.BROKEN),
        ]
    )
    calls: list[Said] = field(
        default_factory=lambda: [
            said("e1", "opened", 1),
            said("e2", "updated", 1),
            said("e3", "resolved", 1),
            said("e4", "opened", 2),
        ]
    )
    standing: dict[str, Standing] = field(
        default_factory=lambda: {"k": Standing(key="k", acknowledged=False, words="e4")}
    )
    lines: list[Line] = field(
        default_factory=lambda: [
            Line(sequence=1, outcome="delivered"),
            Line(sequence=2, outcome="deferred"),
            Line(sequence=2, outcome="delivered"),
            Line(sequence=3, outcome="delivered"),
            Line(sequence=4, outcome="delivered"),
            Line(sequence=5, outcome="skipped"),
            Line(sequence=6, outcome="dead-lettered"),
        ]
    )
    buried: list[int] = field(default_factory=lambda: [6])

    def judged(self) -> Verdict:
        return judge(
            promised=self.promised,
            stored=self.stored,
            calls=self.calls,
            standing=self.standing,
            lines=self.lines,
            buried=self.buried,
        )

    def found(self) -> set[str]:
        return {name for name, cases in self.judged().zero.items() if cases}

    def without_line(self, sequence: int) -> None:
        self.lines = [line for line in self.lines if line.sequence != sequence]


def said(event: str, effect: str, alert: int = 0) -> Said:
    action = {"opened": "trigger", "updated": "trigger", "fault": "trigger"}.get(effect, "resolve")
    return Said(event=event, effect=effect, action=action, key="k", alert=alert)


def test_a_clean_history_is_clean() -> None:
    verdict = History().judged()
    assert verdict.clean
    assert verdict.apart["events that ended delivered"] == 4
    assert verdict.apart["times an event was put off"] == 1
    assert verdict.apart["statements that came after a newer one"] == 0


def test_an_open_alert_that_is_missing_is_a_lost_page() -> None:
    history = History(standing={})
    assert history.found() == {"lost pages", "wrong final state", "out of order in the end"}


def test_a_page_that_was_never_heard_is_lost_whatever_is_open() -> None:
    history = History()
    history.calls = history.calls[:2]
    history.standing = {"k": Standing(key="k", acknowledged=False, words="e2")}
    assert history.found() == {"lost pages"}


def test_a_call_that_met_a_fault_was_not_heard() -> None:
    history = History()
    history.calls[-1] = said("e4", "fault")
    assert "lost pages" in history.found()


def test_older_words_on_an_open_alert_are_out_of_order() -> None:
    history = History()
    history.calls.append(said("e2", "updated", 2))
    history.standing = {"k": Standing(key="k", acknowledged=False, words="e2")}
    assert history.found() == {"out of order in the end"}
    assert history.judged().apart["statements that came after a newer one"] == 1


def test_an_alert_left_open_after_its_resolve_is_a_wrong_state() -> None:
    history = History()
    history.stored.append(Stored(sequence=7, id="e7", key="k", kind=Kind.RESOLVE))
    history.promised.append("e7")
    history.lines.append(Line(sequence=7, outcome="delivered"))
    assert history.found() == {"wrong final state"}


def test_an_acknowledge_that_did_not_stick_is_a_wrong_state() -> None:
    history = History()
    history.stored.append(Stored(sequence=7, id="e7", key="k", kind=Kind.ACKNOWLEDGE))
    history.lines.append(Line(sequence=7, outcome="delivered"))
    assert history.found() == {"wrong final state"}
    history.standing = {"k": Standing(key="k", acknowledged=True, words="e4")}
    assert history.judged().clean


def test_one_run_of_triggers_deserves_one_incident() -> None:
    history = History()
    history.calls[2:3] = [said("e3", "resolved", 1), said("e2", "opened", 9), said("", "resolved")]
    assert history.found() == {"duplicated incidents"}


def test_an_incident_opened_after_its_resolve_is_one_too_many() -> None:
    history = History()
    history.calls = [said("e3", "dropped"), said("e1", "opened", 1), said("", "resolved", 1)]
    history.calls.append(said("e4", "opened", 2))
    assert history.found() == {"duplicated incidents"}


def test_the_same_statement_twice_is_told_apart() -> None:
    history = History()
    history.calls.insert(1, said("e1", "updated", 1))
    verdict = history.judged()
    assert verdict.clean
    assert verdict.apart["statements that came more than once"] == 1


def test_an_event_without_line_and_effect_is_unaccounted() -> None:
    history = History()
    history.without_line(5)
    assert history.found() == {"unaccounted events"}


@pytest.mark.parametrize("sequence", [1, 2, 3, 4, 6])
def test_an_effect_accounts_for_an_event_whose_line_died_with_its_process(sequence: int) -> None:
    history = History()
    history.without_line(sequence)
    verdict = history.judged()
    assert verdict.clean
    assert verdict.apart["events known by their effect only"] == 1


def test_an_effect_of_an_older_event_accounts_for_nothing() -> None:
    history = History()
    history.calls.pop()
    history.without_line(4)
    assert "unaccounted events" in history.found()


def test_a_page_among_the_dead_letters_is_wrong_and_a_broken_event_belongs_there() -> None:
    name = "dead letters too many or missing"
    assert name in History(buried=[1, 6]).found()
    assert History(buried=[]).found() == {name}


def test_an_end_that_does_not_fit_the_event_is_wrong() -> None:
    history = History()
    history.lines.append(Line(sequence=1, outcome="skipped"))
    assert history.found() == {"wrong ends"}


def test_what_the_stream_lost_or_kept_twice_is_seen() -> None:
    history = History()
    history.promised.append("e9")
    assert history.found() == {"gone from the stream"}
    history = History()
    history.stored.append(Stored(sequence=9, id="e5", key="", kind=Kind.NOBODYS))
    history.lines.append(Line(sequence=9, outcome="skipped"))
    assert history.found() == {"stored twice"}


def test_the_table_names_every_count_and_case() -> None:
    text = History(standing={}).judged().table()
    assert "lost pages" in text
    assert "k: e4 wants it open" in text


def test_a_seed_repeats_events_and_troubles() -> None:
    def events(seed: int) -> list[object]:
        return list(planned(seed=seed, events=300, keys=10, services=4))

    assert events(1) == events(1)
    assert events(1) != events(2)

    def troubles(seed: int) -> list[object]:
        return list(schedule(seed=seed, length=60, lease=10.5, crowd=12, every=1.0))

    assert troubles(1) == troubles(1)
    assert troubles(1) != troubles(2)


@pytest.mark.parametrize("seed", range(20))
def test_every_trouble_strikes_in_a_run_that_is_long_enough(seed: int) -> None:
    strikes = schedule(seed=seed, length=60, lease=10.5, crowd=12, every=1.0)
    assert {strike.trouble for strike in strikes} == set(Trouble)
    assert all(
        strike.seconds > 10.5 for strike in strikes if strike.trouble is Trouble.FREEZE_SUBSCRIBER
    )
