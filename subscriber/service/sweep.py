"""The sweep: a look through the ledger, shortly after the start and every now and then.

It mends what a replica that died has noted and could not act on any more (see docs/delivery.md,
`needs_mending`), and counts the alerts for the metrics. Replicas look at different moments, derived
from their names; mending goes by claim, so two that find the same entry say it once.

Rules: best effort; a ledger that does not answer is looked through the next time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from subscriber.delivery import Policy, needs_mending
from subscriber.delivery.backoff import spread
from subscriber.model import Alert, AlertState, Outcome
from subscriber.ports.interfaces import Clock, Ledger, PortUnavailable
from subscriber.service.meters import Meters

EVERY = 600.0
"""Seconds between two looks; one costs a read of every entry."""
FIRST = 5.0
"""Seconds after the start: what the crash before it left behind waits for nobody else."""
_AT_ONCE = 1000
"""Entries that are kept in memory until they are mended; a ledger may hold millions."""
_SHOWN = (AlertState.OPEN, AlertState.ACKNOWLEDGED, AlertState.RESOLVED)


class Sweep:
    """Looks through the ledger for as long as it runs."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        mend: Callable[[Alert], Awaitable[Outcome]],
        policy: Policy,
        meters: Meters,
        clock: Clock,
        name: str,
    ) -> None:
        self._ledger = ledger
        self._mend = mend
        self._policy = policy
        self._meters = meters
        self._clock = clock
        self._shift = spread(name, 0)
        self._log = structlog.get_logger("sweep")

    async def run(self) -> None:
        """Look, wait, look again; until cancelled."""
        await self._clock.sleep(FIRST * (1 + self._shift))
        while True:
            try:
                await self.once()
            except PortUnavailable as error:
                self._log.debug("postponed", message=str(error))
            await self._clock.sleep(EVERY * (0.75 + self._shift / 2))

    async def once(self) -> int:
        """One look; how many entries were mended.

        Raises:
            PortUnavailable: the ledger does not answer.
        """
        states: Counter[AlertState] = Counter()
        owed: list[Alert] = []
        mended = 0
        async for alert, _ in self._ledger.scan():
            states[alert.state] += 1
            if needs_mending(alert, now=self._clock.now(), policy=self._policy):
                owed.append(alert)
            if len(owed) >= _AT_ONCE:
                mended += await self._mend_all(owed)
        self._meters.alerts({state.value: states[state] for state in _SHOWN}, self._clock.now())
        return mended + await self._mend_all(owed)

    async def _mend_all(self, owed: list[Alert]) -> int:
        """Mend these, forget them, and say how many they were."""
        count = len(owed)
        for alert in owed:
            outcome = await self._mend(alert)
            self._log.warning(
                "mended",
                outcome=outcome.kind.value,
                reason=outcome.reason.value,
                service=alert.key.service,
                dedup_key=alert.key.dedup_key,
            )
        owed.clear()
        return count
