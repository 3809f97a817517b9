"""The chaos run: real processes, real trouble, and one table in the end.

    python tests/chaos/chaos_run.py --seed 7 --events 20000 --keys 200 --servers 3

A nats-server (or a cluster of three with R3 streams), three `pagerduty-subscriber run` processes
and PagerDuty's stand-in, which lets 31 % of its calls go wrong. While events are published with
confirmation, subscribers and servers are killed, frozen and restarted by a seeded schedule. When
everything has been published the troubles end, the run waits until the consumer holds nothing
unsettled, and `chaos_verdict` compares. Exit code 0: everything that must be 0 is 0.

Everything is bounded: `--minutes` in all, half of it for publishing at most.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
import nats.errors
from chaos_events import RULES, SUBJECT, Kind, Planned, planned
from chaos_processes import PagerDuty, Servers, Subscriber
from chaos_verdict import FINAL, Line, Said, Standing, Stored, Verdict, judge
from chaos_weather import FAULTS, Weather, schedule
from nats.aio.client import Client
from nats.js.errors import Error as JetStreamError

STREAM, DEAD_LETTERS, DURABLE = "PAGERDUTY_EVENTS", "PAGERDUTY_DEAD_LETTERS", "chaos"
CALL_TIMEOUT = 0.5
LEASE = CALL_TIMEOUT + 10.0
"""How long a claim lasts with that time-out."""
ACK_WAIT = LEASE + 0.5
SERVICES = 4
AT_ONCE = 16
"""Publications under way at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run.

    Attributes:
        seed: of events, faults and schedule.
        events, keys: how many.
        servers: 1 (R1), or 3 (a cluster with R3 streams and buckets).
        publishing: seconds over which the events are spread.
        limit: seconds for the whole run.
        every: mean seconds between two troubles.
        replicas: subscriber processes.
    """

    seed: int
    events: int
    keys: int
    servers: int
    publishing: float
    limit: float
    every: float
    replicas: int = 3


@dataclass(slots=True)
class Record:
    """What a run leaves behind.

    Attributes:
        verdict: the counts.
        facts: what else is worth a line.
    """

    verdict: Verdict
    facts: dict[str, str] = field(default_factory=dict)

    def report(self) -> str:
        """The whole text."""
        lines = [f"{name}: {value}" for name, value in self.facts.items()]
        return "\n".join([*lines, "", self.verdict.table()])


class Run:
    """One run in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path, *, quiet: bool = False) -> None:
        self.plan = plan
        self.folder = folder
        self.quiet = quiet
        self.started = time.monotonic()
        self.confirmed: dict[str, Planned] = {}
        dice = random.Random(plan.seed)
        self.keys = [f"{dice.getrandbits(128):032x}" for _ in range(SERVICES)]

    def tell(self, text: str) -> None:
        """Print a line of progress."""
        if not self.quiet:
            print(f"{time.monotonic() - self.started:6.1f} s  {text}", flush=True)

    @property
    def left(self) -> float:
        """Seconds until the limit."""
        return self.started + self.plan.limit - time.monotonic()

    async def play(self) -> Record:
        """Run it and judge it."""
        plan = self.plan
        async with AsyncExitStack() as stack:
            servers = Servers(self.folder, size=plan.servers)
            stack.callback(servers.close)
            await servers.start()
            pagerduty = PagerDuty(self.folder / "calls.jsonl", plan.seed, FAULTS)
            stack.callback(pagerduty.close)
            config = self.folder / "subscriber.yaml"
            config.write_text(self._config(servers, pagerduty), encoding="utf-8")
            logs = self.folder / "logs"
            logs.mkdir()
            subscribers = [
                Subscriber(f"s{number}", config, logs, patience=10.0)
                for number in range(plan.replicas)
            ]
            for one in subscribers:
                stack.callback(one.kill)
                one.start()
            client = await stack.enter_async_context(_connected(servers.urls))
            await self._ready(client)

            async def switch(faults: tuple[str, ...]) -> None:
                await asyncio.to_thread(_put, f"{pagerduty.url}/sim/faults", list(faults))

            weather = Weather(
                subscribers=subscribers,
                servers=servers,
                switch=switch,
                storm=lambda n: f"429:p=0.95,retry-after=1,key={self.keys[n % SERVICES]}",
                tell=self.tell,
            )
            strikes = schedule(
                seed=plan.seed,
                length=plan.publishing,
                lease=LEASE,
                crowd=12,
                every=plan.every,
            )
            keeper = asyncio.create_task(_keep_up(subscribers))
            stack.callback(keeper.cancel)
            async with asyncio.timeout(max(1.0, self.left - 5.0)):
                async with asyncio.TaskGroup() as group:
                    troubles = group.create_task(weather.run(strikes))
                    await self._publish(client)
                    await weather.clear_up()
                    await troubles
            self.tell("no more trouble")
            quiet = await self._quiet(client)
            keeper.cancel()
            await asyncio.gather(*(one.terminate() for one in subscribers))
            return await self._judge(client, pagerduty, subscribers, weather, quiet=quiet)

    def _config(self, servers: Servers, pagerduty: PagerDuty) -> str:
        services = {f"s{n}": {"routing_key": key} for n, key in enumerate(self.keys)}
        document = {
            "nats": {
                "url": servers.urls,
                "subjects": ["sh.keptn.>"],
                "durable": DURABLE,
                "deliver": "all",
                "replicas": len(servers),
                "ack_wait": ACK_WAIT,
                "max_in_flight": 256,
            },
            "pagerduty": {
                "events_url": pagerduty.url,
                "timeout": CALL_TIMEOUT,
                "rate_limit": 0,
            },
            "services": services,
            "delivery": {"drain_timeout": 5},
            "http": {"listen": ""},
            "log": {"format": "json", "level": "debug"},
        }
        # JSON is YAML
        parts = (f"{name}: {json.dumps(value)}" for name, value in document.items())
        return "\n".join(parts) + RULES

    async def _ready(self, client: Client) -> None:
        """Wait until the subscribers have made their stream and consumer."""
        jetstream = client.jetstream(timeout=2)
        async with asyncio.timeout(30):
            while True:
                try:
                    await jetstream.consumer_info(STREAM, DURABLE)
                except (JetStreamError, nats.errors.Error, TimeoutError):
                    await asyncio.sleep(0.05)
                else:
                    break
        self.tell("subscribers are listening")

    async def _publish(self, client: Client) -> None:
        """Publish everything at an even pace, each event until the stream has confirmed it."""
        plan = self.plan
        events = planned(seed=plan.seed, events=plan.events, keys=plan.keys, services=SERVICES)
        jetstream = client.jetstream(timeout=2)
        begun = time.monotonic()

        async def until_confirmed(event: Planned) -> None:
            while True:
                try:
                    await jetstream.publish(
                        SUBJECT, event.data, headers={"Nats-Msg-Id": event.id}, timeout=2
                    )
                except (JetStreamError, nats.errors.Error, TimeoutError, OSError):
                    await asyncio.sleep(0.05)
                else:
                    self.confirmed[event.id] = event
                    return

        async def work(numbered: Iterator[tuple[int, Planned]]) -> None:
            for number, event in numbered:
                due = begun + number * plan.publishing / plan.events
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await until_confirmed(event)

        numbered = enumerate(events)
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work(numbered))
        self.tell(f"{len(self.confirmed)} events published and confirmed")

    async def _quiet(self, client: Client) -> bool:
        """Wait until the consumer holds nothing unsettled, twice in a row."""
        jetstream = client.jetstream(timeout=2)
        calm, told = 0, 0.0
        while self.left > 3.0:
            try:
                info = await jetstream.consumer_info(STREAM, DURABLE)
            except (JetStreamError, nats.errors.Error, TimeoutError):
                calm = 0
            else:
                waiting, out = info.num_pending or 0, info.num_ack_pending or 0
                calm = 0 if waiting or out else calm + 1
                if calm == 2:
                    self.tell("nothing is left to do")
                    return True
                if time.monotonic() > told + 5:
                    told = time.monotonic()
                    self.tell(f"{waiting} events to come, {out} on their way")
            await asyncio.sleep(0.5)
        return False

    async def _judge(
        self,
        client: Client,
        pagerduty: PagerDuty,
        subscribers: list[Subscriber],
        weather: Weather,
        *,
        quiet: bool,
    ) -> Record:
        messages = await _messages(client, STREAM)
        letters = await _messages(client, DEAD_LETTERS)
        by_data = {event.data: event for event in self.confirmed.values()}
        stored = []
        for sequence, data, _ in messages:
            event = by_data[data]
            stored.append(Stored(sequence=sequence, id=event.id, key=event.key, kind=event.kind))
        journal = (self.folder / "calls.jsonl").read_text(encoding="utf-8")
        calls = [json.loads(line) for line in journal.splitlines()]
        lines, noise = _read_logs(self.folder / "logs")
        alerts = await asyncio.to_thread(_get, f"{pagerduty.url}/sim/alerts?status=open")
        verdict = judge(
            promised=self.confirmed,
            stored=stored,
            calls=[
                Said(
                    event=call["event"],
                    effect=call["effect"],
                    action=call["action"],
                    key=call["key"],
                    alert=call["alert"],
                )
                for call in calls
            ],
            standing={
                alert["dedup_key"]: Standing(
                    key=alert["dedup_key"],
                    acknowledged=alert["status"] == "acknowledged",
                    words=alert["summary"],
                )
                for alert in alerts["alerts"]
            },
            lines=lines,
            buried=[int(headers.get("Dead-Letter-Sequence", 0)) for _, _, headers in letters],
        )
        verdict.zero["not quiet within the limit"] = [] if quiet else ["see above"]
        verdict.zero["lines in the log that are no outcome"] = noise
        verdict.zero["ends that nobody asked for"] = [
            f"{one.name}: exit code {code}" for one in subscribers for code in one.died
        ]
        verdict.zero["stops that were not in order"] = [
            text for one in subscribers for text in one.late
        ]
        faults = Counter(call["fault"] for call in calls if call["fault"])
        kinds = Counter(event.kind for event in stored)
        verdict.apart["calls that reached PagerDuty"] = len(calls)
        verdict.apart["of them met by a fault"] = sum(faults.values())
        plan = self.plan
        facts = {
            "seed": str(plan.seed),
            "nats": "a cluster of 3, R3" if plan.servers == 3 else "one server, R1",
            "events": f"{len(stored)} over {plan.keys} keys and {SERVICES} services ("
            + ", ".join(f"{kinds[kind]} {kind}" for kind in Kind)
            + ")",
            "troubles": ", ".join(f"{count} x {name}" for name, count in weather.done.items()),
            "faults": ", ".join(f"{count} x {name}" for name, count in sorted(faults.items())),
            "took": f"{time.monotonic() - self.started:.0f} s",
        }
        return Record(verdict=verdict, facts=facts)


async def _keep_up(subscribers: list[Subscriber]) -> None:
    """What a supervisor does: start again what ended by itself (it is counted)."""
    while True:
        await asyncio.sleep(0.5)
        for one in subscribers:
            if one.fell():
                one.start()


@contextlib.asynccontextmanager
async def _connected(urls: list[str]) -> AsyncIterator[Client]:
    """A plain nats-py client that comes back for ever."""

    async def ignore(_error: Exception) -> None:
        """Whatever it is, the publication is tried again."""

    client = await nats.connect(
        urls,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,
        connect_timeout=2,
        ping_interval=1,
        error_cb=ignore,
    )
    try:
        yield client
    finally:
        await client.close()


async def _messages(client: Client, stream: str) -> list[tuple[int, bytes, dict[str, str]]]:
    """Everything that a stream holds, in its order."""
    jetstream = client.jetstream(timeout=5)
    state = (await jetstream.stream_info(stream)).state
    found = []
    sequence = state.first_seq
    while state.messages and sequence <= state.last_seq:
        message = await jetstream.get_msg(stream, seq=sequence, next=True, subject=">")
        assert message.seq is not None
        found.append((message.seq, message.data or b"", dict(message.headers or {})))
        sequence = message.seq + 1
    return found


_FAULT = ("library", "error")
"""A library met something that it did not expect; ours say theirs as outcomes."""


def _read_logs(folder: Path) -> tuple[list[Line], list[str]]:
    """The outcomes of all subscribers, and what should not be in a log at all."""
    lines, noise = [], []
    for file in sorted(folder.iterdir()):
        for number, text in enumerate(file.read_text(errors="replace").splitlines(), 1):
            try:
                line = json.loads(text)
            except ValueError:
                # a line that SIGKILL cut short is the last one and begins as a line does
                if not text.startswith('{"'):
                    noise.append(f"{file.name}:{number}: {text[:160]}")
                continue
            if "sequence" in line and line["event"] in FINAL | {"deferred"}:
                lines.append(Line(sequence=line["sequence"], outcome=line["event"]))
            elif line["event"] == "stumbled" or (line["event"], line["level"]) == _FAULT:
                noise.append(f"{file.name}:{number}: {text[:400]}")
    return lines, noise


def _put(url: str, document: object) -> None:
    request = urllib.request.Request(url, json.dumps(document).encode(), method="PUT")
    with _OPENER.open(request, timeout=10) as answer:
        answer.read()


def _get(url: str) -> Any:
    with _OPENER.open(url, timeout=30) as answer:
        return json.load(answer)


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def short(seed: int) -> Plan:
    """What CI runs: about 50 s, most of it waiting out what may still be under way."""
    return Plan(seed=seed, events=1500, keys=40, servers=1, publishing=5.0, limit=75.0, every=0.5)


def chosen(arguments: list[str]) -> tuple[Plan, bool]:
    """The plan that the command line asks for, and whether to keep the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--seed", type=int, default=None, help="default: from the clock")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--servers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--minutes", type=float, default=10.0, help="bound of the whole run")
    parser.add_argument("--publish", type=float, default=None, help="seconds; default: half of it")
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two troubles")
    parser.add_argument("--short", action="store_true", help="as in CI; only --seed counts")
    parser.add_argument("--keep", action="store_true", help="keep the folder with all logs")
    given = parser.parse_args(arguments)
    seed = int(time.time()) if given.seed is None else given.seed
    if given.short:
        return short(seed), given.keep
    limit = given.minutes * 60
    plan = Plan(
        seed=seed,
        events=given.events,
        keys=given.keys,
        servers=given.servers,
        publishing=limit / 2 if given.publish is None else given.publish,
        limit=limit,
        every=given.every,
    )
    return plan, given.keep


class _Raw(argparse.RawDescriptionHelpFormatter):
    """Keeps the paragraphs of the text above."""


async def main(plan: Plan, folder: Path) -> Record:
    """Run it; SIGTERM ends it as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await Run(plan, folder).play()


if __name__ == "__main__":
    wanted, keep = chosen(sys.argv[1:])
    place = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {wanted.seed}; everything is in {place}", flush=True)
    clean = False
    try:
        record = asyncio.run(main(wanted, place))
        print("\n" + record.report(), flush=True)
        clean = record.verdict.clean
    except KeyboardInterrupt:
        print("interrupted; every process was ended", flush=True)
    finally:
        if clean and not keep:
            shutil.rmtree(place)
    sys.exit(0 if clean else 1)
