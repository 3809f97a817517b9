"""Traces: what a delivery and its calls to PagerDuty look like to a tracing backend, or to nobody.

Rules: off unless the standard OTEL_... variables name a collector, and then off without a trace of
cost: nothing of OpenTelemetry is imported, and `NoTracing` does nothing. What cannot be used (the
extra is not installed, a protocol we do not speak) is said and leaves tracing off: a page never
waits for a trace. The implementation behind it is `otel`, and only it knows OpenTelemetry.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Protocol
from urllib.parse import unquote

from subscriber.model import Envelope, Event, Intent, Outcome
from subscriber.ports.interfaces import Sender

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class Delivery(Protocol):
    """A delivery that is being traced.

    Attributes:
        trace_id: 32 hexadecimal digits; empty when nobody traces.
    """

    @property
    def trace_id(self) -> str:
        """For the log line."""

    def ended(self, outcome: Outcome) -> None:
        """How it ended."""


class Tracing(Protocol):
    """Somebody who may want to know."""

    def delivery(
        self, envelope: Envelope, event: Event, intent: Intent, *, began: float
    ) -> AbstractContextManager[Delivery]:
        """While one intent of an event is being said; `began` is when its message came."""

    def sender(self, sender: Sender) -> Sender:
        """The same sender, each of its calls a part of the delivery it is made in."""

    async def close(self) -> None:
        """Hand over what is recorded, within a few seconds."""


class _Nobody:
    """What is told to nobody."""

    trace_id = ""

    def ended(self, outcome: Outcome) -> None:
        """Nothing."""


class NoTracing:
    """See `Tracing`: off."""

    _nobody = nullcontext(_Nobody())

    def delivery(
        self, envelope: Envelope, event: Event, intent: Intent, *, began: float
    ) -> AbstractContextManager[Delivery]:
        """Nothing."""
        return self._nobody

    def sender(self, sender: Sender) -> Sender:
        """The sender itself."""
        return sender

    async def close(self) -> None:
        """Nothing."""


def tracing(environment: Mapping[str, str], *, instance: str = "") -> tuple[Tracing, str]:
    """What the environment asks for, and why it is not what it asks for (else empty).

    Args:
        environment: the process's; the variables are those of
            https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
        instance: tells this replica from others.
    """
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    named = any(environment.get(name, "").strip() for name in _ENDPOINTS) or exporter == "otlp"
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or not named or exporter == "none":
        return NoTracing(), ""
    if exporter not in ("", "otlp"):
        return NoTracing(), f"OTEL_TRACES_EXPORTER={exporter[:40]} is not supported, only otlp is"
    protocol = next((value for name in _PROTOCOLS if (value := environment.get(name, ""))), "")
    if protocol.strip().lower() not in ("", "http/protobuf"):
        return NoTracing(), (
            f"OTLP over {protocol[:40]} is not supported, only http/protobuf is (port 4318)"
        )
    if not all(map(_is_installed, _PACKAGES)):
        return NoTracing(), (
            "OTEL_... asks for traces, and OpenTelemetry is not installed: "
            "pip install 'pagerduty-subscriber[otel]'"
        )
    from subscriber.ports.otel import OtelTracing  # noqa: PLC0415

    return OtelTracing(instance=instance, environment=environment), ""


def secrets_in(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the headers that the collector wants, mostly API keys: no log may show them."""
    pairs = (pair for name in _HEADERS for pair in environment.get(name, "").split(","))
    values = (pair.partition("=")[2].strip() for pair in pairs)
    return tuple(text for value in values if value for text in {value, unquote(value)})


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False
