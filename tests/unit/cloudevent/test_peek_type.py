"""A look at a message is certain or says nothing: it never hides an event that a rule asks for."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from subscriber.cloudevent import decode_each, peek_type
from subscriber.model import Envelope, Event

WANTED = "com.example.wanted"
EVENT: dict[str, Any] = {
    "data": {"type": "inner", "text": 'a "type" and a \\ backslash', "list": [{"type": 1}]},
    "id": "42",
    "source": "/ci",
    "specversion": "1.0",
    "time": "2024-05-01T10:00:00Z",
    "type": WANTED,
}
TEXT = json.dumps(EVENT).encode()


def peek(data: bytes, headers: dict[str, str] | None = None) -> str | None:
    return peek_type(Envelope(subject="s", data=data, headers=headers or {}))


def types(data: bytes, headers: dict[str, str] | None = None) -> list[str]:
    """What the events in it are, as far as it can be read."""
    read = decode_each(Envelope(subject="s", data=data, headers=headers or {}))
    return [result.type for result in read if isinstance(result, Event)]


def is_sound(data: bytes, headers: dict[str, str] | None = None) -> bool:
    """Certain and right, or nothing said."""
    peeked = peek(data, headers)
    return peeked is None or types(data, headers) in ([], [peeked])


@pytest.mark.parametrize("order", list(itertools.permutations(["data", "id", "source", "type"])))
@pytest.mark.parametrize("indent", [None, 1])
def test_the_order_of_members_and_blanks_do_not_matter(
    order: tuple[str, ...], indent: int | None
) -> None:
    body = {"specversion": "1.0", **{name: EVENT[name] for name in order}}
    assert peek(json.dumps(body, indent=indent).encode()) == WANTED


@pytest.mark.parametrize(
    "data",
    [
        *(None, True, 0, -1.5e300, "", "type", '"type"', "\\", [], ["type"], {}, {"type": "type"}),
        {"data": {"type": {"type": '{"type":"x"}'}}},
        "a" * 100_000,
        ["\u2028\ud7ff\U0001f600"],
    ],
)
def test_whatever_is_in_the_payload(data: object) -> None:
    for ascii_only in (True, False):
        text = json.dumps({**EVENT, "data": data}, ensure_ascii=ascii_only).encode()
        assert peek(text) == WANTED
        assert types(text) == [WANTED]


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("key", ['"type"', '"\\u0074ype"', '"t\\u0079pe"', '"typ\\u0065"'])
@pytest.mark.parametrize("value", ['"com.example.unwanted"', f'"{WANTED}"', "null", "7", "{}"])
def test_a_second_type_is_never_a_certain_one(place: str, key: str, value: str) -> None:
    inner = TEXT[1:-1].decode()
    member = f"{key}:{value}"
    text = f"{{{member},{inner}}}" if place == "before" else f"{{{inner},{member}}}"
    assert peek(text.encode()) is None


@pytest.mark.parametrize("written", ["com.example.w\\u0061nted", "com.ex\\u0061mple.wanted"])
def test_an_escaped_value_is_understood_or_left_to_the_decoder(written: str) -> None:
    text = TEXT.replace(WANTED.encode(), written.encode())
    assert peek(text) in (None, WANTED)
    assert types(text) == [WANTED]


@pytest.mark.parametrize(
    "name", ["Type", "TYPE", "type ", " type", "typ", "types", "extensions", "subject", "datatype"]
)
def test_members_that_resemble_it_are_not_it(name: str) -> None:
    text = json.dumps({**EVENT, name: "type"}).encode()
    assert is_sound(text)
    without = {key: value for key, value in EVENT.items() if key != "type"}
    assert peek(json.dumps({**without, name: WANTED}).encode()) is None


@pytest.mark.parametrize("payload_twice", ['"x"', "1", "{}", '{"type":1}', '"type"', '"t'])
def test_a_payload_that_stands_elsewhere_too_confuses_nobody(payload_twice: str) -> None:
    payload_twice += '"' if payload_twice == '"t' else ""
    for names in (("subject", "data"), ("data", "subject"), ("data", "data")):
        first, second = names
        text = (
            f'{{"{first}":{payload_twice},"id":"1","source":"s","specversion":"1.0",'
            f'"type":"{WANTED}","{second}":{payload_twice}}}'
        ).encode()
        assert is_sound(text)


def test_every_beginning_of_an_event_is_left_to_the_decoder() -> None:
    for length in range(len(TEXT)):
        assert peek(TEXT[:length]) is None, TEXT[:length]


@pytest.mark.parametrize(
    "byte", [b'"', b"\\", b"{", b"}", b":", b",", b" ", b"\x00", b"\xff", b"t"]
)
def test_every_byte_of_an_event_replaced(byte: bytes) -> None:
    for at in range(len(TEXT)):
        assert is_sound(TEXT[:at] + byte + TEXT[at + 1 :])
        assert is_sound(TEXT[:at] + byte + TEXT[at:])


HEADERS = [
    {},
    {"Nats-Msg-Id": "1"},
    {"Content-Type": "application/json"},
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/cloudevents"},
    {"content-type": "Application/CloudEvents+JSON; charset=utf-8"},
    {"Content-Type": "application/cloudevents-batch+json"},
    {"Content-Type": "application/cloudevents+avro"},
]
MARKS = [
    {},
    {"ce-type": "com.example.other"},
    {"ce-specversion": "1.0"},
    {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "com.example.other"},
    {"CE-SpecVersion": "1.0", "Ce-Id": "1", "cE-Source": "s", "CE-TYPE": "com.example.other"},
    {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": ' "com.example.other" '},
    {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "com.ex%61mple"},
    {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "  com.example.other\t"},
    {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "a", "CE-TYPE": "b"},
    {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "\u0561"},
    {"ce-specversion": "9", "ce-id": "1", "ce-source": "s", "ce-type": "com.example.other"},
]
KEPTN_OLD = {
    "contenttype": "application/json",
    "data": {"project": "sockshop", "type": "x"},
    "id": "1",
    "source": "https://example.com",
    "specversion": "0.2",
    "time": "2019-06-07T07:02:15.64489Z",
    "type": "sh.keptn.events.problem",
    "shkeptncontext": "08735340-6f9e-4b32-97ff-3b6c292bc509",
}
CDEVENT = {
    "context": {"version": "0.4.1", "id": "1", "source": "s", "type": "dev.cdevents.build.queued"},
    "subject": {"id": "b", "type": "build", "content": {}},
}
BODIES = [
    TEXT,
    json.dumps([EVENT]).encode(),
    json.dumps([EVENT, {**EVENT, "type": "com.example.other"}]).encode(),
    json.dumps(KEPTN_OLD).encode(),
    json.dumps(CDEVENT).encode(),
    json.dumps({**EVENT, "data": CDEVENT}).encode(),
    json.dumps({**CDEVENT, "type": WANTED}).encode(),
    json.dumps({**EVENT, **CDEVENT}).encode(),
    b"\xef\xbb\xbf" + TEXT,
    TEXT.decode().encode("utf-16"),
    b"just text",
    b"[]",
    b"",
]


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("headers", HEADERS)
def test_every_mode_beside_every_body(headers: dict[str, str], marks: dict[str, str]) -> None:
    for body in BODIES:
        together = {**headers, **marks}
        assert is_sound(body, together), (body, together, peek(body, together))


def test_what_is_common_is_known_at_a_look() -> None:
    """Certainty is what makes it worth something."""
    assert peek(TEXT) == WANTED
    assert peek(json.dumps(KEPTN_OLD).encode()) == "sh.keptn.events.problem"
    assert peek(json.dumps({**EVENT, "data": CDEVENT}).encode()) == WANTED
    assert peek(b"", MARKS[3]) == peek(b"", MARKS[4]) == "com.example.other"


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from(["type", '"type"', "\\", "é", ""])
)
names = st.sampled_from(["type", "id", "source", "specversion", "data", "subject", "a\\", 'a"'])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """An object with members in any order, perhaps twice, perhaps written with escapes."""
    members = [
        ("id", '"1"'),
        ("source", '"s"'),
        ("specversion", '"1.0"'),
        ("type", json.dumps(draw(st.sampled_from(["a", "b", "com.example", "é", '"', "\\"])))),
    ]
    for _ in range(draw(st.integers(0, 3))):
        members.append((draw(names), json.dumps(draw(values), ensure_ascii=draw(st.booleans()))))
    written = []
    for name, value in draw(st.permutations(members)):
        key = json.dumps(name)
        if draw(st.integers(0, 5)) == 0:
            key = '"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"'
        blank = draw(st.sampled_from(["", " ", "\n\t"]))
        written.append(f"{blank}{key}{blank}:{blank}{value}")
    return "{" + ",".join(written) + "}"


@given(text=texts())
@example('{"data":"x","type":"a","id":"1","source":"s","specversion":"1.0","data":"type"}')
@settings(max_examples=500)
def test_certain_is_the_only_type_there_is(text: str) -> None:
    peeked = peek(text.encode())
    if peeked is not None:
        members = json.loads(text, object_pairs_hook=lambda pairs: pairs)
        assert [value for name, value in members if name == "type"] == [peeked]
    assert is_sound(text.encode())
