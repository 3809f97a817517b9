"""The benchmarks' events, and the proof that a run did its work."""

import importlib.util
import json
import subprocess
import sys
from http.client import HTTPConnection

import pytest
from benchsuite import proof
from benchsuite.contestants import PEERS
from benchsuite.events import (
    OTHERS,
    ROUTING_KEY,
    SIZE,
    WANTED,
    Spec,
    all_wanted,
    encode,
    expected,
    final_words,
    heard,
    outage,
    stream_past,
)
from benchsuite.processes import Broken
from benchsuite.sink import SinkDoor
from benchsuite.sink import __file__ as sink_file
from benchsuite.sink import _request as request_in


def body(spec: Spec) -> bytes:
    said = expected(spec)
    return json.dumps(
        {
            "routing_key": ROUTING_KEY,
            "event_action": said.action,
            "dedup_key": said.dedup_key,
            "payload": {**json.loads(said.payload), "timestamp": "what a contestant adds"},
        }
    ).encode()


def posts(specs):
    return [(float(at), body(spec)) for at, spec in enumerate(specs)]


@pytest.mark.parametrize(
    "spec", [Spec(number=0, key=0), Spec(number=987_654, key=3, result="pass")]
)
def test_an_event_has_its_size_and_its_words(spec):
    event = json.loads(encode(spec))
    assert len(encode(spec)) == SIZE
    assert event["type"] == WANTED
    assert heard(body(spec)) == expected(spec)


def test_one_in_a_hundred_is_wanted():
    types = [spec.type for spec in stream_past(1000)]
    assert types.count(WANTED) == 10
    assert set(types) == {WANTED, *OTHERS}


def test_an_outage_leaves_half_of_the_keys_open():
    actions = [said.action for said in final_words(outage(1000, 50)).values()]
    assert len(actions) == 50
    assert actions.count("trigger") == 25


@pytest.mark.parametrize("lost", [0, 7, 19])
def test_a_lost_event_is_no_result(lost):
    specs = all_wanted(20)
    assert proof.each_said(posts(specs), specs) == 0
    with pytest.raises(Broken, match="1 of 20 were not said, 0 are foreign"):
        proof.each_said(posts(specs[:lost] + specs[lost + 1 :]), specs)


def test_a_repetition_is_counted_and_a_foreign_word_refused():
    specs = all_wanted(3)
    assert proof.each_said(posts([*specs, specs[0], specs[0]]), specs) == 2
    with pytest.raises(Broken, match="0 of 3 were not said, 1 are foreign"):
        proof.each_said(posts([*specs, Spec(number=9, key=9)]), specs)


def test_other_words_about_the_right_key_are_refused():
    specs = all_wanted(1)
    wrong = body(specs[0]).replace(b"42.5", b"42.6")
    with pytest.raises(Broken, match="1 of 1 were not said, 1 are foreign"):
        proof.each_said([(0.0, wrong)], specs)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", body(Spec(number=1, key=1))[:-1]])
def test_what_pagerduty_would_not_take_is_refused(raw):
    with pytest.raises(Broken, match="none of ours"):
        proof.understood([(0.0, raw)])


def test_a_foreign_routing_key_is_refused():
    raw = body(Spec(number=1, key=1)).replace(ROUTING_KEY.encode(), b"c" * 32)
    with pytest.raises(Broken, match="none of ours"):
        proof.understood([(0.0, raw)])


def test_of_an_outage_the_last_words_count():
    specs = outage(20, 2)
    words = final_words(specs)
    assert proof.last_said(posts(specs), words) == (19.0, 0)
    assert proof.last_said(posts(specs[-2:]), words) == (1.0, 0)  # collapsed to one call a key
    assert proof.last_said(posts([*specs, specs[0]]), words)[1] == 1  # an old one came last
    with pytest.raises(Broken, match="1 of 2 were not said"):
        proof.last_said(posts(specs[-1:]), words)


def test_an_earlier_resolve_closes_as_well_but_an_earlier_trigger_is_stale():
    opened = [Spec(number=n, key=0, result=r) for n, r in enumerate(("pass", "fail", "fail"))]
    assert proof.last_said(posts(opened[:2]), final_words(opened)) == (1.0, 1)
    closed = [Spec(number=n, key=0, result=r) for n, r in enumerate(("fail", "pass", "pass"))]
    assert proof.last_said(posts(closed[:2]), final_words(closed)) == (1.0, 0)


def test_keys_of_those_who_choose_their_own_words():
    assert proof.keys_said(["a", "b", "a"], {"a", "b"}) == 1
    with pytest.raises(Broken, match="1 of 2"):
        proof.keys_said(["a"], {"a", "b"})


# -- peers say the same ---------------------------------------------------------------------------


@pytest.fixture
def peer(monkeypatch):
    names = ("NATS", "STREAM", "DURABLE", "SUBJECTS", "PAGERDUTY")
    for name in names:
        monkeypatch.setenv(f"PEER_{name}", f"http://{name.lower()}.example")
    monkeypatch.setenv("PEER_ENQUEUE", "http://sink.example/v2/enqueue")
    monkeypatch.setenv("PEER_TYPE", WANTED)
    monkeypatch.setenv("PEER_ROUTING_KEY", ROUTING_KEY)

    def load(name: str):
        spec = importlib.util.spec_from_file_location(f"bench_peer_{name}", PEERS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize("spec", [Spec(number=1, key=1), Spec(number=12, key=3, result="pass")])
def test_template_code_and_slices_say_what_is_expected(peer, spec):
    work, ceiling = peer("work"), peer("ceiling")
    event = json.loads(encode(spec))
    assert heard(work.render(event)) == expected(spec)
    assert heard(work.build(event)) == expected(spec)
    assert heard(ceiling.body_of(encode(spec))) == expected(spec)


# -- the sink -------------------------------------------------------------------------------------

POST = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("raw", [POST, CHUNKED])
def test_the_sink_takes_a_request_whenever_it_is_complete(raw):
    for size in range(len(raw)):
        assert request_in(raw[:size]) is None
    _, content, size = request_in(raw + b"POST next")
    assert (content, size) == (b"hello", len(raw))


def test_the_sink_answers_as_pagerduty_and_keeps_what_it_heard():
    process = subprocess.Popen(
        [sys.executable, sink_file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        door = SinkDoor(int(process.stdout.readline()))
        connection = HTTPConnection("127.0.0.1", door.port, timeout=10)
        for text in ("one", "two"):
            connection.request("POST", "/v2/enqueue", body=text)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["status"]) == (202, "success")
        connection.close()
        times, bodies = zip(*door.heard(), strict=True)
        assert bodies == (b"one", b"two")
        assert times[0] < times[1]
        assert door.count() == 2
        door.reset()
        assert door.heard() == []
    finally:
        process.stdin.close()
        assert process.wait(10) == 0
        process.stdout.close()
