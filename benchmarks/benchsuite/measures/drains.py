"""filter, act and collapse: work off what a stream holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchsuite.contestants import EVERYBODY, OURS, Contestant
from benchsuite.events import WANTED, Spec, all_wanted, outage, stream_past
from benchsuite.measures.plan import Bench
from benchsuite.processes import Child
from benchsuite.stage import Stage
from benchsuite.trial import Drained, Runner, share_of

_LOAD = Path(__file__).parents[1] / "sinkload.py"
REPLICAS = 2
"""As the chart has it."""
COLLAPSE_SHARE = 0.2
"""Of the outage, for those who say every event: their time is scaled up."""


async def filtering(bench: Bench) -> dict[str, Any]:
    """Events of which 1 in 100 matches."""
    who = [one for one in bench.who if one.reads_nats]
    specs = stream_past(bench.sizes.filter_events)

    async def once(runner: Runner, one: Contestant) -> Drained:
        given = share_of(one, specs)
        await runner.prepare(("filter",), given)
        wanted = [spec for spec in given if spec.type == WANTED]
        return await runner.drain(one, given, wanted=wanted)

    return {"events": len(specs), "rounds": await _rounds(bench, "filter", who, once)}


async def act(bench: Bench) -> dict[str, Any]:
    """Every event matches and has a key of its own."""
    specs = all_wanted(bench.sizes.act_events)

    async def once(runner: Runner, one: Contestant) -> Drained:
        given = share_of(one, specs)
        await runner.prepare(("act",), given)
        return await runner.drain(one, given)

    async with bench.stage() as runner:
        sink = await sink_ceiling(runner, bench.sizes.sink_posts)
    bench.tell(f"the sink alone: {sink['rate']:,.0f} POSTs/s, {sink['cpu_us']:.1f} us of CPU each")
    rounds = await _rounds(bench, "act", bench.who, once)
    return {"events": len(specs), "sink": sink, "rounds": rounds}


async def collapse(bench: Bench) -> dict[str, Any]:
    """A backlog over few keys; peers say every event of a part of it."""
    sizes = bench.sizes
    whole = outage(sizes.collapse_events, sizes.collapse_keys)
    part = whole[: max(sizes.collapse_keys, int(len(whole) * COLLAPSE_SHARE))]

    async def once(runner: Runner, one: Contestant) -> Drained:
        given: Sequence[Spec] = whole if one.name == OURS else part
        await runner.prepare(("collapse",), given)
        return await runner.drain(one, given, collapsing=True)

    who = bench.chosen(OURS, "callback", "bento")
    rounds = await _rounds(bench, "collapse", who, once)
    return {
        "events": len(whole),
        "keys": sizes.collapse_keys,
        "part": len(part),
        "rounds": rounds,
        "replicas": await _replicas(bench, whole) if OURS in {one.name for one in who} else [],
    }


async def _replicas(bench: Bench, specs: Sequence[Spec]) -> list[dict[str, dict[str, Any]]]:
    """The same by as many replicas as the chart starts, on both cores: the servers' is not idle."""
    found: list[dict[str, dict[str, Any]]] = []
    for turn in range(bench.sizes.rounds):
        async with bench.stage() as runner:
            await runner.prepare(("collapse",), specs)
            drained = await runner.drain(
                EVERYBODY[OURS], specs, processes=REPLICAS, apart=True, collapsing=True
            )
            found.append({OURS: asdict(drained)})
            bench.tell(
                f"collapse {turn + 1}/{bench.sizes.rounds}  {REPLICAS} replicas on both cores:"
                f" {drained.cpu_us:.1f} us/event, {drained.posts:,} POSTs,"
                f" right after {drained.right_after:.2f} s"
            )
    return found


async def _rounds(
    bench: Bench,
    name: str,
    who: Sequence[Contestant],
    once: Callable[[Runner, Contestant], Any],
) -> list[dict[str, dict[str, Any]]]:
    found: list[dict[str, dict[str, Any]]] = []
    for turn in range(bench.sizes.rounds):
        row: dict[str, dict[str, Any]] = {}
        async with bench.stage() as runner:
            for one in bench.order(who, turn):
                drained = await once(runner, one)
                row[one.name] = asdict(drained)
                bench.tell(
                    f"{name} {turn + 1}/{bench.sizes.rounds}  {one.name:<20}"
                    f"{drained.rate:10,.0f} events/s {drained.cpu_us:8.1f} us/event"
                    f"  servers' core {drained.server_busy:4.0%}  {drained.posts:,} POSTs,"
                    f" right after {drained.right_after:.2f} s"
                    + (f"  OTHERS ON ITS CORE {drained.others:.0%}" if drained.others > 0.1 else "")
                    + (f"  REDELIVERED {drained.redelivered:,}" if drained.redelivered else "")
                )
        found.append({one.name: row[one.name] for one in who})
    return found


async def sink_ceiling(runner: Runner, posts: int) -> dict[str, float]:
    """What the sink can take, when nothing else runs on the servers' core."""
    stage: Stage = runner.stage
    stage.sink.reset()
    before = stage.sink_cpu
    child = Child(
        [sys.executable, str(_LOAD), stage.sink.url, str(posts), "32"],
        core=stage.core,
        log=stage.folder / "sinkload.log",
    )
    try:
        child.process.wait(60)
    finally:
        child.end()
    heard = stage.sink.heard()
    spent = stage.sink_cpu - before
    stage.sink.reset()
    return {
        "rate": (len(heard) - 1) / (heard[-1][0] - heard[0][0]),
        "cpu_us": spent / len(heard) * 1e6,
    }
