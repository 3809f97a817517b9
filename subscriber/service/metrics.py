"""The table of all metrics: name, kind, labels, meaning, once.

Rules: a label's values come from a closed vocabulary (the enums of `model`, or what the
configuration names), never from event data, so that the number of series is bounded. `meters`
makes the objects from this table, docs/metrics.md is made from it, and the alerts and the
dashboard may use nothing that is not in it.

Names follow https://prometheus.io/docs/practices/naming/: base units, `_total` for counters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "pagerduty_subscriber_"


class Kind(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row.

    Attributes:
        name: without the common prefix and, for a counter, without `_total`.
        kind: counter, gauge or histogram.
        labels: names of its labels, keys of `LABELS`.
        says: one sentence.
    """

    name: str
    kind: Kind
    says: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name of the family as Prometheus shows it."""
        return f"{PREFIX}{self.name}{'_total' if self.kind is Kind.COUNTER else ''}"


LABELS: Mapping[str, str] = {
    "action": "`trigger`, `acknowledge`, `resolve`, `change`",
    "hash": "the first 12 digits of the hash; one value at a time",
    "outcome": "`delivered`, `skipped`, `superseded`, `suppressed-stale`, `dead-lettered`, "
    "`deferred`",
    "reason": "the words of the log's `reason`",
    "result": "`accepted`, `rejected`",
    "rule": "names of configured and shipped rules",
    "pagerduty_service": "names under `services` in the configuration (a label `service` would "
    "collide with the one that Prometheus Operator gives every target)",
    "state": "`open`, `acknowledged`, `resolved`",
    "status": "the HTTP statuses the Events API gives, `0` for no answer, else the hundred (`4xx`)",
    "stream": "the JetStream streams that are read",
    "version": "of this program; one value",
}
"""Label -> where its values come from."""


def _counter(name: str, says: str, *labels: str) -> Metric:
    return Metric(name=name, kind=Kind.COUNTER, says=says, labels=labels)


def _gauge(name: str, says: str, *labels: str) -> Metric:
    return Metric(name=name, kind=Kind.GAUGE, says=says, labels=labels)


def _histogram(name: str, says: str, *labels: str) -> Metric:
    return Metric(name=name, kind=Kind.HISTOGRAM, says=says, labels=labels)


SECTIONS: Mapping[str, tuple[Metric, ...]] = {
    "What comes in": (
        _counter("messages_received", "Messages taken from NATS, redeliveries included."),
        _counter("messages_redelivered", "Messages that NATS had delivered before."),
        _counter(
            "messages_postponed",
            "Messages given back because NATS would not take what had to be written.",
        ),
        _counter("internal_errors", "Messages that met a fault of ours; the log has the trace."),
        _counter("events_matched", "Times that a rule made something to say of an event.", "rule"),
        _counter(
            "outcomes",
            "Ends of events and of what they asked for, by kind and reason: skipped by reason, "
            "superseded, dead-lettered; `deferred` comes back.",
            "outcome",
            "reason",
        ),
        _counter(
            "render_errors",
            "Templates that failed for an event; a plain page goes out all the same.",
            "rule",
        ),
        _counter("dead_letters", "Messages written to the dead letters.", "reason"),
        _gauge(
            "last_event_received_timestamp_seconds",
            "When the last message came from NATS; 0 while there was none.",
        ),
    ),
    "What goes out": (
        _counter("actions", "What PagerDuty accepted.", "action", "pagerduty_service", "rule"),
        _counter("pagerduty_calls", "Calls to PagerDuty.", "pagerduty_service", "status"),
        _counter(
            "retries",
            "Calls that came to nothing and are tried again.",
            "pagerduty_service",
            "reason",
        ),
        _counter(
            "routing_key_refusals",
            "Calls that PagerDuty refused because it does not know the routing key.",
            "pagerduty_service",
        ),
        _gauge(
            "last_delivery_timestamp_seconds",
            "When PagerDuty last accepted something for the service; 0 while it has not.",
            "pagerduty_service",
        ),
        _gauge(
            "rate_limit_tokens",
            "Calls that this process may still make for the service in this window.",
            "pagerduty_service",
        ),
        _gauge(
            "rate_limit_tokens_maximum",
            "Calls that this process may make for the service in a window.",
            "pagerduty_service",
        ),
        _gauge(
            "throttled_seconds",
            "For how long the service's circuit stays open after PagerDuty's 429; 0: closed.",
            "pagerduty_service",
        ),
    ),
    "How long it takes": (
        _histogram(
            "event_to_delivery_seconds", "From the event's own time to PagerDuty's acceptance."
        ),
        _histogram(
            "receipt_to_delivery_seconds",
            "From receipt by this process to PagerDuty's acceptance.",
        ),
        _histogram("pagerduty_call_seconds", "From a call to its answer, or to giving up."),
    ),
    "What waits": (
        _gauge("messages_in_hand", "Messages taken and not yet acknowledged, this process."),
        _gauge(
            "oldest_message_in_hand_seconds",
            "For how long the oldest message in hand has been here; 0 when there is none.",
        ),
        _gauge(
            "consumer_pending_messages",
            "Messages that wait in the stream for any replica (num_pending).",
            "stream",
        ),
        _gauge(
            "consumer_unacknowledged_messages",
            "Messages that are out at any replica (num_ack_pending).",
            "stream",
        ),
        _gauge(
            "consumer_info_timestamp_seconds",
            "When the server last told the two above; every 10 seconds while it is there.",
            "stream",
        ),
        _gauge(
            "ledger_alerts",
            "Keys in the ledger by what PagerDuty holds for them, as of the last look.",
            "state",
        ),
        _gauge(
            "ledger_scan_timestamp_seconds",
            "When the ledger was last looked through (about every 10 minutes); 0: not yet.",
        ),
    ),
    "How the process is": (
        _gauge("nats_connected", "1 while NATS is connected."),
        _counter("nats_reconnections", "Times that a lost connection to NATS came back."),
        _gauge(
            "config_good",
            "1 while the configuration on disk is the one that runs, 0 when it was rejected.",
        ),
        _counter("config_reloads", "Changed configurations by what became of them.", "result"),
        _gauge(
            "config_info", "1; the label tells which configuration runs (no keys in it).", "hash"
        ),
        _gauge("config_loaded_timestamp_seconds", "When the running configuration was taken."),
        _gauge(
            "event_loop_lag_seconds",
            "By how much the event loop was late, at worst, within the last minute.",
        ),
        _gauge("build_info", "1; the label tells what runs.", "version"),
    ),
}
"""Heading -> its metrics, in the order of the page."""

METRICS: Mapping[str, Metric] = {
    metric.name: metric for metrics in SECTIONS.values() for metric in metrics
}
"""All of them by name."""


def metrics_page() -> str:
    """The reference of all metrics, Markdown."""
    lines = [
        "# Metrics",
        "",
        "<!-- made by `pagerduty-subscriber docs metrics`; do not edit -->",
        "",
        "Everything that `/metrics` shows, beside the usual `process_*` and `python_*` of the",
        "Python client (memory, file descriptors, CPU, start time, garbage collection). What to",
        "do when one of them is not as it should be is in [operations.md](operations.md#watching).",
        "",
        "Values of labels come from the configuration and from fixed lists, never from events, so",
        "the number of series does not grow with what is received.",
    ]
    for heading, metrics in SECTIONS.items():
        lines += ["", f"## {heading}", "", "| metric | type | labels | |", "|---|---|---|---|"]
        for metric in metrics:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            says = metric.says
            lines.append(f"| `{metric.full_name}` | {metric.kind} | {labels} | {says} |")
    lines += ["", "## Labels", "", "| label | values |", "|---|---|"]
    lines += [f"| `{label}` | {values} |" for label, values in LABELS.items()]
    return "\n".join(lines) + "\n"
