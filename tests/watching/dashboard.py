"""Makes the Grafana dashboard from a short list; `python tests/watching/dashboard.py` writes it.

Rules: `$m` in an expression is our prefix, `$s` selects by the variables. Every panel says what it
shows and what is normal. Grafana 10 and later; nothing but Prometheus is needed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subscriber.service.metrics import PREFIX

FILE = Path(__file__).resolve().parents[2] / "helm/pagerduty-subscriber/files/dashboard.json"
SELECT = 'namespace=~"$namespace", job=~"$job"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 24, 8


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel: a graph over time, or with `now` a number."""

    title: str
    says: str
    unit: str
    asks: dict[str, str]
    """Legend -> expression."""
    width: int = 8
    now: bool = False
    colours: tuple[tuple[str, float | None], ...] = (("green", None),)


GOOD_AT_1 = (("red", None), ("green", 1))
BAD_ABOVE_0 = (("green", None), ("red", 1))

ROWS: dict[str, list[Panel]] = {
    "Is it working": [
        Panel(
            title="Replicas",
            says="Replicas that are connected to NATS. As many as you run.",
            unit="none",
            asks={"connected": "sum($mnats_connected{$s})"},
            width=4,
            now=True,
            colours=GOOD_AT_1,
        ),
        Panel(
            title="Last event",
            says="How long ago any replica received a message.",
            unit="s",
            asks={"ago": "time() - max($mlast_event_received_timestamp_seconds{$s} > 0)"},
            width=4,
            now=True,
        ),
        Panel(
            title="Pages lost",
            says="Messages that should have told PagerDuty something and became dead letters, in "
            "the time shown. 0.",
            unit="none",
            asks={
                "lost": "sum(increase($mdead_letters_total"
                '{$s, reason=~"rejected|expired|internal-error"}[$__range]))'
            },
            width=4,
            now=True,
            colours=BAD_ABOVE_0,
        ),
        Panel(
            title="Other dead letters",
            says="Messages that could not be read or rendered, in the time shown.",
            unit="none",
            asks={
                "letters": "sum(increase($mdead_letters_total"
                '{$s, reason!~"rejected|expired|internal-error"}[$__range]))'
            },
            width=4,
            now=True,
            colours=(("green", None), ("orange", 1)),
        ),
        Panel(
            title="Refused routing keys",
            says="Calls refused because PagerDuty does not know the key, in the time shown. 0.",
            unit="none",
            asks={"refused": "sum(increase($mrouting_key_refusals_total{$s}[$__range]))"},
            width=4,
            now=True,
            colours=BAD_ABOVE_0,
        ),
        Panel(
            title="Configuration",
            says="1 while every replica runs what is on disk, 0 when one has rejected it.",
            unit="none",
            asks={"good": "min($mconfig_good{$s})"},
            width=4,
            now=True,
            colours=GOOD_AT_1,
        ),
    ],
    "What came in": [
        Panel(
            title="Messages",
            says="Messages taken from NATS; redelivered ones had come before.",
            unit="reqps",
            asks={
                "received": "sum(rate($mmessages_received_total{$s}[$__rate_interval]))",
                "redelivered": "sum(rate($mmessages_redelivered_total{$s}[$__rate_interval]))",
                "postponed": "sum(rate($mmessages_postponed_total{$s}[$__rate_interval]))",
            },
        ),
        Panel(
            title="Ends by kind",
            says="What became of events and of what they asked for; deferred ones come back.",
            unit="reqps",
            asks={"{{outcome}}": "sum by (outcome) (rate($moutcomes_total{$s}[$__rate_interval]))"},
        ),
        Panel(
            title="Why nothing was sent",
            says="Skipped, superseded and suppressed, by reason. Most of it is no-rule-matched.",
            unit="reqps",
            asks={
                "{{reason}}": "sum by (reason) (rate($moutcomes_total"
                '{$s, outcome=~"skipped|superseded|suppressed-stale"}[$__rate_interval]))'
            },
        ),
        Panel(
            title="Matches by rule",
            says="Events that a rule turned into something to say.",
            unit="reqps",
            asks={
                "{{rule}}": "sum by (rule) (rate($mevents_matched_total{$s}[$__rate_interval])) > 0"
            },
        ),
        Panel(
            title="Render errors",
            says="Templates that failed, by rule. 0.",
            unit="reqps",
            asks={
                "{{rule}}": "sum by (rule) (rate($mrender_errors_total{$s}[$__rate_interval])) > 0"
            },
        ),
        Panel(
            title="Dead letters",
            says="Messages written to the dead letters, by reason. 0.",
            unit="none",
            asks={"{{reason}}": "sum by (reason) (increase($mdead_letters_total{$s}[5m])) > 0"},
        ),
    ],
    "What went out": [
        Panel(
            title="Accepted by PagerDuty",
            says="Triggers, acknowledges, resolves and changes that PagerDuty accepted.",
            unit="reqps",
            asks={
                "{{pagerduty_service}} {{action}}": "sum by (pagerduty_service, action) "
                "(rate($mactions_total{$s}[$__rate_interval]))"
            },
        ),
        Panel(
            title="Calls by status",
            says="Calls to PagerDuty; 202 is accepted, 0 no answer, 429 throttled.",
            unit="reqps",
            asks={
                "{{pagerduty_service}} {{status}}": "sum by (pagerduty_service, status) "
                "(rate($mpagerduty_calls_total{$s}[$__rate_interval])) > 0"
            },
        ),
        Panel(
            title="Retries",
            says="Calls that came to nothing and are tried again.",
            unit="reqps",
            asks={
                "{{pagerduty_service}} {{reason}}": "sum by (pagerduty_service, reason) "
                "(rate($mretries_total{$s}[$__rate_interval])) > 0"
            },
        ),
        Panel(
            title="Allowance left",
            says="Share of the calls of a window that a replica may still make, the lowest of all.",
            unit="percentunit",
            asks={
                "{{pagerduty_service}}": "min by (pagerduty_service) "
                "($mrate_limit_tokens{$s} / $mrate_limit_tokens_maximum{$s})"
            },
        ),
        Panel(
            title="Circuit open for",
            says="How long PagerDuty's 429 still holds a service back. 0.",
            unit="s",
            asks={"{{pagerduty_service}}": "max by (pagerduty_service) ($mthrottled_seconds{$s})"},
        ),
        Panel(
            title="Since the last delivery",
            says="How long ago PagerDuty accepted something for the service.",
            unit="s",
            asks={
                "{{pagerduty_service}}": "time() - max by (pagerduty_service) "
                "($mlast_delivery_timestamp_seconds{$s} > 0)"
            },
        ),
    ],
    "Latency": [
        Panel(
            title="From receipt to acceptance",
            says="In this process; a good deal below a second.",
            unit="s",
            asks={
                f"p{share}": f"histogram_quantile(0.{share}, sum by (le) "
                "(rate($mreceipt_to_delivery_seconds_bucket{$s}[$__rate_interval])))"
                for share in (50, 90, 99)
            },
        ),
        Panel(
            title="From the event's time to acceptance",
            says="What whoever is paged sees; needs clocks that agree with the producer's.",
            unit="s",
            asks={
                f"p{share}": f"histogram_quantile(0.{share}, sum by (le) "
                "(rate($mevent_to_delivery_seconds_bucket{$s}[$__rate_interval])))"
                for share in (50, 90, 99)
            },
        ),
        Panel(
            title="A call to PagerDuty",
            says="From the request to its answer, or to giving up.",
            unit="s",
            asks={
                f"p{share}": f"histogram_quantile(0.{share}, sum by (le) "
                "(rate($mpagerduty_call_seconds_bucket{$s}[$__rate_interval])))"
                for share in (50, 90, 99)
            },
        ),
    ],
    "Backlog": [
        Panel(
            title="Waiting in the stream",
            says="Messages that no replica has been given yet (num_pending). About 0.",
            unit="none",
            asks={"{{stream}}": "max by (stream) ($mconsumer_pending_messages{$s})"},
        ),
        Panel(
            title="Out at replicas",
            says="Messages given to a replica and not settled (num_ack_pending).",
            unit="none",
            asks={
                "{{stream}}": "max by (stream) ($mconsumer_unacknowledged_messages{$s})",
                "in hand {{instance}}": "$mmessages_in_hand{$s}",
            },
        ),
        Panel(
            title="Oldest in hand",
            says="For how long a replica has held its oldest message. Seconds.",
            unit="s",
            asks={"{{instance}}": "$moldest_message_in_hand_seconds{$s}"},
        ),
    ],
    "Ledger": [
        Panel(
            title="Keys by state",
            says="What PagerDuty holds, as the ledger knows it; looked through every 10 minutes.",
            unit="none",
            asks={"{{state}}": "max by (state) ($mledger_alerts{$s})"},
            width=16,
        ),
        Panel(
            title="Last look",
            says="How long ago a replica looked through the ledger. Below 10 minutes.",
            unit="s",
            asks={"ago": "time() - max($mledger_scan_timestamp_seconds{$s} > 0)"},
            now=True,
            colours=(("green", None), ("orange", 1200)),
        ),
    ],
    "Configuration and version": [
        Panel(
            title="Configuration by replica",
            says="The hash of what each replica goes by; one line when they agree.",
            unit="none",
            asks={"{{hash}}": "count by (hash) ($mconfig_info{$s})"},
        ),
        Panel(
            title="Reloads",
            says="Changed configurations, accepted and rejected.",
            unit="none",
            asks={"{{result}}": "sum by (result) (increase($mconfig_reloads_total{$s}[5m]))"},
        ),
        Panel(
            title="Versions",
            says="Replicas by version; one line but for roll-outs.",
            unit="none",
            asks={"{{version}}": "count by (version) ($mbuild_info{$s})"},
        ),
    ],
    "NATS and process": [
        Panel(
            title="Connected",
            says="1 while a replica is connected to NATS.",
            unit="none",
            asks={
                "{{instance}}": "$mnats_connected{$s}",
                "reconnections {{instance}}": "increase($mnats_reconnections_total{$s}[5m])",
            },
            width=6,
        ),
        Panel(
            title="Event loop lag",
            says="By how much the loop was late, at worst within a minute. Milliseconds; more "
            "means too little CPU.",
            unit="s",
            asks={"{{instance}}": "$mevent_loop_lag_seconds{$s}"},
            width=6,
        ),
        Panel(
            title="CPU",
            says="Cores that a replica uses.",
            unit="none",
            asks={
                "{{instance}}": "rate(process_cpu_seconds_total{$s}[$__rate_interval]) "
                "and on (instance) $mbuild_info{$s}"
            },
            width=6,
        ),
        Panel(
            title="Memory",
            says="Resident memory of a replica.",
            unit="bytes",
            asks={
                "{{instance}}": "process_resident_memory_bytes{$s} "
                "and on (instance) $mbuild_info{$s}"
            },
            width=6,
        ),
    ],
}


def expression(text: str) -> str:
    """With the prefix and the selector written out."""
    return text.replace("$m", PREFIX).replace("$s", SELECT)


def panel_json(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    """One panel as Grafana wants it."""
    height = 4 if panel.now and panel.width == 4 else HEIGHT
    steps = [{"color": colour, "value": value} for colour, value in panel.colours]
    options: dict[str, Any] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    if panel.now:
        options = {
            "colorMode": "background",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    return {
        "id": number,
        "type": "stat" if panel.now else "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": height},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": expression(text),
                "legendFormat": legend,
                "range": not panel.now,
                "instant": panel.now,
            }
            for index, (legend, text) in enumerate(panel.asks.items())
        ],
    }


def variable(name: str, says: str) -> dict[str, Any]:
    """A variable that selects by a label of our series; All also takes series without it."""
    query = f"label_values({PREFIX}build_info, {name})"
    return {
        "name": name,
        "label": name.capitalize(),
        "description": says,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def dashboard() -> dict[str, Any]:
    """The whole dashboard."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row, members in ROWS.items():
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row,
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
        )
        x, y, height = 0, y + 1, 0
        for panel in members:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            made = panel_json(panel, len(panels) + 1, x, y)
            panels.append(made)
            x += panel.width
            height = max(height, made["gridPos"]["h"])
        y += height
    return {
        "uid": "pagerduty-subscriber",
        "title": "PagerDuty subscriber",
        "description": "The bridge from delivery events on NATS to PagerDuty.",
        "tags": ["pagerduty", "nats", "cloudevents"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "refresh": 1,
                    "current": {},
                },
                variable("namespace", "Namespaces of the installations."),
                variable("job", "Installations, as Prometheus calls them."),
            ]
        },
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    }


def text() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
    print(f"written: {FILE}")
