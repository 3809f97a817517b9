"""Traces by OpenTelemetry, over OTLP/HTTP; only imported when somebody wants them.

One consumer span per intent of an event (https://opentelemetry.io/docs/specs/semconv/messaging/),
child of the `traceparent` that the event carries, else of the one in the message's headers; one
client span per call to PagerDuty in it (https://opentelemetry.io/docs/specs/semconv/http/).

Rules: attributes say what the log says too; never a URL (it may hold credentials), a key or a
body. Spans are handed over by a thread of OpenTelemetry's, in batches; what the collector does not
take is dropped. The SDK reads its OTEL_... variables (sampler, limits, batches, headers) itself.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from subscriber.model import Envelope, Event, Intent, Outcome, OutcomeKind
from subscriber.pagerduty.request import Reply, Request
from subscriber.ports.interfaces import Sender

NAME = "pagerduty-subscriber"
_OWN = "pagerduty_subscriber"
_FIELDS = ("traceparent", "tracestate")
_LONGEST_CLOSE = 3.0
_NANOSECOND = 1_000_000_000
_PORTS = {"https": 443, "http": 80}


class _Delivery:
    """See `tracing.Delivery`."""

    __slots__ = ("_span", "trace_id")

    def __init__(self, span: Span) -> None:
        self._span = span
        self.trace_id = trace.format_trace_id(span.get_span_context().trace_id)

    def ended(self, outcome: Outcome) -> None:
        """How it ended; what will be tried again is no error yet."""
        self._span.set_attributes(
            {
                f"{_OWN}.outcome": outcome.kind.value,
                f"{_OWN}.reason": outcome.reason.value,
                f"{_OWN}.attempts": outcome.attempts,
            }
        )
        if outcome.kind is OutcomeKind.DEAD_LETTERED:
            _fail(self._span, outcome.reason.value)


class OtelTracing:
    """See `tracing.Tracing`: on."""

    def __init__(self, *, instance: str = "", environment: Mapping[str, str]) -> None:
        attributes = {"service.instance.id": instance} if instance else {}
        named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        )
        if not named:
            attributes["service.name"] = NAME
        self._provider = TracerProvider(
            resource=Resource.create(attributes), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(NAME)
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def delivery(
        self, envelope: Envelope, event: Event, intent: Intent, *, began: float
    ) -> Iterator[_Delivery]:
        """A consumer span, the current one inside."""
        parent, links = self._origin(envelope, event)
        span = self._tracer.start_span(
            f"process {envelope.subject}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes=_about(envelope, event, intent),
            links=links,
            start_time=int(began * _NANOSECOND),
        )
        span.add_event("planned", {f"{_OWN}.rule": intent.rule})
        token = contexts.attach(trace.set_span_in_context(span, parent))
        try:
            yield _Delivery(span)
        except BaseException as error:
            _fail(span, type(error).__name__)
            raise
        finally:
            contexts.detach(token)
            span.end()

    def sender(self, sender: Sender) -> Sender:
        """The sender with a client span around each call."""
        return _TracedSender(sender, self)

    @contextmanager
    def call(self, request: Request) -> Iterator[Span]:
        """A client span."""
        url = urlsplit(request.url)
        span = self._tracer.start_span(
            "POST",
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": "POST",
                "http.request.body.size": len(request.body),
                "server.address": url.hostname or "",
                "server.port": url.port or _PORTS.get(url.scheme, 0),
                "peer.service": "pagerduty",
                f"{_OWN}.service": request.service,
                f"{_OWN}.api": request.api.value,
            },
        )
        try:
            yield span
        except BaseException as error:
            _fail(span, type(error).__name__)
            raise
        finally:
            span.end()

    async def close(self) -> None:
        """Hand over what is recorded; a collector that does not answer is not waited for."""
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # too late: the loop is closed
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=shut_down, name="traces", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_CLOSE):
                await done.wait()

    def _origin(self, envelope: Envelope, event: Event) -> tuple[Context, list[Link]]:
        """Where the trace comes from: the event's own, else the message's, which is linked else."""
        inside = {name: str(event.extensions.get(name, "")) for name in _FIELDS}
        outside = {
            name.lower(): value
            for name, value in envelope.headers.items()
            if name.lower() in _FIELDS
        }
        own = self._extract(inside)
        hop = self._extract(outside)
        if own is None:
            return (hop or Context()), []
        if hop is None:
            return own, []
        link = trace.get_current_span(hop).get_span_context()
        same = trace.get_current_span(own).get_span_context().span_id == link.span_id
        return own, [] if same else [Link(link)]

    def _extract(self, carrier: Mapping[str, str]) -> Context | None:
        found = self._propagator.extract(dict(carrier), Context())
        valid = trace.get_current_span(found).get_span_context().is_valid
        return found if valid else None


class _TracedSender:
    """See `ports.interfaces.Sender`."""

    def __init__(self, sender: Sender, tracing: OtelTracing) -> None:
        self._sender = sender
        self._tracing = tracing

    async def send(self, request: Request, *, within: float = math.inf) -> Reply:
        """Send once and read the answer."""
        with self._tracing.call(request) as span:
            reply = await self._sender.send(request, within=within)
            if reply.status:
                span.set_attribute("http.response.status_code", reply.status)
            if reply.status == 0 or reply.status >= 400:
                _fail(span, str(reply.status or reply.fault))
            return reply

    async def ping(self) -> None:
        """Usable."""
        await self._sender.ping()


def _about(envelope: Envelope, event: Event, intent: Intent) -> dict[str, str | int]:
    found: dict[str, str | int] = {
        "messaging.system": "nats",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": envelope.subject,
        "messaging.message.id": event.id,
        "messaging.message.body.size": len(envelope.data),
        "messaging.nats.stream": envelope.stream,
        "messaging.nats.sequence": envelope.sequence,
        "messaging.nats.delivery_count": envelope.delivery_count,
        "cloudevents.event_id": event.id,
        "cloudevents.event_source": event.source,
        "cloudevents.event_type": event.type,
        "cloudevents.event_spec_version": event.specversion,
        "cloudevents.event_subject": event.subject,
        f"{_OWN}.rule": intent.rule,
        f"{_OWN}.service": intent.service,
        f"{_OWN}.action": intent.action.value,
        f"{_OWN}.dedup_key": intent.dedup_key,
        "keptn.context": str(event.extensions.get("shkeptncontext", "")),
    }
    return {name: value for name, value in found.items() if value != ""}


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
