"""`/healthz`, `/readyz` and `/metrics`.

Rules: liveness says that the event loop turns (it answers at all) and that everything which must
run inside still runs; what fails here is mended by a restart and by nothing else. Readiness says
that events can be taken: NATS there, consumer bound, configuration good. PagerDuty is part of
neither: an outage there must not restart us. No answer holds a secret, and none asks NATS more
often than once a second (ten times while something is wrong), whoever asks us.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_REMEMBERED = {True: 1.0, False: 0.1}
"""Seconds for which a good and a bad answer are remembered: whoever is not ready yet, or again,
should not be kept out for a second after that has changed."""
_LONGEST = 2.5
"""Seconds that readiness may take; whoever asks waits for three or so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the checks found: name -> empty text when well, else what is wrong."""

    checks: Mapping[str, str]

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.checks.values())


class Remembered:
    """Asks the checks now and then; everybody who comes in between gets the same answer."""

    def __init__(self, checks: Callable[[], Awaitable[Mapping[str, str]]]) -> None:
        self._checks = checks
        self._answer = Health(checks={})
        self._until = 0.0
        self._asking: asyncio.Task[Health] | None = None

    async def __call__(self) -> Health:
        """What the checks found, just now or a moment ago."""
        if self._asking is None:
            if time.monotonic() < self._until:
                return self._answer
            self._asking = asyncio.create_task(self._ask(), name="readiness")
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Health:
        try:
            async with asyncio.timeout(_LONGEST):
                return Health(checks=await self._checks())
        except TimeoutError:
            return Health(checks={"in time": f"no answer within {_LONGEST:g} s"})

    def _asked(self, task: asyncio.Task[Health]) -> None:
        self._asking = None
        if not task.cancelled() and task.exception() is None:
            self._answer = task.result()
            self._until = time.monotonic() + _REMEMBERED[self._answer.well]


def create_app(
    registry: CollectorRegistry,
    *,
    alive: Callable[[], Health],
    ready: Callable[[], Awaitable[Health]],
) -> Starlette:
    """The application.

    Args:
        registry: metrics to publish.
        alive: asked at every `/healthz`; must not wait for anything.
        ready: asked at every `/readyz`.
    """

    async def healthz(_request: Request) -> Response:
        return _answer(alive(), "failed")

    async def readyz(_request: Request) -> Response:
        return _answer(await ready(), "unavailable")

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ]
    )


def _answer(health: Health, unwell: str) -> Response:
    checks = {name: fault or "ok" for name, fault in health.checks.items()}
    body = {"status": "ok" if health.well else unwell, "checks": checks}
    return JSONResponse(body, status_code=200 if health.well else 503)
