"""Recognisable secrets, and everything of a service that somebody could read."""

from __future__ import annotations

import io
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog
from prometheus_client import generate_latest
from service_world import RULES, SmallWorld, small_world

from subscriber.model import Envelope, Outcome, Problem, Reason
from subscriber.ports.nats.letters import pack
from subscriber.service.journal import Journal, Redactor, set_up
from subscriber.simulator import SimulatorConfig

KEY = "0123456789abcdef0123456789ABCDEF"
"""The routing key of `service_world`."""
OTHER_KEY = "S3cr3tK3yOfTh3S3c0ndS3rv1c3zzzzz"
SECRETS: Mapping[str, str] = {
    "routing key": KEY,
    "other routing key": OTHER_KEY,
    "NATS password": "nats-p4ssw0rd",
    "NATS token": "nats-t0k3n-value",
    "password in NATS_URL": "url-p4ssw0rd",
    "nkey seed": "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
    "JWT of a creds file": "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ",
    "proxy password": "pr0xy-p4ssw0rd",
}
_TELLTALE = 12
"""So many characters of a secret in a row are too many."""


def leaks(text: str) -> list[str]:
    """Which secrets a text shows, whole or in part."""
    found = []
    for name, secret in SECRETS.items():
        parts = (secret[i : i + _TELLTALE] for i in range(len(secret) - _TELLTALE + 1))
        if any(part in text for part in parts):
            found.append(name)
    return found


@contextmanager
def log(*, knows: bool) -> Iterator[io.StringIO]:
    """What the log says, both ways of writing it; the redactor may know the secrets."""
    out = io.StringIO()
    redactor = Redactor(SECRETS.values() if knows else ())
    set_up(style="json", level="debug", redactor=redactor, stream=out)
    try:
        yield out
    finally:
        structlog.reset_defaults()


async def everything(world: SmallWorld, out: io.StringIO) -> dict[str, str]:
    """Every channel of a small world, but for the untouched messages inside of dead letters."""
    journal = Journal()
    for report in world.reports:
        journal.note(report)
    letters = ""
    async for _, envelope, headers in world.dead_letters.scan():
        _, wire = pack(Envelope(subject=envelope.subject, data=b""), headers, 1_000_000)
        letters += f"{headers!r} {wire!r}\n"
    outcomes = [report.outcome for report in world.reports]
    return {
        "log": out.getvalue(),
        "metrics": generate_latest(world.meters.registry).decode(),
        "dead letters": letters,
        "outcomes": repr(outcomes),
        "ledger": repr([entry async for entry in world.ledger.scan()]),
        "services": repr(world.machine.courier.__dict__),
    }


Play = Callable[[SmallWorld], Awaitable[object]]


async def played(
    play: Play,
    *,
    config: str = RULES,
    simulator: SimulatorConfig | None = None,
    knows: bool = False,
) -> tuple[set[Reason], dict[str, str]]:
    """Play in a small world: which reasons came up, and everything that can be read after it."""
    with log(knows=knows) as out:
        async with small_world(config, simulator=simulator) as world:
            more = await play(world)
            reasons = {report.outcome.reason for report in world.reports}
            async for _, _, headers in world.dead_letters.scan():
                reasons.add(Reason(headers["Dead-Letter-Reason"]))
            if isinstance(more, Outcome):
                reasons.add(more.reason)
            shown = await everything(world, out)
            shown["answer"] = repr(more)
    return reasons, shown


def told(error: BaseException) -> dict[str, str]:
    """All that an exception can show, its causes included."""
    problems = getattr(error, "problems", ())
    return {
        "text": str(error),
        "repr": repr(error),
        "parts": repr([(one.where, one.message, one.hint) for one in problems]),
        "traceback": "".join(traceback.format_exception(error)),
        "arguments": repr(error.args),
    }


def problem_of(error: BaseException) -> Reason:
    """The reason of what was raised."""
    assert isinstance(error, Problem), error
    return error.reason
