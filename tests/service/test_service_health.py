"""`/healthz` and `/readyz`: what they notice, and what they leave alone."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from service_world import small_world
from structlog.testing import capture_logs

from subscriber.config import load_config
from subscriber.service.digest import digest_of
from subscriber.service.pulse import BEAT, Pulse
from subscriber.web import Health, HttpServer, Remembered, create_app


class Site:
    """The three pages on a loop in a thread of its own, so that it can stand still."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        self.trouble: dict[str, str] = {}
        self.asked = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.server = self.call(self._start())

    async def _start(self) -> HttpServer:
        app = create_app(
            CollectorRegistry(),
            alive=lambda: Health(checks=self.faults),
            ready=Remembered(self._checks),
        )
        server = HttpServer(app, "127.0.0.1:0")
        await server.start()
        return server

    async def _checks(self) -> Mapping[str, str]:
        self.asked += 1
        await asyncio.sleep(0.05)
        return self.trouble

    def call(self, coroutine):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def get(self, path: str, within: float = 5.0) -> tuple[int, dict[str, object]]:
        try:
            with urllib.request.urlopen(self.server.url + path, timeout=within) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def close(self) -> None:
        self.call(self.server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def site():  # type: ignore[no-untyped-def]
    site = Site()
    yield site
    site.close()


def test_a_blocked_loop_does_not_answer_and_one_that_turns_again_does(site: Site) -> None:
    assert site.get("/healthz") == (200, {"status": "ok", "checks": {}})
    site.loop.call_soon_threadsafe(time.sleep, 1.0)
    with pytest.raises((TimeoutError, urllib.error.URLError)):
        site.get("/healthz", within=0.3)
    assert site.get("/healthz")[0] == 200


def test_a_dead_part_is_named(site: Site) -> None:
    site.faults = {"loop": "", "source": "nothing reads EVENTS any more"}
    code, body = site.get("/healthz")
    assert code == 503
    assert body["checks"] == {"loop": "ok", "source": "nothing reads EVENTS any more"}


def test_readiness_says_what_is_missing(site: Site) -> None:
    site.trouble = {"nats": "NATS: not connected", "config": ""}
    code, body = site.get("/readyz")
    assert (code, body["status"]) == (503, "unavailable")
    assert body["checks"] == {"nats": "NATS: not connected", "config": "ok"}


def test_nobody_makes_us_ask_nats_more_than_once_a_second(site: Site) -> None:
    threads = [threading.Thread(target=site.get, args=("/readyz",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.asked == 1
    time.sleep(1.1)
    assert site.get("/readyz")[0] == 200
    assert site.asked == 2


async def test_a_check_that_hangs_is_not_ready() -> None:
    async def hangs() -> Mapping[str, str]:
        await asyncio.sleep(60)
        return {}

    started = time.monotonic()
    health = await Remembered(hangs)()
    assert not health.well
    assert time.monotonic() - started < 5


async def test_a_check_that_fails_is_asked_again() -> None:
    answers = iter([ValueError("a bug"), None])

    async def first_fails() -> Mapping[str, str]:
        error = next(answers)
        if error:
            raise error
        return {"nats": ""}

    ready = Remembered(first_fails)
    with pytest.raises(ValueError, match="a bug"):
        await ready()
    assert (await ready()).well


async def test_the_pump_notices_that_its_keep_alive_has_died() -> None:
    async with small_world() as world:
        assert world.pump.fault() == ""
        task = world.pump._keepalive
        assert task is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert "keeps messages in hand alive" in world.pump.fault()


async def test_the_pulse_feels_how_late_the_loop_is() -> None:
    async with Pulse() as pulse:
        await asyncio.sleep(0)  # it has begun to sleep
        assert pulse.lag == 0
        time.sleep(0.8)  # noqa: ASYNC251  that is the point
        await asyncio.sleep(0.05)
        assert 0.2 < pulse.lag < 5


async def test_a_standstill_leaves_a_trace_of_where_it_stood() -> None:
    with capture_logs() as lines:
        async with Pulse(trace_after=1.0):
            await asyncio.sleep(0.1)
            _stand_still()
            await asyncio.sleep(BEAT + 0.1)
    (line,) = lines  # one, however long it stood
    assert (line["event"], line["log_level"]) == ("standstill", "error")
    assert "_stand_still" in line["exception"]


async def test_a_freeze_of_the_whole_process_is_no_standstill() -> None:
    script = """
import asyncio, os, signal, sys
from subscriber.service.pulse import Pulse
async def main():
    async with Pulse(trace_after=2.0):
        print("up", flush=True)
        await asyncio.sleep(1.0)
        os.kill(os.getpid(), signal.SIGSTOP)
        await asyncio.sleep(1.0)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    await asyncio.sleep(5.0)
    process.send_signal(signal.SIGCONT)
    said, _ = await process.communicate()
    assert (said, process.returncode) == (b"up\n", 0)


def _stand_still() -> None:
    time.sleep(2.5)


def test_the_digest_follows_the_configuration_and_its_bodies_and_no_key(tmp_path: Path) -> None:
    text = "rules: [{name: a, types: x, dedup_key: k, action: resolve, body_file: b}]"
    (tmp_path / "b").write_text("{}")

    def digest(more: str = "") -> str:
        return digest_of(load_config(f"{text}\n{more}")[0], tmp_path)

    first = digest()
    assert len(first) == 12
    assert digest() == first
    assert digest("packs: []") != first
    keyed = "services: {{a: {{routing_key: a{}}}}}".format
    assert digest(keyed("0" * 31)) == digest(keyed("1" * 31)) != first
    (tmp_path / "b").write_text("{} ")
    assert digest() != first


async def test_who_has_become_ready_is_told_so_at_once_and_a_good_answer_lasts() -> None:
    asked: list[dict[str, str]] = []

    async def checks() -> dict[str, str]:
        asked.append({"started": "" if asked else "not yet"})
        return asked[-1]

    ready = Remembered(checks)
    assert not (await ready()).well
    assert not (await ready()).well
    assert len(asked) == 1
    async with asyncio.timeout(0.9):  # a bad answer would be good for a second otherwise
        while not (await ready()).well:  # noqa: ASYNC110 - what is asked is the point
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert (await ready()).well
    assert len(asked) == 2
