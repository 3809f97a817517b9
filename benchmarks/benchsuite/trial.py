"""One run of one contestant: start, watch, prove, end.

Two kinds. `drain`: the events are there, the program starts and works them off; the rate is taken
between the moment when a tenth is acknowledged and the end, so that nobody's start counts. `pace`:
the program is there and idle, events come one by one; each POST's arrival is held against the time
just before its event was published.

The CPU time is that of the contestant's processes; `server_busy` is the share of the servers' core
that was in use meanwhile, to see when that core, and not the program, was the limit.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import aiohttp

from benchsuite import proof
from benchsuite.contestants import OURS, Contestant, Job, peer_environment
from benchsuite.events import (
    Spec,
    dedup_key,
    encode,
    expected,
    final_words,
)
from benchsuite.processes import Broken, Child, core_seconds, cpu_seconds, memory
from benchsuite.stage import STREAM, Stage
from subscriber.model import AlertKey, AlertState
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.ledger import LedgerOptions, NatsLedger
from subscriber.ports.nats.options import NatsOptions

START_LIMIT = 60.0
_LOOK = 0.04
_FEED = 50
"""Alerts in one call to Alertmanager's API."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: when, how many events were settled, CPU seconds of the program, of the servers, and
    of everybody on the program's core."""

    at: float
    done: int
    cpu: float
    server: float
    core: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What a `drain` found.

    Attributes:
        events: in the measured window.
        rate: events per second of wall-clock time.
        cpu_us: microseconds of the program's CPU time per event.
        server_busy: share of the servers' core in use.
        others: share of the program's core that others took; above a few percent the machine was
            not quiet, and the rate (not the CPU time) is too low.
        posts, repeated: POSTs in all, and those of them that said something again.
        wrong: keys left in a state that is not the last event's; never of ours.
        redelivered: messages handed over again; in a calm run there should be none.
        peak_mb: the program's resident memory at its highest.
        right_after: seconds from the launch until the last POST that mattered.
        settled_after: seconds from the launch until everything was acknowledged.
        working_for: seconds from the first message handed over to the last POST that mattered.
    """

    events: int
    rate: float
    cpu_us: float
    server_busy: float
    others: float
    posts: int
    repeated: int
    redelivered: int
    peak_mb: float
    right_after: float
    settled_after: float
    working_for: float
    wrong: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """What a `pace` found; times in milliseconds, memory in MB.

    Attributes:
        ready_after: seconds from the launch until it waits for messages.
        idle_mb: resident memory when it waits.
        cold: of the first event after the start.
        steady: of all others.
    """

    ready_after: float
    idle_mb: float
    cold: float
    steady: tuple[float, ...]


def window(samples: Sequence[Sample], total: int) -> tuple[Sample, Sample]:
    """From the first look at which a tenth was done (else the first one at all) to the end."""
    end = samples[-1]
    begun = [one for one in samples[:-1] if one.done >= total / 10]
    return (begun[0] if begun else samples[0]), end


def share_of(contestant: Contestant, specs: Sequence[Spec]) -> list[Spec]:
    """The events that a contestant gets: the first part of all."""
    return list(specs[: max(1, int(len(specs) * contestant.share))])


class Runner:
    """Runs contestants on a stage."""

    def __init__(self, stage: Stage, *, limit: float = 180.0) -> None:
        self.stage = stage
        self.limit = limit
        self._filled: tuple[object, ...] = ()

    async def prepare(self, key: tuple[object, ...], specs: Sequence[Spec]) -> None:
        """Fill the stream with these events, unless it holds them already (`key` names them)."""
        if self._filled != (*key, len(specs)):
            await self.stage.fill(specs)
            self._filled = (*key, len(specs))

    # -- the two kinds -----------------------------------------------------------------------------

    async def drain(
        self,
        contestant: Contestant,
        specs: Sequence[Spec],
        *,
        wanted: Sequence[Spec] | None = None,
        rules: int = 1,
        processes: int = 1,
        apart: bool = False,
        bucket: str = "",
        collapsing: bool = False,
    ) -> Drained:
        """Work off the events that the stream holds.

        Args:
            contestant: who.
            specs: what the stream holds (Alertmanager is fed with it).
            wanted: those of it that must be said; left out: all.
            rules: how many are loaded.
            processes: how many of it run on the program's core.
            apart: every second one of them runs on the servers' core instead.
            bucket: an existing ledger; left out: a new one, removed afterwards.
            collapsing: only the last word about each key must be right.

        Raises:
            Broken: it did not do the work.
        """
        stage = self.stage
        stage.sink.reset()
        ledger = bucket or stage.fresh("ledger")
        async with self._running(contestant, ledger, rules, processes, apart=apart) as (
            job,
            children,
        ):
            if contestant.reads_nats:
                samples = await self._watch(job, children, len(specs))
                standing = await stage.standing(job.durable)
                redelivered = standing.handed_over - len(specs) if standing else 0
            else:
                samples, redelivered = await self._feed(job, children, specs), 0
            began = children[0].started
            peak = sum(memory(child.pid)[1] for child in children)
            posts = stage.sink.heard()
            said = list(specs if wanted is None else wanted)
            repeated, last, wrong = self._prove(contestant, posts, said, collapsing=collapsing)
            if contestant.name == OURS:
                await self._prove_ledger(job, said)
        if not bucket:
            await stage.forget(job.durable, job.bucket)
        first, end = window(samples, len(specs))
        events, seconds = end.done - first.done, end.at - first.at
        return Drained(
            events=events,
            rate=events / seconds,
            cpu_us=(end.cpu - first.cpu) / events * 1e6,
            server_busy=(end.server - first.server) / seconds,
            others=max(0.0, (end.core - first.core) - (end.cpu - first.cpu)) / seconds,
            posts=len(posts),
            repeated=repeated,
            redelivered=redelivered,
            peak_mb=peak,
            right_after=last - began,
            settled_after=end.at - began,
            working_for=last - samples[0].at,
            wrong=wrong,
        )

    async def pace(
        self, contestant: Contestant, *, seconds: float, per_second: float = 50.0, idle: float = 1.0
    ) -> Paced:
        """One event after a pause, then a steady stream of them.

        Raises:
            Broken: it did not do the work.
        """
        stage = self.stage
        await stage.fill(())
        self._filled = ()
        stage.sink.reset()
        specs = [Spec(number=n, key=n) for n in range(1 + int(seconds * per_second))]
        published: dict[str, float] = {}
        async with (
            aiohttp.ClientSession() as session,
            self._running(contestant, stage.fresh("ledger"), 1, 1) as (job, children),
        ):
            await self._ready(contestant, job, children[0])
            ready_after = time.monotonic() - children[0].started
            await asyncio.sleep(idle)
            idle_mb = memory(children[0].pid)[0]

            async def publish(spec: Spec) -> None:
                text = summary_of(spec)
                published[text] = time.monotonic()
                if contestant.reads_nats:
                    await stage.client.publish(spec.type, encode(spec))
                else:
                    await self._alert(session, job, [spec])
                    published[text] = min(published[text], time.monotonic())

            await publish(specs[0])
            await self._heard(1, children[0])
            start = time.monotonic()
            for number, spec in enumerate(specs[1:]):
                await asyncio.sleep(max(0.0, start + number / per_second - time.monotonic()))
                await publish(spec)
            await self._heard(len(specs), children[0])
            posts = stage.sink.heard()
            self._prove(contestant, posts, specs, collapsing=False)
        await stage.forget(job.durable, job.bucket)
        arrived: dict[str, float] = {}
        for at, body in posts:
            arrived.setdefault(json.loads(body)["payload"]["summary"], at)
        late = {text: (arrived[text] - at) * 1000 for text, at in published.items()}
        cold = late.pop(summary_of(specs[0]))
        return Paced(
            ready_after=ready_after, idle_mb=idle_mb, cold=cold, steady=tuple(late.values())
        )

    # -- life of a contestant ----------------------------------------------------------------------

    def job(self, bucket: str, rules: int = 1) -> Job:
        """The facts of a new run."""
        name = self.stage.fresh("run")
        folder = self.stage.folder / name
        folder.mkdir()
        return Job(
            nats=self.stage.nats.url,
            pagerduty=self.stage.sink.url,
            stream=STREAM,
            durable=name,
            bucket=bucket,
            folder=folder,
            port=free_port(),
            rules=rules,
        )

    def launch(self, contestant: Contestant, job: Job, *, core: int | None = None) -> Child:
        """Start it on the program's core, unless on another."""
        return Child(
            contestant.command(job),
            core=self.stage.core if core is None else core,
            log=job.folder / "log",
            environment=peer_environment(job, contestant),
            folder=job.folder,
        )

    @asynccontextmanager
    async def _running(
        self,
        contestant: Contestant,
        bucket: str,
        rules: int,
        processes: int,
        *,
        apart: bool = False,
    ) -> AsyncIterator[tuple[Job, list[Child]]]:
        jobs = [self.job(bucket, rules) for _ in range(processes)]
        # Replicas share the durable name, each has its folder and port.
        jobs = [replace(one, durable=jobs[0].durable) for one in jobs]
        children: list[Child] = []
        try:
            for place, job in enumerate(jobs):
                core = self.stage.server_core if apart and place % 2 else None
                children.append(self.launch(contestant, job, core=core))
            try:
                yield jobs[0], children
            except Broken as error:
                ends = "\n".join(child.tail() for child in children)
                raise Broken(f"{contestant.name}: {error}\n--- its log ends:\n{ends}") from error
        finally:
            for child in children:
                child.end()
            for job in jobs:
                shutil.rmtree(job.folder, ignore_errors=True)

    async def _ready(self, contestant: Contestant, job: Job, child: Child) -> None:
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < child.started + START_LIMIT:
                child.check()
                if contestant.reads_nats:
                    standing = await self.stage.standing(job.durable)
                    if standing is not None and standing.waiting:
                        return
                else:
                    with suppress(aiohttp.ClientError):
                        async with session.get(f"http://127.0.0.1:{job.port}/-/ready") as answer:
                            if answer.status == 200:
                                return
                await asyncio.sleep(0.005)
        raise Broken(f"it is not ready within {START_LIMIT:g} s")

    # -- watching ----------------------------------------------------------------------------------

    def _sample(self, children: Sequence[Child], done: int) -> Sample:
        cpu = sum(cpu_seconds(child.pid) for child in children)
        core = core_seconds(self.stage.core)
        return Sample(time.monotonic(), done, cpu, self.stage.server_cpu, core)

    async def _watch(self, job: Job, children: Sequence[Child], total: int) -> list[Sample]:
        """Look until everything is acknowledged; the first sample is just before any hand-over."""
        deadline = children[0].started + self.limit
        samples = [self._sample(children, 0)]
        standing = None
        while time.monotonic() < deadline:
            standing = await self.stage.standing(job.durable)
            for child in children:
                child.check()
            if standing is not None and standing.left < total:
                samples.append(self._sample(children, total - standing.unsettled))
                if not standing.unsettled:
                    return samples
            else:
                samples[0] = self._sample(children, 0)
            near = standing is None or standing.left < total / 5
            await asyncio.sleep(_LOOK / 4 if near else _LOOK)
        raise Broken(f"not done within {self.limit:g} s: {standing}")

    async def _feed(
        self, job: Job, children: Sequence[Child], specs: Sequence[Spec]
    ) -> list[Sample]:
        """Hand the alerts to its API and look until all of them were said."""
        child = children[0]
        async with aiohttp.ClientSession() as session:
            while True:
                child.check()
                with suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{job.port}/-/ready") as answer:
                        if answer.status == 200:
                            break
                await asyncio.sleep(0.01)
            samples = [self._sample(children, 0)]
            for at in range(0, len(specs), _FEED):
                await self._alert(session, job, specs[at : at + _FEED])
                samples.append(self._sample(children, self.stage.sink.count()))
            deadline = time.monotonic() + self.limit
            while samples[-1].done < len(specs):
                child.check()
                if time.monotonic() > deadline:
                    raise Broken(f"not done within {self.limit:g} s: {samples[-1].done} POSTs")
                await asyncio.sleep(_LOOK / 4)
                samples.append(self._sample(children, self.stage.sink.count()))
        return samples

    async def _alert(self, session: aiohttp.ClientSession, job: Job, specs: Sequence[Spec]) -> None:
        alerts = [_alert_of(spec) for spec in specs]
        url = f"http://127.0.0.1:{job.port}/api/v2/alerts"
        async with session.post(url, json=alerts) as answer:
            if answer.status != 200:
                raise Broken(f"Alertmanager says {answer.status}: {await answer.text()}")

    async def _heard(self, count: int, child: Child) -> None:
        deadline = time.monotonic() + 30
        while self.stage.sink.count() < count:
            child.check()
            if time.monotonic() > deadline:
                raise Broken(f"{self.stage.sink.count()} of {count} events were said")
            await asyncio.sleep(0.02)

    # -- proofs ------------------------------------------------------------------------------------

    def _prove(
        self, contestant: Contestant, posts: proof.Heard, said: Sequence[Spec], *, collapsing: bool
    ) -> tuple[int, float, int]:
        """Repetitions, when the last POST that mattered came, and the keys that ended wrong."""
        if not contestant.reads_nats:
            summaries = [json.loads(body)["payload"]["summary"] for _, body in posts]
            wanted = {summary_of(spec) for spec in said}
            return proof.keys_said(summaries, wanted), posts[-1][0], 0
        if collapsing:
            words = final_words(list(said))
            last, wrong = proof.last_said(posts, words)
            if wrong and contestant.name == OURS:
                raise Broken(f"{wrong} of {len(words)} keys ended in the wrong state")
            return len(posts) - len(words), last, wrong
        repeated = proof.each_said(posts, said)
        if repeated and contestant.name == OURS:
            raise Broken(f"{repeated} events were said again without need")
        return repeated, posts[-1][0], 0

    async def _prove_ledger(self, job: Job, said: Sequence[Spec]) -> None:
        """Our ledger holds what PagerDuty holds, and nobody's claim is left."""
        wanted = {spec.key: spec for spec in said}
        options = NatsOptions(servers=(job.nats,))
        async with NatsConnection(options, lambda state, text: None) as connection:
            ledger = NatsLedger(connection, LedgerOptions(bucket=job.bucket))

            async def check(spec: Spec) -> None:
                key = AlertKey(service="default", dedup_key=dedup_key(spec.key))
                alert, _ = await ledger.load(key)
                state = AlertState.OPEN if spec.result == "fail" else AlertState.RESOLVED
                if alert.state is not state or alert.claim is not None:
                    raise Broken(f"the ledger holds {alert} instead of {state}")

            specs = list(wanted.values())
            for at in range(0, len(specs), 200):
                await asyncio.gather(*(check(spec) for spec in specs[at : at + 200]))


def summary_of(spec: Spec) -> str:
    """The summary of an event's POST."""
    return str(json.loads(expected(spec).payload)["summary"])


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _alert_of(spec: Spec) -> dict[str, object]:
    data = json.loads(encode(spec))
    inner = data["data"]
    return {
        "labels": {
            "alertname": "Evaluation",
            "project": inner["project"],
            "stage": inner["stage"],
            "service": inner["service"],
        },
        "annotations": {
            "message": inner["message"],
            "score": str(inner["evaluation"]["score"]),
            "from": inner["evaluation"]["timeStart"],
            "to": inner["evaluation"]["timeEnd"],
            "build": inner["labels"]["build"],
            "context": data["shkeptncontext"],
            "note": inner["labels"]["note"],
        },
        "generatorURL": data["source"],
    }
