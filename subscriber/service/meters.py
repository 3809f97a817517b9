"""The metrics: counted from reports, published by `web/` in Prometheus' text format.

Rules: labels come from closed vocabularies (outcome kinds, reasons, actions, configured services
and rules), never from event data, so that the number of series is bounded.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from subscriber.model import OutcomeKind
from subscriber.service.report import Report

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each: noise
_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)


class Meters:
    """Every metric of the process, and the observer that counts outcomes."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        name = "pagerduty_subscriber"
        self.received = Counter(
            f"{name}_messages_received", "Messages taken from NATS.", registry=self.registry
        )
        self.redelivered = Counter(
            f"{name}_messages_redelivered",
            "Messages that JetStream had delivered before.",
            registry=self.registry,
        )
        self.outcomes = Counter(
            f"{name}_outcomes",
            "Ends of events and intents, by kind and reason.",
            ["outcome", "reason"],
            registry=self.registry,
        )
        self.actions = Counter(
            f"{name}_actions",
            "What PagerDuty accepted, by action, service and rule.",
            ["action", "service", "rule"],
            registry=self.registry,
        )
        self.calls = Counter(
            f"{name}_pagerduty_calls",
            "Calls to PagerDuty by service and HTTP status (0: no answer).",
            ["service", "status"],
            registry=self.registry,
        )
        self.render_errors = Counter(
            f"{name}_render_errors",
            "Templates that failed for an event, by rule.",
            ["rule"],
            registry=self.registry,
        )
        self.in_hand = Gauge(
            f"{name}_messages_in_hand",
            "Messages taken and not yet acknowledged.",
            registry=self.registry,
        )
        self.connected = Gauge(
            f"{name}_nats_connected", "1 while NATS is connected.", registry=self.registry
        )
        self.alerts = Gauge(
            f"{name}_ledger_alerts",
            "Alerts in the ledger by state, as of the last look through it.",
            ["state"],
            registry=self.registry,
        )
        self.reloads = Counter(
            f"{name}_config_reloads",
            "Changed configurations by what became of them: accepted or rejected.",
            ["result"],
            registry=self.registry,
        )
        self.config_good = Gauge(
            f"{name}_config_good",
            "1 while the configuration on disk is the one that runs, 0 when it was rejected.",
            registry=self.registry,
        )
        self.config_good.set(1)
        self.since_event = Histogram(
            f"{name}_delivery_seconds_since_event",
            "From the event's own time to PagerDuty's acceptance.",
            registry=self.registry,
            buckets=_LATENCY,
        )
        self.since_receipt = Histogram(
            f"{name}_delivery_seconds_since_receipt",
            "From receipt by this process to PagerDuty's acceptance.",
            registry=self.registry,
            buckets=_LATENCY,
        )

    def total(self, kind: str) -> int:
        """How many ended in this kind, whatever the reason."""
        return int(
            sum(
                sample.value
                for metric in self.outcomes.collect()
                for sample in metric.samples
                if sample.name.endswith("_total") and sample.labels["outcome"] == kind
            )
        )

    def note(self, report: Report) -> None:
        """Count one outcome."""
        outcome = report.outcome
        self.outcomes.labels(outcome.kind.value, outcome.reason.value).inc()
        intent = outcome.intent
        if outcome.kind is OutcomeKind.DELIVERED and intent is not None:
            self.actions.labels(intent.action.value, intent.service, intent.rule).inc()
            self.since_receipt.observe(report.seconds)
            if intent.occurred_at:
                self.since_event.observe(max(0.0, report.now - intent.occurred_at))
