"""Links and images: kept when PagerDuty can show them, left out with a note when not.

Rules: an href is an absolute URL; an image's src is https; a blank URL means that a template had
nothing to link to, which is no fault.

This module does not know where they are attached.
"""

from __future__ import annotations

import re

from subscriber.model import Json, excerpt
from subscriber.pagerduty.limits import ATTACHMENTS, TEXT_CHARACTERS, URL_CHARACTERS
from subscriber.pagerduty.text import cut, scalar_text

# U+FFFD stands where a character was that cannot be stored: such a URL leads nowhere.
_ABSOLUTE = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#\ufffd]|mailto:[^\s\ufffd])[^\s\ufffd]*"
)
_SECURE = re.compile(r"https://[^\s/?#\ufffd][^\s\ufffd]*", re.IGNORECASE)

Items = tuple[dict[str, Json], ...]


def url(value: Json, where: str, notes: list[str], *, secure: bool = False) -> str:
    """The URL, or empty (with a note, unless it was blank)."""
    text = (scalar_text(value) or "") if isinstance(value, str) else value
    if text is None or (isinstance(text, str) and not text.strip()):
        return ""
    if isinstance(text, str):
        text = text.strip().replace(" ", "%20")
        if len(text) > URL_CHARACTERS:
            notes.append(f"{where} left out: {len(text)} characters")
            return ""
        if (_SECURE if secure else _ABSOLUTE).fullmatch(text) and text.isprintable():
            # Readers compare the scheme as it stands, RFC 3986 says it is lower case.
            scheme, colon, rest = text.partition(":")
            return scheme.lower() + colon + rest
    wanted = "an https URL" if secure else "an absolute URL"
    notes.append(f"{where} left out: {excerpt(value, 60)} is not {wanted}")
    return ""


def links(value: Json, notes: list[str]) -> Items:
    """The usable ones of `links`."""
    kept: list[dict[str, Json]] = []
    for where, item in _objects(value, "links", notes):
        href = url(item.get("href"), f"{where}.href", notes)
        if href:
            kept.append({"href": href, **_text(item, "text")})
    return tuple(kept)


def images(value: Json, notes: list[str]) -> Items:
    """The usable ones of `images`."""
    kept: list[dict[str, Json]] = []
    for where, item in _objects(value, "images", notes):
        src = url(item.get("src"), f"{where}.src", notes, secure=True)
        if src:
            href = url(item.get("href"), f"{where}.href", notes)
            kept.append({"src": src, **({"href": href} if href else {}), **_text(item, "alt")})
    return tuple(kept)


def _objects(value: Json, name: str, notes: list[str]) -> list[tuple[str, dict[str, Json]]]:
    if value is None or value == "":
        return []
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        notes.append(f"{name} left out: not an array")
        return []
    if len(value) > ATTACHMENTS:
        notes.append(f"kept {ATTACHMENTS} of {len(value)} {name}")
    found: list[tuple[str, dict[str, Json]]] = []
    for index, item in enumerate(value[:ATTACHMENTS]):
        where = f"{name}[{index}]"
        if isinstance(item, dict):
            found.append((where, item))
        elif item is not None:
            notes.append(f"{where} left out: not an object")
    return found


def _text(item: dict[str, Json], name: str) -> dict[str, Json]:
    text = (scalar_text(item.get(name)) or "").strip()
    return {name: cut(text, TEXT_CHARACTERS)} if text else {}
