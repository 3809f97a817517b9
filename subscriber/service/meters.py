"""The meters: count what happens, and read what is, for `/metrics`.

Rules: names, labels and meanings are those of `metrics`. What happens is counted where it happens;
what merely is (a queue's length, tokens left) is read when somebody asks, so it costs the events
nothing. Objects for label values are made once and kept. The series of what is configured exist
from the start, at 0: a counter that appears with its first increment hides it from `increase()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from subscriber.model import Outcome, OutcomeKind, Reason
from subscriber.service.metrics import METRICS, Kind
from subscriber.service.report import Report

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each: noise

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)

STATUSES = frozenset(
    {0, 200, 202, 400, 401, 403, 404, 405, 407, 408, 411, 413, 425, 429, 500, 502, 503, 504}
)
"""Statuses with a series of their own; what answers may be a proxy, and give any number."""
_EXPECTED_STATUSES = (0, 202, 400, 429, 500, 502, 503)
_RETRIED = (Reason.SERVER_ERROR, Reason.THROTTLED, Reason.TIMED_OUT, Reason.UNREACHABLE)
DEAD_REASONS = (
    Reason.EMPTY_MESSAGE,
    Reason.TOO_LARGE,
    Reason.NOT_JSON,
    Reason.NOT_A_NUMBER,
    Reason.DUPLICATE_KEY,
    Reason.TOO_DEEP,
    Reason.LONE_SURROGATE,
    Reason.CONTROL_CHARACTER,
    Reason.NOT_A_CLOUDEVENT,
    Reason.MISSING_ATTRIBUTE,
    Reason.INVALID_ATTRIBUTE,
    Reason.INVALID_TIME,
    Reason.INVALID_ENCODING,
    Reason.UNSUPPORTED_SPECVERSION,
    Reason.RENDER_FAILED,
    Reason.INVALID_ACTION,
    Reason.INVALID_BODY,
    Reason.UNKNOWN_SERVICE,
    Reason.MISSING_DEDUP_KEY,
    Reason.REJECTED,
    Reason.EXPIRED,
    Reason.INTERNAL_ERROR,
)
"""Why a message may end in the dead letters."""

Values = Mapping[tuple[str, ...], float]
Reader = Callable[[], Values]


def program_version() -> str:
    """The version of this program."""
    try:
        return version("pagerduty-subscriber")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"


def status_label(status: int) -> str:
    """The label of an HTTP status: itself, or its hundred when nobody asked for it."""
    if status in STATUSES:
        return str(status)
    return f"{status // 100}xx" if 100 <= status < 600 else "other"


class _Readings(Collector):
    """The gauges, read when they are asked for; one that nobody reads is not there."""

    def __init__(self) -> None:
        self.readers: dict[str, Reader] = {}

    def describe(self) -> Iterator[Metric]:
        """Every gauge of the table, without samples."""
        for metric in METRICS.values():
            if metric.kind is Kind.GAUGE:
                yield GaugeMetricFamily(metric.full_name, metric.says, labels=metric.labels)

    def collect(self) -> Iterator[Metric]:
        """Every gauge that somebody reads."""
        for name, reader in self.readers.items():
            metric = METRICS[name]
            family = GaugeMetricFamily(metric.full_name, metric.says, labels=metric.labels)
            for labels, value in reader().items():
                family.add_metric(labels, value)
            yield family


class Meters:
    """Every metric of one process, and the observer that counts outcomes.

    Attributes:
        registry: what `/metrics` shows.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._readings = _Readings()
        self.registry.register(self._readings)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.received = self._counter("messages_received")
        self.redelivered = self._counter("messages_redelivered")
        self.postponed = self._counter("messages_postponed")
        self.internal_errors = self._counter("internal_errors")
        self.reconnections = self._counter("nats_reconnections")
        self._outcomes_family = self._counter("outcomes")
        self._outcomes = _Children(self._outcomes_family)
        self._actions = _Children(self._counter("actions"))
        self._calls = _Children(self._counter("pagerduty_calls"))
        self._retries = _Children(self._counter("retries"))
        self._refusals = _Children(self._counter("routing_key_refusals"))
        self._matched = _Children(self._counter("events_matched"))
        self._render_errors = _Children(self._counter("render_errors"))
        self._dead_letters = _Children(self._counter("dead_letters"))
        self._reloads = _Children(self._counter("config_reloads"))
        self._since_event = self._histogram("event_to_delivery_seconds")
        self._since_receipt = self._histogram("receipt_to_delivery_seconds")
        self._call_seconds = self._histogram("pagerduty_call_seconds")
        self.received_at = 0.0
        """When the last message came, seconds since 1970."""
        self._services: tuple[str, ...] = ()
        self._delivered_at: dict[str, float] = {}
        self._config_good = True
        self._config_at = 0.0
        self._config_hash = ""
        self._connected = False
        self._alerts: Mapping[str, float] = {}
        self._alerts_at = 0.0
        for reason in DEAD_REASONS:
            self._dead_letters.of(reason.value)
        for result in ("accepted", "rejected"):
            self._reloads.of(result)
        self._read_own()

    # -- what is configured ------------------------------------------------------------------

    def expect(self, *, services: Iterable[str], rules: Iterable[str]) -> None:
        """Have the series of these services and rules from now on."""
        self._services = tuple(services)
        for service in self._services:
            self._refusals.of(service)
            for status in _EXPECTED_STATUSES:
                self._calls.of(service, str(status))
            for reason in _RETRIED:
                self._retries.of(service, reason.value)
        for rule in rules:
            self._matched.of(rule)
            self._render_errors.of(rule)

    def configured(self, digest: str, now: float) -> None:
        """This configuration runs from now on."""
        self._config_good, self._config_at, self._config_hash = True, now, digest

    def config_accepted(self) -> None:
        """A changed configuration was taken."""
        self._reloads.of("accepted").inc()
        self._config_good = True

    def config_rejected(self) -> None:
        """A changed configuration has a fault; the old one goes on."""
        self._reloads.of("rejected").inc()
        self._config_good = False

    # -- what happens ------------------------------------------------------------------------

    def came(self, count: int, *, again: int, nobodys: int, now: float) -> None:
        """Count messages taken from NATS in one turn of the event loop.

        Args:
            count: all of them.
            again: those that had been delivered before.
            nobodys: those that no rule asks for and that nobody gets a report of.
            now: when the turn began, seconds since 1970.
        """
        self.received_at = now
        self.received.inc(count)
        if again:
            self.redelivered.inc(again)
        if nobodys:
            self._outcomes.of(OutcomeKind.SKIPPED, Reason.NO_RULE_MATCHED).inc(nobodys)

    def spared(self, rule: str, count: int) -> None:
        """Count what newer events superseded while a backlog was read, and nobody gets a report of.

        Args:
            rule: the rule that asked for it.
            count: how many.
        """
        self._matched.of(rule).inc(count)
        self._outcomes.of(OutcomeKind.SUPERSEDED, Reason.SUPERSEDED).inc(count)

    def minds_skipped(self) -> bool:
        """Not one by one: `came` and `spared` count them."""
        return False

    def note(self, report: Report) -> None:
        """Count one outcome."""
        outcome = report.outcome
        self._outcomes.of(outcome.kind, outcome.reason).inc()
        intent = outcome.intent
        if outcome.kind is OutcomeKind.DELIVERED and intent is not None:
            self._actions.of(intent.action, intent.service, intent.rule).inc()
            self._since_receipt.observe(report.seconds)
            if intent.occurred_at:
                self._since_event.observe(max(0.0, report.now - intent.occurred_at))

    def call(self, service: str, status: int, *, seconds: float, now: float) -> None:
        """Count one call to PagerDuty; status 0: no answer."""
        self._calls.of(service, status_label(status)).inc()
        self._call_seconds.observe(seconds)
        if 200 <= status < 300:
            self._delivered_at[service] = now

    def retry(self, service: str, reason: Reason) -> None:
        """Count a call that came to nothing and is tried again."""
        self._retries.of(service, reason).inc()

    def key_refused(self, service: str) -> None:
        """PagerDuty does not know the service's routing key."""
        self._refusals.of(service).inc()

    def matched(self, rule: str) -> None:
        """A rule made something to say of an event."""
        self._matched.of(rule).inc()

    def render_error(self, rule: str) -> None:
        """A template of the rule failed for an event."""
        self._render_errors.of(rule).inc()

    def dead_letter(self, outcome: Outcome) -> None:
        """A dead letter was written."""
        self._dead_letters.of(outcome.reason).inc()

    def connected(self, there: bool) -> None:
        """Whether NATS is connected."""
        self._connected = there

    def alerts(self, states: Mapping[str, float], now: float) -> None:
        """What the ledger holds by state."""
        self._alerts, self._alerts_at = dict(states), now

    def total(self, kind: str) -> int:
        """How many ended in this kind, whatever the reason."""
        return int(
            sum(
                sample.value
                for metric in self._outcomes_family.collect()
                for sample in metric.samples
                if sample.name.endswith("_total") and sample.labels["outcome"] == kind
            )
        )

    # -- what is -----------------------------------------------------------------------------

    def read(self, name: str, reader: Reader) -> None:
        """From now on read this gauge by this function: label values -> value."""
        assert METRICS[name].kind is Kind.GAUGE, name
        self._readings.readers[name] = reader

    def _read_own(self) -> None:
        mine = program_version()
        self.read("build_info", lambda: {(mine,): 1.0})
        self.read("last_event_received_timestamp_seconds", lambda: {(): self.received_at})
        self.read(
            "last_delivery_timestamp_seconds",
            lambda: {(one,): self._delivered_at.get(one, 0.0) for one in self._services},
        )
        self.read("nats_connected", lambda: {(): float(self._connected)})
        self.read("config_good", lambda: {(): float(self._config_good)})
        self.read("config_loaded_timestamp_seconds", lambda: {(): self._config_at})
        self.read("config_info", lambda: {(self._config_hash,): 1.0} if self._config_hash else {})
        self.read("ledger_alerts", lambda: {(state,): n for state, n in self._alerts.items()})
        self.read("ledger_scan_timestamp_seconds", lambda: {(): self._alerts_at})

    # -- making ------------------------------------------------------------------------------

    def _counter(self, name: str) -> Counter:
        metric = METRICS[name]
        return Counter(metric.full_name, metric.says, metric.labels, registry=self.registry)

    def _histogram(self, name: str) -> Histogram:
        metric = METRICS[name]
        return Histogram(
            metric.full_name, metric.says, metric.labels, registry=self.registry, buckets=_LATENCY
        )


class _Children:
    """The counters of one family by label values, each looked up in the library once."""

    __slots__ = ("_family", "_known")

    def __init__(self, family: Counter) -> None:
        self._family = family
        self._known: dict[tuple[str, ...], Counter] = {}

    def of(self, *values: str) -> Counter:
        """The counter; values of a StrEnum are texts too."""
        known = self._known.get(values)
        if known is None:
            known = self._family.labels(*(str(value) for value in values))
            self._known[values] = known
        return known
