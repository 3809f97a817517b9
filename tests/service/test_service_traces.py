"""Traces: what a collector receives over real OTLP, and that nobody pays who does not want them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from service_world import KEY, RULES, small_world

from subscriber.ports.tracing import NoTracing, secrets_in, tracing
from subscriber.service.journal import Journal
from subscriber.simulator import SimulatorConfig, parse_fault

trace_service = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
    reason="OpenTelemetry is not installed: pip install 'pagerduty-subscriber[otel]'",
)
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
OTHER_TRACE = "11111111111111111111111111111111"
CONSUMER, CLIENT, ERROR = 5, 3, 2  # of opentelemetry.proto.trace.v1


@dataclass
class Collector:
    """A collector on a socket: decodes what it gets."""

    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def spans(self) -> list[object]:
        return [
            span
            for body in self.bodies
            for resource in self.request(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resource(self) -> dict[str, object]:
        (resource, *_) = self.request(self.bodies[0]).resource_spans
        return attributes(resource.resource)

    @staticmethod
    def request(body: bytes) -> object:
        return trace_service.ExportTraceServiceRequest.FromString(body)


def attributes(thing: object) -> dict[str, object]:
    """The attributes of a span or resource as plain values."""
    found = {}
    for pair in thing.attributes:  # type: ignore[attr-defined]
        found[pair.key] = getattr(pair.value, pair.value.WhichOneof("value"))
    return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    heard = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            packed = self.headers.get("content-encoding") == "gzip"
            heard.bodies.append(gzip.decompress(body) if packed else body)
            heard.headers.append({name.lower(): value for name, value in self.headers.items()})
            assert self.path == "/v1/traces"
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    heard.url = f"http://127.0.0.1:{server.server_port}"
    yield heard
    server.shutdown()
    thread.join()
    server.server_close()


@asynccontextmanager
async def traced_world(collector: Collector, monkeypatch, patience: str = "10", **more):  # type: ignore[no-untyped-def]
    """A world whose traces the collector has, once it is left."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", patience)  # a thread must not outlive its test
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=s3cret%20key")
    traces, trouble = tracing(os.environ, instance="here")
    assert trouble == ""
    async with small_world(RULES, tracing=traces, **more) as world:
        yield world
    await traces.close()


def event(number: int = 1, **more: object) -> bytes:
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": "test",
            "type": "sh.keptn.event.evaluation.finished",
            "shkeptncontext": "context",
            "data": {"service": "shop", "result": "fail", "note": number},
            **more,
        }
    ).encode()


async def test_the_trace_of_an_event_goes_on_to_the_call(collector: Collector, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    async with traced_world(collector, monkeypatch) as world:
        world.raw(event(traceparent=f"00-{TRACE}-{PARENT}-01"), "sh.keptn.x")
        await world.settle()
        assert world.ends() == {"delivered: accepted": 1}
        (report,) = world.reports
    consumer, call = sorted(collector.spans(), key=lambda span: -span.kind)
    assert (consumer.kind, call.kind) == (CONSUMER, CLIENT)
    assert consumer.trace_id.hex() == call.trace_id.hex() == TRACE == report.trace_id
    assert consumer.parent_span_id.hex() == PARENT
    assert call.parent_span_id == consumer.span_id
    assert consumer.name == "process sh.keptn.x"
    about = attributes(consumer)
    assert about["messaging.system"] == "nats"
    assert about["messaging.operation.type"] == "process"
    assert about["messaging.operation.name"] == "process"
    assert about["messaging.destination.name"] == "sh.keptn.x"
    assert about["messaging.message.id"] == "e1"
    assert about["cloudevents.event_type"] == "sh.keptn.event.evaluation.finished"
    assert about["keptn.context"] == "context"
    assert about["pagerduty_subscriber.outcome"] == "delivered"
    assert about["pagerduty_subscriber.rule"] == "evaluation"
    assert consumer.start_time_unix_nano == 1_700_000_000 * 10**9
    about = attributes(call)
    assert about["http.request.method"] == "POST"
    assert about["http.response.status_code"] == 202
    assert about["server.address"] == "pagerduty.example"
    assert about["pagerduty_subscriber.service"] == "default"
    assert not any(name.startswith("url.") for name in about)
    assert collector.resource()["service.name"] == "pagerduty-subscriber"
    assert collector.resource()["service.instance.id"] == "here"
    assert collector.headers[0]["x-api-key"] == "s3cret key"
    assert KEY.encode() not in b"".join(collector.bodies)


@pytest.mark.parametrize(
    ("inside", "header", "trace", "links"),
    [
        ("", f"00-{TRACE}-{PARENT}-01", TRACE, []),
        (f"00-{TRACE}-{PARENT}-01", f"00-{OTHER_TRACE}-{PARENT[::-1]}-01", TRACE, [OTHER_TRACE]),
        (f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01", TRACE, []),
        ("nonsense", f"00-{TRACE}-{PARENT}-01", TRACE, []),
        ("00-" + "0" * 32 + f"-{PARENT}-01", "x" * 5000, None, []),
        ("", "", None, []),
    ],
)
async def test_where_the_trace_comes_from(
    collector: Collector,
    monkeypatch,  # type: ignore[no-untyped-def]
    inside: str,
    header: str,
    trace: str | None,
    links: list[str],
) -> None:
    async with traced_world(collector, monkeypatch) as world:
        more = {"traceparent": inside} if inside else {}
        headers = {"TraceParent": header} if header else {}
        world.raw(event(**more), **headers)
        await world.settle()
    (consumer,) = [span for span in collector.spans() if span.kind == CONSUMER]
    if trace is None:
        assert consumer.parent_span_id == b""
        assert consumer.trace_id.hex() not in (TRACE, OTHER_TRACE)
    else:
        assert consumer.trace_id.hex() == trace
        assert consumer.parent_span_id.hex() == PARENT
    assert [link.trace_id.hex() for link in consumer.links] == links


async def test_every_try_is_a_span_and_what_fails_says_how(
    collector: Collector,
    monkeypatch,  # type: ignore[no-untyped-def]
) -> None:
    faults = (parse_fault("500:next=1"), parse_fault("reset-after:next=1"))
    simulator = SimulatorConfig(rate_limit=None, faults=faults)
    async with traced_world(collector, monkeypatch, simulator=simulator) as world:
        world.raw(event())
        await world.settle(60)
        assert world.ends() == {"delivered: accepted": 1}
    calls = [span for span in collector.spans() if span.kind == CLIENT]
    said = [(attributes(call).get("error.type"), call.status.code) for call in calls]
    assert said[:2] == [("500", ERROR), ("reset", ERROR)]
    assert said[-1] == (None, 0)


async def test_a_dead_letter_is_an_error(collector: Collector, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    simulator = SimulatorConfig(rate_limit=None, known_keys=frozenset({"F" * 32}))
    async with traced_world(collector, monkeypatch, simulator=simulator) as world:
        world.raw(event())
        await world.settle()
    (consumer,) = [span for span in collector.spans() if span.kind == CONSUMER]
    assert consumer.status.code == ERROR
    assert attributes(consumer)["error.type"] == "rejected"
    assert KEY.encode() not in b"".join(collector.bodies)


async def test_deliveries_beside_one_another_keep_their_traces(
    collector: Collector,
    monkeypatch,  # type: ignore[no-untyped-def]
) -> None:
    simulator = SimulatorConfig(rate_limit=None, faults=(parse_fault("slow:seconds=1"),))
    traces = {f"{number:032x}": f"s{number}" for number in range(1, 9)}
    async with traced_world(collector, monkeypatch, simulator=simulator) as world:
        for number, (trace, service) in enumerate(traces.items(), 1):
            data = {"service": service, "result": "fail", "note": number}
            world.raw(event(number, traceparent=f"00-{trace}-{PARENT}-01", data=data))
        await world.settle(5)
        journal = Journal()
        for report in world.reports:
            journal.note(report)
            assert traces[report.trace_id] == report.outcome.intent.dedup_key
    spans = collector.spans()
    consumers = {span.span_id: span for span in spans if span.kind == CONSUMER}
    calls = [span for span in spans if span.kind == CLIENT]
    assert len(consumers) == len(calls) == len(traces)
    for call in calls:
        consumer = consumers[call.parent_span_id]
        assert consumer.trace_id == call.trace_id
        assert attributes(consumer)["pagerduty_subscriber.dedup_key"] == traces[call.trace_id.hex()]


async def test_a_collector_that_is_away_holds_nothing_up(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    nobody = Collector(url="http://127.0.0.1:9")
    started = time.monotonic()
    async with traced_world(nobody, monkeypatch, patience="1") as world:
        world.raw(event())
        await world.settle()
        assert world.ends() == {"delivered: accepted": 1}
    assert time.monotonic() - started < 8


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, ""),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, ""),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, ""),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "zipkin"}, "only otlp is"),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "only http/protobuf is"),
        ({"OTEL_SERVICE_NAME": "x"}, ""),
    ],
)
def test_off_unless_it_is_asked_for_and_possible(environment: dict[str, str], says: str) -> None:
    found, trouble = tracing(environment)
    assert isinstance(found, NoTracing)
    assert says in trouble
    assert bool(says) is bool(trouble)


def test_headers_for_the_collector_are_secrets() -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=abc%20def,other=1",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "authorization=Bearer%20t",
    }
    assert set(secrets_in(environment)) == {"abc%20def", "abc def", "1", "Bearer%20t", "Bearer t"}
    assert secrets_in({}) == ()


PROBE = """
import sys
from subscriber.ports.tracing import tracing
import subscriber.cli.session, subscriber.cli.run, subscriber.service.app
found, trouble = tracing(dict({environment!r}))
imported = any(name.startswith("opentelemetry") for name in sys.modules)
print(type(found).__name__, imported, trouble)
"""


def probe(environment: dict[str, str], *before: str) -> str:
    script = "\n".join(before) + PROBE.format(environment=environment)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        cwd=Path.cwd(),
    )
    return done.stdout.strip()


def test_without_a_collector_nothing_of_it_is_imported() -> None:
    assert probe({}) == "NoTracing False"


def test_without_the_package_it_is_said() -> None:
    hidden = """
import sys, importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name.startswith("opentelemetry") else real(name, package))
"""
    said = probe(ENDPOINT, hidden)
    assert said.startswith("NoTracing False OTEL_... asks for traces")
    assert "pip install 'pagerduty-subscriber[otel]'" in said
