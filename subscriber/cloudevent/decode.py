"""From a NATS message to CloudEvents: the one way in.

How a message is read, first match wins:

===================================================  ===========================================
``Content-Type: application/cloudevents-batch+json``  batch
``Content-Type: application/cloudevents[+json]``      structured (see below when ce- headers exist)
``ce-specversion`` header                             binary
body is a JSON object with `specversion`              structured (Keptn sends no headers at all)
body is a CDEvents document (`context`, `subject`)    structured, its envelope is put back
any other ``ce-`` header                              binary, refused for what is missing
anything else                                         not a CloudEvent
===================================================  ===========================================

A message that claims both (a CloudEvents content type and ``ce-specversion``) is what its body
shows: structured when the body is a CloudEvent, else binary.

Rules: everything is checked here and first; behind this module an Event is trusted. Nothing but
`Problem` is raised, whatever the bytes. A message that holds several events gives each its own
result, so a bad one never takes the good ones along.

The cloudevents SDK is not used for reading: 2.2.0 invents a missing id, specversion and time,
accepts NaN, duplicate keys, nested extensions and broken base64, and fails on legal null
attributes. It is used for writing, in `encode`. An event of 2 kB takes about 15 us here (the SDK
14, unchecked); `peek_type` takes 4.

This module does not know rules; data of an unexpected type is theirs to judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from subscriber.cloudevent.attributes import REQUIRED, attribute_name, build_event
from subscriber.cloudevent.cdevents import is_bare, wrap
from subscriber.cloudevent.content import MediaType, read_base64, read_payload
from subscriber.cloudevent.headers import PREFIX, decode_value, fold
from subscriber.cloudevent.strictjson import read_json
from subscriber.model import Envelope, Event, Json, Problem, Reason, excerpt

SIZE_LIMIT = 1_048_576
"""Bytes of one message; NATS servers refuse more than this unless told otherwise."""

BATCH_LIMIT = 4096
"""Events in one batch; a megabyte of ``{}`` would else become 350 000 dead letters."""

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_STRUCTURED_TYPES = frozenset({"application/cloudevents", STRUCTURED})


def decode(envelope: Envelope, *, size_limit: int = SIZE_LIMIT) -> tuple[Event, ...]:
    """All events of a message, or the first Problem: all or nothing.

    A message holds one event, except for a batch (which may be empty). Who wants to keep the good
    events of a batch with a bad one in it uses `decode_each`.

    Raises:
        Problem: with the reason, the place and a hint.
    """
    events: list[Event] = []
    for result in decode_each(envelope, size_limit=size_limit):
        if isinstance(result, Problem):
            raise result
        events.append(result)
    return tuple(events)


def decode_each(envelope: Envelope, *, size_limit: int = SIZE_LIMIT) -> tuple[Event | Problem, ...]:
    """One result per event, in the order of the message; never raises.

    A message that cannot be read at all gives a single Problem. In a batch, `Event.index` and the
    ``[index]`` at the beginning of `Problem.where` say which member it is.
    """
    try:
        return _read(envelope, size_limit)
    except Problem as problem:
        return (problem,)


def _read(envelope: Envelope, size_limit: int) -> tuple[Event | Problem, ...]:
    if len(envelope.data) > size_limit:
        raise Problem(
            Reason.TOO_LARGE,
            f"the message has {len(envelope.data)} bytes, the limit is {size_limit}",
            hint="raise the limit, or send large values by reference",
        )
    if not envelope.headers:  # as Keptn sends them
        return (_structured(_body(envelope), explicit=False),)
    headers = fold(envelope.headers)
    content_type = headers.get("content-type", "").split(";", 1)[0].rstrip().lower()
    if content_type == BATCH:
        return tuple(_batch(_body(envelope)))
    if content_type in _STRUCTURED_TYPES:
        if f"{PREFIX}specversion" in headers and not _shows_event(envelope.data):
            return (_binary(headers, envelope.data),)
        return (_structured(_body(envelope), explicit=True),)
    if content_type.startswith("application/cloudevents"):
        raise Problem(
            Reason.INVALID_ENCODING,
            f"the event format {excerpt(content_type, 60)} is not understood",
            where="Content-Type",
            hint=f"send {STRUCTURED}, {BATCH} or binary mode",
        )
    if f"{PREFIX}specversion" in headers:
        return (_binary(headers, envelope.data),)
    return (_sniffed(headers, envelope),)


def _body(envelope: Envelope) -> Json:
    if not envelope.data:
        raise Problem(Reason.EMPTY_MESSAGE, "the message is empty")
    return read_json(envelope.data)


def _shows_event(data: bytes) -> bool:
    try:
        body = read_json(data)
    except Problem:
        return False
    return isinstance(body, dict) and "specversion" in body


def _sniffed(headers: Mapping[str, str], envelope: Envelope) -> Event:
    """No header says what it is: the body does."""
    carries_attributes = any(name.startswith(PREFIX) for name in headers)
    try:
        return _structured(_body(envelope), explicit=False)
    except Problem as problem:
        if carries_attributes and problem.reason in _NOT_STRUCTURED:
            return _binary(headers, envelope.data)
        raise


_NOT_STRUCTURED = frozenset({Reason.EMPTY_MESSAGE, Reason.NOT_JSON, Reason.NOT_A_CLOUDEVENT})


def _structured(body: Json, *, explicit: bool, where: str = "", index: int = 0) -> Event:
    """One structured event; `explicit` when something besides the body says that it is one."""
    if not isinstance(body, dict):
        is_list = isinstance(body, list)
        raise Problem(
            Reason.NOT_A_CLOUDEVENT,
            f"a CloudEvent is a JSON object, this is {'an array' if is_list else 'a scalar'}",
            where=where.rstrip("."),
            hint=f"a batch needs Content-Type {BATCH}" if is_list and not where else "",
        )
    if is_bare(body):
        body = wrap(body)
    elif not explicit and "cloudEventsVersion" not in body and body.keys().isdisjoint(REQUIRED):
        raise Problem(
            Reason.NOT_A_CLOUDEVENT,
            "the object has none of specversion, id, source and type",
            hint="wrap the document in a CloudEvent, or send binary mode with ce- headers",
        )
    document = body
    return build_event(
        document,
        lambda specversion, declared: _data(document, specversion, declared, where),
        where=where,
        index=index,
    )


def _data(body: Mapping[str, Json], specversion: str, declared: MediaType, where: str) -> Json:
    """`data`, or what `data_base64` (0.3: `datacontentencoding`) encodes."""
    data, encoded, place = body.get("data"), body.get("data_base64"), f"{where}data_base64"
    if specversion == "0.3" and body.get("datacontentencoding") is not None:
        if body["datacontentencoding"] != "base64":
            raise Problem(
                Reason.INVALID_ENCODING,
                "only base64 is understood",
                where=f"{where}datacontentencoding",
            )
        data, encoded, place = None, data, f"{where}data"
    if encoded is None:
        return data
    if data is not None:
        raise Problem(
            Reason.INVALID_ATTRIBUTE, "an event has data or data_base64, not both", where=place
        )
    return read_payload(read_base64(encoded, place), declared, place)


def _batch(body: Json) -> Iterator[Event | Problem]:
    if not isinstance(body, list):
        raise Problem(
            Reason.NOT_A_CLOUDEVENT,
            "a batch is a JSON array",
            hint=f"a single event has Content-Type {STRUCTURED}",
        )
    if len(body) > BATCH_LIMIT:
        raise Problem(
            Reason.TOO_LARGE,
            f"the batch has {len(body)} events, the limit is {BATCH_LIMIT}",
            hint="send smaller batches",
        )
    for index, member in enumerate(body):
        try:
            yield _structured(member, explicit=True, where=f"[{index}].", index=index)
        except Problem as problem:
            yield problem


def _binary(headers: Mapping[str, str], data: bytes) -> Event:
    attributes: dict[str, Json] = {
        attribute_name(name.removeprefix(PREFIX), PREFIX): decode_value(
            value, excerpt(name, 60).strip("'")
        )
        for name, value in headers.items()
        if name.startswith(PREFIX)
    }
    # The NATS binding carries the type as ce-datacontenttype; HTTP habits say Content-Type.
    content_type = headers.get("content-type", "")
    says_mode = content_type.lower().startswith("application/cloudevents")
    if content_type and not says_mode and not {"datacontenttype", "contenttype"} & {*attributes}:
        attributes["datacontenttype"] = content_type
    return build_event(attributes, lambda _, declared: read_payload(data, declared), where=PREFIX)
