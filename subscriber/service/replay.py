"""The desk where dead letters are looked through, sent again and thrown away.

Rules:
- A replay is the original message on its original subject, in the stream that the running service
  reads: everything after that is the normal way. `delivery.replay` keeps its place in the order.
- A letter goes away only after a stream has confirmed the replay; one that cannot be replayed is
  kept, and the reason said.
- Oldest first, by the place in the order and not by when a letter was written. Several letters of
  one message are one replay.
- Whatever the number of letters, only one of their payloads is in memory at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from subscriber.delivery import origin_of, replay_headers
from subscriber.delivery.deadletter import PREFIX
from subscriber.model import Arrival, Envelope, Problem, Reason, excerpt
from subscriber.ports.interfaces import DeadLetters, History, Publisher
from subscriber.ports.nats.letters import CUT_DATA, TRIMMED_HEADERS
from subscriber.ports.subjects import covers


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter; `facts` are its headers without ``Dead-Letter-``."""

    number: int
    envelope: Envelope
    facts: Mapping[str, str]

    @property
    def reason(self) -> str:
        """A value of `Reason`; empty for what was not written by us."""
        return self.facts.get("Reason", "")

    @property
    def written_at(self) -> float:
        """Seconds since 1970, 0 when it does not say."""
        try:
            return datetime.fromisoformat(self.facts.get("Written-At", "")).timestamp()
        except ValueError:
            return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which letters are meant; every condition given must hold.

    Attributes:
        numbers: these; empty: any.
        reason: only those of this reason.
        since: only those written at or after, seconds since 1970.
    """

    numbers: tuple[int, ...] = ()
    reason: Reason | None = None
    since: float | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether the letter is meant."""
        if self.numbers and letter.number not in self.numbers:
            return False
        if self.reason is not None and letter.reason != self.reason.value:
            return False
        return self.since is None or letter.written_at >= self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The letters of one message, by number, and the message's first place."""

    origin: Arrival
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How the replay of one message went.

    Attributes:
        letter: the first of its letters.
        numbers: all of them; removed unless there is a problem.
        problem: why it was refused, None when a stream has it.
    """

    letter: Letter
    numbers: tuple[int, ...]
    problem: Problem | None = None


@dataclass(slots=True, kw_only=True)
class Desk:
    """What can be done with the letters.

    Attributes:
        letters: where they are.
        history: the streams, for letters that could not hold the whole of their message.
        publisher: must refuse what no stream stores.
        listening: the subjects that the service reads.
    """

    letters: DeadLetters
    history: History
    publisher: Publisher
    listening: Sequence[str] = field(default_factory=tuple)

    async def select(self, selection: Selection) -> AsyncIterator[Letter]:
        """The letters that are meant, by number."""
        if selection.numbers:
            for number in sorted(set(selection.numbers)):
                letter = await self.read(number)
                if letter is not None and selection.takes(letter):
                    yield letter
            return
        async for number, envelope, headers in self.letters.scan():
            letter = _letter(number, envelope, headers)
            if selection.takes(letter):
                yield letter

    async def read(self, number: int) -> Letter | None:
        """One letter, None when there is none of that number."""
        found = await self.letters.read(number)
        return None if found is None else _letter(number, *found)

    async def whole(self, letter: Letter) -> Envelope:
        """The message as it was, ready to be published again but for the headers.

        Raises:
            Problem: it must not, or cannot, be replayed.
        """
        envelope = letter.envelope
        if not letter.reason:
            raise Problem(
                Reason.INVALID_VALUE,
                "this is no dead letter of ours: it does not say why and where it died",
                hint="`dlq drop` removes it",
            )
        if not any(covers(pattern, envelope.subject) for pattern in self.listening):
            raise Problem(
                Reason.STREAM_CONFLICT,
                f"the service does not listen on {excerpt(envelope.subject)} (any more)",
                hint=f"nats.subjects is {', '.join(self.listening)}",
            )
        short = [
            name for name in (CUT_DATA, TRIMMED_HEADERS) if name[len(PREFIX) :] in letter.facts
        ]
        if not short:
            return envelope
        # The letter had no room for all of it; perhaps the stream still has the original.
        found = await self.history.read(envelope.sequence, epoch=envelope.stream_epoch)
        same = (
            envelope.stream_epoch > 0
            and found is not None
            and found.subject == envelope.subject
            and found.data.startswith(envelope.data)
        )
        if not same or found is None:
            raise Problem(
                Reason.TOO_LARGE,
                "the letter holds only a part of its message, and the stream has it no more",
                hint=f"see {', '.join(short)} in `dlq show {letter.number}`",
            )
        return replace(envelope, data=found.data, headers=found.headers)

    async def ready(self, letter: Letter) -> Envelope:
        """The message as it would be published.

        Raises:
            Problem: it must not, or cannot, be replayed.
        """
        envelope = await self.whole(letter)
        written = letter.facts.get("Written-At", "")
        headers = replay_headers(envelope, letter=f"{letter.number}/{written}")
        return replace(envelope, headers=headers)

    async def replay(self, batches: Iterable[Batch]) -> AsyncIterator[Replayed]:
        """Publish these messages again, in this order; yields after each.

        Raises:
            PortUnavailable: NATS does not answer; what was not yielded is kept. A message that was
                stored just then is recognised when it is tried again within the duplicate window.
        """
        for batch in batches:
            letter = await self.read(batch.numbers[0])
            if letter is None:  # somebody else was faster
                continue
            try:
                message = await self.ready(letter)
                await self.publisher.publish(message.subject, message.data, message.headers)
            except Problem as problem:
                yield Replayed(letter=letter, numbers=batch.numbers, problem=problem)
                continue
            for number in batch.numbers:
                await self.letters.remove(number)
            yield Replayed(letter=letter, numbers=batch.numbers)


@dataclass(slots=True)
class Batches:
    """Gathers letters into messages; keeps numbers and places, no payloads."""

    _found: dict[tuple[object, ...], list[int]] = field(default_factory=dict)
    _origins: dict[tuple[object, ...], Arrival] = field(default_factory=dict)

    def add(self, letter: Letter) -> None:
        """Take a letter in."""
        envelope = letter.envelope
        # a message is its place in its stream; without one every letter stands for itself
        place: tuple[object, ...] = (envelope.stream, envelope.stream_epoch, envelope.sequence)
        if not envelope.stream or not letter.reason:
            place = (letter.number,)
        self._found.setdefault(place, []).append(letter.number)
        self._origins.setdefault(place, origin_of(envelope))

    def ordered(self) -> list[Batch]:
        """The messages, oldest first."""
        batches = [
            Batch(origin=self._origins[place], numbers=tuple(numbers))
            for place, numbers in self._found.items()
        ]
        batches.sort(key=lambda one: (one.origin.epoch, one.origin.sequence, one.numbers))
        return batches


def _letter(number: int, envelope: Envelope, headers: Mapping[str, str]) -> Letter:
    facts = {name.removeprefix(PREFIX): value for name, value in headers.items()}
    return Letter(number=number, envelope=envelope, facts=facts)
