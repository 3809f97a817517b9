"""What a person says about an alert, in the words of the protocol.

Rules: a resolve by hand stands directly behind what is settled for its key: newer than that, older
than every message that comes later, so it never blocks a later event. That also holds for events
which are under way and not settled yet: a page on its way is not swallowed by a resolve that was
meant for the one before. (Only another intent of the very message that was settled last, for the
same key, would share its place; it ends as already resolved.) It is always really sent, also
when the ledger believes that nothing is open: whoever types it has seen otherwise.
"""

from __future__ import annotations

from dataclasses import replace

from subscriber.delivery import entry
from subscriber.model import Action, Alert, AlertState, Intent

RULE = "by-hand"
"""Stands in the ledger and the metrics where a rule's name would."""


def resolve_by_hand(alert: Alert, *, event_id: str, now: float) -> Intent:
    """The intent that ends what `alert` holds.

    Args:
        alert: the entry as the person saw it; one never seen will do.
        event_id: names this one wish, so that its repetition is known as such.
        now: seconds since 1970.
    """
    at = alert.position
    return Intent(
        action=Action.RESOLVE,
        service=alert.key.service,
        dedup_key=alert.key.dedup_key,
        rule=RULE,
        event_id=event_id,
        event_source="pagerduty-subscriber",
        occurred_at=now,
        position=replace(at, index=at.index + 1),
    )


def distrusted(alert: Alert) -> Alert:
    """A resolved entry with a note that PagerDuty may hold more: the next resolve is really sent.

    Any other entry as it is: there a resolve is sent anyway.
    """
    if alert.state is not AlertState.RESOLVED or not entry.is_at_rest(alert):
        return alert
    return entry.doubted(alert, entry.SEVERAL, 0.0)
