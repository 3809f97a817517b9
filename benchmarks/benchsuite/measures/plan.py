"""How much is run: sizes, rounds, who, in which order; and the progress on standard error.

Rules: every contestant runs once in every round, the order is turned by one from round to round.
Contestants that get a part of the events run after one another, so that the stream is filled once
for them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from benchsuite.contestants import Contestant
from benchsuite.figures import rotated
from benchsuite.stage import Stage
from benchsuite.trial import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many of everything."""

    rounds: int = 5
    filter_events: int = 100_000
    act_events: int = 10_000
    collapse_events: int = 100_000
    collapse_keys: int = 50
    latency_seconds: float = 12.0
    peers_latency_seconds: float = 4.0
    idle_seconds: float = 1.0
    rules: tuple[int, ...] = (1, 10, 100, 1_000)
    rules_filter_events: int = 40_000
    rules_act_events: int = 4_000
    ledger_keys: tuple[int, ...] = (10, 10_000, 1_000_000)
    ledger_events: int = 4_000
    sweep: bool = True
    processes: tuple[int, ...] = (1, 2)
    processes_events: int = 5_000
    sink_posts: int = 50_000
    limit: float = 180.0


SMOKE = Sizes(
    rounds=1,
    filter_events=1_000,
    act_events=100,
    collapse_events=1_000,
    collapse_keys=10,
    latency_seconds=0.5,
    peers_latency_seconds=0.5,
    idle_seconds=0.1,
    rules=(1, 50),
    rules_filter_events=500,
    rules_act_events=50,
    ledger_keys=(10, 500),
    ledger_events=50,
    sweep=False,
    processes=(1, 2),
    processes_events=100,
    sink_posts=1_000,
    limit=45.0,
)


@dataclass(slots=True, kw_only=True)
class Bench:
    """What a measure gets.

    Attributes:
        sizes: how many of everything.
        who: everybody who takes part and is here.
        began: for the progress.
    """

    sizes: Sizes
    who: Sequence[Contestant]
    began: float = field(default_factory=time.monotonic)

    def chosen(self, *names: str) -> list[Contestant]:
        """Those of `who`, all or these."""
        return [one for one in self.who if not names or one.name in names]

    def order(self, who: Sequence[Contestant], turn: int) -> list[Contestant]:
        """Who runs after whom in a round."""
        by_name = {one.name: one for one in who}
        turned = [by_name[name] for name in rotated(list(by_name), turn)]
        shares = list(dict.fromkeys(one.share for one in turned))
        return [one for share in shares for one in turned if one.share == share]

    def tell(self, text: str) -> None:
        """A line of progress."""
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", file=sys.stderr, flush=True)

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Runner]:
        """A fresh stage with its runner."""
        async with Stage.open() as stage:
            yield Runner(stage, limit=self.sizes.limit)
