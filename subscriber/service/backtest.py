"""A backtest: what rules would have done with the events that the streams still hold.

Rules: whatever the number of messages, only counters, the keys of a `DryRun` and the first few
examples are in memory. A moment is the event's own time; the time of storing stands in when the
event has none, or one that is later than that or more than 400 days earlier.

This module does not know NATS, files or terminals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from subscriber.model import Envelope, Event, Problem, Reason
from subscriber.service.dryrun import SAID, Decision, DryRun, Finding, read

_OLDEST = 400 * 86_400.0
WINDOW = 60
"""Seconds over which PagerDuty counts calls."""


class RateWatch:
    """Counts a service's calls over every 60 seconds, to the second.

    Calls may come up to 512 seconds out of order; an older one counts alone.

    Attributes:
        peak: the most calls in any window.
        peak_at: the last second of that window.
        over: calls that came when the window was full already.
    """

    _KEPT = 512

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.peak = 0
        self.peak_at = 0
        self.over = 0
        self._seconds: Counter[int] = Counter()
        self._newest = 0

    def call(self, moment: float) -> None:
        """A call at this time, seconds since 1970."""
        second = int(moment)
        if second > self._newest:
            self._newest = second
            if len(self._seconds) >= 2 * self._KEPT:
                kept = second - self._KEPT
                self._seconds = Counter({s: n for s, n in self._seconds.items() if s > kept})
        self._seconds[second] += 1
        seconds = self._seconds
        window = sum(
            seconds[one] for one in range(second - WINDOW + 1, second + 1) if one in seconds
        )
        if window > self.limit:
            self.over += 1
        if window > self.peak:
            self.peak, self.peak_at = window, second


@dataclass(slots=True)
class RuleTally:
    """What one rule did.

    Attributes:
        decisions: by kind.
        reasons: why it said nothing, or had to fall back.
        example: the first failure: stream sequence, event id, text.
    """

    decisions: Counter[Decision] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)
    failures: int = 0
    example: tuple[int, str, str] | None = None


@dataclass(slots=True)
class Tally:
    """What one configuration did.

    Attributes:
        days: (day, service) -> how often each decision; days are UTC.
        rules: by name.
        rates: by service.
    """

    limits: Mapping[str, int]
    days: dict[tuple[str, str], Counter[Decision]] = field(default_factory=dict)
    rules: dict[str, RuleTally] = field(default_factory=dict)
    rates: dict[str, RateWatch] = field(default_factory=dict)
    _day: tuple[int, str] = (-1, "")

    def note(self, finding: Finding, event: Event | None, envelope: Envelope) -> None:
        """Count a finding."""
        if not finding.rule:
            return
        tally = self.rules.get(finding.rule)
        if tally is None:
            tally = self.rules[finding.rule] = RuleTally()
        tally.decisions[finding.decision] += 1
        if not finding.said or finding.problem is not None:
            tally.reasons[finding.reason] += 1
        if finding.problem is not None:
            tally.failures += 1
            if tally.example is None:
                identity = event.id if event is not None else ""
                tally.example = (envelope.sequence, identity, finding.detail)
        intent = finding.intent
        if intent is None or not finding.said:
            return
        moment = moment_of(intent.occurred_at, envelope.received_at)
        key = (self._day_of(moment), intent.service)
        counted = self.days.get(key)
        if counted is None:
            counted = self.days[key] = Counter()
        counted[finding.decision] += 1
        watch = self.rates.get(intent.service)
        if watch is None:
            watch = self.rates[intent.service] = RateWatch(self.limits.get(intent.service, 120))
        watch.call(moment)

    def _day_of(self, moment: float) -> str:
        number = int(moment // 86_400)
        if self._day[0] != number:
            text = datetime.fromtimestamp(number * 86_400, UTC).strftime("%Y-%m-%d")
            self._day = (number, text)
        return self._day[1]


def moment_of(occurred_at: float | None, stored_at: float) -> float:
    """When an event counts; seconds since 1970."""
    if occurred_at is None or not stored_at - _OLDEST <= occurred_at <= stored_at:
        return stored_at
    return occurred_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where two configurations part over one event.

    Attributes:
        sequence, event_id, event_type, moment: the event.
        service, dedup_key: whom and what it is about.
        before, after: what the first and the other configuration would do; None: nothing.
    """

    sequence: int
    event_id: str
    event_type: str
    moment: float
    service: str
    dedup_key: str
    before: Finding | None
    after: Finding | None

    @property
    def kind(self) -> tuple[str, str]:
        """In words: what becomes what."""
        before = self.before.decision.value if self.before else "nothing"
        after = self.after.decision.value if self.after else "nothing"
        if before == after:
            assert self.before is not None
            assert self.after is not None
            severities = (self.before.severity, self.after.severity)
            if severities[0] != severities[1]:
                return f"{before} {severities[0]}", f"{after} {severities[1]}"
            return before, f"{after}, other text"
        return before, after


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One decision, for an export.

    Attributes:
        configuration: 0 the first, 1 the other one.
        differs: whether the two part over this event.
    """

    envelope: Envelope
    event: Event | None
    finding: Finding
    configuration: int = 0
    differs: bool = False


class Backtest:
    """Takes messages one after the other.

    Attributes:
        runs: the dry run of the configuration and, perhaps, of the one to compare it with.
        tallies: what each did.
        messages, events: how many were taken; a message of which no rule asks is not opened.
        passed_over: messages that are no rule's concern.
        unread: messages that would become dead letters, by reason.
        unread_example: the first of these.
        differing: events over which the two part.
        changes: how often what became what.
        first, last: when the first and the last message were stored.
    """

    def __init__(
        self,
        runs: Sequence[DryRun],
        *,
        limits: Sequence[Mapping[str, int]],
        size_limit: int,
        show: int = 20,
        export: Callable[[Row], None] | None = None,
    ) -> None:
        """Prepare.

        Args:
            runs: one, or two to compare.
            limits: for each of them, calls per service in 60 s.
            size_limit: bytes of an event.
            show: how many differences to show.
            export: is given every decision.
        """
        self.runs = tuple(runs)
        self.tallies = tuple(Tally(one) for one in limits)
        self.messages = self.events = self.passed_over = self.differing = 0
        self.unread: Counter[Reason] = Counter()
        self.unread_example: tuple[int, str] | None = None
        self.changes: Counter[tuple[str, str]] = Counter()
        self.first = self.last = 0.0
        self._rule_sets = tuple(run.rules for run in runs)
        self._size_limit = size_limit
        self._show = show
        self._kept: dict[tuple[str, str], list[Difference]] = {}
        self._export = export

    def take(self, envelope: Envelope) -> None:
        """Judge one message."""
        self.messages += 1
        self.first = self.first or envelope.received_at
        self.last = envelope.received_at
        events = read(envelope, self._rule_sets, size_limit=self._size_limit)
        if events is None:
            self.passed_over += 1
            return
        for event in events:
            if isinstance(event, Problem):
                self.unread[event.reason] += 1
                if self.unread_example is None:
                    self.unread_example = (envelope.sequence, str(event))
                self._give(envelope, None, [self.runs[0].judge(event, envelope)], differs=False)
            else:
                self.events += 1
                self._event(event, envelope)

    def examples(self) -> list[Difference]:
        """The first differences of every kind in turn, so that what is rare is seen too."""
        turns = [
            (rank, one.sequence, one)
            for kept in self._kept.values()
            for rank, one in enumerate(kept)
        ]
        turns.sort(key=lambda turn: turn[:2])
        chosen = [one for _, _, one in turns[: self._show]]
        return sorted(chosen, key=lambda one: one.sequence)

    def _event(self, event: Event, envelope: Envelope) -> None:
        answers = [run.judge(event, envelope) for run in self.runs]
        for tally, findings in zip(self.tallies, answers, strict=True):
            for finding in findings:
                tally.note(finding, event, envelope)
        found: list[Difference] = []
        if len(answers) == 2:
            found = _differences(answers[0], answers[1], event, envelope)
            self.differing += bool(found)
            for difference in found:
                self.changes[difference.kind] += 1
                kept = self._kept.setdefault(difference.kind, [])
                if len(kept) < self._show:
                    kept.append(difference)
        self._give(envelope, event, answers, differs=bool(found))

    def _give(
        self,
        envelope: Envelope,
        event: Event | None,
        answers: Sequence[Sequence[Finding]],
        *,
        differs: bool,
    ) -> None:
        if self._export is None:
            return
        for number, findings in enumerate(answers):
            for finding in findings:
                self._export(
                    Row(
                        envelope=envelope,
                        event=event,
                        finding=finding,
                        configuration=number,
                        differs=differs,
                    )
                )


def _differences(
    before: Sequence[Finding], after: Sequence[Finding], event: Event, envelope: Envelope
) -> list[Difference]:
    """What only one of the two says, and what they say differently, about one event."""
    if before == after:
        return []
    one, other = _by_subject(before), _by_subject(after)
    found = []
    for subject in dict.fromkeys((*one, *other)):
        here, there = one.get(subject), other.get(subject)
        if here is not None and there is not None and _same(here, there):
            continue
        found.append(
            Difference(
                sequence=envelope.sequence,
                event_id=event.id,
                event_type=event.type,
                moment=moment_of(event.occurred_at, envelope.received_at),
                service=subject[0],
                dedup_key=subject[1],
                before=here,
                after=there,
            )
        )
    return found


def _by_subject(findings: Sequence[Finding]) -> dict[tuple[str, str, int], Finding]:
    """What is not silence, by service and key (and number, should several speak of one key)."""
    found: dict[tuple[str, str, int], Finding] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        if finding.decision is Decision.SKIP:
            continue
        intent = finding.intent
        subject = (intent.service, intent.dedup_key) if intent is not None else ("", finding.rule)
        found[(*subject, seen[subject])] = finding
        seen[subject] += 1
    return found


def _same(one: Finding, other: Finding) -> bool:
    a, b = one.intent, other.intent
    if one.decision is not other.decision or a is None or b is None:
        return one.decision is other.decision
    if one.decision not in SAID:
        return True
    return (a.payload, a.client, a.client_url, a.links, a.images) == (
        b.payload,
        b.client,
        b.client_url,
        b.links,
        b.images,
    )
