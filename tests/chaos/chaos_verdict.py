"""The verdict of a chaos run: what was stored, said and noted in; counts out. Pure.

The truth is the order in which the stream stored the events. Against it stand two witnesses that
know nothing of each other: PagerDuty's stand-in (every call it took, and the alerts it holds in the
end) and the log lines of the subscribers.

How an event is accounted for:
- by a log line that names a final outcome for its stream sequence; or, when the process that ended
  it was killed before it could write the line,
- by its effect: PagerDuty took a statement of this event, or of a newer one of its key that makes
  it needless, or it is among the dead letters.
An acknowledgement towards NATS alone does not count: an event that is gone without a line and
without an effect is *unaccounted*.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chaos_events import Kind

FINAL = frozenset({"delivered", "skipped", "superseded", "suppressed-stale", "dead-lettered"})
TAKEN = frozenset({"opened", "updated", "acknowledged", "resolved", "dropped"})
"""Effects of calls that PagerDuty ingested, whatever the caller was told."""

EXPECTED_ENDS = {
    Kind.TRIGGER: frozenset({"delivered", "superseded"}),
    Kind.RESOLVE: frozenset({"delivered", "superseded", "skipped"}),
    Kind.ACKNOWLEDGE: frozenset({"delivered", "superseded", "skipped"}),
    Kind.NOBODYS: frozenset({"skipped"}),
    Kind.BROKEN: frozenset({"dead-lettered"}),
}
"""What an event of a kind may end as; anything else is a wrong end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One message of the stream."""

    sequence: int
    id: str
    key: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One call that reached PagerDuty, in the order of arrival.

    Attributes:
        event: id of the event it speaks for; empty when the body does not say (an acknowledge, or
            a resolve repeated from the ledger alone).
        effect: what it did there.
        action: trigger, acknowledge or resolve.
        key: the dedup key.
        alert: number of the alert that it opened or touched, 0 for none.
    """

    event: str
    effect: str
    action: str
    key: str
    alert: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One outcome that a subscriber logged for a stream sequence."""

    sequence: int
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An alert that is open at PagerDuty in the end; `words` is the newest trigger's event id."""

    key: str
    acknowledged: bool
    words: str


@dataclass(slots=True)
class Verdict:
    """What came of it: each count with the cases behind it.

    Attributes:
        zero: counts that must be 0, by name, with one text per case.
        apart: counts that are only told.
    """

    zero: dict[str, list[str]] = field(default_factory=dict)
    apart: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether everything that must be 0 is 0."""
        return not any(self.zero.values())

    def table(self) -> str:
        """Both parts as text."""
        rows = [(name, str(len(cases)), "must be 0") for name, cases in self.zero.items()]
        rows += [(name, str(count), "") for name, count in self.apart.items()]
        width = max(len(name) for name, _, _ in rows)
        lines = [f"{name:<{width}}  {count:>7}  {note}".rstrip() for name, count, note in rows]
        for name, cases in self.zero.items():
            lines += [f"  {name}: {case}" for case in cases[:20]]
        return "\n".join(lines)


def judge(
    *,
    promised: Iterable[str],
    stored: Sequence[Stored],
    calls: Sequence[Said],
    standing: Mapping[str, Standing],
    lines: Iterable[Line],
    buried: Iterable[int],
) -> Verdict:
    """Compare what happened with what should have.

    Args:
        promised: ids of events whose publication was confirmed.
        stored: the stream, in its order.
        calls: everything that reached PagerDuty, in its order.
        standing: the open alerts in the end, by dedup key.
        lines: the outcomes that were logged, those that come back included.
        buried: stream sequences of the dead letters.
    """
    verdict = Verdict()
    kept = {event.id for event in stored}
    verdict.zero["gone from the stream"] = [one for one in promised if one not in kept]
    repeated = [one for one, times in Counter(e.id for e in stored).items() if times > 1]
    verdict.zero["stored twice"] = repeated
    by_key: dict[str, list[Stored]] = defaultdict(list)
    for event in stored:
        if event.key:
            by_key[event.key].append(event)
    said: dict[str, list[Said]] = defaultdict(list)
    for call in calls:
        if call.effect in TAKEN:
            said[call.key].append(call)
    _states(verdict, by_key, said, standing)
    _incidents(verdict, by_key, said)
    _ends(verdict, stored, by_key, said, lines, buried)
    return verdict


def _newest(events: Sequence[Stored], *kinds: Kind) -> Stored | None:
    return next((event for event in reversed(events) if event.kind in kinds), None)


def _states(
    verdict: Verdict,
    by_key: Mapping[str, Sequence[Stored]],
    said: Mapping[str, Sequence[Said]],
    standing: Mapping[str, Standing],
) -> None:
    """Where every key ended."""
    lost, wrong, older = [], [], []
    for key, events in by_key.items():
        newest = _newest(events, Kind.TRIGGER, Kind.RESOLVE)
        alert = standing.get(key)
        if newest is None:
            if alert is not None:
                wrong.append(f"{key}: open, though nothing ever triggered it")
            continue
        heard = {call.event for call in said.get(key, ()) if call.action == newest.kind.value}
        if newest.kind is Kind.TRIGGER:
            if alert is None or newest.id not in heard:
                lost.append(f"{key}: {newest.id} wants it open, PagerDuty has {alert}")
            elif alert.words != newest.id:
                older.append(f"{key}: says {alert.words}, the newest is {newest.id}")
            acknowledge = _newest(events, Kind.ACKNOWLEDGE)
            wanted = acknowledge is not None and acknowledge.sequence > newest.sequence
            if alert is None:
                wrong.append(f"{key}: resolved, {newest.id} wants it open")
                if newest.id in heard:
                    older.append(f"{key}: resolved after {newest.id} had been heard")
            elif wanted and not alert.acknowledged:
                wrong.append(f"{key}: triggered, {acknowledge} wants it acknowledged")
        elif alert is not None:
            wrong.append(f"{key}: open with {alert.words}, {newest.id} wants it resolved")
            if newest.id in heard:
                older.append(f"{key}: open with {alert.words} after {newest.id} had been heard")
    verdict.zero["lost pages"] = lost
    verdict.zero["wrong final state"] = wrong
    verdict.zero["out of order in the end"] = older


def _incidents(
    verdict: Verdict, by_key: Mapping[str, Sequence[Stored]], said: Mapping[str, Sequence[Said]]
) -> None:
    """Incidents nobody should have seen, and statements that came more than once or late."""
    twice: list[str] = []
    overtaken = repeated = 0
    for key, calls in said.items():
        events = by_key.get(key, ())
        place = {event.id: event.sequence for event in events}
        run = _runs(events)
        opened: Counter[int] = Counter()
        heard: Counter[tuple[str, str]] = Counter()
        newest, resolved = 0, 0
        for call in calls:
            at = place.get(call.event, 0)
            heard[call.event, call.action] += 1
            if call.effect == "opened":
                opened[run.get(call.event, -1)] += 1
                if opened[run.get(call.event, -1)] > 1:
                    twice.append(f"{key}: {call.event} opened alert {call.alert}, its run had one")
                elif at < resolved:
                    twice.append(f"{key}: {call.event} opened alert {call.alert} after its resolve")
            if call.action == "acknowledge" or not at:
                continue
            overtaken += at < newest
            newest = max(newest, at)
            if call.action == "resolve":
                resolved = max(resolved, at)
        repeated += sum(times - 1 for (event, _), times in heard.items() if event)
    verdict.zero["duplicated incidents"] = twice
    verdict.apart["statements that came after a newer one"] = overtaken
    verdict.apart["statements that came more than once"] = repeated


def _runs(events: Sequence[Stored]) -> dict[str, int]:
    """Trigger id -> its run: the triggers of a key between two resolves are one incident."""
    run, number = {}, 0
    for event in events:
        if event.kind is Kind.RESOLVE:
            number += 1
        elif event.kind is Kind.TRIGGER:
            run[event.id] = number
    return run


def _ends(
    verdict: Verdict,
    stored: Sequence[Stored],
    by_key: Mapping[str, Sequence[Stored]],
    said: Mapping[str, Sequence[Said]],
    lines: Iterable[Line],
    buried: Iterable[int],
) -> None:
    """How every event ended."""
    ends: dict[int, Counter[str]] = defaultdict(Counter)
    put_off = 0
    for line in lines:
        if line.outcome in FINAL:
            ends[line.sequence][line.outcome] += 1
        else:
            put_off += 1
    dead = set(buried)
    reached: dict[str, int] = {}
    heard = {(call.event, call.action) for calls in said.values() for call in calls}
    for key, events in by_key.items():
        ids = {e.id: e.sequence for e in events if e.kind in (Kind.TRIGGER, Kind.RESOLVE)}
        reached[key] = max((ids.get(call.event, 0) for call in said.get(key, ())), default=0)
    nothing, strange, wrongly_dead = [], [], []
    by_effect = again = 0
    total: Counter[str] = Counter()
    for event in stored:
        found = ends.get(event.sequence)
        if found:
            again += sum(found.values()) - 1
            total[min(found)] += 1
            # of several ends (a redelivery after a lost ack) each must be one that fits
            odd = set(found) - EXPECTED_ENDS[event.kind]
            if odd:
                strange.append(f"{event.id} ({event.kind}): {', '.join(sorted(odd))}")
        elif (
            (event.id, event.kind.value) in heard
            or event.sequence in dead
            or reached.get(event.key, 0) > event.sequence
        ):
            by_effect += 1
        else:
            nothing.append(f"{event.id} ({event.kind}, {event.key or 'no key'}), {event.sequence}")
        if event.sequence in dead and event.kind is not Kind.BROKEN:
            wrongly_dead.append(f"{event.id} ({event.kind})")
        if event.kind is Kind.BROKEN and event.sequence not in dead:
            wrongly_dead.append(f"{event.id} is broken and not among the dead letters")
    verdict.zero["unaccounted events"] = nothing
    verdict.zero["wrong ends"] = strange
    verdict.zero["dead letters too many or missing"] = wrongly_dead
    for name in sorted(FINAL):
        verdict.apart[f"events that ended {name}"] = total[name]
    verdict.apart["events known by their effect only"] = by_effect
    verdict.apart["ends noted again after a redelivery"] = again
    verdict.apart["times an event was put off"] = put_off
