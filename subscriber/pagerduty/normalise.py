"""From what a rule produced to what PagerDuty takes: the parts of an Intent, within every limit.

Rules: a page is worth more than its decoration. What is required and missing raises `Problem`
(INVALID_BODY); everything else is cut, repaired or left out, with one note each, and never makes a
trigger fail. PagerDuty validates the payload of an acknowledge or resolve too and refuses the whole
request over it, so there an invalid payload is left out and the alert still closes.

A body is a whole Events API document (when it has a `payload` object) or only the payload; document
fields beside the members of a bare payload are understood too. Fields that PagerDuty does not know
move to `custom_details`, where people can see them.

This module does not know services or routing keys; a body that holds one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from hashlib import sha256
from typing import Any

from subscriber.model import Action, Json, Problem, Reason, excerpt
from subscriber.model.record import record
from subscriber.pagerduty import links as attachments
from subscriber.pagerduty.details import encode, presentable, shed
from subscriber.pagerduty.limits import (
    ALERTING,
    BY_NAME,
    DEDUP_KEY_CHARACTERS,
    REQUEST_BYTES,
    RESERVED_BYTES,
    SEVERITIES,
    SUMMARY_CHARACTERS,
    payload_names,
)
from subscriber.pagerduty.text import cut, scalar_text, storable
from subscriber.pagerduty.timestamp import pagerduty_time

DOCUMENT_FIELDS = ("event_action", "dedup_key", "client", "client_url", "links", "images")
"""The fields beside `payload` that a body may have."""

UNKNOWN_SOURCE = "unknown"
_PLAIN_FIELDS = ("component", "group", "class")
_SEVERITY_HINTS = {
    "fatal": "critical",
    "emergency": "critical",
    "alert": "critical",
    "high": "critical",
    "major": "error",
    "err": "error",
    "failure": "error",
    "minor": "warning",
    "warn": "warning",
    "medium": "warning",
    "low": "info",
    "notice": "info",
    "information": "info",
    "informational": "info",
    "debug": "info",
    "none": "info",
    "ok": "info",
}


@record(frozen=True, slots=True, kw_only=True)
class Normalised:
    """The parts of an Intent that come from a body.

    Attributes:
        payload: valid for the action, or None (acknowledge and resolve only).
        client, client_url, links, images: as in Intent; empty where the action has none.
        event_action, dedup_key: what the body itself says, as text; empty when silent.
        notes: what was cut, moved, repaired or left out, one sentence each.
    """

    payload: dict[str, Json] | None
    client: str = ""
    client_url: str = ""
    links: tuple[dict[str, Json], ...] = ()
    images: tuple[dict[str, Json], ...] = ()
    event_action: str = ""
    dedup_key: str = ""
    notes: tuple[str, ...] = ()


def normalise(action: Action, body: Mapping[str, Any], *, source: str = "") -> Normalised:
    """Bring a body within PagerDuty's limits.

    Args:
        action: what the request will ask for; decides which fields are required and allowed.
        body: a whole Events API document, or only its payload; not changed.
        source: stands in for a payload without a `source`, usually the event's.

    Raises:
        Problem: INVALID_BODY when a trigger or change event lacks a summary, when a trigger has no
            severity or an unknown one, or when the body holds a routing key.
    """
    refuse_routing_key(body)
    notes: list[str] = []
    document, raw_payload = _split(body, notes)
    payload = _payload(action, raw_payload, source, notes)
    trigger, linked = action is Action.TRIGGER, action in BY_NAME["links[].href"].allowed
    draft = Normalised(
        payload=payload,
        client=_field("client", document.get("client"), notes) if trigger else "",
        client_url=(
            attachments.url(document.get("client_url"), "client_url", notes) if trigger else ""
        ),
        links=attachments.links(document.get("links"), notes) if linked else (),
        images=attachments.images(document.get("images"), notes) if trigger else (),
        event_action=(scalar_text(document.get("event_action")) or "").strip(),
        dedup_key=(scalar_text(document.get("dedup_key")) or "").strip(),
        notes=tuple(notes),  # in the end: what is above has added to them
    )
    return _within_size(draft, notes)


def refuse_routing_key(body: Mapping[str, Any]) -> None:
    """Refuse a body that names a routing key, at its top or in its payload.

    What an event carries inside of `custom_details` is its own affair.

    Raises:
        Problem: INVALID_BODY.
    """
    payload = body.get("payload")
    for where, part in (("", body), ("payload.", payload)):
        if isinstance(part, Mapping) and part.get("routing_key") is not None:
            raise Problem(
                Reason.INVALID_BODY,
                "a routing key does not belong into a body",
                where=f"{where}routing_key",
                hint="name a `service` in the rule; its key is configured apart",
            )


def normalise_dedup_key(key: str) -> tuple[str, tuple[str, ...]]:
    """The key in 1 to 255 characters, and a note when it had to be shortened.

    A long key keeps its beginning and ends in the SHA-256 of the whole, so the trigger and the
    resolve of one alert still meet, and two alerts still do not.

    Raises:
        Problem: MISSING_DEDUP_KEY when it is blank.
    """
    key = storable(key).strip()
    if not key:
        raise Problem(
            Reason.MISSING_DEDUP_KEY,
            "the dedup key is empty",
            where="dedup_key",
            hint="give the rule a `dedup_key` that its trigger and its resolve share",
        )
    if len(key) <= DEDUP_KEY_CHARACTERS:
        return key, ()
    suffix = "~" + sha256(key.encode()).hexdigest()
    short = key[: DEDUP_KEY_CHARACTERS - len(suffix)] + suffix
    return short, (f"dedup_key shortened from {len(key)} characters",)


def _split(body: Mapping[str, Any], notes: list[str]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Document fields and payload, copied and fit for JSON."""
    rest = presentable(body)
    assert isinstance(rest, dict)
    document = {name: rest.pop(name) for name in DOCUMENT_FIELDS if name in rest}
    rest.pop("routing_key", None)  # null, or it would have been refused
    payload = rest.get("payload")
    if not isinstance(payload, dict):
        if payload is None:
            rest.pop("payload", None)
        return document, rest
    payload.pop("routing_key", None)
    strangers = {name: value for name, value in rest.items() if name != "payload"}
    _adopt(payload, strangers, "", notes)
    return document, payload


def _adopt(
    payload: dict[str, Json], strangers: Mapping[str, Json], prefix: str, notes: list[str]
) -> None:
    """Move fields that PagerDuty does not know to custom_details."""
    kept = {name: value for name, value in strangers.items() if value is not None}
    if not kept:
        return
    details = _details(payload.get("custom_details"), notes)
    for name, value in kept.items():
        details[_free(name, details)] = value
    payload["custom_details"] = details
    names = ", ".join(excerpt(prefix + name, 40) for name in sorted(kept)[:5])
    notes.append(f"moved to custom_details: {names}{', ...' if len(kept) > 5 else ''}")


def _free(name: str, taken: Mapping[str, Json]) -> str:
    while name in taken:
        name += "_"
    return name


def _payload(
    action: Action, raw: dict[str, Json], source: str, notes: list[str]
) -> dict[str, Json] | None:
    if action in (Action.TRIGGER, Action.CHANGE):
        return _checked(action, raw, source, notes)
    if not any(value is not None for value in raw.values()):
        return None
    attempt: list[str] = []
    try:
        payload = _checked(action, raw, source, attempt)
    except Problem as problem:
        notes.append(f"sent without a payload: {problem}")
        return None
    notes.extend(attempt)
    return payload


def _checked(
    action: Action, raw: dict[str, Json], source: str, notes: list[str]
) -> dict[str, Json]:
    known = payload_names(action)
    given = {name: value for name, value in raw.items() if name in known}
    _adopt(given, {k: v for k, v in raw.items() if k not in known}, "payload.", notes)
    summary = _required_text("summary", given.get("summary"))
    payload: dict[str, Json] = {"summary": cut(summary, SUMMARY_CHARACTERS)}
    details = _details(given.get("custom_details"), notes)
    if len(summary) > SUMMARY_CHARACTERS:
        details = {_free("full_summary", details): summary, **details}
        notes.append(f"summary cut from {len(summary)} characters, whole in custom_details")
    origin = _field("payload.source", given.get("source"), notes)
    if origin or action in ALERTING:
        payload["source"] = origin or _stand_in(source, notes)
    if action in ALERTING:
        payload["severity"] = _severity(given.get("severity"))
    moment = given.get("timestamp")
    if moment is not None and moment != "":
        written = pagerduty_time(moment)
        if written is not None:
            payload["timestamp"] = written
        else:
            notes.append(f"timestamp left out: {excerpt(moment, 40)} is not a usable time")
    for name in _PLAIN_FIELDS:
        text = _field(f"payload.{name}", given.get(name), notes) if name in known else ""
        if text:
            payload[name] = text
    if details:
        payload["custom_details"] = details
    return payload


def _stand_in(source: str, notes: list[str]) -> str:
    text = cut(storable(source).strip(), BY_NAME["payload.source"].characters)
    notes.append(f"payload.source was blank, {'the event stands in' if text else 'none known'}")
    return text or UNKNOWN_SOURCE


def _required_text(name: str, value: Json) -> str:
    text = scalar_text(value)
    if text is not None and text.strip():
        return text.strip()
    state = "missing or blank" if text is not None else f"{_shape(value)}, not text"
    raise Problem(
        Reason.INVALID_BODY,
        f"the {name} is {state}",
        where=f"payload.{name}",
        hint=f"PagerDuty needs a payload with a {name}",
    )


def _field(name: str, value: Json, notes: list[str]) -> str:
    """An optional text field: its text cut to the field's limit, empty when absent."""
    text = scalar_text(value)
    if text is None:
        notes.append(f"{name} left out: it is {_shape(value)}, not text")
        return ""
    text = text.strip()
    limit = BY_NAME[name].characters
    if len(text) > limit:
        notes.append(f"{name} cut from {len(text)} characters")
    return cut(text, limit)


def _shape(value: Json) -> str:
    return "an object" if isinstance(value, dict) else "an array"


def _severity(value: Json) -> str:
    text = (scalar_text(value) or "").strip().lower()
    if text in SEVERITIES:
        return text
    near = _SEVERITY_HINTS.get(text) or next(iter(get_close_matches(text, SEVERITIES, 1)), "")
    known = ", ".join(SEVERITIES)
    raise Problem(
        Reason.INVALID_BODY,
        f"{excerpt(text, 40)} is not a severity" if text else "the severity is missing or blank",
        where="payload.severity",
        hint=f"did you mean {near}? known are {known}" if near else f"known are {known}",
    )


def _details(value: Json, notes: list[str]) -> dict[str, Json]:
    if value is None or value == "":
        return {}
    if isinstance(value, dict):
        return dict(value)
    notes.append("custom_details was not an object, wrapped as details")
    return {"details": value}


def _within_size(draft: Normalised, notes: list[str]) -> Normalised:
    """Shed until the request fits: details first, then links and images, largest first."""
    budget = REQUEST_BYTES - RESERVED_BYTES
    payload, links, images = draft.payload, draft.links, draft.images
    excess = _size(draft, payload, links, images) - budget
    if excess <= 0:
        return draft
    if payload is not None and "custom_details" in payload:
        details = payload["custom_details"]
        assert isinstance(details, dict)
        smaller, shed_notes = shed(details, excess)
        payload = {**payload, "custom_details": smaller}
        notes.extend(shed_notes)
        excess = _size(draft, payload, links, images) - budget
    dropped = 0
    while excess > 0 and (links or images):
        links, images = _without_largest(links, images)
        dropped += 1
        excess = _size(draft, payload, links, images) - budget
    if dropped:
        notes.append(f"left out {dropped} links and images: the event was too large")
    return Normalised(
        payload=payload,
        client=draft.client,
        client_url=draft.client_url,
        links=links,
        images=images,
        event_action=draft.event_action,
        dedup_key=draft.dedup_key,
        notes=tuple(notes),
    )


def _size(
    draft: Normalised,
    payload: Mapping[str, Json] | None,
    links: attachments.Items,
    images: attachments.Items,
) -> int:
    return len(encode([payload, draft.client, draft.client_url, links, images]))


def _without_largest(
    links: attachments.Items, images: attachments.Items
) -> tuple[attachments.Items, attachments.Items]:
    sizes = [len(encode(item)) for item in (*links, *images)]
    index = sizes.index(max(sizes))
    if index < len(links):
        return links[:index] + links[index + 1 :], images
    index -= len(links)
    return links, images[:index] + images[index + 1 :]
