"""Faults: the ways the real service lets its callers down, on demand.

A fault says what goes wrong (`FaultKind`), for which routing key (or all), and how often: for the
next N calls, with a probability, after skipping some. The dice are seeded, so a run repeats. What
each kind does is the table `SHAPES`; the text form (``500:p=0.3``) and the JSON form of the control
API go through the same `fault_from`.

This module does not know sockets: it says *how* a call ends, `app` ends it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from subscriber.model import Problem, Reason, excerpt
from subscriber.simulator import answer
from subscriber.simulator.answer import Answer, Headers
from subscriber.simulator.mask import mask


class FaultKind(StrEnum):
    """What goes wrong; the value is what `--fault` and the control API take."""

    THROTTLED = "429"
    REQUEST_TIMEOUT = "408"
    SERVER_ERROR = "500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT = "504"
    PLAIN_TEXT_400 = "400-text"
    HTML_401 = "401-html"
    TIMEOUT_BEFORE = "timeout-before"
    TIMEOUT_AFTER = "timeout-after"
    RESET_BEFORE = "reset-before"
    RESET_AFTER = "reset-after"
    SLOW = "slow"


class Ending(StrEnum):
    """How the exchange ends for the client."""

    ANSWER = "answer"
    SILENCE = "silence"
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One row of the table of faults.

    Attributes:
        says: one line for `--help` and the documentation.
        accepts: the event is read and judged as usual before things go wrong.
        ending: what the client sees.
        answer: the answer instead of the true one; None where the true one is sent or none is.
        seconds: default of the option of that name: how long to wait (SLOW) or to stay silent.
        headers: the kind takes ``retry-after`` and ``reset``.
    """

    says: str
    accepts: bool = False
    ending: Ending = Ending.ANSWER
    answer: Callable[[Headers], Answer] | None = None
    seconds: float | None = None
    headers: bool = False


# Longer than any client waits; a client that hangs up ends the silence at once.
SILENCE = 120.0

SHAPES: Mapping[FaultKind, Shape] = {
    FaultKind.THROTTLED: Shape(
        says="429, not ingested; headers only with retry-after= and reset=",
        answer=answer.throttled,
        headers=True,
    ),
    FaultKind.REQUEST_TIMEOUT: Shape(
        says="408 as plain text, not ingested",
        answer=lambda headers: answer.plain(408, "Request Timeout", headers),
    ),
    FaultKind.SERVER_ERROR: Shape(
        says="500 with a JSON body, not ingested",
        answer=lambda headers: answer.server_error(500, headers),
    ),
    FaultKind.BAD_GATEWAY: Shape(
        says="502 with an HTML page, not ingested",
        answer=lambda headers: answer.proxy_page(502, headers),
    ),
    FaultKind.UNAVAILABLE: Shape(
        says="503 with an empty body, not ingested; takes retry-after=",
        answer=lambda headers: Answer(status=503, content_type="", headers=headers),
        headers=True,
    ),
    FaultKind.GATEWAY_TIMEOUT: Shape(
        says="504 with an HTML page, not ingested",
        answer=lambda headers: answer.proxy_page(504, headers),
    ),
    FaultKind.PLAIN_TEXT_400: Shape(
        says="400 that is not JSON, not ingested",
        answer=lambda headers: answer.plain(400, "Bad Request", headers),
    ),
    FaultKind.HTML_401: Shape(
        says="401 with an HTML page, not ingested",
        answer=lambda headers: answer.proxy_page(401, headers),
    ),
    FaultKind.TIMEOUT_BEFORE: Shape(
        says="no answer, not ingested",
        ending=Ending.SILENCE,
        seconds=SILENCE,
    ),
    FaultKind.TIMEOUT_AFTER: Shape(
        says="no answer, but the event counts",
        accepts=True,
        ending=Ending.SILENCE,
        seconds=SILENCE,
    ),
    FaultKind.RESET_BEFORE: Shape(
        says="the connection is reset, not ingested",
        ending=Ending.RESET,
    ),
    FaultKind.RESET_AFTER: Shape(
        says="the connection is reset, but the event counts",
        accepts=True,
        ending=Ending.RESET,
    ),
    FaultKind.SLOW: Shape(
        says="the true answer, seconds= later",
        accepts=True,
        seconds=1.0,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One switch.

    Attributes:
        kind: what goes wrong.
        key: only for this routing key; None for every call.
        probability: 0 to 1, of each call it could strike.
        next: strikes at most this often; None without end.
        skip: lets this many calls through first.
        seconds: how long to wait (slow) or to stay silent (timeout-*); None for the default.
        retry_after: value of a Retry-After header, as it is (seconds or an HTTP date).
        reset: seconds for the ratelimit-* headers.
    """

    kind: FaultKind
    key: str | None = field(default=None, repr=False)
    probability: float = 1.0
    next: int | None = None
    skip: int = 0
    seconds: float | None = None
    retry_after: str | None = None
    reset: int | None = None

    @property
    def shape(self) -> Shape:
        """The row of this kind."""
        return SHAPES[self.kind]

    @property
    def wait(self) -> float:
        """Seconds to wait or to stay silent; 0 for kinds that do neither."""
        return self.seconds if self.seconds is not None else self.shape.seconds or 0.0

    def answer(self) -> Answer | None:
        """The answer this fault gives instead of the true one, if it gives one."""
        make = self.shape.answer
        if make is None:
            return None
        headers: list[tuple[str, str]] = []
        if self.retry_after is not None:
            headers.append(("retry-after", self.retry_after))
        if self.reset is not None:
            headers += [("ratelimit-remaining", "0"), ("ratelimit-reset", str(self.reset))]
        return make(tuple(headers))

    def document(self) -> dict[str, object]:
        """The JSON form, key masked; absent options are left out."""
        document: dict[str, object] = {"kind": str(self.kind)}
        if self.key is not None:
            document["key"] = mask(self.key)
        if self.probability != 1.0:
            document["p"] = self.probability
        if self.skip:
            document["skip"] = self.skip
        for option, value in (
            ("next", self.next),
            ("seconds", self.seconds),
            ("retry-after", self.retry_after),
            ("reset", self.reset),
        ):
            if value is not None:
                document[option] = value
        return document


@dataclass(slots=True)
class _Switch:
    """A fault and how much of it is left."""

    fault: Fault
    skip: int
    next: int | None


class Faults:
    """The switches that are on; the first that strikes wins."""

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        """`seed` makes the dice repeatable."""
        self._switches = [_Switch(fault, fault.skip, fault.next) for fault in faults]
        self._dice = random.Random(seed)  # noqa: S311  the dice of a simulation, not a secret

    def strike(self, key: str | None) -> Fault | None:
        """The fault that hits a call with this routing key, or None; spends what it uses."""
        for switch in self._switches:
            fault = switch.fault
            if fault.key is not None and fault.key != key:
                continue
            if switch.skip:
                switch.skip -= 1
                continue
            if switch.next == 0:
                continue
            if fault.probability < 1.0 and self._dice.random() >= fault.probability:
                continue
            if switch.next is not None:
                switch.next -= 1
            return fault
        return None

    def documents(self) -> list[dict[str, object]]:
        """The switches in JSON form, with what is left of each."""
        documents = []
        for switch in self._switches:
            document = switch.fault.document()
            if switch.next is not None:
                document["left"] = switch.next
            documents.append(document)
        return documents


def parse_fault(spec: str) -> Fault:
    """Read ``KIND`` or ``KIND:option=value,option=value``.

    Raises:
        Problem: an unknown kind or option, or a value that does not fit.
    """
    kind, colon, rest = spec.strip().partition(":")
    options: dict[str, object] = {"kind": kind}
    for part in rest.split(",") if colon else ():
        name, equals, value = part.partition("=")
        if not equals:
            raise _problem(
                f"fault {excerpt(spec)}: expected option=value, found {excerpt(part)}",
                "write it like 500:p=0.3 or 429:next=5,retry-after=2",
            )
        options[name.strip()] = value.strip()
    return fault_from(options)


def fault_from(options: Mapping[str, object]) -> Fault:
    """A fault from its options, as text or as JSON values.

    Raises:
        Problem: an unknown kind or option, or a value that does not fit.
    """
    name = options.get("kind")
    try:
        kind = FaultKind(str(name))
    except ValueError:
        raise _problem(
            f"no fault of the kind {excerpt(name)}", "one of: " + ", ".join(FaultKind)
        ) from None
    shape = SHAPES[kind]
    allowed = {"kind", "p", "next", "skip", "key"}
    if shape.seconds is not None:
        allowed.add("seconds")
    if shape.headers:
        allowed |= {"retry-after", "reset"}
    for option in options:
        if option not in allowed:
            raise _problem(
                f"fault {kind}: no option {excerpt(option)}",
                "one of: " + ", ".join(sorted(allowed - {"kind"})),
            )
    probability = _number(kind, options, "p", float, most=1.0)
    return Fault(
        kind=kind,
        key=_key(kind, options.get("key")),
        probability=1.0 if probability is None else probability,
        next=_number(kind, options, "next", int),
        skip=_number(kind, options, "skip", int) or 0,
        seconds=_number(kind, options, "seconds", float, most=3600.0),
        retry_after=_header_text(kind, options.get("retry-after")),
        reset=_number(kind, options, "reset", int),
    )


_Number = TypeVar("_Number", int, float)


def _number(
    kind: FaultKind,
    options: Mapping[str, object],
    option: str,
    type_: type[_Number],
    most: float = 1e9,
) -> _Number | None:
    value = options.get(option)
    if value is None:
        return None
    try:
        number = type_(str(value))  # text and JSON numbers alike; true and 1.5 are no whole numbers
        if not 0 <= number <= most:
            raise ValueError
    except ValueError:
        what = "a whole number" if type_ is int else "a number"
        raise _problem(
            f"fault {kind}: {option} cannot be {excerpt(value)}", f"{what} from 0 to {most:g}"
        ) from None
    return number


def _key(kind: FaultKind, value: object) -> str | None:
    if value is None:
        return None
    # Never quoted: a mistyped key is still most of a key.
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z0-9]{32}", value):
        raise _problem(
            f"fault {kind}: key is not a routing key",
            "32 letters and digits, as PagerDuty shows it",
        )
    return value


def _header_text(kind: FaultKind, value: object) -> str | None:
    if value is None:
        return None
    text = str(value)
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", text):
        raise _problem(
            f"fault {kind}: retry-after cannot be {excerpt(value)}", "seconds or an HTTP date"
        )
    return text


def _problem(message: str, hint: str) -> Problem:
    return Problem(Reason.INVALID_VALUE, message, hint=hint)
