"""Carrying out what a person wants of an alert, beside any number of running replicas.

Rules: through the courier, so with claim, send and settle like any event; no message comes back to
us here, so what the courier puts off is waited for and tried again until the time is up. Whatever
happens, the ledger is left in a state that replicas understand.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from subscriber.delivery import distrusted, key_of, resolve_by_hand
from subscriber.model import Alert, AlertKey, Envelope, Outcome, OutcomeKind
from subscriber.ports.interfaces import Clock, Ledger
from subscriber.service.courier import Courier


async def find(ledger: Ledger, dedup_key: str, services: tuple[str, ...]) -> list[Alert]:
    """The entries of a dedup key: in these services, or (when there are none) in any."""
    found = []
    for service in services:
        alert, revision = await ledger.load(AlertKey(service=service, dedup_key=dedup_key))
        if revision:
            found.append(alert)
    if found:
        return found
    return [alert async for alert, _ in ledger.scan() if alert.key.dedup_key == dedup_key]


async def resolve(
    alert: Alert,
    *,
    ledger: Ledger,
    courier: Courier,
    clock: Clock,
    stopping: asyncio.Event,
    within: float,
    tell: Callable[[Outcome], None],
) -> Outcome:
    """Resolve an alert at PagerDuty and in the ledger.

    Args:
        alert: the entry as the person saw it.
        stopping: ends the waiting early; a request under way is finished first.
        within: seconds to keep trying.
        tell: hears of every outcome that is not the last.

    Returns:
        DELIVERED when PagerDuty took it; SUPERSEDED when a newer event came first; DEFERRED when
        the time was up.

    Raises:
        PortUnavailable: the ledger cannot be reached.
    """
    started = clock.now()
    intent = resolve_by_hand(alert, event_id=f"by-hand-{uuid.uuid4().hex}", now=started)
    await _distrust(ledger, key_of(intent), alert)
    tries = 0
    while True:
        tries += 1
        envelope = Envelope(subject="", data=b"", delivery_count=tries, received_at=started)
        outcome = await courier.deliver(intent, envelope)
        left = started + within - clock.now()
        if outcome.kind is not OutcomeKind.DEFERRED or outcome.delay > left or stopping.is_set():
            return outcome
        tell(outcome)
        try:
            async with asyncio.timeout(outcome.delay):
                await stopping.wait()
            return outcome
        except TimeoutError:
            continue


async def _distrust(ledger: Ledger, key: AlertKey, seen: Alert) -> None:
    """Note that PagerDuty may hold more than the ledger says, while it is as the person saw it."""
    alert, revision = await ledger.load(key)
    doubted = distrusted(alert)
    if doubted != alert and alert.position == seen.position:
        # Lost to another writer: then the key is moving anyway, and the resolve will see how.
        await ledger.save(doubted, revision)
