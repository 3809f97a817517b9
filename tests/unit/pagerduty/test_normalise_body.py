"""Bodies within PagerDuty's limits: field by field, action by action."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from subscriber.model import Action, Problem, Reason
from subscriber.pagerduty import Normalised, normalise, normalise_dedup_key, refuse_routing_key
from subscriber.pagerduty.limits import FIELDS

PAYLOAD: dict[str, Any] = {"summary": "carts failed", "source": "keptn", "severity": "critical"}


def payload_of(action: Action = Action.TRIGGER, **fields: Any) -> dict[str, Any]:
    result = normalise(action, {"payload": {**PAYLOAD, **fields}})
    assert result.payload is not None
    return result.payload


def refused(body: dict[str, Any], action: Action = Action.TRIGGER) -> Problem:
    with pytest.raises(Problem) as caught:
        normalise(action, body)
    return caught.value


def test_a_clean_body_passes_unchanged_and_without_notes() -> None:
    body = {
        "event_action": "trigger",
        "dedup_key": "a/b",
        "payload": {
            **PAYLOAD,
            "timestamp": "2015-07-17T08:42:58.315+0000",
            "component": "mysql",
            "group": "prod",
            "class": "disk",
            "custom_details": {"load": 0.75, "nested": {"a": [1, None, True]}},
        },
        "client": "ci",
        "client_url": "https://ci.example",
        "links": [{"href": "http://a.example", "text": "run"}],
        "images": [{"src": "https://a.example/i.png", "href": "https://a.example", "alt": "x"}],
    }
    before = json.dumps(body)
    assert normalise(Action.TRIGGER, body) == Normalised(
        payload=body["payload"],
        client="ci",
        client_url="https://ci.example",
        links=({"href": "http://a.example", "text": "run"},),
        images=({"src": "https://a.example/i.png", "href": "https://a.example", "alt": "x"},),
        event_action="trigger",
        dedup_key="a/b",
    )
    assert json.dumps(body) == before


def test_a_bare_payload_is_the_payload() -> None:
    bare = {**PAYLOAD, "client": "ci", "dedup_key": "k", "links": [{"href": "https://a.example"}]}
    whole = {"payload": PAYLOAD, **{k: v for k, v in bare.items() if k not in PAYLOAD}}
    assert normalise(Action.TRIGGER, bare) == normalise(Action.TRIGGER, whole)


# -- every action with every kind of payload --------------------------------------------------

PAYLOADS: dict[str, Any] = {
    "absent": {},
    "null": {"payload": None},
    "empty": {"payload": {}},
    "nulls": {"payload": {"summary": None}},
    "valid": {"payload": PAYLOAD},
    "invalid": {"payload": {**PAYLOAD, "severity": "none"}},
    "blank": {"payload": {**PAYLOAD, "summary": "  "}},
    "scalar": {"payload": "text"},
}
_NEEDED = (Action.TRIGGER, Action.CHANGE)


@pytest.mark.parametrize(("action", "kind"), list(itertools.product(Action, PAYLOADS)))
def test_every_action_with_every_payload(action: Action, kind: str) -> None:
    body = PAYLOADS[kind]
    sends = kind == "valid" or (kind == "invalid" and action is Action.CHANGE)
    if action in _NEEDED and not sends:
        problem = refused(body, action)
        assert problem.reason is Reason.INVALID_BODY
        assert problem.where.startswith("payload.")
        return
    result = normalise(action, body)
    assert (result.payload is not None) == sends
    if action not in _NEEDED:
        noted = kind in ("invalid", "blank", "scalar")
        assert any("without a payload" in note for note in result.notes) == noted


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.RESOLVE])
def test_decoration_is_for_alerts_that_open(action: Action) -> None:
    extra = {
        "client": "ci",
        "client_url": "https://a.example",
        "links": [{"href": "https://a.example"}],
        "images": [{"src": "https://a.example"}],
    }
    result = normalise(action, {"payload": PAYLOAD, **extra})
    assert (result.client, result.client_url, result.links, result.images) == ("", "", (), ())
    assert result.payload == PAYLOAD


def test_a_change_event_has_links_and_only_its_own_fields() -> None:
    body = {
        "payload": {**PAYLOAD, "component": "carts", "timestamp": "2024-01-01T00:00:00Z"},
        "links": [{"href": "https://a.example"}],
        "images": [{"src": "https://a.example"}],
        "client": "ci",
    }
    result = normalise(Action.CHANGE, body)
    assert result.payload == {
        "summary": "carts failed",
        "source": "keptn",
        "timestamp": "2024-01-01T00:00:00.000+0000",
        "custom_details": {"severity": "critical", "component": "carts"},
    }
    assert (result.links, result.images, result.client) == (
        ({"href": "https://a.example"},),
        (),
        "",
    )


def test_a_change_event_needs_no_source() -> None:
    assert normalise(Action.CHANGE, {"summary": "x"}).payload == {"summary": "x"}


# -- fields -----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 1023, 1024])
def test_a_summary_of_allowed_length_is_untouched(length: int) -> None:
    assert payload_of(summary="é" * length) == {**PAYLOAD, "summary": "é" * length}


@pytest.mark.parametrize("length", [1025, 5000])
def test_a_longer_summary_is_cut_with_a_mark_and_kept_whole(length: int) -> None:
    text = "😀" * length
    payload = payload_of(summary=text, custom_details={"a": 1})
    assert payload["summary"] == "😀" * 1023 + "…"
    assert payload["custom_details"] == {"full_summary": text, "a": 1}


def test_the_full_summary_takes_no_name_that_is_in_use() -> None:
    payload = payload_of(summary="x" * 2000, custom_details={"full_summary": "mine"})
    assert payload["custom_details"] == {"full_summary": "mine", "full_summary_": "x" * 2000}


@pytest.mark.parametrize("value", [None, "", " \n", [], {}, ["x"]])
def test_a_summary_that_is_none_is_refused(value: object) -> None:
    problem = refused({"payload": {**PAYLOAD, "summary": value}})
    assert (problem.reason, problem.where) == (Reason.INVALID_BODY, "payload.summary")


@pytest.mark.parametrize(("value", "text"), [(7, "7"), (0.5, "0.5"), (True, "true"), (" x ", "x")])
def test_scalars_become_text(value: object, text: str) -> None:
    payload = payload_of(summary=value, source=value, component=value)
    assert (payload["summary"], payload["source"], payload["component"]) == (text, text, text)


@pytest.mark.parametrize("given", ["critical", "Critical", " ERROR ", "Warning", "info"])
def test_severities_are_lower_cased(given: str) -> None:
    assert payload_of(severity=given)["severity"] == given.strip().lower()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("critcal", "critical"),
        ("warn", "warning"),
        ("fatal", "critical"),
        ("none", "info"),
        ("errror", "error"),
        ("xyz", None),
        ("", None),
        (None, None),
        (3, None),
        ([], None),
    ],
)
def test_another_severity_is_refused_with_the_nearest(given: object, meant: str | None) -> None:
    problem = refused({"payload": {**PAYLOAD, "severity": given}})
    assert (problem.reason, problem.where) == (Reason.INVALID_BODY, "payload.severity")
    assert "critical, error, warning, info" in problem.hint
    assert ("did you mean" in problem.hint) == (meant is not None)
    assert meant is None or f"did you mean {meant}?" in problem.hint


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("2015-07-17T08:42:58.315+0000", "2015-07-17T08:42:58.315+0000"),
        ("2015-07-17T08:42:58Z", "2015-07-17T08:42:58.000+0000"),
        ("2015-07-17t08:42:58.1z", "2015-07-17T08:42:58.100+0000"),
        ("2024-05-01T10:00:00.123456789+02:00", "2024-05-01T08:00:00.123+0000"),
        ("2021-10-22 5:01:32", "2021-10-22T05:01:32.000+0000"),
        ("2021-10-22T05:01", "2021-10-22T05:01:00.000+0000"),
        ("2021-10-22", "2021-10-22T00:00:00.000+0000"),
        ("2021-10-22T05:01:32,5-0130", "2021-10-22T06:31:32.500+0000"),
        ("2021-10-22 05:01:32 UTC", "2021-10-22T05:01:32.000+0000"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000+0000"),
        (1587624420, "2020-04-23T06:47:00.000+0000"),
        (1587624420000, "2020-04-23T06:47:00.000+0000"),
        (1587624420000000, "2020-04-23T06:47:00.000+0000"),
        (1587624420000000000, "2020-04-23T06:47:00.000+0000"),
        ("1587624420", "2020-04-23T06:47:00.000+0000"),
        (1587624420.5, "2020-04-23T06:47:00.500+0000"),
    ],
)
def test_timestamps_take_the_documented_form(given: object, sent: str) -> None:
    assert payload_of(timestamp=given)["timestamp"] == sent


@pytest.mark.parametrize(
    "given",
    [
        "yesterday",
        "2021-13-01T00:00:00Z",
        "2021-02-30",
        "2021-10-22T25:00:00Z",
        "2021-10-22T05:01:61Z",
        "2021-10-22T05:01:32+25:00",
        "2021-10-22T05:01:32+01:75",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "1960-01-01T00:00:00Z",
        "<no value>",
        -1,
        5,
        True,
        10**30,
        float("nan"),
        [],
        {},
    ],
)
def test_a_timestamp_that_is_none_is_left_out_with_a_note(given: object) -> None:
    result = normalise(Action.TRIGGER, {"payload": {**PAYLOAD, "timestamp": given}})
    assert result.payload == PAYLOAD
    assert any(note.startswith("timestamp left out") for note in result.notes)


@pytest.mark.parametrize("given", [None, ""])
def test_an_absent_timestamp_needs_no_note(given: object) -> None:
    assert normalise(Action.TRIGGER, {"payload": {**PAYLOAD, "timestamp": given}}).notes == ()


@pytest.mark.parametrize("given", [None, "", "  ", [], {"a": 1}])
def test_a_blank_source_is_stood_in_for(given: object) -> None:
    body = {"payload": {**PAYLOAD, "source": given}}
    known = normalise(Action.TRIGGER, body, source=" /ci ")
    unknown = normalise(Action.TRIGGER, body)
    assert known.payload is not None
    assert unknown.payload is not None
    assert (known.payload["source"], unknown.payload["source"]) == ("/ci", "unknown")
    assert known.notes


@pytest.mark.parametrize("name", ["component", "group", "class", "source"])
def test_text_fields_are_cut(name: str) -> None:
    result = normalise(Action.TRIGGER, {"payload": {**PAYLOAD, name: "x" * 2000}})
    assert result.payload is not None
    assert result.payload[name] == "x" * 1023 + "…"
    assert f"payload.{name} cut from 2000 characters" in result.notes


@pytest.mark.parametrize("value", [["a"], "text", 7, True])
def test_details_that_are_no_object_are_wrapped(value: object) -> None:
    assert payload_of(custom_details=value)["custom_details"] == {"details": value}


@pytest.mark.parametrize("value", [None, "", {}])
def test_absent_details_stay_absent(value: object) -> None:
    assert payload_of(custom_details=value) == PAYLOAD


def test_unknown_fields_move_to_custom_details() -> None:
    body = {
        "payload": {**PAYLOAD, "sumary": "typo", "custom_details": {"team": "a"}, "gone": None},
        "team": "b",
    }
    result = normalise(Action.TRIGGER, body)
    assert result.payload == {
        **PAYLOAD,
        "custom_details": {"team": "a", "team_": "b", "sumary": "typo"},
    }
    assert len(result.notes) == 2


def test_what_json_cannot_say_is_said_in_words() -> None:
    deep: Any = "bottom"
    for _ in range(400):
        deep = [deep]
    details = payload_of(
        summary="a\x00b\ud800",
        custom_details={
            "nan": float("nan"),
            "inf": float("-inf"),
            "big": 2**80,
            "half\udfff": "\ud83d",
            "deep": deep,
            "tuple": (1, 2),
            3: "number",
        },
    )
    assert details["summary"] == "a\ufffdb\ufffd"
    inner = details["custom_details"]
    text = json.dumps(inner, allow_nan=False, ensure_ascii=False).encode().decode()
    assert "left out: nested too deep" in text
    del inner["deep"]
    assert inner == {
        "nan": "nan",
        "inf": "-inf",
        "big": str(2**80),
        "half\ufffd": "\ufffd",
        "tuple": [1, 2],
        "3": "number",
    }


# -- links and images -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("href", "sent"),
    [
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z"),
        ("HTTP://a.example", "http://a.example"),
        (" https://a.example/a b ", "https://a.example/a%20b"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("slack://channel?id=1", "slack://channel?id=1"),
        ("javascript:alert(1)", None),
        ("/relative", None),
        ("www.a.example", None),
        ("https://", None),
        ("https://a.example/\n", "https://a.example/"),
        ("https://a\x00b", None),
        ("https://a\tb", None),
        ("https://a.example/" + "x" * 9000, None),
        (7, None),
        (["https://a.example"], None),
    ],
)
def test_links_need_an_absolute_url(href: object, sent: str | None) -> None:
    result = normalise(Action.TRIGGER, {"payload": PAYLOAD, "links": [{"href": href, "text": "t"}]})
    assert result.links == (() if sent is None else ({"href": sent, "text": "t"},))
    assert bool(result.notes) == (sent is None)


@pytest.mark.parametrize("href", [None, "", "  "])
def test_a_blank_link_is_no_fault(href: object) -> None:
    result = normalise(Action.TRIGGER, {"payload": PAYLOAD, "links": [{"href": href}, None]})
    assert (result.links, result.notes) == ((), ())


@pytest.mark.parametrize(
    ("src", "sent"),
    [
        ("https://a.example/i.png", "https://a.example/i.png"),
        ("HTTPS://a.example/i.png", "https://a.example/i.png"),
        ("http://a.example/i.png", None),
        ("data:image/png;base64,AAAA", None),
    ],
)
def test_images_need_https(src: str, sent: str | None) -> None:
    result = normalise(Action.TRIGGER, {"payload": PAYLOAD, "images": [{"src": src}]})
    assert result.images == (() if sent is None else ({"src": sent},))
    assert bool(result.notes) == (sent is None)


def test_an_image_survives_a_bad_href() -> None:
    image = {"src": "https://a.example/i.png", "href": "nowhere", "alt": None, "extra": 1}
    result = normalise(Action.TRIGGER, {"payload": PAYLOAD, "images": image})
    assert result.images == ({"src": "https://a.example/i.png"},)
    assert len(result.notes) == 1


def test_attachments_of_another_shape_are_left_out() -> None:
    body = {"payload": PAYLOAD, "links": "https://a.example", "images": ["x", 7]}
    result = normalise(Action.TRIGGER, body)
    assert (result.links, result.images, len(result.notes)) == ((), (), 3)


def test_attachments_are_bounded_in_number() -> None:
    links = [{"href": f"https://a.example/{i}"} for i in range(150)]
    result = normalise(Action.TRIGGER, {"payload": PAYLOAD, "links": links})
    assert result.links == tuple(links[:100])
    assert result.notes == ("kept 100 of 150 links",)


# -- size -------------------------------------------------------------------------------------


def encoded(result: Normalised) -> int:
    parts = [result.payload, result.client, result.client_url, result.links, result.images]
    return len(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode())


def test_details_are_shed_largest_first_and_the_small_ones_stay() -> None:
    details = {"log": "x" * 400_000, "why": "p95 over target", "slo": "y" * 200_000, "n": [1, 2]}
    result = normalise(Action.TRIGGER, {"payload": {**PAYLOAD, "custom_details": details}})
    assert result.payload is not None
    kept = result.payload["custom_details"]
    assert isinstance(kept, dict)
    assert {**kept, "log": ""} == {**details, "log": ""}
    assert "400002 bytes" in str(kept["log"])
    assert result.notes == ("shed 1 of 4 custom_details: log",)
    assert encoded(result) <= 507_904


def test_more_entries_than_can_be_named_go_together() -> None:
    details = {f"entry {i}": "v" for i in range(60_000)}
    result = normalise(Action.TRIGGER, {"payload": {**PAYLOAD, "custom_details": details}})
    assert result.payload is not None
    assert list(result.payload["custom_details"]) == ["left_out"]  # type: ignore[arg-type]
    assert encoded(result) <= 507_904


def test_links_and_images_go_when_details_are_not_enough() -> None:
    links = [{"href": f"https://a.example/{i}/" + "x" * 8000} for i in range(100)]
    body = {"payload": {**PAYLOAD, "custom_details": {"a": 1}}, "links": links, "images": []}
    result = normalise(Action.TRIGGER, body)
    assert 50 < len(result.links) < 65
    assert encoded(result) <= 507_904
    assert result.payload is not None
    assert any(note.startswith("left out") for note in result.notes)


def test_an_event_just_within_the_limit_is_whole() -> None:
    room = 507_904 - len(
        b'[{"summary":"carts failed","source":"keptn","severity":"critical",'
        b'"custom_details":{"a":""}},"","",[],[]]'
    )
    for size, notes in ((room, 0), (room + 1, 1)):
        body = {"payload": {**PAYLOAD, "custom_details": {"a": "x" * size}}}
        assert len(normalise(Action.TRIGGER, body).notes) == notes


# -- routing keys and dedup keys --------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"routing_key": "secret-value", "payload": PAYLOAD}, "routing_key"),
        ({"payload": {**PAYLOAD, "routing_key": "secret-value"}}, "payload.routing_key"),
        ({**PAYLOAD, "routing_key": "secret-value"}, "routing_key"),
    ],
)
def test_a_routing_key_in_a_body_is_refused(body: dict[str, Any], where: str) -> None:
    for check in (refuse_routing_key, lambda b: normalise(Action.TRIGGER, b)):
        with pytest.raises(Problem) as caught:
            check(body)
        assert (caught.value.reason, caught.value.where) == (Reason.INVALID_BODY, where)
        assert "service" in caught.value.hint
        assert "secret-value" not in repr(caught.value) + str(caught.value)


def test_an_event_may_carry_a_routing_key_of_its_own() -> None:
    details = {"message": {"routing_key": "orders.eu"}}
    assert payload_of(custom_details=details)["custom_details"] == details
    assert normalise(Action.TRIGGER, {"payload": PAYLOAD, "routing_key": None}).payload == PAYLOAD


@pytest.mark.parametrize("length", [1, 254, 255])
def test_a_short_dedup_key_is_untouched(length: int) -> None:
    assert normalise_dedup_key("ü" * length) == ("ü" * length, ())


def test_a_long_dedup_key_is_shortened_the_same_way_every_time() -> None:
    one, notes = normalise_dedup_key("p/" + "x" * 300)
    assert len(one) == 255
    assert one.startswith("p/xxx")
    assert notes == ("dedup_key shortened from 302 characters",)
    assert normalise_dedup_key("p/" + "x" * 300)[0] == one
    assert normalise_dedup_key("p/" + "x" * 301)[0] != one
    assert normalise_dedup_key(one) == (one, ())


@pytest.mark.parametrize("key", ["", "  ", "\n"])
def test_a_blank_dedup_key_is_refused(key: str) -> None:
    with pytest.raises(Problem) as caught:
        normalise_dedup_key(key)
    assert caught.value.reason is Reason.MISSING_DEDUP_KEY


def test_the_table_of_fields_names_each_once() -> None:
    names = [field.name for field in FIELDS]
    assert len(names) == len(set(names)) == 18
