"""What we publish is what we would read; real sample files are read or refused with a reason."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from subscriber.cloudevent import Mode, decode, decode_each, encode, peek_type
from subscriber.model import Envelope, Event, Problem, Reason

FULL = Event(
    id="42",
    source="/ci/a b",
    type="com.example.done",
    time="2024-05-01T10:00:00.123456789+02:00",
    occurred_at=1714550400.123456789,
    subject='Größe "100%"',
    datacontenttype="application/json",
    dataschema="https://example.com/s",
    extensions={"shkeptncontext": "c/1", "count": 5, "sampled": True},
    data={"a": [1, 2.5, None, "ü"]},
)


def sent(event: Event, mode: Mode) -> Envelope:
    message = encode(event, mode)
    return Envelope(subject="s", data=message.data, headers=message.headers)


def test_structured_mode_is_a_cloudevent_for_others_too() -> None:
    envelope = sent(FULL, Mode.STRUCTURED)
    assert envelope.headers == {"Content-Type": "application/cloudevents+json"}
    document = json.loads(envelope.data)
    assert document["time"] == FULL.time
    assert document["count"] == 5
    read = JSONFormat().read(None, envelope.data)
    assert (read.get_id(), read.get_subject(), read.get_data()) == ("42", FULL.subject, FULL.data)


def test_binary_mode_follows_the_nats_binding() -> None:
    envelope = sent(FULL, Mode.BINARY)
    assert envelope.headers == {
        "ce-specversion": "1.0",
        "ce-id": "42",
        "ce-source": "/ci/a%20b",
        "ce-type": "com.example.done",
        "ce-time": "2024-05-01T10:00:00.123456789+02:00",
        "ce-subject": "Gr%C3%B6%C3%9Fe%20%22100%25%22",
        "ce-datacontenttype": "application/json",
        "ce-dataschema": "https://example.com/s",
        "ce-shkeptncontext": "c/1",
        "ce-count": "5",
        "ce-sampled": "true",
    }
    assert json.loads(envelope.data) == FULL.data
    as_http = HTTPMessage(headers=dict(envelope.headers), body=envelope.data)
    assert from_http(as_http, JSONFormat()).get_subject() == FULL.subject


def test_an_absent_time_stays_absent() -> None:
    bare = Event(id="1", source="s", type="t")
    assert json.loads(encode(bare).data) == {
        "specversion": "1.0",
        "id": "1",
        "source": "s",
        "type": "t",
    }


plain = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=12)
numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
json_data = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
contents = st.one_of(
    st.tuples(st.sampled_from(["", "application/json", "application/x+json"]), json_data),
    st.tuples(st.sampled_from(["text/plain", "application/xml"]), st.text(min_size=1)),
    st.tuples(
        st.sampled_from(["application/octet-stream", "image/png"]),
        st.sampled_from(["YQ==", "AAECAw==", "/+8="]),
    ),
)
names = st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True).filter(
    lambda n: (
        n
        not in {"id", "source", "type", "specversion", "time", "subject", "data", "extensions"}
        | {"datacontenttype", "dataschema", "contenttype", "schemaurl", "datacontentencoding"}
    )
)
events = st.builds(
    lambda content, extensions, **fields: Event(
        datacontenttype=content[0], data=content[1], extensions=extensions, **fields
    ),
    content=contents,
    extensions=st.dictionaries(
        names, plain | st.integers(-(2**31), 2**31 - 1) | st.booleans(), max_size=3
    ),
    id=plain,
    source=plain,
    type=plain,
    specversion=st.sampled_from(["1.0", "0.3", "0.2"]),
    subject=plain | st.just(""),
    dataschema=st.sampled_from(["", "https://example.com/s"]),
)


@given(event=events)
def test_a_structured_event_comes_back(event: Event) -> None:
    assert decode(sent(event, Mode.STRUCTURED)) == (event,)


@given(event=events)
def test_a_binary_event_comes_back_with_its_extensions_as_text(event: Event) -> None:
    (back,) = decode(sent(event, Mode.BINARY))
    as_text = {
        k: json.dumps(v) if isinstance(v, bool) else str(v) for k, v in event.extensions.items()
    }
    assert dict(back.extensions) == as_text
    assert back.document() | {"extensions": 0} == {
        **event.document(),
        **back.extensions,
        "extensions": 0,
    }


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("data", "content_type", "reason"),
    [
        (float("nan"), "application/json", Reason.NOT_A_NUMBER),
        ({"a": ["\ud800"]}, "application/json", Reason.LONE_SURROGATE),
        ({"a": 1}, "text/plain", Reason.INVALID_ENCODING),
        ("not base64", "image/png", Reason.INVALID_ENCODING),
    ],
)
def test_data_that_cannot_be_written_is_refused(
    mode: Mode, data: Any, content_type: str, reason: Reason
) -> None:
    event = Event(id="1", source="s", type="t", datacontenttype=content_type, data=data)
    with pytest.raises(Problem) as caught:
        encode(event, mode)
    assert caught.value.reason is reason


# -- real files -------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(os.environ.get("SUBSCRIBER_SAMPLES") or ROOT.parent / "shared" / "samples")
FILES = sorted(p for name in ("keptn", "cdevents") for p in (SAMPLES / name).rglob("*.json"))


@pytest.mark.skipif(not FILES, reason="no sample events beside the repository")
def test_every_real_event_is_read_or_refused_with_a_reason() -> None:
    for path in FILES:
        envelope = Envelope(subject="s", data=path.read_bytes())
        (result,) = decode_each(envelope)
        document = json.loads(envelope.data)
        if isinstance(result, Problem):
            assert (result.reason, result.where) == (Reason.MISSING_ATTRIBUTE, "id"), path.name
            assert "id" not in document
            assert peek_type(envelope) is None
            continue
        if "context" in document:
            assert (result.type, result.id, result.subject, result.data) == (
                document["context"]["type"],
                document["context"]["id"],
                document["subject"]["id"],
                document,
            )
        else:
            assert (result.id, result.type) == (document["id"], document["type"])
            assert result.data == document["data"]
            assert result.extensions.get("shkeptncontext", "") == document.get("shkeptncontext", "")
            assert peek_type(envelope) in (None, result.type)
        for mode in Mode:
            assert decode(sent(result, mode)) == (result,)
