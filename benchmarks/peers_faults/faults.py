"""Failure scenarios against what people use instead; prints one Markdown table.

    python benchmarks/peers_faults/faults.py [--peer-python PATH] [--only SCENARIO] [--who NAME]

Each cell is a run of its own: a fresh nats-server (R1, file storage), PagerDuty's stand-in in this
process, one contestant as a child process. `--peer-python` names an interpreter that has
``faststream[nats]``, ``httpx`` and ``nats-py``; without it a throw-away virtual environment is made
with pip, and when that fails only our own column is measured, loudly.

Time-out of a POST 2 s, ack_wait 13 s, everywhere. Loopback only; bounded; children are ended by id.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import nats
from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError

from subscriber.ports.embedded import EmbeddedNats
from subscriber.simulator import Call, Simulator, SimulatorConfig, running

KEYS = {"a": "a" * 32, "b": "b" * 32}
SUBJECT, STREAM, DEAD = "sh.keptn.event.chaos", "EVENTS", "PAGERDUTY_DEAD_LETTERS"
TAKEN = {"opened", "updated", "acknowledged", "resolved", "dropped"}
TAIL = 22.0
"""Seconds that a contestant gets to come to terms with its past: more than ack_wait."""

OURS = """
packs: []
rules:
  - name: chaos
    types: chaos.alert
    action: '{{.data.action}}'
    service: '{{.data.service}}'
    dedup_key: '{{.data.key}}'
    body: {summary: '{{.id}}', source: chaos, severity: critical}
"""


async def _ignore(_error: Exception) -> None:
    """A publication that fails is tried again."""


class Cell:
    """One contestant in one scenario."""

    def __init__(self, who: str, python: str, folder: Path) -> None:
        self.who, self.python, self.folder = who, python, folder
        self.published: dict[str, float] = {}
        self.heard: list[tuple[float, Call, str]] = []
        self.server = EmbeddedNats(folder / "nats")
        self.process: subprocess.Popen[bytes] | None = None
        self.simulator: Simulator

    async def open(self, stack: AsyncExitStack) -> None:
        await self.server.start()
        stack.callback(self.server.kill)
        self.simulator = await stack.enter_async_context(
            running(SimulatorConfig(rate_limit=None, keep=100_000), observers=(self._note,))
        )
        self.client = await nats.connect(
            self.server.url,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
            error_cb=_ignore,
        )
        stack.push_async_callback(self.client.close)
        await self.client.jetstream().add_stream(StreamConfig(name=STREAM, subjects=["sh.keptn.>"]))
        stack.callback(self.kill)
        self.start()
        async with asyncio.timeout(20):
            while not await self._consumer():  # noqa: ASYNC110  nothing tells us
                await asyncio.sleep(0.05)

    def _note(self, call: Call) -> None:
        event = ((call.body or {}).get("payload") or {}).get("summary", "")
        self.heard.append((time.time(), call, event))

    def start(self) -> None:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
            "PEER_NATS": self.server.url,
            "PEER_PAGERDUTY": self.simulator.url,
            "PEER_KEY_A": KEYS["a"],
            "PEER_KEY_B": KEYS["b"],
        }
        command = [self.python, str(Path(__file__).with_name("peer.py")), self.who]
        if self.who == "ours":
            config = self.folder / "ours.yaml"
            services = ", ".join(f"{name}: {{routing_key: {key}}}" for name, key in KEYS.items())
            config.write_text(
                f"nats: {{url: '{self.server.url}', subjects: [sh.keptn.>], deliver: all, "
                "ack_wait: 13}\n"
                f"pagerduty: {{events_url: '{self.simulator.url}', timeout: 2}}\n"
                f"services: {{{services}}}\nhttp: {{listen: ''}}\n" + OURS
            )
            command = [sys.executable, "-m", "subscriber", "run", "--config", str(config)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def _consumer(self) -> object:
        with suppress(Exception):
            found = await self.client.jetstream(timeout=2).consumers_info(STREAM)
            return found[0] if found else None
        return None

    async def publish(
        self,
        name: str,
        *,
        service: str = "b",
        action: str = "trigger",
        key: str = "",
        raw: bytes = b"",
    ) -> None:
        data = {"action": action, "service": service, "key": key or name}
        event = {"specversion": "1.0", "id": name, "source": "chaos", "type": "chaos.alert"}
        body = raw or json.dumps({**event, "data": data}).encode()
        while True:
            try:
                await self.client.jetstream(timeout=2).publish(
                    SUBJECT, body, headers={"Nats-Msg-Id": name}
                )
                break
            except Exception:
                await asyncio.sleep(0.05)
        self.published[name] = time.time()

    async def steady(self, count: int, every: float) -> None:
        """Events of the calm service b."""
        for number in range(count):
            await self.publish(f"b{number}")
            await asyncio.sleep(every)

    # -- counting --------------------------------------------------------------------------------

    def taken(self, name: str) -> list[float]:
        return [at for at, call, event in self.heard if event == name and call.effect in TAKEN]

    def posts(self, service: str) -> int:
        return sum(1 for _, call, _ in self.heard if call.routing_key == KEYS[service])

    def open_keys(self) -> dict[str, str]:
        return {alert.dedup_key: alert.summary for alert in self.simulator.alerts if alert.open}

    def lost(self, prefix: str) -> int:
        return sum(1 for n in self.published if n.startswith(prefix) and not self.taken(n))

    def repeated(self) -> int:
        return sum(max(0, len(self.taken(name)) - 1) for name in self.published)

    def delays(self) -> str:
        """Of the calm service: the middle and the longest, in ms; those lost are not in it."""
        found = [
            (self.taken(n)[0] - at) * 1000
            for n, at in self.published.items()
            if n.startswith("b") and self.taken(n)
        ]
        return f"{statistics.median(found):,.0f} / {max(found):,.0f} ms" if found else "none came"

    async def deliveries(self) -> int:
        info = await self._consumer()
        return info.delivered.consumer_seq if info else 0  # type: ignore[attr-defined]

    async def kept(self) -> str:
        """What became of a message that cannot be delivered."""
        info = await self._consumer()
        with suppress(NotFoundError):
            state = (await self.client.jetstream().stream_info(DEAD)).state
            if state.messages:
                return "kept as a dead letter"
        out = info.num_ack_pending + info.num_pending  # type: ignore[attr-defined]
        return "still coming back" if out else "dropped"

    async def until(self, done: Callable[[], bool], seconds: float = TAIL) -> None:
        deadline = time.monotonic() + seconds
        while not done() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


# -- the scenarios: each returns lines of "what: how much" --------------------------------------


async def poison(cell: Cell) -> dict[str, str]:
    """A message that is not JSON, then 20 good ones; 5 s."""
    await cell.publish("poison", raw=b"{not json")
    await cell.steady(20, 0.05)
    await asyncio.sleep(4)
    handled = await cell.deliveries() - 20
    return {
        "deliveries of the poison message in 5 s": f"{handled:,}",
        "it is": await cell.kept(),
        "good events lost": str(cell.lost("b")),
        "delay of the good ones, middle / longest": cell.delays(),
    }


async def storm(cell: Cell) -> dict[str, str]:
    """PagerDuty answers 429 to service a (10 events) for 5 s, while b has 100 events at 20/s."""
    cell.simulator.switch(f"429:key={KEYS['a']}")
    for number in range(10):
        await cell.publish(f"a{number}", service="a")
    await cell.steady(100, 0.05)
    posts = cell.posts("a")
    cell.simulator.switch()
    await cell.until(lambda: not cell.lost("a") and not cell.lost("b"))
    return {
        "pages of a lost": f"{cell.lost('a')} of 10",
        "POSTs to a during the storm": f"{posts:,}",
        "pages of b lost": f"{cell.lost('b')} of 100",
        "delay of b, middle / longest": cell.delays(),
    }


async def rejected(cell: Cell) -> dict[str, str]:
    """PagerDuty answers 400 to one event of a, for ever; 20 of b follow; 5 s."""
    cell.simulator.switch(f"400-text:key={KEYS['a']}")
    await cell.publish("a0", service="a")
    await cell.steady(20, 0.05)
    await asyncio.sleep(4)
    return {
        "POSTs of the refused event in 5 s": f"{cell.posts('a'):,}",
        "it is": await cell.kept(),
        "events of b lost": str(cell.lost("b")),
    }


async def killed(cell: Cell) -> dict[str, str]:
    """kill -9 in the middle of 20 POSTs, half of them taken by PagerDuty; then a new process."""
    cell.simulator.switch("timeout-after:p=0.5", "timeout-before")
    await asyncio.gather(*(cell.publish(f"b{number}") for number in range(20)))
    await asyncio.sleep(0.7)
    cell.kill()
    cell.simulator.switch()
    cell.start()
    await cell.until(lambda: not cell.lost("b"))
    longest = max((cell.taken(n)[-1] - at for n, at in cell.published.items() if cell.taken(n)))
    return {
        "pages lost": f"{cell.lost('b')} of 20",
        "said twice (same dedup key: one incident)": str(cell.repeated()),
        "until the last one was said": f"{longest:.1f} s",
    }


async def restarted(cell: Cell) -> dict[str, str]:
    """kill -9 of nats-server after 2 s, back after 1 s; 100 events over 20 keys at 20/s."""

    async def trouble() -> None:
        await asyncio.sleep(2)
        cell.server.kill()
        await asyncio.sleep(1)
        await cell.server.start()

    async def events() -> None:
        for number in range(100):  # so many a minute PagerDuty takes for one routing key
            action = "trigger" if (number // 20) % 2 == 0 else "resolve"
            await cell.publish(f"e{number}", action=action, key=f"k{number % 20}")
            await asyncio.sleep(1 / 20)

    await asyncio.gather(events(), trouble())

    def wrong() -> int:
        held = cell.open_keys()
        return sum(held.get(f"k{n % 20}") != f"e{n}" for n in range(80, 100))

    await cell.until(lambda: not wrong())
    settled = wrong()
    await asyncio.sleep(TAIL - 8)  # what comes back now may still spoil it
    return {
        "keys without their newest page": f"{settled} of 20",
        "the same, after the redeliveries": f"{wrong()} of 20",
        "statements said again": str(cell.repeated()),
        "said after a newer one of their key": str(overtaken(cell)),
    }


def overtaken(cell: Cell) -> int:
    newest: dict[str, int] = {}
    count = 0
    for _, call, event in cell.heard:
        if call.effect not in TAKEN or not event.startswith("e"):
            continue
        number, key = int(event[1:]), call.dedup_key
        count += number < newest.get(key, -1)
        newest[key] = max(number, newest.get(key, -1))
    return count


async def order(cell: Cell) -> dict[str, str]:
    """503 for 3 s: 20 triggers fail; 1 s later their 20 resolves are published."""
    cell.simulator.switch("503")
    for number in range(20):
        await cell.publish(f"t{number}", key=f"k{number}")
    await asyncio.sleep(1)
    for number in range(20):
        await cell.publish(f"r{number}", action="resolve", key=f"k{number}")
    await asyncio.sleep(2)
    cell.simulator.switch()
    await cell.until(lambda: not cell.lost("r"))
    await asyncio.sleep(3)
    opened = sum(1 for alert in cell.simulator.alerts)
    return {
        "alerts left open though resolved": f"{len(cell.open_keys())} of 20",
        "resolves never said": f"{cell.lost('r')} of 20",
        "incidents opened for what was over": str(opened),
        "POSTs": f"{len(cell.heard):,}",
    }


async def slow(cell: Cell) -> dict[str, str]:
    """PagerDuty takes 1.5 s for each call of a (one every 0.5 s); b has 100 events at 20/s."""
    cell.simulator.switch(f"slow:key={KEYS['a']},seconds=1.5")

    async def of_a() -> None:
        for number in range(10):
            await cell.publish(f"a{number}", service="a", key="one")
            await asyncio.sleep(0.5)

    await asyncio.gather(of_a(), cell.steady(100, 0.05))
    await cell.until(lambda: not cell.lost("b"))
    return {
        "delay of b, middle / longest": cell.delays(),
        "events of b lost": str(cell.lost("b")),
    }


SCENARIOS: dict[str, Callable[[Cell], Awaitable[dict[str, str]]]] = {
    one.__name__: one for one in (poison, storm, rejected, killed, restarted, order, slow)
}
NAMES = {
    "ours": "pagerduty-subscriber",
    "faststream": "FastStream, default policy",
    "faststream-nack": "FastStream, NACK_ON_ERROR",
    "naive": "nats-py + httpx script",
}


async def measure(who: str, scenario: str, python: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        async with AsyncExitStack() as stack:
            cell = Cell(who, python, Path(folder))
            await cell.open(stack)
            return await SCENARIOS[scenario](cell)


def peer_python(given: str, folder: Path) -> str:
    """An interpreter with the peers' packages; empty when there is none."""
    python = given
    if not given:
        venv.create(folder / "venv", with_pip=True)
        python = str(folder / "venv" / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "faststream[nats]", "httpx", "nats-py"], check=False, timeout=300)
    probe = "import faststream, httpx, nats"
    if subprocess.run([python, "-c", probe], check=False).returncode == 0:
        return python
    print("SKIPPED: the peers cannot be installed here; only our column follows", file=sys.stderr)
    return ""


_VERSIONS = """
from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("faststream", "httpx", "nats-py")), sep=", ")
"""


def versions(python: str) -> str:
    done = subprocess.run([python, "-c", _VERSIONS], check=True, capture_output=True, text=True)
    return done.stdout


def table(scenario: str, found: dict[str, dict[str, str]]) -> str:
    doc = (SCENARIOS[scenario].__doc__ or "").strip()
    lines = [f"### {scenario}", "", doc, "", "| | " + " | ".join(NAMES[w] for w in found) + " |"]
    lines.append("|---" * (len(found) + 1) + "|")
    for row in next(iter(found.values())):
        lines.append(f"| {row} | " + " | ".join(cell[row] for cell in found.values()) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default="")
    parser.add_argument("--only", choices=SCENARIOS, action="append")
    parser.add_argument("--who", choices=NAMES, action="append")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="peers-venv-") as folder:
        wanted = given.who or list(NAMES)
        python = peer_python(given.peer_python, Path(folder)) if wanted != ["ours"] else ""
        if python:
            print(f"{versions(python).strip()}; Python {sys.version.split()[0]}\n", flush=True)
        else:
            wanted = ["ours"]
        for scenario in given.only or SCENARIOS:
            found = {who: asyncio.run(measure(who, scenario, python)) for who in wanted}
            print(table(scenario, found), flush=True)


if __name__ == "__main__":
    main()
