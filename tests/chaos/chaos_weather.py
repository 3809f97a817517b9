"""What goes wrong, and when: a schedule from a seed, and the hands that carry it out.

Rules: the schedule depends on nothing but the seed and the length of the run. Two troubles never
work on the same process at once; a cluster loses one member at a time, now and then all of them.
Whatever was killed or frozen runs again in the end.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from chaos_processes import Servers, Subscriber

FAULTS: tuple[str, ...] = (
    "429:p=0.04",
    "500:p=0.04",
    "502:p=0.03",
    "503:p=0.04",
    "reset-before:p=0.05",
    "reset-after:p=0.05",
    "timeout-before:p=0.02",
    "timeout-after:p=0.04",
    "slow:p=0.05,seconds=0.3",
)
"""Together 31 % of all calls."""


class Trouble(StrEnum):
    """One kind of disturbance."""

    KILL_SUBSCRIBER = "kill -9 of a subscriber"
    FREEZE_SUBSCRIBER = "freeze of a subscriber beyond its lease"
    HICCUP = "freeze of a subscriber within its lease"
    RESTART_SUBSCRIBER = "SIGTERM of a subscriber"
    KILL_NATS = "kill -9 of a nats-server"
    KILL_EVERY_NATS = "kill -9 of every nats-server at once"
    RESTART_NATS = "SIGTERM of a nats-server"
    FREEZE_NATS = "freeze of a nats-server"
    STORM = "429 storm on one service"


SHARES = {
    Trouble.KILL_SUBSCRIBER: 5,
    Trouble.FREEZE_SUBSCRIBER: 3,
    Trouble.HICCUP: 2,
    Trouble.RESTART_SUBSCRIBER: 3,
    Trouble.KILL_NATS: 4,
    Trouble.KILL_EVERY_NATS: 1,
    Trouble.RESTART_NATS: 2,
    Trouble.FREEZE_NATS: 1,
    Trouble.STORM: 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One entry of the schedule: at which second, what, on which process, for how long."""

    at: float
    trouble: Trouble
    target: int
    seconds: float


def schedule(*, seed: int, length: float, lease: float, crowd: int, every: float) -> list[Strike]:
    """What goes wrong within `length` seconds, in order.

    Args:
        seed: of the dice.
        length: seconds.
        lease: seconds that a claim lasts; long freezes outlast it.
        crowd: how many processes of a kind there are to choose from, at most.
        every: mean seconds between two troubles.
    """
    dice = random.Random(seed ^ 0x5EED)
    kinds = list(Trouble)
    weights = [SHARES[kind] for kind in kinds]
    # a long freeze must have ended when the run does, so it comes first; then one of each kind
    opening = [kind for kind in kinds if kind is not Trouble.FREEZE_SUBSCRIBER]
    dice.shuffle(opening)
    queue = [Trouble.FREEZE_SUBSCRIBER, *opening]
    strikes: list[Strike] = []
    at = every
    while at < length:
        trouble = queue.pop(0) if queue else dice.choices(kinds, weights)[0]
        low, high = {
            Trouble.FREEZE_SUBSCRIBER: (lease + 0.5, lease + 2.5),
            Trouble.HICCUP: (0.5, 3.0),
            Trouble.STORM: (2.0, 8.0),
            Trouble.FREEZE_NATS: (0.5, 4.0),
        }.get(trouble, (0.1, 1.5))
        strikes.append(
            Strike(
                at=at,
                trouble=trouble,
                target=dice.randrange(crowd),
                seconds=dice.uniform(low, high),
            )
        )
        at += dice.uniform(0.4, 1.6) * every
    return strikes


class Weather:
    """Carries a schedule out."""

    def __init__(
        self,
        *,
        subscribers: list[Subscriber],
        servers: Servers,
        switch: Callable[[tuple[str, ...]], Awaitable[None]],
        storm: Callable[[int], str],
        tell: Callable[[str], None],
    ) -> None:
        """Get ready.

        Args:
            subscribers, servers: the victims.
            switch: replaces the stand-in's faults.
            storm: the fault that throttles a service.
            tell: prints a line.
        """
        self._subscribers = subscribers
        self._servers = servers
        self._switch = switch
        self._storm = storm
        self._tell = tell
        self._busy: set[str] = set()
        self._faults = FAULTS
        self.done: Counter[Trouble] = Counter()

    async def clear_up(self) -> None:
        """No more faults at PagerDuty from now on."""
        self._faults = ()
        await self._switch(self._faults)

    async def run(self, strikes: list[Strike]) -> None:
        """Strike as planned, then wait until every victim is up again."""
        clock = asyncio.get_running_loop().time
        start = clock()
        async with asyncio.TaskGroup() as group:
            for strike in strikes:
                await asyncio.sleep(max(0.0, start + strike.at - clock()))
                group.create_task(self._strike(strike))

    async def _strike(self, strike: Strike) -> None:
        trouble, seconds = strike.trouble, strike.seconds
        member = strike.target % len(self._servers)
        subscriber = self._subscribers[strike.target % len(self._subscribers)]
        if "nats" in trouble:
            place = "nats"  # one trouble at a time: a cluster may lose one member, not two
        elif trouble is Trouble.STORM:
            place = "pagerduty"
        else:
            place = subscriber.name
        if place in self._busy:
            return
        self._busy.add(place)
        try:
            self._tell(f"{strike.at:6.1f} s  {trouble} ({place} {strike.target}, {seconds:.1f} s)")
            await self._hurt(trouble, subscriber, member, seconds, strike.target)
            self.done[trouble] += 1
        finally:
            self._busy.discard(place)

    async def _hurt(
        self, trouble: Trouble, subscriber: Subscriber, member: int, seconds: float, target: int
    ) -> None:
        servers = self._servers
        match trouble:
            case Trouble.KILL_SUBSCRIBER:
                subscriber.kill()
                await asyncio.sleep(seconds)
                subscriber.start()
            case Trouble.FREEZE_SUBSCRIBER | Trouble.HICCUP:
                subscriber.signal(signal.SIGSTOP)
                try:
                    await asyncio.sleep(seconds)
                finally:
                    subscriber.signal(signal.SIGCONT)
            case Trouble.RESTART_SUBSCRIBER:
                await subscriber.terminate()
                subscriber.start()
            case Trouble.KILL_NATS | Trouble.KILL_EVERY_NATS:
                every = trouble is Trouble.KILL_EVERY_NATS
                victims = range(len(servers)) if every else [member]
                for victim in victims:
                    servers.kill(victim)
                await asyncio.sleep(seconds)
                for victim in victims:
                    await servers.restart(victim)
            case Trouble.RESTART_NATS:
                await servers.stop(member)
                await asyncio.sleep(seconds)
                await servers.restart(member)
            case Trouble.FREEZE_NATS:
                servers.signal(member, signal.SIGSTOP)
                try:
                    await asyncio.sleep(seconds)
                finally:
                    servers.signal(member, signal.SIGCONT)
            case Trouble.STORM:
                await self._switch((self._storm(target), *self._faults))
                await asyncio.sleep(seconds)
                await self._switch(self._faults)
