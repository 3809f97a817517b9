"""Context attributes: from names and values, whatever carried them, to a checked `Event`.

Rules (CloudEvents 1.0.2, "Context Attributes", and what Keptn makes of it):

- `id`, `source`, `type` and `specversion` are there and are not empty.
- Names are lower-case letters and digits; values are text, whole numbers of 32 bits or booleans;
  text holds no control characters and no Unicode noncharacters. null means absent.
- What we interpret is checked in full (`time`, `datacontenttype`); what we only pass on (`source`,
  `dataschema`: URIs by the specification) is checked as text, because refusing a page over a blank
  in a `source` would help nobody.
- specversion 0.2 and 0.3 are read with their own names: `contenttype`, `schemaurl`. Keptn also
  sends `contenttype` in 1.0 events; it stays visible under that name, for templates.
- An object under `extensions` (the way of CloudEvents 0.1, kept by Keptn's SDK) is opened up.
- Attributes go into log lines, ledger entries and dead letters, so they have an end: `LONGEST`
  characters each, `MOST` of them.

This module does not know transports; `where` prefixes say which member of a batch it is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from subscriber.cloudevent.content import MediaType, media_type
from subscriber.cloudevent.strictjson import excerpt_key
from subscriber.cloudevent.timestamp import instant
from subscriber.model import Event, Json, Problem, Reason, excerpt

REQUIRED = ("specversion", "id", "source", "type")
OPTIONAL = ("time", "subject", "datacontenttype", "dataschema")
SPECVERSIONS = ("1.0", "0.3", "0.2")

LONGEST = 8192
"""Characters of one attribute. Real ones end below a few hundred, a long URL below two thousand."""
MOST = 256
"""Attributes of one event."""

_CORE = frozenset(REQUIRED + OPTIONAL)
_NOT_ATTRIBUTES = frozenset({"data", "data_base64"})
_NAME = re.compile(r"[a-z0-9]+", re.ASCII)
_INT32 = range(-(2**31), 2**31)

# "String" of the type system: no C0 or C1 control characters, no noncharacters.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef"
    + "".join(
        f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
    )
    + "]"
)

_ALIASES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "1.0": (("contenttype", "datacontenttype"),),
    "0.3": (("contenttype", "datacontenttype"), ("schemaurl", "dataschema")),
    "0.2": (("contenttype", "datacontenttype"), ("schemaurl", "dataschema")),
}
"""By specversion: the producer's name, and the attribute of 1.0 that it stands for."""


def build_event(
    attributes: Mapping[str, Json],
    payload: Callable[[str, MediaType], Json],
    *,
    where: str = "",
    index: int = 0,
) -> Event:
    """Check the attributes, have the payload read, and make the Event.

    Args:
        attributes: the members of the JSON object, or the decoded headers; `data` is passed over.
        payload: given the specversion and the parsed `datacontenttype`, returns the data.
        where: prefix for the place in a Problem, e.g. ``[3].``.
        index: position inside the message.

    Raises:
        Problem: MISSING_ATTRIBUTE, INVALID_ATTRIBUTE, INVALID_TIME, CONTROL_CHARACTER,
            LONE_SURROGATE, TOO_LARGE or UNSUPPORTED_SPECVERSION; and what `payload` raises.
    """
    _check_required(attributes, where)
    given = attributes["specversion"]
    specversion = given if given == "1.0" else _text(given, f"{where}specversion")
    if specversion not in SPECVERSIONS:
        raise Problem(
            Reason.UNSUPPORTED_SPECVERSION,
            f"specversion {excerpt(specversion, 30)} is not understood",
            where=f"{where}specversion",
            hint=f"known are {', '.join(SPECVERSIONS)}",
        )
    is_current = specversion == "1.0"
    core: dict[str, str] = {}
    extensions: dict[str, str | int | bool] = {}
    for name, value in attributes.items():
        # Nearly every attribute is plain text under a plain name, and needs no closer look.
        if (
            type(value) is str
            and 0 < len(value) <= LONGEST
            and value.isascii()
            and value.isprintable()
        ):
            if name in _CORE:
                core[name] = value
                continue
            if is_current and name.isalnum() and name.islower() and name.isascii():
                if name not in _NOT_ATTRIBUTES:
                    extensions[name] = value
                continue
        if value is None or name in _NOT_ATTRIBUTES:
            continue
        if name in _CORE:
            core[name] = _text(value, where + name)
        elif not _read_elsewhere(name, value, specversion):
            extensions[attribute_name(name, where)] = _extension(value, where + excerpt_key(name))
    if "extensions" in attributes:
        _open_extensions(attributes["extensions"], extensions, where)
    if len(core) + len(extensions) > MOST:
        raise Problem(
            Reason.TOO_LARGE,
            f"the event has {len(core) + len(extensions)} attributes, the limit is {MOST}",
            where=where.rstrip("."),
            hint="put them into data",
        )
    for alias, name in _ALIASES[specversion]:
        if alias in extensions and name not in core:
            core[name] = _text(extensions[alias], where + alias)
    declared = media_type(core.get("datacontenttype", ""), f"{where}datacontenttype")
    return Event(
        id=core["id"],
        source=core["source"],
        type=core["type"],
        specversion=specversion,
        time=core.get("time", ""),
        occurred_at=instant(core["time"], f"{where}time") if "time" in core else None,
        subject=core.get("subject", ""),
        datacontenttype=core.get("datacontenttype", ""),
        dataschema=core.get("dataschema", ""),
        extensions=extensions,
        data=payload(specversion, declared),
        index=index,
    )


def _read_elsewhere(name: str, value: Json, specversion: str) -> bool:
    if name == "extensions":
        return isinstance(value, dict)
    return name == "datacontentencoding" and specversion == "0.3"


def _check_required(attributes: Mapping[str, Json], where: str) -> None:
    if None not in map(attributes.get, REQUIRED):
        return
    missing = [name for name in REQUIRED if attributes.get(name) is None]
    if "specversion" in missing and "cloudEventsVersion" in attributes:
        raise Problem(
            Reason.UNSUPPORTED_SPECVERSION,
            "CloudEvents 0.1 is not understood",
            where=f"{where}cloudEventsVersion",
            hint=f"known are {', '.join(SPECVERSIONS)}",
        )
    raise Problem(
        Reason.MISSING_ATTRIBUTE,
        f"missing {', '.join(missing)}",
        where=f"{where}{missing[0]}",
        hint="every CloudEvent has specversion, id, source and type",
    )


def _text(value: Json, where: str) -> str:
    """A core attribute: text, not empty, free of forbidden characters."""
    if not isinstance(value, str):
        raise Problem(Reason.INVALID_ATTRIBUTE, f"must be text, is {_kind(value)}", where=where)
    if not value:
        raise Problem(
            Reason.INVALID_ATTRIBUTE,
            "must not be empty",
            where=where,
            hint="leave an optional attribute out instead",
        )
    return _clean(value, where)


def _extension(value: Json, where: str) -> str | int | bool:
    if isinstance(value, str):
        return _clean(value, where)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value in _INT32:
            return value
        raise Problem(
            Reason.INVALID_ATTRIBUTE,
            "a number in an attribute has 32 bits",
            where=where,
            hint="send larger numbers as text",
        )
    raise Problem(
        Reason.INVALID_ATTRIBUTE,
        f"must be text, a whole number or a boolean, is {_kind(value)}",
        where=where,
        hint="structured values belong into data",
    )


def _open_extensions(nested: Json, extensions: dict[str, str | int | bool], where: str) -> None:
    """Take the members of an `extensions` object; one given at the top already wins."""
    if not isinstance(nested, dict):
        return
    for name, value in nested.items():
        if value is not None and name not in _CORE:
            checked = _extension(value, f"{where}extensions.{excerpt_key(name)}")
            extensions.setdefault(attribute_name(name, f"{where}extensions."), checked)


def attribute_name(name: str, where: str) -> str:
    """The name, if it may name an attribute.

    Raises:
        Problem: INVALID_ATTRIBUTE.
    """
    if _NAME.fullmatch(name) and name not in _NOT_ATTRIBUTES:
        return name
    raise Problem(
        Reason.INVALID_ATTRIBUTE,
        f"{excerpt(name, 40)} is not an attribute name",
        where=f"{where}{excerpt_key(name)}",
        hint="lower-case letters and digits only, and not data",
    )


def _clean(value: str, where: str) -> str:
    if len(value) > LONGEST:
        raise Problem(
            Reason.TOO_LARGE,
            f"the attribute has {len(value)} characters, the limit is {LONGEST}",
            where=where,
            hint="put long values into data",
        )
    if value.isascii() and value.isprintable():
        return value
    forbidden = _FORBIDDEN.search(value)
    if forbidden is not None:
        raise Problem(
            Reason.CONTROL_CHARACTER,
            f"U+{ord(forbidden[0]):04X} must not be in an attribute",
            where=where,
            hint="control characters and noncharacters are not allowed there",
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Problem(
            Reason.LONE_SURROGATE, "half a surrogate pair is not a character", where=where
        ) from None
    return value


_KINDS: Mapping[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number with a fraction",
    str: "text",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def _kind(value: Json) -> str:
    return _KINDS[type(value)]
