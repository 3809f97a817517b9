"""The operator's HTTP side: health, readiness and metrics."""

from subscriber.web.ops import Health, create_app
from subscriber.web.server import HttpServer

__all__ = ["Health", "HttpServer", "create_app"]
