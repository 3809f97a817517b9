"""Bad input: each fault has its own reason, its place, and says nothing secret or endless."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from subscriber.cloudevent import decode, decode_each, peek_type
from subscriber.cloudevent.content import media_type
from subscriber.cloudevent.strictjson import DEPTH_LIMIT, read_json
from subscriber.cloudevent.timestamp import instant
from subscriber.model import Envelope, Event, Problem, Reason

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "42",
    "source": "/ci",
    "type": "com.example.done",
}


def refused(data: bytes | dict[str, Any], **kwargs: Any) -> Problem:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    with pytest.raises(Problem) as caught:
        decode(Envelope(subject="s", data=raw, headers=kwargs.pop("headers", {})), **kwargs)
    return caught.value


def event_with(data: bytes) -> bytes:
    return b'{"specversion":"1.0","id":"42","source":"/ci","type":"t","data":' + data + b"}"


# -- the text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", Reason.EMPTY_MESSAGE),
        (b" \r\n\t", Reason.EMPTY_MESSAGE),
        (b"\xef\xbb\xbf", Reason.EMPTY_MESSAGE),
        (b"hello", Reason.NOT_JSON),
        (b"{", Reason.NOT_JSON),
        (b"{'a':1}", Reason.NOT_JSON),
        (b'{"a":1,}', Reason.NOT_JSON),
        (b'{"a":01}', Reason.NOT_JSON),
        (b'{"a":1} {"b":2}', Reason.NOT_JSON),
        (b'{"a":"\\x"}', Reason.NOT_JSON),
        (b'{"a":"\n"}', Reason.CONTROL_CHARACTER),
        (b'{"a":"\x00"}', Reason.CONTROL_CHARACTER),
        (b"\x00\x00\x00", Reason.CONTROL_CHARACTER),
        (b'{"a":1}\x00', Reason.CONTROL_CHARACTER),
        (b"\xff\xfe{\x00}\x00", Reason.INVALID_ENCODING),
        (b'{"a":"\xc0\xa0"}', Reason.INVALID_ENCODING),
        (b'{"a":"\xed\xa0\x80"}', Reason.INVALID_ENCODING),
        (b"null", Reason.NOT_A_CLOUDEVENT),
        (b"7", Reason.NOT_A_CLOUDEVENT),
        (b'"text"', Reason.NOT_A_CLOUDEVENT),
        (b"[]", Reason.NOT_A_CLOUDEVENT),
        (b"{}", Reason.NOT_A_CLOUDEVENT),
        (b'{"data":{}}', Reason.NOT_A_CLOUDEVENT),
        (b'{"context":{"type":"a"},"subject":"b"}', Reason.NOT_A_CLOUDEVENT),
        (b'{"cloudEventsVersion":"0.1","eventID":"1"}', Reason.UNSUPPORTED_SPECVERSION),
    ],
)
def test_texts_that_are_no_event(raw: bytes, reason: Reason) -> None:
    assert refused(raw).reason is reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"NaN", Reason.NOT_A_NUMBER),
        (b"[1,-Infinity]", Reason.NOT_A_NUMBER),
        (b"Infinity", Reason.NOT_A_NUMBER),
        (b"1e400", Reason.NOT_A_NUMBER),
        (b"-1e400", Reason.NOT_A_NUMBER),
        (b"9" * 400, Reason.NOT_A_NUMBER),
        (b"9" * 250 + b"e99", Reason.NOT_A_NUMBER),
        (b"0.1e+0400", Reason.NOT_A_NUMBER),
        (b"9" * 5000, Reason.NOT_A_NUMBER),
        (b'{"a":1,"a":1}', Reason.DUPLICATE_KEY),
        (b'[{"b":[{"a":{},"\\u0061":[]}]}]', Reason.DUPLICATE_KEY),
        (b'{"a":{"x":[1,2,3],"x":[1,2,3]}}', Reason.DUPLICATE_KEY),
        (b'"\\ud800"', Reason.LONE_SURROGATE),
        (b'"\\udc00\\ud800"', Reason.LONE_SURROGATE),
        (b'{"\\udfff":1}', Reason.LONE_SURROGATE),
        (b"[" * (DEPTH_LIMIT + 1) + b"]" * (DEPTH_LIMIT + 1), Reason.TOO_DEEP),
        (b"[" * 10_000 + b"]" * 10_000, Reason.TOO_DEEP),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, Reason.TOO_DEEP),
        (b"[" * 500_000, Reason.TOO_DEEP),
    ],
)
def test_data_that_cannot_be_trusted(data: bytes, reason: Reason) -> None:
    assert refused(event_with(data)).reason is reason


def test_a_duplicate_attribute_is_refused() -> None:
    raw = b'{"specversion":"1.0","id":"1","source":"s","type":"t","id":"2"}'
    assert refused(raw).reason is Reason.DUPLICATE_KEY


def test_the_place_of_a_fault_inside_of_data_is_named() -> None:
    assert refused(event_with(b'{"a":[0,{"b":1e999}]}')).where == "data.a[1].b"
    assert refused(event_with(b'[{"k":"\\ud800"}]')).where == "data[0].k"


@pytest.mark.parametrize("depth", [1, 150, DEPTH_LIMIT - 1])
def test_what_is_deep_but_bearable_is_read(depth: int) -> None:
    data = b"[" * depth + b"1" + b"]" * depth
    (event,) = decode(Envelope(subject="s", data=event_with(data)))
    found = event.data
    for _ in range(depth):
        assert isinstance(found, list)
        (found,) = found
    assert found == 1


def test_many_brackets_are_not_depth() -> None:
    flat = json.dumps({**EVENT, "data": [[{}]] * 50_000}).encode()
    (event,) = decode(Envelope(subject="s", data=flat))
    assert event.data == [[{}]] * 50_000


@pytest.mark.parametrize(("size", "refuses"), [(1_048_576, False), (1_048_577, True)])
def test_the_size_limit_is_a_mebibyte_unless_told_otherwise(size: int, refuses: bool) -> None:
    raw = event_with(b'"' + b"x" * (size - len(event_with(b'""'))) + b'"')
    assert len(raw) == size
    (result,) = decode_each(Envelope(subject="s", data=raw))
    assert isinstance(result, Problem) == refuses
    assert refused(raw, size_limit=100).reason is Reason.TOO_LARGE


# -- attributes -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(EVENT))
@pytest.mark.parametrize("absent", ["missing", "null"])
def test_each_required_attribute_is_missed(name: str, absent: str) -> None:
    event = {k: v for k, v in EVENT.items() if k != name}
    problem = refused(event if absent == "missing" else {**event, name: None})
    assert (problem.reason, problem.where) == (Reason.MISSING_ATTRIBUTE, name)


def test_all_missing_attributes_are_named_at_once() -> None:
    assert refused({"specversion": "1.0"}).message == "missing id, source, type"
    explicit = {"Content-Type": "application/cloudevents+json"}
    assert refused(b"{}", headers=explicit).message == "missing specversion, id, source, type"


TEXTS = ["id", "source", "type", "specversion", "subject", "datacontenttype", "dataschema", "time"]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", ["", 7, 1.5, True, [], {}, ["a"]])
def test_core_attributes_are_text_and_not_empty(name: str, value: object) -> None:
    problem = refused({**EVENT, name: value})
    assert (problem.reason, problem.where) == (Reason.INVALID_ATTRIBUTE, name)


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "shkeptncontext"])
@pytest.mark.parametrize(
    "character", ["\x00", "\n", "\x1f", "\x7f", "\x80", "\x9f", "\ufdd0", "\ufffe", "\U0010ffff"]
)
def test_attributes_hold_no_control_characters(name: str, character: str) -> None:
    problem = refused({**EVENT, name: f"a{character}b"})
    assert (problem.reason, problem.where) == (Reason.CONTROL_CHARACTER, name)
    assert f"U+{ord(character):04X}" in problem.message


@pytest.mark.parametrize("character", ["\xa0", "é", "😀", "\u200b", "\ufffd", " "])
def test_attributes_hold_any_other_character(character: str) -> None:
    raw = json.dumps({**EVENT, "id": f"a{character}b"}).encode()
    (event,) = decode(Envelope(subject="s", data=raw))
    assert event.id == f"a{character}b"


@pytest.mark.parametrize("version", ["0.1", "2.0", "1", "1.0.2", "1.0-rc1", " 1.0", "v1.0"])
def test_other_specversions_are_refused(version: str) -> None:
    assert refused({**EVENT, "specversion": version}).reason is Reason.UNSUPPORTED_SPECVERSION


@pytest.mark.parametrize("name", ["Upper", "with_underscore", "with-dash", "ü", "", "a b", "dat.a"])
def test_attribute_names_are_lower_case_letters_and_digits(name: str) -> None:
    assert refused({**EVENT, name: "x"}).reason is Reason.INVALID_ATTRIBUTE
    assert refused({**EVENT, "extensions": {name: "x"}}).reason is Reason.INVALID_ATTRIBUTE


@pytest.mark.parametrize("value", [1.5, [], {}, ["a"], {"a": 1}, 2**31, -(2**31) - 1, 2**70])
def test_extension_values_are_text_small_integers_or_booleans(value: object) -> None:
    problem = refused({**EVENT, "ext": value})
    assert (problem.reason, problem.where) == (Reason.INVALID_ATTRIBUTE, "ext")
    problem = refused({**EVENT, "extensions": {"ext": value}})
    assert problem.where == "extensions.ext"


@pytest.mark.parametrize("value", ["", "x", 0, 2**31 - 1, -(2**31), True, False])
def test_extension_values_are_kept_as_they_are(value: object) -> None:
    (event,) = decode(Envelope(subject="s", data=json.dumps({**EVENT, "ext": value}).encode()))
    assert event.extensions == {"ext": value}
    assert type(event.extensions["ext"]) is type(value)


@pytest.mark.parametrize(
    "text", ["json", "application", "/json", "application/", "a/b/c", "a b/c", "a/b; c", "a/b;=d"]
)
def test_a_datacontenttype_is_a_media_type(text: str) -> None:
    problem = refused({**EVENT, "datacontenttype": text})
    assert (problem.reason, problem.where) == (Reason.INVALID_ATTRIBUTE, "datacontenttype")


@pytest.mark.parametrize(
    ("text", "name", "charset"),
    [
        ("Application/JSON", "application/json", ""),
        ("text/plain;charset=UTF-8", "text/plain", "utf-8"),
        ('text/plain ; a=b ; Charset="ISO-8859-1" ;', "text/plain", "iso-8859-1"),
        ('a/b; c="x\\"; charset=no"', "a/b", ""),
        ("application/vnd.a.b-c+json", "application/vnd.a.b-c+json", ""),
    ],
)
def test_media_types_are_parsed(text: str, name: str, charset: str) -> None:
    parsed = media_type(text)
    assert (parsed.name, parsed.charset) == (name, charset)


@pytest.mark.timeout(5)
def test_hostile_media_types_take_no_time() -> None:
    for text in ("a/b" + ";  " * 20_000 + "@", "a/b" + " " * 50_000 + "@", 'a/b;c="' * 20_000):
        with pytest.raises(Problem):
            media_type(text)


# -- time -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2024-05-01T10:00:00Z", 1714557600.0),
        ("2024-05-01t10:00:00z", 1714557600.0),
        ("2024-05-01T12:00:00+02:00", 1714557600.0),
        ("2024-05-01T08:30:00-01:30", 1714557600.0),
        ("2024-05-01T10:00:00.5Z", 1714557600.5),
        ("2021-01-29T14:47:58.157819Z", 1611931678.157819),
        ("2024-05-01T10:00:00.123456789Z", 1714557600.123456789),
        ("2016-12-31T23:59:60Z", 1483228800.0),
        ("2017-01-01T00:59:60+01:00", 1483228800.0),
        ("2024-02-29T00:00:00-00:00", 1709164800.0),
        ("0001-01-01T00:00:00+23:59", -62135683140.0),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00.5Z", -62135596799.5),
    ],
)
def test_times_by_rfc_3339(text: str, seconds: float | None) -> None:
    assert instant(text) == (seconds if seconds is None else pytest.approx(seconds, abs=1e-6))


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2024-05-01",
        "2024-05-01T10:00Z",
        "2024-05-01T10:00:00",
        "2024-05-01 10:00:00Z",
        "2024-05-01T10:00:00+02",
        "2024-05-01T10:00:00+0200",
        "2024-05-01T10:00:00.Z",
        "2024-05-01T10:00:00,5Z",
        "2024-5-1T10:00:00Z",
        "2024-05-01T1:00:00Z",
        "2024-05-01T24:00:00Z",
        "2024-05-01T10:60:00Z",
        "2024-05-01T10:00:61Z",
        "2024-05-01T10:00:60Z",
        "2024-02-30T10:00:00Z",
        "2023-02-29T10:00:00Z",
        "0000-01-01T00:00:00Z",
        "2024-13-01T10:00:00Z",
        "2024-05-01T10:00:00+24:00",
        "2024-05-01T10:00:00Z ",
        "２０２４-05-01T10:00:00Z",
        "1714557600",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    problem = refused({**EVENT, "time": text})
    assert (problem.reason, problem.where) == (Reason.INVALID_TIME, "time")


def test_gos_zero_time_is_kept_as_text_and_is_no_instant() -> None:
    raw = json.dumps({**EVENT, "time": "0001-01-01T00:00:00Z"}).encode()
    (event,) = decode(Envelope(subject="s", data=raw))
    assert (event.time, event.occurred_at) == ("0001-01-01T00:00:00Z", None)


# -- what a Problem says ----------------------------------------------------------------------

SECRET = "hunter2" * 200


@pytest.mark.parametrize(
    "changes",
    [
        {"time": SECRET},
        {"specversion": SECRET},
        {"datacontenttype": SECRET},
        {SECRET: "x\x00"},
        {"ext\n" + SECRET: "x"},
        {"id": SECRET + "\x00"},
        {"data_base64": SECRET + "!"},
        {"data": {SECRET: {SECRET: float("inf")}}},
    ],
)
def test_a_message_is_short_and_one_line(changes: dict[str, Any]) -> None:
    problem = refused(json.dumps({**EVENT, **changes}).replace("Infinity", "1e999").encode())
    assert len(str(problem)) < 400
    assert str(problem).isprintable()


# -- properties -------------------------------------------------------------------------------

header_names = st.text(max_size=8) | st.sampled_from(
    [
        *("Content-Type", "content-type", "ce-id", "CE-ID", "ce-type", "ce-source", "ce-time"),
        *("ce-specversion", "ce-datacontenttype", "ce-subject", "ce-data", "Ce-X", "Nats-Msg-Id"),
    ]
)
header_values = st.text(max_size=12) | st.sampled_from(
    [
        *("application/cloudevents+json", "application/cloudevents-batch+json", "1.0", "0.3"),
        *("application/json", "text/plain;charset=utf-16", "%FF", '"', "2024-05-01T10:00:00Z"),
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
almost_events = st.fixed_dictionaries(
    {},
    optional={
        name: values | st.sampled_from(["1.0", "0.3", "0.2", "a", "YQ==", "application/json"])
        for name in [*TEXTS, "data", "data_base64", "extensions", "contenttype", "context", "x"]
    },
)
bodies = (
    st.binary(max_size=60)
    | almost_events.map(lambda e: json.dumps(e).encode())
    | st.lists(almost_events, max_size=3).map(lambda e: json.dumps(e).encode())
)


@given(data=bodies, headers=st.dictionaries(header_names, header_values, max_size=6))
@example(data=b'{"a":' * 3000, headers={})
@example(data=b"[[" * 3000, headers={"Content-Type": "application/cloudevents-batch+json"})
@example(data=b"", headers={"ce-specversion": "\ud800"})
@example(data=b"", headers={"\ud800": "\ud800"})
def test_anything_is_read_or_refused(data: bytes, headers: dict[str, str]) -> None:
    envelope = Envelope(subject="s", data=data, headers=headers)
    results = list(decode_each(envelope))
    for result in results:
        assert isinstance(result, Event | Problem)
        if isinstance(result, Event):
            assert result.id
            assert result.source
            assert result.type
            json.dumps(result.document(), allow_nan=False, ensure_ascii=False).encode()
        else:
            assert str(result).isprintable()
    peeked = peek_type(envelope)
    if peeked is not None:
        (result,) = results
        # Certain about the type; only what it does not look at may still be wrong.
        assert isinstance(result, Problem) or result.type == peeked


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(value=json_values, indent=st.sampled_from([None, 0, 1, 4]), ascii_only=st.booleans())
def test_sound_json_is_read_as_the_standard_library_reads_it(
    value: object, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    read = read_json(text.encode())
    assert json.dumps(read) == json.dumps(json.loads(text))


@given(
    keys=st.lists(st.text(max_size=4), min_size=1, max_size=5, unique=True),
    value=json_values,
    depth=st.integers(0, 3),
    data=st.data(),
)
def test_a_duplicate_key_is_found_wherever_it_is(
    keys: list[str], value: object, depth: int, data: st.DataObject
) -> None:
    def text_of(names: list[str]) -> str:
        members = (f"{json.dumps(name)}:{json.dumps(value)}" for name in names)
        return "[1," * depth + "{" + ",".join(members) + "}" + "]" * depth

    read_json(text_of(keys).encode())
    twice = [*keys, data.draw(st.sampled_from(keys))]
    with pytest.raises(Problem) as caught:
        read_json(text_of(twice).encode())
    assert caught.value.reason is Reason.DUPLICATE_KEY
