"""Validate: what the Events API v2 refuses, in the order it says so, all errors at once.

Rules: the first thing wrong with a field is said, the next field is still read. Lengths are counted
in characters (code points). An optional field that is null counts as absent. `payload` on an
acknowledge or resolve is checked as on a trigger. Sources: PagerDuty's documentation of the Events
API v2 and the error texts its users quote; where no text was ever published, ours follows the
pattern of its neighbours and carries the comment *not published*.

This is a second reading of those sources on purpose: it shares no table with the code that builds
our requests, so that one witness can catch the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NoReturn

Document = dict[str, Any]

ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "warning", "error", "info")
ROUTING_KEY_LENGTH = 32
DEDUP_KEY_LENGTH = 255
SUMMARY_LENGTH = 1024
# A list of a hundred thousand broken links must not become as many sentences.
MOST_ERRORS = 100

_ISO_8601 = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(?::(\d{2})(?:[.,]\d+)?)?(?:Z|[+-](\d{2})(?::?(\d{2}))?)?",
    re.ASCII,
)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def parse(raw: bytes) -> Document | None:
    """The body as a JSON object, or None when it is anything else.

    Refused: not UTF-8, a byte order mark, NaN and infinities, lone surrogates, nesting deeper than
    the parser goes, and any JSON value that is not an object.
    """
    try:
        text = raw.decode("utf-8")
        document = _decoder.decode(text)
        if "\\ud" in text or "\\uD" in text:
            # Only an escape can smuggle half a surrogate pair past UTF-8.
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):  # UnicodeError and JSONDecodeError are ValueErrors
        return None
    return document if isinstance(document, dict) else None


def routing_key_errors(document: Document) -> list[str]:
    """What is wrong with the form of the routing key; empty when it is well-formed."""
    key = document.get("routing_key")
    if _blank(key):
        return ["'routing_key' is missing or blank"]  # not published, after its neighbours
    if not isinstance(key, str):
        return ["'routing_key' must be a string"]  # not published
    errors = []
    if len(key) != ROUTING_KEY_LENGTH:
        errors.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if not (key.isascii() and key.isalnum()):
        errors.append("'routing_key' cannot contain non-alphanumeric characters.")
    return errors


def ruleset_key_errors(document: Document) -> list[str]:
    """Change events belong to a service; a ruleset key (``R...``) names none."""
    key = document.get("routing_key")
    if isinstance(key, str) and key.startswith("R"):
        # not published
        return ["'routing_key' must be the integration key of a service, not of a ruleset"]
    return []


def event_errors(document: Document) -> list[str]:
    """Everything wrong with an alert event, apart from the routing key."""
    return _first(_event(document))


def change_errors(document: Document) -> list[str]:
    """Everything wrong with a change event, apart from the routing key."""
    return _first(_change(document))


def _first(errors: Iterator[str]) -> list[str]:
    return [error for error, _ in zip(errors, range(MOST_ERRORS), strict=False)]


def _event(document: Document) -> Iterator[str]:
    action = document.get("event_action")
    if _blank(action):
        yield "'event_action' is missing or blank"
    elif action not in ACTIONS:
        # not published; built like the text for severity
        yield (
            "'event_action' is invalid "
            "(must be one of the following: 'trigger', 'acknowledge' or 'resolve')"
        )
    yield from _dedup_key(document.get("dedup_key"), required=action in ("acknowledge", "resolve"))
    payload = document.get("payload")
    if payload is not None or action == "trigger":
        yield from _payload(payload)
    yield from _attachments(document)
    for name in ("client", "client_url"):
        yield from _optional_text(document.get(name), name)


def _change(document: Document) -> Iterator[str]:
    payload = document.get("payload")
    if payload is not None and not isinstance(payload, dict):
        yield "'payload' must be an object"  # not published
    else:
        payload = payload or {}
        yield from _summary(payload.get("summary"))
        yield from _optional_text(payload.get("source"), "payload.source")
        yield from _timestamp(payload.get("timestamp"))
        yield from _details(payload.get("custom_details"))
    yield from _attachments(document)


def _dedup_key(value: object, *, required: bool) -> Iterator[str]:
    if _blank(value):
        if required:
            yield "'dedup_key' is missing or blank"  # not published, after its neighbours
    elif not isinstance(value, str):
        yield "'dedup_key' must be a string"  # not published
    elif len(value) > DEDUP_KEY_LENGTH:
        yield "'dedup_key' is too long (maximum is 255 characters)"  # not published


def _payload(payload: object) -> Iterator[str]:
    if payload is not None and not isinstance(payload, dict):
        yield "'payload' must be an object"  # not published
        return
    fields: Document = payload or {}
    yield from _summary(fields.get("summary"))
    yield from _required_text(fields.get("source"), "payload.source")
    severity = fields.get("severity")
    if _blank(severity):
        yield "'payload.severity' is missing or blank"
    elif severity not in SEVERITIES:
        yield (
            "'payload.severity' is invalid "
            "(must be one of the following: 'critical', 'warning', 'error' or 'info')"
        )
    yield from _timestamp(fields.get("timestamp"))
    for name in ("component", "group", "class"):
        yield from _optional_text(fields.get(name), f"payload.{name}")
    yield from _details(fields.get("custom_details"))


def _summary(value: object) -> Iterator[str]:
    yield from _required_text(value, "payload.summary")
    if isinstance(value, str) and len(value) > SUMMARY_LENGTH:
        yield "'summary' is too long (maiximum is 1024 characters)"  # PagerDuty's own spelling


def _timestamp(value: object) -> Iterator[str]:
    if value is not None and not (isinstance(value, str) and _is_iso_8601(value)):
        yield "'payload.timestamp' is invalid (must be in ISO 8601 format)"  # not published


def _details(value: object) -> Iterator[str]:
    if value is not None and not isinstance(value, dict):
        yield "'payload.custom_details' must be an object"  # not published


def _attachments(document: Document) -> Iterator[str]:
    """Links need an href, images an https src. No text of this family was ever published."""
    for place, link in _objects(document, "links"):
        if isinstance(link, str):
            yield link
            continue
        yield from _required_text(link.get("href"), f"{place}.href")
        yield from _optional_text(link.get("text"), f"{place}.text")
    for place, image in _objects(document, "images"):
        if isinstance(image, str):
            yield image
            continue
        source = image.get("src")
        yield from _required_text(source, f"{place}.src")
        if isinstance(source, str) and source.strip() and not source.startswith("https://"):
            yield f"'{place}.src' is invalid (must be an https URL)"
        for name in ("href", "alt"):
            yield from _optional_text(image.get(name), f"{place}.{name}")


def _objects(document: Document, name: str) -> Iterator[tuple[str, Document | str]]:
    """Each member of the list with its place; an error text where an object was expected."""
    value = document.get(name)
    if value is None:
        return
    if not isinstance(value, list):
        yield name, f"'{name}' must be an array"
        return
    for index, member in enumerate(value):
        place = f"{name}[{index}]"
        yield place, member if isinstance(member, dict) else f"'{place}' must be an object"


def _required_text(value: object, place: str) -> Iterator[str]:
    if _blank(value):
        yield f"'{place}' is missing or blank"
    else:
        yield from _optional_text(value, place)


def _optional_text(value: object, place: str) -> Iterator[str]:
    if value is not None and not isinstance(value, str):
        yield f"'{place}' must be a string"  # not published


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_iso_8601(text: str) -> bool:
    """A calendar date, a ``T``, a padded time; seconds, fraction and offset may be left out."""
    match = _ISO_8601.fullmatch(text)
    if match is None:
        return False
    day, clock, seconds, offset_hours, offset_minutes = match.groups()
    if int(seconds or 0) > 60 or int(offset_hours or 0) > 23 or int(offset_minutes or 0) > 59:
        return False
    try:
        datetime.fromisoformat(f"{day}T{clock}")
    except ValueError:
        return False
    return True
