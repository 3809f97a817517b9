"""The dry run and the backtest: the machine of the service, counted."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator

import pytest

from subscriber.cli.export import COLUMNS, Export
from subscriber.config import load_config
from subscriber.delivery import Policy
from subscriber.model import AlertKey, Envelope, Event, Reason
from subscriber.service.backtest import Backtest, RateWatch, moment_of
from subscriber.service.dryrun import Decision, DryRun
from subscriber.service.rulebook import load_rules

DAY = 86_400.0
START = 1_700_006_400.0  # 2023-11-15T00:00:00Z
RULE = """
packs: []
services: {shop: {routing_key_env: SHOP}, ops: {routing_key_env: OPS}}
rules:
  - name: verdict
    types: t
    match: {data.result: [pass, fail, warn, seen]}
    action: '{{if eq .data.result "pass"}}resolve{{else if eq .data.result "seen"}}acknowledge{{
      else}}trigger{{end}}'
    dedup_key: '{{.data.key}}'
    service: shop
    body: {summary: '{{.data.key}} {{.data.result}}', severity: critical}
  - name: changes
    types: [t, c]
    match: {data.result: [change]}
    action: change
    service: ops
    body: {summary: changed}
"""


def rules(text: str = RULE):
    config, document = load_config(text)
    return load_rules(config, document)


def run(text: str = RULE, **limits: int) -> DryRun:
    return DryRun(rules(text), Policy(), **limits)


def message(
    number: int, result: str, key: str = "k", *, at: float | None = None, **more: object
) -> Envelope:
    event = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "s",
        "type": "t",
        "time": "2023-11-15T00:00:00Z",
        "data": {"result": result, "key": key},
        **more,
    }
    return Envelope(
        subject="t",
        data=json.dumps(event).encode(),
        stream="S",
        stream_epoch=1,
        sequence=number,
        received_at=START + number if at is None else at,
    )


def backtested(*texts: str, **options: object) -> Backtest:
    return Backtest(
        [run(text) for text in texts or (RULE,)],
        limits=[{"shop": 120}] * max(1, len(texts)),
        size_limit=1 << 20,
        **options,  # type: ignore[arg-type]
    )


def told(results: str, dry: DryRun | None = None) -> list[Decision]:
    dry = dry or run()
    found = []
    words = {"p": "pass", "f": "fail", "s": "seen", "w": "warn", "c": "change"}
    for number, letter in enumerate(results, 1):
        envelope = message(number, words[letter])
        rows: list = []
        test = Backtest([dry], limits=[{}], size_limit=1 << 20, export=rows.append)
        test.take(envelope)
        found += [row.finding.decision for row in rows if row.finding.rule == "verdict"]
    return found


PAGE, UPDATE, RESOLVE = Decision.PAGE, Decision.UPDATE, Decision.RESOLVE
ACK, SKIP = Decision.ACKNOWLEDGE, Decision.SKIP


@pytest.mark.parametrize(
    ("results", "decisions"),
    [
        ("f", [PAGE]),
        ("ff", [PAGE, UPDATE]),
        ("fp", [PAGE, RESOLVE]),
        ("fpf", [PAGE, RESOLVE, PAGE]),
        ("fpp", [PAGE, RESOLVE, SKIP]),
        ("p", [RESOLVE]),  # an alert may be open from before
        ("pp", [RESOLVE, SKIP]),
        ("s", [SKIP]),
        ("fs", [PAGE, ACK]),
        ("fsf", [PAGE, ACK, UPDATE]),
        ("fspf", [PAGE, ACK, RESOLVE, PAGE]),
    ],
)
def test_the_same_machine_decides_as_in_the_service(
    results: str, decisions: list[Decision]
) -> None:
    assert told(results) == decisions


def test_a_copy_of_an_event_says_nothing_twice() -> None:
    test = backtested()
    for _ in range(2):
        test.take(message(1, "fail"))
        test.take(message(2, "change"))
    (tally,) = test.tallies
    assert tally.rules["verdict"].decisions == Counter({PAGE: 1, SKIP: 3})
    assert tally.rules["verdict"].reasons == Counter({Reason.DUPLICATE: 1, Reason.VALUE_DIFFERS: 2})
    assert tally.rules["changes"].decisions[Decision.CHANGE] == 1


def test_days_and_services_are_those_of_the_events() -> None:
    test = backtested()
    test.take(message(1, "fail", at=START + 3))
    test.take(message(2, "pass", at=START + 3, time="2023-11-14T23:59:59Z"))
    test.take(message(3, "change", at=START + DAY, time="2023-11-16T00:00:00Z"))
    test.take(message(4, "fail", at=START + DAY, time="2033-11-16T00:00:00Z"))  # not yet
    test.take(message(5, "fail", at=START + DAY, time="0001-01-01T00:00:00Z"))
    assert test.tallies[0].days == {
        ("2023-11-15", "shop"): Counter({PAGE: 1}),
        ("2023-11-14", "shop"): Counter({RESOLVE: 1}),
        ("2023-11-16", "ops"): Counter({Decision.CHANGE: 1}),
        ("2023-11-16", "shop"): Counter({PAGE: 1, UPDATE: 1}),
    }


def test_the_moment_of_an_event() -> None:
    assert moment_of(None, 50.0) == 50.0
    assert moment_of(40.0, 50.0) == 40.0
    assert moment_of(60.0, 50.0) == 50.0
    assert moment_of(START - 401 * DAY, START) == START
    assert moment_of(START - 399 * DAY, START) == START - 399 * DAY


def test_what_cannot_be_read_or_rendered_is_counted_with_an_example() -> None:
    test = backtested()
    test.take(message(1, "fail"))
    bad = message(2, "fail")
    test.take(Envelope(subject="t", data=bad.data[:-5], sequence=2, received_at=START))
    broken = message(3, "fail", data={"result": "fail"})  # no key: the fallback page goes out
    test.take(broken)
    assert test.unread == Counter({Reason.NOT_JSON: 1})
    assert test.unread_example is not None
    assert test.unread_example[0] == 2
    tally = test.tallies[0].rules["verdict"]
    assert (tally.failures, tally.decisions[PAGE]) == (1, 2)
    assert tally.example is not None
    assert tally.example[:2] == (3, "e3")
    assert tally.reasons == Counter({Reason.RENDER_FAILED: 1})


def test_messages_that_concern_nobody_are_not_opened() -> None:
    test = backtested()
    test.take(message(1, "fail", type="other"))
    test.take(message(2, "fail"))
    assert (test.messages, test.passed_over, test.events) == (2, 1, 1)


def test_openings_are_counted_and_what_stays_open_is_known() -> None:
    test = backtested()
    for number in range(1, 9):
        test.take(message(number, "fail" if number % 2 else "pass", "flaps"))
    test.take(message(9, "fail", "open"))
    known = {key.dedup_key: known for key, known in test.runs[0].known()}
    assert known["flaps"].pages == 4
    assert not known["flaps"].is_open
    assert known["open"].is_open


def test_memory_is_bounded_and_what_was_let_go_is_counted() -> None:
    dry = run(keys=10, changes=5)
    test = Backtest([dry], limits=[{}], size_limit=1 << 20)
    for number in range(1, 101):
        test.take(message(number, "fail", f"k{number}"))
        test.take(message(1000 + number, "change"))
    assert [key for key, _ in dry.known()] == [
        AlertKey(service="shop", dedup_key=f"k{number}") for number in range(91, 101)
    ]
    assert dry.forgotten == 90
    assert len(dry._changes) == 5


# -- the rate -------------------------------------------------------------------------------------


def test_a_full_window_is_noticed_to_the_second() -> None:
    watch = RateWatch(3)
    for moment in (0, 10, 59, 60, 61, 62, 200):
        watch.call(1000.0 + moment)
    # 60: 10, 59, 60 are in the window; 61 and 62 make four and five of it
    assert (watch.over, watch.peak, watch.peak_at) == (2, 5, 1062)


def test_the_window_agrees_with_counting_by_hand() -> None:
    moments = [float((n * n * 7) % 300) for n in range(400)]  # out of order
    watch = RateWatch(100)
    over = 0
    seen: list[float] = []
    for moment in moments:
        seen.append(moment)
        watch.call(moment)
        over += sum(1 for one in seen if moment - 60 < one <= moment) > 100
    assert watch.over == over


def test_the_window_forgets() -> None:
    watch = RateWatch(10)
    for second in range(100_000):
        watch.call(float(second))
    assert len(watch._seconds) <= 2 * 512
    assert watch.peak == 60


# -- two configurations ---------------------------------------------------------------------------


def kinds(other: str, *messages: Envelope) -> dict[tuple[str, str], int]:
    test = backtested(RULE, other)
    for envelope in messages:
        test.take(envelope)
    return dict(test.changes)


def test_the_same_twice_makes_no_difference() -> None:
    test = backtested(RULE, RULE)
    for number in range(1, 50):
        test.take(message(number, ["fail", "pass", "change", "x"][number % 4], f"k{number % 3}"))
    assert not test.changes
    assert not test.differing
    assert test.tallies[0] == test.tallies[1] or test.tallies[0].days == test.tallies[1].days


def events() -> Iterator[Envelope]:
    yield message(1, "fail")
    yield message(2, "warn")
    yield message(3, "pass")


def test_what_one_of_two_says() -> None:
    fewer = RULE.replace("[pass, fail, warn, seen]", "[pass, fail]")
    assert kinds(fewer, *events()) == {("update", "nothing"): 1}
    softer = RULE.replace("severity: critical", "severity: info")
    assert kinds(softer, *events()) == {
        ("page critical", "page info"): 1,
        ("update critical", "update info"): 1,
        # a resolve carries the payload too, and PagerDuty ignores it
        ("resolve", "resolve, other text"): 1,
    }
    other_key = RULE.replace("'{{.data.key}}'", "'x/{{.data.key}}'")
    assert kinds(other_key, message(1, "fail")) == {
        ("page", "nothing"): 1,
        ("nothing", "page"): 1,
    }
    broken = RULE.replace("eq .data.result", "eq .data.nothing")
    assert kinds(broken, message(1, "fail")) == {
        ("page", "nothing"): 1,
        ("nothing", "dead-letter"): 1,
    }


def test_the_first_differences_are_kept_all_are_counted() -> None:
    test = backtested(RULE, RULE.replace("severity: critical", "severity: info"), show=2)
    for number in range(1, 10):
        test.take(message(number, "fail", f"k{number}"))
    assert test.changes.total() == test.differing == 9
    assert [one.sequence for one in test.examples()] == [1, 2]
    assert test.examples()[0].dedup_key == "k1"


def test_what_is_rare_is_among_the_examples() -> None:
    fewer = RULE.replace("[pass, fail, warn, seen]", "[pass]")
    test = backtested(RULE, fewer, show=3)
    for number in range(1, 50):
        test.take(message(number, "fail", "k"))
    test.take(message(50, "seen", "k"))
    assert [(one.sequence, one.kind) for one in test.examples()] == [
        (1, ("page", "nothing")),
        (2, ("update", "nothing")),
        (50, ("acknowledge", "nothing")),
    ]


# -- the export -----------------------------------------------------------------------------------


def exported(*, lines: bool) -> str:
    out = io.StringIO()
    write = Export(out, lines=lines, configurations=("a.yaml", "b.yaml"))
    test = backtested(RULE, RULE.replace("severity: critical", "severity: info"), export=write)
    test.take(message(1, "fail", '=HYPERLINK("x")'))
    test.take(Envelope(subject="t", data=b"{", sequence=2, received_at=START))
    return out.getvalue()


def test_every_decision_is_exported() -> None:
    rows = list(csv.DictReader(io.StringIO(exported(lines=False))))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["configuration"], row["rule"], row["decision"]) for row in rows] == [
        ("a.yaml", "verdict", "page"),
        ("a.yaml", "changes", "skip"),
        ("b.yaml", "verdict", "page"),
        ("b.yaml", "changes", "skip"),
        ("a.yaml", "", "dead-letter"),
    ]
    assert rows[0]["dedup_key"] == """'=HYPERLINK("x")"""
    assert {row["differs"] for row in rows[:4]} == {"True"}
    lines = [json.loads(line) for line in exported(lines=True).splitlines()]
    assert lines[0]["dedup_key"] == '=HYPERLINK("x")'
    assert [line["severity"] for line in lines] == ["critical", "", "info", "", ""]
    assert lines[4]["reason"] == "not-json"


def test_a_rule_that_nobody_asked_for_leaves_no_event() -> None:
    dry = run()
    event = Event(id="e", source="s", type="other")
    (finding,) = dry.judge(event, message(1, "fail"))
    assert finding.reason is Reason.NO_RULE_MATCHED
    assert not finding.said
