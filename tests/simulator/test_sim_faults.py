"""Faults: the text form, who is hit and how often, and what a client on the wire sees of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from sim_bodies import KEY, OTHER, encoded, event

from subscriber.model import Problem, Reason
from subscriber.simulator import (
    Api,
    Effect,
    Fault,
    FaultKind,
    Simulator,
    SimulatorConfig,
    StandIn,
    fault_from,
    parse_fault,
    running,
)


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("500", Fault(kind=FaultKind.SERVER_ERROR)),
        ("500:p=0.3", Fault(kind=FaultKind.SERVER_ERROR, probability=0.3)),
        ("500:p=0", Fault(kind=FaultKind.SERVER_ERROR, probability=0.0)),
        ("429:next=5", Fault(kind=FaultKind.THROTTLED, next=5)),
        (
            "429:retry-after=2, reset=7",
            Fault(kind=FaultKind.THROTTLED, retry_after="2", reset=7),
        ),
        (
            "503:retry-after=Wed\x2c 21 Oct 2026 07:28:00 GMT".replace("\x2c", ""),
            Fault(kind=FaultKind.UNAVAILABLE, retry_after="Wed 21 Oct 2026 07:28:00 GMT"),
        ),
        (f"timeout-after:key={KEY}", Fault(kind=FaultKind.TIMEOUT_AFTER, key=KEY)),
        ("slow:seconds=0.25,skip=3", Fault(kind=FaultKind.SLOW, seconds=0.25, skip=3)),
    ],
)
def test_specs(spec: str, fault: Fault) -> None:
    assert parse_fault(spec) == fault


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_has_a_text_and_a_json_form(kind: FaultKind) -> None:
    assert parse_fault(str(kind)) == fault_from({"kind": str(kind)}) == Fault(kind=kind)
    both = fault_from({"kind": str(kind), "p": 0.5, "next": 2, "skip": 1, "key": KEY})
    assert both == parse_fault(f"{kind}:p=0.5,next=2,skip=1,key={KEY}")
    assert both.document() == {
        "kind": str(kind),
        "key": "****1111",
        "p": 0.5,
        "skip": 1,
        "next": 2,
    }
    assert KEY not in repr(both)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "no fault of the kind"),
        ("501", "no fault of the kind '501'"),
        ("500:", "option=value"),
        ("500:p", "option=value"),
        ("500:p=2", "p cannot be '2'"),
        ("500:p=-0.1", "p cannot be"),
        ("500:p=nan", "p cannot be"),
        ("500:p=x", "p cannot be"),
        ("500:next=-1", "next cannot be"),
        ("500:next=1.5", "next cannot be"),
        ("500:q=1", "no option 'q'"),
        ("500:seconds=1", "no option 'seconds'"),
        ("500:retry-after=1", "no option 'retry-after'"),
        ("429:retry-after=", "retry-after cannot be"),
        ("429:retry-after=1\r\nx: y", "retry-after cannot be"),
        ("slow:seconds=1e9", "seconds cannot be"),
        (f"500:key={KEY}a", "key is not a routing key"),
    ],
)
def test_specs_that_are_refused(spec: str, said: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_fault(spec)
    assert caught.value.reason is Reason.INVALID_VALUE
    assert said in str(caught.value)
    assert caught.value.hint
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("value", [True, 1.5, [1], {}, "1.0"])
def test_json_values_that_are_no_whole_numbers(value: object) -> None:
    with pytest.raises(Problem):
        fault_from({"kind": "500", "next": value})


def hits(*specs: str, keys: str = "k" * 12, seed: int = 0) -> str:
    """One letter per call: the first of its fault's name, or a dot; `o` is the other key."""
    faults = tuple(parse_fault(spec) for spec in specs)
    stand_in = StandIn(SimulatorConfig(faults=faults, seed=seed, rate_limit=None))
    shown = ""
    for letter in keys:
        body = encoded(event(routing_key=OTHER if letter == "o" else KEY))
        fault = stand_in.receive(Api.EVENTS, body, 0.0).call.fault
        shown += fault[0] if fault else "."
    return shown


def test_who_is_hit_and_how_often() -> None:
    assert hits("500") == "555555555555"
    assert hits("500:next=2") == "55.........."
    assert hits("500:next=2,skip=3") == "...55......."
    assert hits(f"500:key={OTHER}", keys="kokokk") == ".5.5.."
    assert hits(f"500:key={OTHER},next=1", keys="kokokk") == ".5...."
    assert hits("429:next=2", "500:next=3") == "44555......."
    assert hits("500:p=0") == "............"
    assert hits("500:next=0") == "............"


def test_the_dice_are_fair_and_repeat() -> None:
    struck = hits("500:p=0.3", keys="k" * 2000)
    assert 500 <= struck.count("5") <= 700
    assert struck == hits("500:p=0.3", keys="k" * 2000)
    assert struck != hits("500:p=0.3", keys="k" * 2000, seed=1)


def test_a_keyless_fault_hits_the_unreadable_too() -> None:
    stand_in = StandIn(SimulatorConfig(faults=(parse_fault("500"),)))
    assert stand_in.receive(Api.EVENTS, b"not json", 0.0).answer.status == 500
    assert stand_in.receive(Api.EVENTS, None, 0.0, 999_999).answer.status == 500
    keyed = StandIn(SimulatorConfig(faults=(parse_fault(f"500:key={KEY}"),)))
    assert keyed.receive(Api.EVENTS, b"not json", 0.0).answer.status == 400


# -- on the wire ------------------------------------------------------------------------------


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running(SimulatorConfig(rate_limit=None)) as simulator:
        yield simulator


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.url, timeout=5) as client:
        yield client


ANSWERS = {
    "408": (408, "text/plain"),
    "429": (429, "application/json"),
    "500": (500, "application/json"),
    "502": (502, "text/html"),
    "503": (503, None),
    "504": (504, "text/html"),
    "400-text": (400, "text/plain"),
    "401-html": (401, "text/html"),
}
ENDINGS = {
    "timeout-before": (httpx.ReadTimeout, False),
    "timeout-after": (httpx.ReadTimeout, True),
    "reset-before": (httpx.ReadError, False),
    "reset-after": (httpx.ReadError, True),
}


def test_every_kind_is_on_the_wire_somewhere_below() -> None:
    assert set(FaultKind) == {*ANSWERS, *ENDINGS, "slow"}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_answers_in_place_of_the_true_one(
    kind: str,
    simulator: Simulator,
    client: httpx.AsyncClient,
    raises_nothing_unseen: Callable[[], None],
) -> None:
    simulator.switch(f"{kind}:next=1")
    answer = await client.post("/v2/enqueue", json=event())
    status, content_type = ANSWERS[kind]
    assert answer.status_code == status
    assert (answer.headers.get("content-type") or "none").split(";")[0] == (content_type or "none")
    assert "retry-after" not in answer.headers
    assert "ratelimit-reset" not in answer.headers
    if content_type == "application/json":
        assert {"status", "message", "errors"} == set(answer.json())
    else:
        with pytest.raises(ValueError, match=r"."):
            answer.json()
    assert simulator.alerts == []
    [call] = simulator.calls
    assert (call.effect, call.fault, call.status) == (Effect.FAULT, kind, status)
    assert (await client.post("/v2/enqueue", json=event())).status_code == 202
    raises_nothing_unseen()


@pytest.mark.parametrize("kind", ["429", "503"])
async def test_headers_where_asked_for(
    kind: str, simulator: Simulator, client: httpx.AsyncClient
) -> None:
    simulator.switch(f"{kind}:retry-after=7,reset=9")
    answer = await client.post("/v2/enqueue", json=event())
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["ratelimit-reset"] == "9"
    assert answer.headers["ratelimit-remaining"] == "0"


@pytest.mark.parametrize("kind", ENDINGS)
async def test_no_answer_at_all(
    kind: str,
    simulator: Simulator,
    client: httpx.AsyncClient,
    raises_nothing_unseen: Callable[[], None],
) -> None:
    simulator.switch(f"{kind}:next=1")
    error, accepted = ENDINGS[kind]
    with pytest.raises(error):
        await client.post("/v2/enqueue", json=event(), timeout=0.15)
    [call] = simulator.calls
    assert (call.status, call.fault) == (0, kind)
    assert call.effect is (Effect.OPENED if accepted else Effect.FAULT)
    assert len(simulator.alerts) == accepted
    again = await client.post("/v2/enqueue", json=event())
    assert again.status_code == 202
    assert simulator.calls[-1].effect is (Effect.UPDATED if accepted else Effect.OPENED)
    raises_nothing_unseen()


@pytest.mark.parametrize("kind", ["reset-before", "reset-after"])
async def test_a_reset_is_a_reset(kind: str, simulator: Simulator) -> None:
    simulator.switch(kind)
    reader, writer = await asyncio.open_connection(simulator.host, simulator.port)
    body = encoded(event())
    writer.write(b"POST /v2/enqueue HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body))
    writer.write(body)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


def test_resets_and_stops_on_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def life() -> None:
        config = SimulatorConfig(faults=(parse_fault("reset-after:next=1"),))
        async with running(config) as simulator:
            async with httpx.AsyncClient(base_url=simulator.url) as client:
                with pytest.raises(httpx.ReadError):
                    await client.post("/v2/enqueue", json=event())
                assert (await client.post("/v2/enqueue", json=event())).status_code == 202
            simulator.switch("timeout-before")
            reader, writer = await asyncio.open_connection(simulator.host, simulator.port)
            writer.write(b"POST /v2/enqueue HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
            await simulator.until(lambda simulator: len(simulator.calls) == 3)
            began = time.monotonic()
        assert time.monotonic() - began < 0.5
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    uvloop.run(life())


async def test_silence_ends_by_itself(simulator: Simulator, client: httpx.AsyncClient) -> None:
    simulator.switch("timeout-after:seconds=0.1")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/v2/enqueue", json=event())


async def test_an_after_fault_does_not_make_a_bad_event_good(
    simulator: Simulator, client: httpx.AsyncClient
) -> None:
    simulator.switch("reset-after")
    with pytest.raises(httpx.ReadError):
        await client.post("/v2/enqueue", json=event("nonsense"))
    assert simulator.calls[0].effect is Effect.REJECTED


async def test_slow_is_the_true_answer_later(
    simulator: Simulator, client: httpx.AsyncClient
) -> None:
    simulator.switch("slow:seconds=0.2")
    began = time.monotonic()
    pending = asyncio.create_task(client.post("/v2/enqueue", json=event()))
    await simulator.until(lambda simulator: simulator.alert("web/dev"))
    assert not pending.done(), "it counts before it is answered"
    assert (await pending).status_code == 202
    assert time.monotonic() - began >= 0.2
    assert (simulator.calls[0].effect, simulator.calls[0].status) == (Effect.OPENED, 202)


async def test_a_slow_call_does_not_hold_up_others(
    simulator: Simulator, client: httpx.AsyncClient
) -> None:
    simulator.switch("slow:seconds=5,next=1")
    slow = asyncio.create_task(client.post("/v2/enqueue", json=event()))
    await simulator.until(lambda simulator: simulator.calls)
    began = time.monotonic()
    assert (await client.post("/v2/enqueue", json=event())).status_code == 202
    assert time.monotonic() - began < 2
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


@pytest.mark.parametrize("kind", ["timeout-before", "timeout-after", "slow:seconds=60"])
async def test_stopping_ends_whoever_waits(
    kind: str, raises_nothing_unseen: Callable[[], None]
) -> None:
    async with running(SimulatorConfig(faults=(parse_fault(kind),))) as simulator:
        client = httpx.AsyncClient(base_url=simulator.url, timeout=30)
        waiting = asyncio.create_task(client.post("/v2/enqueue", json=event()))
        await simulator.until(lambda simulator: simulator.calls)
        before = asyncio.all_tasks()
        began = time.monotonic()
    assert time.monotonic() - began < 0.5
    if kind.startswith("slow"):
        assert (await waiting).status_code == 202
    else:
        with pytest.raises(httpx.TransportError):
            await waiting
    await client.aclose()
    left = {task for task in before if not task.done()}
    assert left == {asyncio.current_task()}
    raises_nothing_unseen()
