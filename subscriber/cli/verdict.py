"""The result of a backtest: as a page for people, as one JSON object for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from subscriber.cli.table import moment, plain, table, width
from subscriber.model import AlertKey
from subscriber.service.backtest import WINDOW, Backtest, Difference, RateWatch, Tally
from subscriber.service.dryrun import SAID, Decision, DryRun, Finding
from subscriber.service.dryworld import Known

_HEADS = ("PAGES", "UPDATES", "ACKS", "RESOLVES", "CHANGES")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a result is shown with.

    Attributes:
        test: the backtest, at its end or where it was stopped.
        names: of the configurations.
        of: how many messages there were to read.
        seconds: how long it took.
        interrupted: whether somebody stopped it.
        lost: why the rest could not be read; empty when it could.
        flaps: from how many openings on a key flaps.
        show: how many of each list.
    """

    test: Backtest
    names: tuple[str, ...]
    of: int
    seconds: float
    interrupted: bool
    lost: str
    flaps: int
    show: int

    def open_keys(self, run: DryRun) -> list[tuple[AlertKey, Known]]:
        """Alerts that nothing closed, the one that waits longest first."""
        found = [(key, known) for key, known in run.known() if known.is_open]
        return sorted(found, key=lambda one: (one[1].opened_at, one[0]))

    def flapping(self, run: DryRun) -> list[tuple[AlertKey, Known]]:
        """Alerts that were opened too often, the worst first."""
        found = [(key, known) for key, known in run.known() if known.pages > self.flaps]
        return sorted(found, key=lambda one: (-one[1].pages, one[0]))

    # -- for people --------------------------------------------------------------------------------

    def lines(self) -> Iterator[str]:
        """The whole page."""
        test = self.test
        if self.interrupted:
            yield (
                f"INTERRUPTED after {test.messages:,} of {self.of:,} messages: "
                "everything below is about these only."
            )
        if self.lost:
            yield plain(f"NOT COMPLETE: {self.lost}; everything below is about what was read.")
        span = f", stored {moment(test.first)} to {moment(test.last)}" if test.messages else ""
        rate = f" ({test.messages / self.seconds:,.0f}/s)" if self.seconds > 0 else ""
        yield f"{test.messages:,} messages{span}; read in {self.seconds:.1f} s{rate}"
        yield f"{test.events:,} events that some rule asks for, {test.passed_over:,} that none does"
        if test.unread and test.unread_example is not None:
            reasons = ", ".join(
                f"{reason} {count:,}" for reason, count in test.unread.most_common()
            )
            sequence, text = test.unread_example
            yield f"{test.unread.total():,} cannot be read and would be dead letters: {reasons}"
            yield plain(f"  the first, sequence {sequence}: {text}")
        for name, run, tally in zip(self.names, test.runs, test.tallies, strict=True):
            if len(self.names) > 1:
                yield ""
                yield f"== {name}"
            yield from self._one(run, tally)
        if len(self.names) > 1:
            yield from self._compared()

    def _one(self, run: DryRun, tally: Tally) -> Iterator[str]:
        yield ""
        if tally.days:
            yield from self._days(tally)
        else:
            yield "PagerDuty would have heard nothing."
        yield from self._rules(run, tally)
        waiting = self.open_keys(run)
        if waiting:
            yield ""
            yield f"{_counted(len(waiting), 'alert')} would be open at the end, closed by nothing:"
            yield from self._keys(waiting, "OPEN SINCE", lambda one: moment(one.opened_at))
        flapping = self.flapping(run)
        if flapping:
            yield ""
            yield f"{_counted(len(flapping), 'alert')} opened more than {self.flaps} times:"
            yield from self._keys(flapping, "OPENED", lambda one: f"{one.pages} times")
        if tally.rates:
            yield ""
        for service, watch in sorted(tally.rates.items()):
            yield plain(f"Service {service}: {_rate(watch)}")
        if run.forgotten:
            yield ""
            yield (
                f"{run.forgotten:,} keys were let go to stay within memory; their later events "
                "count as the first of their key."
            )

    def _days(self, tally: Tally) -> Iterator[str]:
        rows = [
            (day, service, *(_number(counted[one]) for one in SAID))
            for (day, service), counted in sorted(tally.days.items())
        ]
        whole: Counter[Decision] = Counter()
        for counted in tally.days.values():
            whole += counted
        if len(rows) > 1:
            rows.append(("all", "", *(_number(whole[one]) for one in SAID)))
        yield from table(("DAY (UTC)", "SERVICE", *_HEADS), rows, width())

    def _rules(self, run: DryRun, tally: Tally) -> Iterator[str]:
        rows = []
        for rule in run.rules.rules:
            done = tally.rules.get(rule.name)
            if done is None:
                continue
            decisions = done.decisions
            reasons = ", ".join(reason.value for reason, _ in done.reasons.most_common(2))
            rows.append(
                (
                    rule.name,
                    *(_number(decisions[one]) for one in SAID),
                    _number(decisions[Decision.SKIP]),
                    _number(done.failures),
                    reasons,
                )
            )
        if rows:
            yield ""
            yield from table(("RULE", *_HEADS, "SKIPS", "FAILED", "MOSTLY"), rows, width())
        silent = [rule.name for rule in run.rules.rules if rule.name not in tally.rules]
        if silent:
            yield plain(f"Not one event for: {', '.join(silent)}")
        for name, done in tally.rules.items():
            if done.failures and done.example is not None:
                sequence, identity, text = done.example
                yield ""
                yield plain(f"{name} failed for {_counted(done.failures, 'event')}; the first:")
                yield plain(f"  sequence {sequence}, id {identity}: {text}")

    def _keys(self, keys: Sequence[tuple[AlertKey, Known]], head: str, cell: Any) -> Iterator[str]:
        rows = [
            (f"  {key.service}", key.dedup_key, known.rule, cell(known))
            for key, known in keys[: self.show]
        ]
        yield from table(("  SERVICE", "KEY", "RULE", head), rows, width())
        yield from _rest(len(keys), self.show, where="--show prints more")

    def _compared(self) -> Iterator[str]:
        test = self.test
        yield ""
        yield f"== {self.names[0]} -> {self.names[1]}"
        if not test.differing:
            yield "No difference in anything that PagerDuty would hear."
            return
        yield f"{_counted(test.differing, 'event')} would be handled differently:"
        rows = [
            (f"{count:,}", f"{before} -> {after}")
            for (before, after), count in test.changes.most_common()
        ]
        yield from (f"  {line}" for line in table(("EVENTS", "CHANGE"), rows, width() - 2))
        yield ""
        shown = test.examples()
        for difference in shown:
            yield from _difference(difference)
        yield from _rest(test.changes.total(), len(shown), where="--export has all of them")

    # -- for machines ------------------------------------------------------------------------------

    def digest(self) -> dict[str, Any]:
        """Everything as plain values."""
        test = self.test
        found: dict[str, Any] = {
            "messages": test.messages,
            "of": self.of,
            "interrupted": self.interrupted,
            "lost": self.lost,
            "seconds": round(self.seconds, 3),
            "first": moment(test.first),
            "last": moment(test.last),
            "events": test.events,
            "passed_over": test.passed_over,
            "unread": {reason.value: count for reason, count in test.unread.items()},
            "configurations": [
                self._digest(*one) for one in zip(self.names, test.runs, test.tallies, strict=True)
            ],
        }
        if len(self.names) > 1:
            found["difference"] = {
                "events": test.differing,
                "changes": [
                    {"before": before, "after": after, "count": count}
                    for (before, after), count in test.changes.most_common()
                ],
                "shown": [_difference_digest(one) for one in test.examples()],
            }
        return found

    def _digest(self, name: str, run: DryRun, tally: Tally) -> dict[str, Any]:
        return {
            "configuration": name,
            "days": [
                {"day": day, "service": service, **{one.value: counted[one] for one in SAID}}
                for (day, service), counted in sorted(tally.days.items())
            ],
            "rules": {
                name: {
                    **{decision.value: done.decisions[decision] for decision in Decision},
                    "failed": done.failures,
                    "reasons": {reason.value: count for reason, count in done.reasons.items()},
                }
                for name, done in tally.rules.items()
            },
            "never_closed": self._keys_digest(self.open_keys(run)),
            "flapping": self._keys_digest(self.flapping(run)),
            "rates": {
                service: {
                    "limit": watch.limit,
                    "peak": watch.peak,
                    "peak_at": moment(watch.peak_at),
                    "over": watch.over,
                }
                for service, watch in sorted(tally.rates.items())
            },
            "forgotten_keys": run.forgotten,
        }

    def _keys_digest(self, keys: Sequence[tuple[AlertKey, Known]]) -> dict[str, Any]:
        return {
            "count": len(keys),
            "shown": [
                {
                    "service": key.service,
                    "dedup_key": key.dedup_key,
                    "rule": known.rule,
                    "opened": known.pages,
                    "opened_at": moment(known.opened_at),
                }
                for key, known in keys[: self.show]
            ],
        }


def _difference(one: Difference) -> Iterator[str]:
    before, after = one.kind
    key = f" [{one.dedup_key}]" if one.dedup_key else ""
    yield plain(f"  {moment(one.moment)} {one.event_type} (sequence {one.sequence}){key}")
    for sign, word, finding in (("-", before, one.before), ("+", after, one.after)):
        yield plain(f"    {sign} {_told(word, finding)}")


def _told(word: str, finding: Finding | None) -> str:
    if finding is None:
        return "nothing"
    text = finding.summary if finding.said else finding.detail
    said = f"{word} ({finding.rule})"
    return f"{said}: {text}" if text else said


def _difference_digest(one: Difference) -> dict[str, Any]:
    before, after = one.kind
    return {
        "sequence": one.sequence,
        "event_id": one.event_id,
        "event_type": one.event_type,
        "moment": moment(one.moment),
        "service": one.service,
        "dedup_key": one.dedup_key,
        "before": before,
        "after": after,
    }


def _rate(watch: RateWatch) -> str:
    peak = f"at most {_counted(watch.peak, 'call')} in {WINDOW} s, until {moment(watch.peak_at)}"
    if not watch.over:
        return f"{peak}; {watch.limit} are allowed"
    return (
        f"{peak}, where {watch.limit} are allowed: {_counted(watch.over, 'call')} "
        "would hit the rate limit and wait"
    )


def _rest(total: int, shown: int, *, where: str) -> Iterator[str]:
    if total > shown:
        yield f"  ... and {total - shown:,} more ({where})"


def _number(count: int) -> str:
    return f"{count:,}" if count else ""


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
