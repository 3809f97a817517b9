"""How a ledger entry is shown, and what a resolve by hand is made of."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from subscriber.cli.reach import Reach
from subscriber.cli.table import ago, moment, plain, table, width
from subscriber.delivery.entry import owes_repetition
from subscriber.model import FIRST, Alert, Position, Problem, Reason
from subscriber.ports.clock import SystemClock
from subscriber.ports.http import HttpSender
from subscriber.ports.memory import MemoryHistory
from subscriber.service import options
from subscriber.service.book import Book
from subscriber.service.courier import Courier, World
from subscriber.service.keys import ROUTING_KEY_VARIABLE
from subscriber.service.meters import Meters

_HEAD = ("STATE", "SETTLED", "SERVICE", "ALERT", "RULE", "NOTE")
_CHANGE = "change\x1f"


def is_change(alert: Alert) -> bool:
    """Whether the entry only remembers that a change event was sent."""
    return alert.key.dedup_key.startswith(_CHANGE)


def naming(alert: Alert) -> str:
    """The alert in a sentence."""
    return plain(f"{alert.key.dedup_key} ({alert.key.service})")


def alert_table(alerts: Sequence[Alert], now: float) -> list[str]:
    """The lines of the list; none for no alerts."""
    rows = [
        (
            one.state.value,
            ago(one.updated_at, now),
            one.key.service,
            one.key.dedup_key,
            one.rule,
            note(one, now),
        )
        for one in alerts
    ]
    return table(_HEAD, rows, width()) if rows else []


def note(alert: Alert, now: float) -> str:
    """What is going on about an entry, in a few words; empty at rest."""
    if busy_until(alert, now):
        return "being told"
    if alert.claim is not None:
        return "its sender is gone"
    if owes_repetition(alert):
        return "to be said once more"
    if alert.waiting is not None and alert.waiting.until > now:
        return "a newer event waits"
    return ""


def busy_until(alert: Alert, now: float) -> str:
    """When the claim of a replica that may be talking to PagerDuty ends; empty without one."""
    claim = alert.claim
    return moment(claim.expires_at) if claim is not None and now < claim.expires_at else ""


def as_data(alert: Alert, now: float) -> dict[str, Any]:
    """An entry for machines."""
    found = dict(msgspec.to_builtins(alert))
    key = found.pop("key")
    return {**key, **found, "note": note(alert, now)}


def as_facts(alert: Alert, now: float) -> list[tuple[str, str]]:
    """An entry for people."""
    claim, doubt, waiting = alert.claim, alert.doubt, alert.waiting
    settled = moment(alert.updated_at)
    return [
        ("Alert", alert.key.dedup_key),
        ("Service", alert.key.service),
        ("State", alert.state.value),
        ("Settled", f"{settled} ({ago(alert.updated_at, now)})" if settled else ""),
        ("Rule", alert.rule),
        ("Event id", alert.event_id),
        ("Position", _place(alert.position)),
        ("Acknowledged at", _place(alert.acknowledged)),
        ("Claim", f"{claim.owner} until {moment(claim.expires_at)}" if claim else ""),
        ("In doubt", f"{_place(doubt.position)} until {moment(doubt.until)}" if doubt else ""),
        ("Waiting", f"{_place(waiting.position)} until {moment(waiting.until)}" if waiting else ""),
        ("Note", note(alert, now)),
    ]


def _place(position: Position) -> str:
    if position == FIRST:
        return ""
    stream = moment(position.epoch / 1e9)
    of = f" of the stream made {stream}" if stream else ""
    index = f", intent {position.index}" if position.index else ""
    return f"message {position.sequence}{index}{of}"


def account_of(reach: Reach, alert: Alert) -> str:
    """Where requests about the alert go.

    Raises:
        Problem: there is no routing key for its service; nothing else may stand in for PagerDuty.
    """
    if reach.unreadable is not None:
        raise reach.unreadable
    if reach.accounts is None:
        raise Problem(
            Reason.MISSING_SECRET,
            "without a routing key PagerDuty cannot be told",
            where=ROUTING_KEY_VARIABLE,
            hint=f"set {ROUTING_KEY_VARIABLE}, or give the --config that the service runs with",
        )
    return str(reach.redactor.clean(reach.accounts.of(alert.key.service).events_url))


@asynccontextmanager
async def courier_for(reach: Reach, alert: Alert) -> AsyncIterator[tuple[Courier, SystemClock]]:
    """A courier of our own beside the running replicas, and the clock it goes by."""
    account_of(reach, alert)
    assert reach.accounts is not None
    clock = SystemClock()
    async with HttpSender(options.sender_options(reach.config, reach.folder)) as sender:
        world = World(
            ledger=await reach.ledger(),
            history=await reach.history() or MemoryHistory(),
            sender=sender,
            clock=clock,
        )
        yield (
            Courier(
                world=world,
                book=Book(rules=reach.rules(), accounts=reach.accounts),
                policy=options.policy(reach.config),
                name=f"by-hand-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}",
                width=1,
                meters=Meters(),
            ),
            clock,
        )
