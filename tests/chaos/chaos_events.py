"""What is published in a chaos run: events made from a seed, and the rule that reads them.

Rules: the same seed gives the same events in the same order per key. The truth about their order is
not in here: it is the order in which the stream stored them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an event asks; the last two ask nothing of PagerDuty."""

    TRIGGER = "trigger"
    RESOLVE = "resolve"
    ACKNOWLEDGE = "acknowledge"
    NOBODYS = "nobodys"
    BROKEN = "broken"


SHARES = {
    Kind.TRIGGER: 52,
    Kind.RESOLVE: 36,
    Kind.ACKNOWLEDGE: 6,
    Kind.NOBODYS: 4,
    Kind.BROKEN: 2,
}
"""How many of a hundred events are of which kind."""

SUBJECT = "sh.keptn.event.chaos"

RULES = """
packs: []
rules:
  - name: chaos
    types: chaos.alert
    action: '{{.data.action}}'
    service: '{{.data.service}}'
    dedup_key: '{{.data.key}}'
    body: {summary: '{{.id}}', source: chaos, severity: critical}
"""
"""Summary is the event's id: so every statement to PagerDuty can be traced to its event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One event to publish.

    Attributes:
        id: unique, also the Nats-Msg-Id.
        key: the dedup key; empty when the event has none.
        kind: what it asks.
        data: the bytes of the message.
    """

    id: str
    key: str
    kind: Kind
    data: bytes


def service_of(key_number: int, services: int) -> str:
    """The PagerDuty service that a key belongs to: keys are dealt out evenly."""
    return f"s{key_number % services}"


def planned(*, seed: int, events: int, keys: int, services: int) -> Iterator[Planned]:
    """The events, in the order in which they should be published."""
    dice = random.Random(seed)
    kinds, weights = list(SHARES), list(SHARES.values())
    for number in range(events):
        # every key gets an event before chance decides, so that no key stays empty
        key_number = number if number < keys else dice.randrange(keys)
        kind = Kind.TRIGGER if number < keys else dice.choices(kinds, weights)[0]
        identity = f"e{number}"
        key = f"k{key_number}"
        if kind is Kind.BROKEN:
            data = b'{"specversion": "1.0", "id": "%s", ' % identity.encode()
            yield Planned(id=identity, key="", kind=kind, data=data)
            continue
        event = {
            "specversion": "1.0",
            "id": identity,
            "source": "chaos",
            "type": "chaos.alert" if kind is not Kind.NOBODYS else "chaos.gossip",
            "data": {
                "action": kind.value,
                "service": service_of(key_number, services),
                "key": key,
            },
        }
        yield Planned(
            id=identity,
            key="" if kind is Kind.NOBODYS else key,
            kind=kind,
            data=json.dumps(event).encode(),
        )
