"""The operator's HTTP side: health, readiness and metrics."""

from subscriber.web.ops import Health, Remembered, create_app
from subscriber.web.server import HttpServer

__all__ = ["Health", "HttpServer", "Remembered", "create_app"]
