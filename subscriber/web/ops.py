"""`/healthz`, `/readyz` and `/metrics`.

Rules: liveness only says that the loop turns; readiness says that events can be taken (NATS there,
consumer bound). PagerDuty is part of neither: an outage there must not restart us.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the checks found: name -> empty text when well, else what is wrong."""

    checks: Mapping[str, str]

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.checks.values())


def create_app(registry: CollectorRegistry, ready: Callable[[], Awaitable[Health]]) -> Starlette:
    """The application.

    Args:
        registry: metrics to publish.
        ready: asked at every `/readyz`.
    """

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        health = await ready()
        checks = {name: fault or "ok" for name, fault in health.checks.items()}
        body = {"status": "ok" if health.well else "unavailable", "checks": checks}
        return JSONResponse(body, status_code=200 if health.well else 503)

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
