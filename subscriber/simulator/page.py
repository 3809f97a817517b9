"""Page: the alerts and the latest calls as one small HTML page, for people.

Rules: no script, no external asset; every value that came from outside is escaped; keys masked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from subscriber.simulator.journal import Call
from subscriber.simulator.ledger import Alert
from subscriber.simulator.mask import hide, mask
from subscriber.simulator.stand_in import StandIn
from subscriber.simulator.views import moment

# Rows per table; the JSON views have all of them.
MOST_ROWS = 100

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
       color: #1c1e21; background: #fff }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
         border-bottom: 1px solid #d9dce1 }
td, th { white-space: nowrap }
td.long { white-space: normal; overflow-wrap: anywhere; min-width: 9rem }
th { font-weight: 600; color: #555 }
.triggered td:nth-child(2) { color: #b3261e; font-weight: 600 }
.acknowledged td:nth-child(2) { color: #8a5a00; font-weight: 600 }
.resolved td:nth-child(2) { color: #1e6b34 }
code { font-size: .92em }
@media (prefers-color-scheme: dark) {
  body { color: #e4e6ea; background: #17191c } th { color: #a8adb5 }
  th, td { border-color: #383c42 }
  .triggered td:nth-child(2) { color: #ff8a80 } .acknowledged td:nth-child(2) { color: #ffc46b }
  .resolved td:nth-child(2) { color: #7fd99a }
}
"""


def page(stand_in: StandIn) -> str:
    """The whole page."""
    alerts = sorted(stand_in.ledger, key=lambda alert: (not alert.open, -alert.number))
    calls = list(stand_in.calls)[: -MOST_ROWS - 1 : -1]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>PagerDuty simulator: {stand_in.ledger.open} open</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>PagerDuty simulator</h1>
<p>A stand-in for the Events API v2: nobody is paged from here.
{stand_in.ledger.open} open of {stand_in.ledger.total} alerts, {stand_in.changes.total} change
events, {stand_in.calls.total} calls. As JSON: <a href="/sim/alerts">alerts</a>,
<a href="/sim/changes">changes</a>, <a href="/sim/calls">calls</a>,
<a href="/sim/faults">faults</a>, <a href="/sim/config">settings</a>.</p>
<h2>Alerts</h2>
{
        _table(
            (
                "#",
                "status",
                "severity",
                "summary",
                "dedup key",
                "routing key",
                "triggers",
                "changed",
            ),
            ((str(alert.status), _alert_cells(alert)) for alert in alerts[:MOST_ROWS]),
        )
    }
<h2>Latest calls</h2>
{
        _table(
            ("#", "time", "action", "answer", "effect", "dedup key", "routing key"),
            (("", _call_cells(call)) for call in calls),
        )
    }
</body>
</html>
"""


def _alert_cells(alert: Alert) -> Sequence[object]:
    return (
        alert.number,
        alert.status,
        alert.severity,
        hide(alert.summary, alert.routing_key),
        hide(alert.dedup_key, alert.routing_key),
        mask(alert.routing_key),
        alert.triggers,
        moment(alert.changed_at),
    )


def _call_cells(call: Call) -> Sequence[object]:
    effect = f"{call.effect} ({call.fault})" if call.fault else call.effect
    errors = "; ".join(call.errors)
    return (
        call.number,
        moment(call.at),
        call.action or call.api,
        call.status or "none",
        f"{effect}: {errors}" if errors else effect,
        hide(call.dedup_key, call.routing_key),
        mask(call.routing_key),
    )


def _cell(head: str, cell: object) -> str:
    # Only what events bring may be of any length; the rest stays on its line.
    kind = ' class="long"' if head in ("summary", "dedup key", "effect") else ""
    return f"<td{kind}>{'' if cell is None else escape(str(cell))}</td>"


def _table(heads: Sequence[str], rows: Iterable[tuple[str, Sequence[object]]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "\n".join(
        f'<tr class="{escape(kind)}">' + "".join(map(_cell, heads, cells)) + "</tr>"
        for kind, cells in rows
    )
    if not body:
        return "<p>None yet.</p>"
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
