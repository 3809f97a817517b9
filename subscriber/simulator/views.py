"""Views: what the stand-in shows over HTTP, as JSON-ready values; routing keys are masked.

Every list comes as ``{"total", "kept", "<name>": [...]}``: `total` counts everything since the
start or the last reset, `kept` is what memory still holds. `after` skips entries up to that number
and `limit` cuts, so that a reader can follow along.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from subscriber.simulator import settings
from subscriber.simulator.journal import Call, Change
from subscriber.simulator.ledger import Alert
from subscriber.simulator.mask import hide, mask
from subscriber.simulator.stand_in import StandIn

Document = dict[str, Any]


def overview(stand_in: StandIn) -> Document:
    """GET /sim: counts, and where to look."""
    return {
        "alerts": {"total": stand_in.ledger.total, "open": stand_in.ledger.open},
        "calls": {"total": stand_in.calls.total},
        "changes": {"total": stand_in.changes.total},
        "effects": {str(effect): count for effect, count in stand_in.effects.items() if count},
        "pending": stand_in.pending,
        "views": ["/sim/alerts", "/sim/calls", "/sim/changes", "/sim/faults", "/sim/config"],
    }


def alerts(
    stand_in: StandIn,
    *,
    status: str | None = None,
    dedup_key: str | None = None,
    after: int = 0,
    limit: int | None = None,
) -> Document:
    """GET /sim/alerts: oldest first; `status` may also be ``open``."""
    chosen = (
        alert
        for alert in stand_in.ledger
        if alert.number > after
        and (status is None or alert.status == status or (status == "open" and alert.open))
        and dedup_key in (None, alert.dedup_key)
    )
    return {
        "total": stand_in.ledger.total,
        "kept": len(stand_in.ledger),
        "open": stand_in.ledger.open,
        "alerts": [
            _hidden(_alert(alert, stand_in), alert.routing_key) for alert in islice(chosen, limit)
        ],
    }


def calls(stand_in: StandIn, *, after: int = 0, limit: int | None = None) -> Document:
    """GET /sim/calls: every call in order."""
    return {
        "total": stand_in.calls.total,
        "kept": len(stand_in.calls),
        "effects": {str(effect): count for effect, count in stand_in.effects.items() if count},
        "calls": [
            _hidden(_call(call), call.routing_key) for call in _page(stand_in.calls, after, limit)
        ],
    }


def changes(stand_in: StandIn, *, after: int = 0, limit: int | None = None) -> Document:
    """GET /sim/changes: accepted change events in order."""
    return {
        "total": stand_in.changes.total,
        "kept": len(stand_in.changes),
        "changes": [
            _hidden(_change(change, stand_in), change.routing_key)
            for change in _page(stand_in.changes, after, limit)
        ],
    }


def faults(stand_in: StandIn) -> Document:
    """GET and PUT /sim/faults: the switches, and what is left of each."""
    return {"faults": stand_in.faults.documents()}


def config(stand_in: StandIn) -> Document:
    """GET and PUT /sim/config."""
    document: Document = {name: getattr(stand_in.config, name) for name in settings.ADJUSTABLE}
    keys = stand_in.config.known_keys
    document["known_keys"] = None if keys is None else sorted(str(mask(key)) for key in keys)
    return document


def moment(at: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def columns(call: Call) -> list[str]:
    """One call for a terminal: time, answer, effect, action, routing key, dedup key, and why.

    What came from outside cannot drive the terminal: only printable characters are left.
    """
    parts = [
        (moment(call.at) or "")[11:23],
        str(call.status or "---"),
        str(call.effect),
        f"{call.action or call.api:<11}",
        f"{mask(call.routing_key) or 'no key':<8}",
        hide(call.dedup_key, call.routing_key) or "-",
    ]
    if call.fault:
        parts.append(f"fault {call.fault}")
    if call.errors:
        parts.append("; ".join(call.errors))
    return [
        "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in part)
        for part in parts
    ]


def _page(
    entries: Iterable[Call] | Iterable[Change], after: int, limit: int | None
) -> Iterable[Any]:
    return islice((entry for entry in entries if entry.number > after), limit)


def _alert(alert: Alert, stand_in: StandIn) -> Document:
    opening = stand_in.calls.numbered(alert.opened_by)
    return {
        "number": alert.number,
        "routing_key": mask(alert.routing_key),
        "dedup_key": alert.dedup_key,
        "status": str(alert.status),
        "summary": alert.summary,
        "severity": alert.severity,
        "source": alert.source,
        "component": alert.component,
        "group": alert.group,
        "class": alert.class_,
        "triggers": alert.triggers,
        "opened_at": moment(alert.opened_at),
        "changed_at": moment(alert.changed_at),
        "resolved_at": moment(alert.resolved_at),
        "opened_by": alert.opened_by,
        "event": _masked_body(opening) if opening else None,
        "log_entries": alert.entries,
        "log": [
            {
                "at": moment(entry.at),
                "action": entry.action,
                "call": entry.call,
                **({"summary": entry.summary} if entry.summary else {}),
                **({"severity": entry.severity} if entry.severity else {}),
            }
            for entry in alert.log
        ],
    }


def _call(call: Call) -> Document:
    return {
        "number": call.number,
        "at": moment(call.at),
        "api": str(call.api),
        "routing_key": mask(call.routing_key),
        "status": call.status,
        "effect": str(call.effect),
        "fault": call.fault and str(call.fault),
        "action": call.action or None,
        "dedup_key": call.dedup_key or None,
        "alert": call.alert,
        "errors": list(call.errors),
        "size": call.size,
        "body": _masked_body(call),
    }


def _change(change: Change, stand_in: StandIn) -> Document:
    call = stand_in.calls.numbered(change.call)
    return {
        "number": change.number,
        "at": moment(change.at),
        "call": change.call,
        "routing_key": mask(change.routing_key),
        "summary": change.summary,
        "source": change.source,
        "event": _masked_body(call) if call else None,
    }


def _masked_body(call: Call) -> Document | None:
    """What was sent; None when it was no object, or nested too deep to be shown."""
    body = call.body
    if body is None:
        return None
    if "routing_key" in body:
        body["routing_key"] = mask(body["routing_key"])
    try:
        # The walk gives up on nesting long before the encoder of the answer would.
        masked: Document = _without(body, call.routing_key)
    except RecursionError:
        return None
    return masked


def _hidden(document: Document, key: str | None) -> Document:
    """An entry without the key, which its texts may repeat; its body is masked already."""
    return {
        name: value if name in ("event", "body") else _without(value, key)
        for name, value in document.items()
    }


def _without(value: Any, key: str | None) -> Any:
    """A JSON value with the key masked in every text of it."""
    if isinstance(value, str):
        return hide(value, key)
    if isinstance(value, list):
        return [_without(member, key) for member in value]
    if isinstance(value, dict):
        return {hide(name, key): _without(member, key) for name, member in value.items()}
    return value
