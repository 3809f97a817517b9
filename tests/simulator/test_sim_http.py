"""The control API, the page, bodies without bound, starting and stopping."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from html.parser import HTMLParser

import httpx
import pytest
from sim_bodies import KEY, OTHER, Clock, change, event, with_value

from subscriber.simulator import Call, Effect, Simulator, SimulatorConfig, parse_fault, running
from subscriber.simulator.views import columns


@pytest.fixture
async def simulator(clock: Clock) -> AsyncIterator[Simulator]:
    config = SimulatorConfig(rate_limit=None, faults=(parse_fault("500:skip=1000"),))
    async with running(config, clock=clock) as simulator:
        yield simulator


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.url, timeout=10) as client:
        yield client


async def test_alerts_calls_and_changes(client: httpx.AsyncClient, clock: Clock) -> None:
    await client.post("/v2/enqueue", json=event())
    clock.now += 1.5
    await client.post("/v2/enqueue", json=event("acknowledge", payload=None))
    await client.post("/v2/change/enqueue", json=change())
    await client.post("/v2/enqueue", json=event("nonsense"))
    await client.post("/v2/enqueue", content=b"{")

    alerts = (await client.get("/sim/alerts")).json()
    [alert] = alerts.pop("alerts")
    assert alerts == {"total": 1, "kept": 1, "open": 1}
    sent = event() | {"routing_key": "****1111"}
    assert alert == {
        "number": 1,
        "routing_key": "****1111",
        "dedup_key": "web/dev",
        "status": "acknowledged",
        "summary": "web failed in dev",
        "severity": "critical",
        "source": "keptn/web",
        "component": "web",
        "group": "dev",
        "class": "evaluation",
        "triggers": 1,
        "opened_at": "1970-01-12T13:46:40.000Z",
        "changed_at": "1970-01-12T13:46:41.500Z",
        "resolved_at": None,
        "opened_by": 1,
        "event": sent,
        "log_entries": 2,
        "log": [
            {
                "at": "1970-01-12T13:46:40.000Z",
                "action": "trigger",
                "call": 1,
                "summary": "web failed in dev",
                "severity": "critical",
            },
            {"at": "1970-01-12T13:46:41.500Z", "action": "acknowledge", "call": 2},
        ],
    }
    changes = (await client.get("/sim/changes")).json()
    assert changes == {
        "total": 1,
        "kept": 1,
        "changes": [
            {
                "number": 1,
                "at": "1970-01-12T13:46:41.500Z",
                "call": 3,
                "routing_key": "****1111",
                "summary": "web 1.2.3 went to dev",
                "source": "keptn/web",
                "event": change() | {"routing_key": "****1111"},
            }
        ],
    }
    calls = (await client.get("/sim/calls")).json()
    assert (calls["total"], calls["kept"]) == (5, 5)
    assert calls["effects"] == {"opened": 1, "acknowledged": 1, "recorded": 1, "rejected": 2}
    assert calls["calls"][0] == {
        "number": 1,
        "at": "1970-01-12T13:46:40.000Z",
        "api": "events",
        "routing_key": "****1111",
        "status": 202,
        "effect": "opened",
        "fault": None,
        "action": "trigger",
        "dedup_key": "web/dev",
        "alert": 1,
        "errors": [],
        "size": len(json.dumps(event(), separators=(",", ":"))),
        "body": sent,
    }
    assert [
        (call["api"], call["effect"], call["status"], call["alert"]) for call in calls["calls"]
    ] == [
        ("events", "opened", 202, 1),
        ("events", "acknowledged", 202, 1),
        ("changes", "recorded", 202, None),
        ("events", "rejected", 400, None),
        ("events", "rejected", 400, None),
    ]
    assert calls["calls"][4]["body"] is None
    assert calls["calls"][4]["errors"] == ["JSON parse error"]
    assert (await client.get("/sim")).json()["alerts"] == {"total": 1, "open": 1}


async def test_views_can_be_narrowed(client: httpx.AsyncClient) -> None:
    for name in "abcd":
        await client.post("/v2/enqueue", json=event(dedup_key=name))
    await client.post("/v2/enqueue", json=event("acknowledge", "b"))
    await client.post("/v2/enqueue", json=event("resolve", "c"))

    async def keys(query: str) -> str:
        answer = await client.get(f"/sim/alerts?{query}")
        return "".join(alert["dedup_key"] for alert in answer.json()["alerts"])

    assert await keys("") == "abcd"
    assert await keys("status=open") == "abd"
    assert await keys("status=acknowledged") == "b"
    assert await keys("status=resolved") == "c"
    assert await keys("dedup_key=c") == "c"
    assert await keys("after=1&limit=2") == "bc"
    assert await keys("limit=0") == ""
    calls = (await client.get("/sim/calls?after=4&limit=1")).json()
    assert [call["number"] for call in calls["calls"]] == [5]
    assert calls["total"] == 6
    for query in ("after=x", "limit=-1", "limit=²", "after=" + "9" * 99):
        answer = await client.get(f"/sim/calls?{query}")
        assert (answer.status_code, answer.json()["reason"]) == (400, "invalid-value")


async def test_faults_by_http(client: httpx.AsyncClient) -> None:
    wanted = ["429:next=1", {"kind": "500", "p": 0.5, "key": KEY}, "timeout-after:seconds=2,next=0"]
    answer = await client.put("/sim/faults", json=wanted)
    expected = {
        "faults": [
            {"kind": "429", "next": 1, "left": 1},
            {"kind": "500", "p": 0.5, "key": "****1111"},
            {"kind": "timeout-after", "seconds": 2.0, "next": 0, "left": 0},
        ]
    }
    assert (answer.status_code, answer.json()) == (200, expected)
    assert (await client.post("/v2/enqueue", json=event())).status_code == 429
    expected["faults"][0]["left"] = 0
    assert (await client.get("/sim/faults")).json() == expected
    for bad in ({}, ["501"], [1], [{"kind": "500", "x": 1}], [{}], None):
        answer = await client.put("/sim/faults", json=bad)
        assert answer.status_code == 400
        assert {"error", "where", "hint", "reason"} == set(answer.json())
    assert (await client.get("/sim/faults")).json() == expected, "a refusal changes nothing"
    assert (await client.put("/sim/faults", json=[])).json() == {"faults": []}


async def test_settings_by_http(client: httpx.AsyncClient) -> None:
    before = (await client.get("/sim/config")).json()
    assert before == {
        "known_keys": None,
        "rate_limit": None,
        "rate_window": 60.0,
        "rate_headers": False,
        "size_limit": 512_000,
        "oversize_status": 400,
        "delay": 0.0,
    }
    answer = await client.put("/sim/config", json={"known_keys": [OTHER], "oversize_status": 413})
    assert answer.json() == before | {"known_keys": ["****222a"], "oversize_status": 413}
    assert (await client.post("/v2/enqueue", json=event())).text == "Invalid routing key"
    for bad in ([], {"rate_limit": "x"}, {"known_keys": [KEY + "x"]}, {"nonsense": 1}):
        answer = await client.put("/sim/config", json=bad)
        assert answer.status_code == 400
        assert KEY not in answer.text
    for raw in (b"", b"{", b"\xff", b"[" * 100_000):
        answer = await client.put("/sim/config", content=raw)
        assert (answer.status_code, answer.json()["reason"]) == (400, "not-json")
    answer = await client.put("/sim/config", content=b" " * 2_000_000)
    assert (answer.status_code, answer.json()["reason"]) == (400, "too-large")


async def test_reset_by_http(client: httpx.AsyncClient, simulator: Simulator) -> None:
    await client.post("/v2/enqueue", json=event())
    await client.post("/v2/change/enqueue", json=change())
    await client.put("/sim/faults", json=["500"])
    assert (await client.delete("/sim")).status_code == 204
    overview = (await client.get("/sim")).json()
    assert overview["alerts"] == {"total": 0, "open": 0}
    assert overview["calls"] == overview["changes"] == {"total": 0}
    assert overview["effects"] == {}
    assert (await client.get("/sim/faults")).json()["faults"] == [{"kind": "500", "skip": 1000}]


async def test_other_paths_and_methods(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v2/enqueue")).status_code == 405
    assert (await client.put("/v2/change/enqueue")).status_code == 405
    assert (await client.post("/sim/alerts")).status_code == 405
    assert (await client.post("/v1/enqueue", json=event())).status_code == 404
    assert (await client.get("/sim/calls")).json()["total"] == 0


async def test_keys_are_masked_wherever_they_stand(
    client: httpx.AsyncClient, simulator: Simulator
) -> None:
    leaky = with_value(event(), "payload.custom_details", {KEY: [f"key {KEY}!"]})
    leaky |= {"dedup_key": f"k{KEY}", "client": KEY}
    for member in ("summary", "source", "component", "group", "class"):
        leaky = with_value(leaky, f"payload.{member}", f"<{KEY}>")
    await client.post("/v2/enqueue", json=leaky)
    await client.post("/v2/change/enqueue", json=with_value(change(), "payload.source", f"x{KEY}"))
    malformed = KEY[:20] + "-secret"
    await client.post("/v2/enqueue", json=event(routing_key=malformed))
    await client.post("/v2/enqueue", json=event(routing_key=[KEY, {"a": KEY}]))
    await client.post("/v2/enqueue", content=json.dumps(event())[:-1])
    assert KEY not in "".join(part for call in simulator.calls for part in columns(call))
    await client.put("/sim/faults", json=[f"500:key={KEY}"])
    await client.put("/sim/config", json={"known_keys": [KEY]})
    for name in ("sim", "sim/alerts", "sim/calls", "sim/changes", "sim/faults", "sim/config", ""):
        path = f"/{name}"
        text = (await client.get(path)).text
        assert KEY not in text, path
        assert KEY[:20] not in text, path
    calls = (await client.get("/sim/calls")).json()["calls"]
    assert calls[0]["body"]["payload"]["custom_details"] == {"****1111": ["key ****1111!"]}
    assert calls[2]["body"]["routing_key"] == calls[2]["routing_key"] == "****cret"
    body = simulator.calls[0].body
    assert body is not None
    assert body["routing_key"] == KEY, "tests may look"


@pytest.mark.parametrize(
    "key", ['"api": "events"', '", "errors": [], "', "1" * 32, "acknowledged", "\\" * 20, '"' * 32]
)
async def test_no_key_can_garble_a_view(key: str, client: httpx.AsyncClient) -> None:
    details = {"number": int("1" * 32), "text": f"-{key}-"}
    body = with_value(event(routing_key=key), "payload.custom_details", details)
    await client.post("/v2/enqueue", json=body)
    [call] = (await client.get("/sim/calls")).json()["calls"]
    assert call["api"] == "events"
    shown = call["body"]["payload"]["custom_details"]
    assert shown == {"number": int("1" * 32), "text": f"-****{key[-4:]}-"}
    assert (await client.get("/sim/alerts")).status_code == 200


async def test_the_deepest_body_that_is_accepted_can_be_shown(
    client: httpx.AsyncClient, simulator: Simulator
) -> None:
    depths = (100, 400, 600, 800, 900, *range(920, 1000, 4), 5000)
    for depth in depths:
        nested = b'{"x":' * depth + b"1" + b"}" * depth
        raw = (
            json.dumps(event())
            .encode()
            .replace(b'{"score": 12.5', b'{"deep": ' + nested + b', "y": 1')
        )
        await client.post("/v2/enqueue", content=raw)
        for path in ("/sim/calls?limit=1&after=" + str(len(simulator.calls) - 1), "/sim/alerts"):
            answer = await client.get(path)
            assert answer.status_code == 200, depth
            assert KEY not in answer.text
    calls = (await client.get("/sim/calls")).json()["calls"]
    assert calls[0]["body"]["payload"]["custom_details"]["deep"]["x"]["x"]
    assert calls[-1]["effect"] == "rejected"


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.assets: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.assets += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_the_page(client: httpx.AsyncClient) -> None:
    assert "None yet." in (await client.get("/")).text
    evil = "<script>alert('x')</script>&amp;"
    await client.post(
        "/v2/enqueue",
        json=event(dedup_key=evil, payload={"summary": evil, "source": "s", "severity": "info"}),
    )
    await client.post("/v2/enqueue", json=event("nonsense"))
    answer = await client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = _Page()
    page.feed(answer.text)
    assert "script" not in page.tags
    assert all((asset or "").startswith("/sim/") for asset in page.assets)
    assert page.text.count(evil) == 3
    assert "****1111" in page.text
    assert KEY not in answer.text
    assert "'event_action' is invalid" in page.text


async def test_a_body_without_end_is_not_kept_in_memory(
    client: httpx.AsyncClient, simulator: Simulator
) -> None:
    chunk = b" " * 65_536

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(160):  # 10 MiB
            yield chunk

    await client.post("/v2/enqueue", json=event())  # imports and pools, before measuring
    tracemalloc.start()
    try:
        answer = await client.post("/v2/enqueue", content=endless())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 400
    assert "too large" in answer.text
    call = simulator.calls[-1]
    assert (call.effect, call.raw, call.size) == (Effect.REJECTED, None, 160 * 65_536)
    assert peak < 4_000_000, peak
    assert (await client.post("/v2/enqueue", json=event())).status_code == 202


async def test_a_body_truly_without_end_is_cut_off(simulator: Simulator) -> None:
    _, writer = await asyncio.open_connection(simulator.host, simulator.port)
    writer.write(b"POST /v2/enqueue HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n")

    async def pour() -> None:
        while True:
            writer.write(b" " * 1_000_000)
            await writer.drain()

    pouring = asyncio.create_task(pour())
    with pytest.raises((ConnectionError, asyncio.CancelledError)):
        await asyncio.wait_for(pouring, timeout=20)
    writer.close()
    [call] = simulator.calls
    assert (call.effect, call.status) == (Effect.REJECTED, 400)
    assert 16_000_000 < call.size < 18_000_000


async def test_a_client_that_leaves_in_the_middle_sent_nothing(
    simulator: Simulator, raises_nothing_unseen: Callable[[], None]
) -> None:
    _, writer = await asyncio.open_connection(simulator.host, simulator.port)
    writer.write(b"POST /v2/enqueue HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with httpx.AsyncClient(base_url=simulator.url) as client:
        assert (await client.get("/sim")).json()["calls"] == {"total": 0}
    raises_nothing_unseen()


async def test_delayed_effects_show_when_looked_at(
    client: httpx.AsyncClient, simulator: Simulator, clock: Clock
) -> None:
    simulator.configure(delay=3)
    await client.post("/v2/enqueue", json=event())
    assert (await client.get("/sim")).json()["pending"] == 1
    assert (await client.get("/sim/alerts")).json()["alerts"] == []
    clock.now += 3
    assert len((await client.get("/sim/alerts")).json()["alerts"]) == 1
    assert simulator.alert("web/dev") is not None


async def test_until_says_what_was_held(simulator: Simulator, client: httpx.AsyncClient) -> None:
    await client.post("/v2/enqueue", json=event())
    with pytest.raises(TimeoutError, match=r"1 calls, alerts: \[\('web/dev', 'triggered'\)\]"):
        await simulator.until(lambda _: False, seconds=0.05)


async def test_observers_see_every_call() -> None:
    seen: list[Call] = []
    async with running(observers=[seen.append]) as simulator:
        async with httpx.AsyncClient(base_url=simulator.url) as client:
            await client.post("/v2/enqueue", json=event())
            await client.post("/v2/enqueue", content=b"{")
        assert seen == simulator.calls
    assert [call.effect for call in seen] == [Effect.OPENED, Effect.REJECTED]


async def test_start_and_stop_leave_nothing() -> None:
    before = asyncio.all_tasks()
    async with running() as first, running() as second:
        assert first.port != second.port
        reader, writer = await asyncio.open_connection(first.host, first.port)  # idle
        began = time.monotonic()
    assert time.monotonic() - began < 0.5
    assert await reader.read() == b""
    writer.close()
    assert asyncio.all_tasks() == before
    with pytest.raises(OSError, match=r"."):
        socket.create_connection((first.host, first.port), timeout=1)
    async with running(port=first.port) as again:
        assert again.url == first.url


async def test_an_address_that_is_taken() -> None:
    async with running() as simulator:
        with pytest.raises(OSError, match="in use"):
            async with running(port=simulator.port):
                pass


async def test_it_stops_when_the_block_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        async with running() as simulator:
            _ = 1 / 0
    with pytest.raises(OSError, match=r"."):
        socket.create_connection((simulator.host, simulator.port), timeout=1)
