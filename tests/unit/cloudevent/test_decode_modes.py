"""How a message is read: structured, binary, batch, sniffed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from subscriber.cloudevent import decode, decode_each, peek_type
from subscriber.model import Envelope, Event, Problem, Reason

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "42",
    "source": "/ci",
    "type": "com.example.done",
}
JSON_TYPE = {"Content-Type": "application/cloudevents+json"}
BATCH_TYPE = {"Content-Type": "application/cloudevents-batch+json"}
BINARY = {"ce-specversion": "1.0", "ce-id": "42", "ce-source": "/ci", "ce-type": "com.example.done"}


def envelope(body: object, headers: dict[str, str] | None = None) -> Envelope:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Envelope(subject="s", data=data, headers=headers or {})


def one(body: object, headers: dict[str, str] | None = None) -> Event:
    (event,) = decode(envelope(body, headers))
    return event


def refused(body: object, headers: dict[str, str] | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        decode(envelope(body, headers))
    return caught.value


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/cloudevents+json"},
        {"content-type": "application/cloudevents"},
        {"CONTENT-TYPE": "Application/CloudEvents+JSON; charset=UTF-8"},
        {"Content-Type": 'application/cloudevents+json ; profile="a;b"'},
        {"Content-Type": "application/json"},
        {"Nats-Msg-Id": "7"},
    ],
)
def test_a_structured_event_is_found_with_and_without_headers(headers: dict[str, str]) -> None:
    event = one({**EVENT, "data": {"a": [1, 2.5, None, "ü"]}, "shkeptncontext": "c"}, headers)
    assert (event.id, event.source, event.type) == ("42", "/ci", "com.example.done")
    assert event.data == {"a": [1, 2.5, None, "ü"]}
    assert event.extensions == {"shkeptncontext": "c"}
    assert (event.time, event.occurred_at, event.index) == ("", None, 0)


def test_optional_attributes_are_kept() -> None:
    event = one(
        {
            **EVENT,
            "time": "2024-05-01T10:00:00.123456789+02:00",
            "subject": "carts",
            "datacontenttype": "application/json",
            "dataschema": "https://example.com/schema",
            "count": 5,
            "sampled": True,
        }
    )
    assert event.time == "2024-05-01T10:00:00.123456789+02:00"
    assert event.occurred_at == pytest.approx(1714550400.123456789, abs=1e-6)
    assert event.subject == "carts"
    assert event.datacontenttype == "application/json"
    assert event.dataschema == "https://example.com/schema"
    assert event.extensions == {"count": 5, "sampled": True}


def test_null_optional_attributes_are_absent() -> None:
    nulls = dict.fromkeys(["time", "subject", "datacontenttype", "dataschema", "shkeptncontext"])
    assert one({**EVENT, **nulls, "data": None}) == one(EVENT)


@pytest.mark.parametrize("specversion", ["1.0", "0.3", "0.2"])
def test_keptns_contenttype_is_the_datacontenttype_and_stays_visible(specversion: str) -> None:
    event = one({**EVENT, "specversion": specversion, "contenttype": "application/json", "data": 1})
    assert event.datacontenttype == "application/json"
    assert event.document()["contenttype"] == "application/json"
    assert event.specversion == specversion


def test_datacontenttype_wins_over_contenttype() -> None:
    event = one({**EVENT, "contenttype": "text/plain", "datacontenttype": "application/json"})
    assert event.datacontenttype == "application/json"


@pytest.mark.parametrize(("specversion", "schema"), [("0.2", "/s"), ("0.3", "/s"), ("1.0", "")])
def test_schemaurl_is_the_dataschema_of_old_events_only(specversion: str, schema: str) -> None:
    assert one({**EVENT, "specversion": specversion, "schemaurl": "/s"}).dataschema == schema


def test_an_extensions_object_is_opened() -> None:
    event = one({**EVENT, "a": "top", "extensions": {"a": "nested", "b": 3, "c": None}})
    assert event.extensions == {"a": "top", "b": 3}


def test_a_byte_order_mark_is_forgiven() -> None:
    assert one(b"\xef\xbb\xbf" + json.dumps(EVENT).encode()) == one(EVENT)


def test_an_integer_of_twenty_digits_becomes_a_float() -> None:
    numbers = [2**63 - 1, -(2**63), 10**19 - 1, 10**19, -(10**19), 10**300]
    data = one({**EVENT, "data": numbers}).data
    assert isinstance(data, list)
    assert data == [*numbers[:3], 1e19, -1e19, 1e300]
    assert [type(n) for n in data] == [int, int, int, float, float, float]


# -- data_base64 and datacontentencoding ------------------------------------------------------


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("content_type", "raw", "expected"),
    [
        ("application/json", b'{"result":"fail"}', {"result": "fail"}),
        ("application/vnd.x+json; charset=utf-8", b"[1]", [1]),
        ("text/plain", "naïve".encode(), "naïve"),
        ("text/plain; charset=ISO-8859-1", "naïve".encode("latin-1"), "naïve"),
        ("application/xml", b"<a/>", "<a/>"),
        ("image/svg+xml", b"<svg/>", "<svg/>"),
        ("application/octet-stream", b"\x00\xff", b64(b"\x00\xff")),
        (None, b'{"a":1}', {"a": 1}),
        (None, b"hello", "hello"),
        (None, b"\x00\xff", b64(b"\x00\xff")),
        ("application/json", b"", None),
    ],
)
def test_base64_and_binary_mode_read_a_payload_alike(
    content_type: str | None, raw: bytes, expected: object
) -> None:
    assert one({**EVENT, "datacontenttype": content_type, "data_base64": b64(raw)}).data == expected
    old = {**EVENT, "specversion": "0.3", "datacontentencoding": "base64", "data": b64(raw)}
    assert one({**old, "datacontenttype": content_type}).data == expected
    typed = {"ce-datacontenttype": content_type} if content_type else {}
    assert one(raw, {**BINARY, **typed}).data == expected
    typed = {"Content-Type": content_type} if content_type else {}
    assert one(raw, {**BINARY, **typed}).data == expected


@pytest.mark.parametrize("text", ["a", "YQ", "YQ==\n", "Y Q==", "_-==", "ü", 7, ["YQ=="]])
def test_broken_base64_is_refused(text: object) -> None:
    problem = refused({**EVENT, "data_base64": text})
    assert (problem.reason, problem.where) == (Reason.INVALID_ENCODING, "data_base64")


def test_data_and_data_base64_exclude_one_another() -> None:
    assert refused({**EVENT, "data": 1, "data_base64": "YQ=="}).reason is Reason.INVALID_ATTRIBUTE
    assert one({**EVENT, "data": None, "data_base64": b64(b"1")}).data == 1


def test_an_unknown_datacontentencoding_is_refused() -> None:
    old = {**EVENT, "specversion": "0.3", "datacontentencoding": "gzip", "data": "x"}
    assert refused(old).where == "datacontentencoding"


def test_a_json_string_is_not_parsed_again_and_odd_types_are_left_to_rules() -> None:
    assert (
        one({**EVENT, "datacontenttype": "application/json", "data": '{"a":1}'}).data == '{"a":1}'
    )
    assert one({**EVENT, "datacontenttype": "text/plain", "data": {"a": 1}}).data == {"a": 1}


# -- binary mode ------------------------------------------------------------------------------


def test_binary_mode_takes_attributes_from_headers_of_any_case() -> None:
    event = one(
        b'{"a":1}',
        {
            "CE-SpecVersion": "1.0",
            "Ce-Id": "42",
            "cE-SOURCE": "/ci",
            "ce-type": "com.example.done",
            "ce-ShKeptnContext": "c",
            "Content-Type": "application/json; charset=utf-8",
            "Nats-Msg-Id": "7",
        },
    )
    assert event.type == "com.example.done"
    assert event.extensions == {"shkeptncontext": "c"}
    assert event.data == {"a": 1}
    assert event.datacontenttype == "application/json; charset=utf-8"


def test_ce_datacontenttype_wins_over_content_type() -> None:
    event = one(b"1", {**BINARY, "ce-datacontenttype": "text/plain", "Content-Type": "image/png"})
    assert (event.datacontenttype, event.data) == ("text/plain", "1")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("%e2%82%ac", "€"),
        ("%41%2F", "A/"),
        ("%2541", "%41"),
        ('"quoted value"', "quoted value"),
        (r'"a \"b\" \\ c"', 'a "b" \\ c'),
        ('"%22"', '"'),
        ("100% sure", "100% sure"),
        ("50%zz", "50%zz"),
        ("  padded\t", "padded"),
        ("Größe", "Größe"),
    ],
)
def test_header_values_are_unquoted_then_percent_decoded_once(header: str, value: str) -> None:
    assert one(b"", {**BINARY, "ce-subject": header}).subject == value


@pytest.mark.parametrize("header", ["%C0%A0", "%FF", "%ED%A0%80", "bad \ufffd", "\udc80"])
def test_header_values_that_are_not_utf8_are_refused(header: str) -> None:
    problem = refused(b"", {**BINARY, "ce-subject": header})
    assert (problem.reason, problem.where) == (Reason.INVALID_ENCODING, "ce-subject")


@pytest.mark.parametrize("missing", sorted(BINARY))
def test_binary_mode_names_the_missing_header(missing: str) -> None:
    problem = refused(b"{}", {k: v for k, v in BINARY.items() if k != missing})
    assert (problem.reason, problem.where) == (Reason.MISSING_ATTRIBUTE, missing)


def test_one_header_in_two_spellings_must_agree() -> None:
    assert refused(b"", {**BINARY, "CE-ID": "43"}).reason is Reason.DUPLICATE_KEY
    assert one(b"", {**BINARY, "CE-ID": "42"}).id == "42"
    two = {**BINARY, "Content-Type": "text/plain", "content-type": "text/html"}
    assert refused(b"", two).reason is Reason.DUPLICATE_KEY


def test_an_empty_binary_payload_is_no_data() -> None:
    assert one(b"", BINARY).data is None


def test_a_binary_json_payload_is_read_strictly() -> None:
    for content_type in ({"ce-datacontenttype": "application/json"}, {}):
        problem = refused(b'{"a":1,"a":2}', {**BINARY, **content_type})
        assert (problem.reason, problem.where) == (Reason.DUPLICATE_KEY, "data")
    declared = {**BINARY, "ce-datacontenttype": "application/json"}
    assert refused(b"hello", declared).reason is Reason.NOT_JSON


def test_the_body_decides_when_headers_claim_both_modes() -> None:
    both = {**BINARY, **JSON_TYPE}
    assert one({**EVENT, "id": "body"}, both).id == "body"
    event = one({"a": 1}, both)
    assert (event.id, event.data, event.datacontenttype) == ("42", {"a": 1}, "")


def test_a_structured_body_wins_over_stray_ce_headers() -> None:
    assert one({**EVENT, "id": "body"}, {"ce-id": "header"}).id == "body"


@pytest.mark.parametrize("name", ["ce-data", "ce-foo_bar", "ce-", "ce-ü"])
def test_a_header_that_is_no_attribute_name_is_refused(name: str) -> None:
    assert refused(b"", {**BINARY, name: "x"}).reason is Reason.INVALID_ATTRIBUTE


def test_other_event_formats_are_refused_by_name() -> None:
    problem = refused(EVENT, {"Content-Type": "application/cloudevents+protobuf"})
    assert problem.reason is Reason.INVALID_ENCODING
    assert "protobuf" in str(problem)


# -- batch ------------------------------------------------------------------------------------


def test_a_batch_gives_its_events_in_order() -> None:
    events = decode(envelope([{**EVENT, "id": str(i)} for i in range(5)], BATCH_TYPE))
    assert [(e.id, e.index) for e in events] == [(str(i), i) for i in range(5)]
    assert decode(envelope([], BATCH_TYPE)) == ()


def test_a_bad_member_does_not_take_the_good_ones_along() -> None:
    bad_time = {**EVENT, "time": "yesterday"}
    body = [EVENT, {"id": "x"}, 7, [], None, bad_time, {**EVENT, "id": "last"}]
    first, missing, scalar, array, null, time, last = decode_each(envelope(body, BATCH_TYPE))
    assert isinstance(first, Event)
    assert isinstance(last, Event)
    assert (first.index, last.index) == (0, 6)
    for problem, where in ((missing, "[1].specversion"), (scalar, "[2]"), (array, "[3]")):
        assert isinstance(problem, Problem)
        assert problem.where == where
    assert isinstance(null, Problem)
    assert isinstance(time, Problem)
    assert (time.reason, time.where) == (Reason.INVALID_TIME, "[5].time")
    assert refused(body, BATCH_TYPE).where == "[1].specversion"


def test_a_batch_must_be_an_array_of_bearable_length() -> None:
    assert refused(EVENT, BATCH_TYPE).reason is Reason.NOT_A_CLOUDEVENT
    assert refused(b"[" + b"{}," * 5000 + b"{}]", BATCH_TYPE).reason is Reason.TOO_LARGE
    hint = refused([EVENT]).hint
    assert "application/cloudevents-batch+json" in hint


# -- bare CDEvents ----------------------------------------------------------------------------

CDEVENT: dict[str, Any] = {
    "context": {
        "version": "0.4.1",
        "id": "271069a8",
        "source": "/ci",
        "type": "dev.cdevents.pipelinerun.finished.0.2.0",
        "timestamp": "2023-03-20T14:27:05.315384Z",
        "schemaUri": "https://example.com/s",
    },
    "subject": {"id": "run-7", "content": {"outcome": "failure"}},
}


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/cdevents+json"}, JSON_TYPE])
def test_a_bare_cdevents_document_gets_its_envelope_back(headers: dict[str, str]) -> None:
    event = one(CDEVENT, headers)
    assert event == Event(
        id="271069a8",
        source="/ci",
        type="dev.cdevents.pipelinerun.finished.0.2.0",
        time="2023-03-20T14:27:05.315384Z",
        occurred_at=pytest.approx(1679322425.315384),
        subject="run-7",
        datacontenttype="application/cdevents+json",
        dataschema="https://example.com/s",
        data=CDEVENT,
    )


def test_a_bare_cdevents_document_is_checked_like_any_event() -> None:
    context = {k: v for k, v in CDEVENT["context"].items() if k != "id"}
    problem = refused({**CDEVENT, "context": context})
    assert (problem.reason, problem.where) == (Reason.MISSING_ATTRIBUTE, "id")


def test_an_enveloped_cdevent_is_an_ordinary_event() -> None:
    assert one({**EVENT, "data": CDEVENT}).data == CDEVENT


# -- peek_type --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (EVENT, {}, "com.example.done"),
        ({**EVENT, "data": {"type": "inner", "a": [{"type": 1}]}}, {}, "com.example.done"),
        (EVENT, JSON_TYPE, "com.example.done"),
        (b"anything", BINARY, "com.example.done"),
        ([EVENT], BATCH_TYPE, None),
        (CDEVENT, {}, None),
        ({**EVENT, "id": ""}, {}, None),
        ({**EVENT, "id": 7}, {}, None),
        ({k: v for k, v in EVENT.items() if k != "source"}, {}, None),
        ({**EVENT, "subject": "type"}, {}, None),
        (b'{"type":"a","specversion":"1.0","id":"1","source":"s","type":"b"}', {}, None),
        (b"[" * 100_000, {}, None),
        (b"\xff", {}, None),
        (b"", {}, None),
        (b"x", {**BINARY, "ce-type": "a%20b"}, None),
        (b"x", {**BINARY, "CE-TYPE": "other"}, None),
        (b"x", {k: v for k, v in BINARY.items() if k != "ce-specversion"}, None),
        (EVENT, {**BINARY, **JSON_TYPE}, None),
    ],
)
def test_peek_type_is_certain_or_none(
    body: object, headers: dict[str, str], expected: str | None
) -> None:
    assert peek_type(envelope(body, headers)) == expected
