"""RESULTS.json -> RESULTS.md: every number in the text comes from the data.

Pure. A target that is missed shows the reason that benchmarks/reasons.json gives for it, or asks
for one; the reasons are the only words here that nobody measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchsuite.contestants import EVERYBODY, OURS
from benchsuite.figures import medians, number, percentile, ranges, ratios

Sections = Mapping[str, Mapping[str, Any]]
Rows = Sequence[Mapping[str, Mapping[str, Any]]]

_INTRO = """# Benchmarks: results

<!-- Made by `make bench` from RESULTS.json; do not edit. What and how: benchmarks/README.md. -->
"""


def render(results: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    """The whole page.

    Args:
        results: `machine` (see machine.header) and `sections` by name.
        reasons: target -> why it is missed.
    """
    machine, sections = results["machine"], results["sections"]
    parts = [_INTRO, _machine(machine), _targets(sections, reasons)]
    for name, show in _SECTIONS.items():
        if name in sections:
            section = sections[name]
            parts.append(f"## {_TITLES[name]}\n\n{show(section['data'], sections)}")
            parts.append(_footer(section, machine))
        else:
            parts.append(f"## {_TITLES[name]}\n\nNot measured yet: `make bench ONLY={name}`.\n")
    return "\n".join(part for part in parts if part)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are numbers."""
    lines = [_line(head), _line(["---", *(["---:"] * (len(head) - 1))])]
    return "\n".join([*lines, *map(_line, rows)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def pick(rounds: Rows, figure: str) -> list[dict[str, float]]:
    """One figure of everybody, round by round."""
    return [{who: row[who][figure] for who in row} for row in rounds]


def _title(who: str) -> str:
    known = EVERYBODY.get(who)
    return f"**{known.title}**" if who == OURS and known else known.title if known else who


def _ranked(values: Mapping[str, float], *, highest_first: bool) -> list[str]:
    others = sorted((w for w in values if w != OURS), key=values.__getitem__, reverse=highest_first)
    return [*([OURS] if OURS in values else []), *others]


# -- header and targets ---------------------------------------------------------------------------


def _machine(machine: Mapping[str, Any]) -> str:
    shared = (
        " **Only one core: servers and program shared it; absolute figures mean little.**"
        if machine["shared_core"]
        else ""
    )
    lines = [
        f"Measured {machine['at']} at commit `{machine['commit']}`.",
        "",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['kernel']}; load {machine['load_before']} before the start.",
        f"- Cores: {machine['pinned']}.{shared}",
        f"- nats-server: {machine['nats_server']}, JetStream with file storage.",
    ]
    for who, versions in machine["versions"].items():
        lines.append(f"- {_title(who)}: {versions}.")
    return "\n".join(lines) + "\n"


def _footer(section: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    lines = []
    if section["skipped"]:
        names = (f"{_title(who)} ({reason})" for who, reason in section["skipped"].items())
        lines.append(f"**Skipped:** {'; '.join(names)}.")
    header = section["header"]
    if any(header[key] != machine[key] for key in ("cpu", "kernel", "commit")):
        lines.append(
            f"This part was measured {header['at']} at commit `{header['commit']}` on "
            f"{header['cpu']}, {header['kernel']}."
        )
    return "\n\n".join(lines) + "\n" if lines else ""


Find = Callable[[Sections], float]


def _filter_rate(sections: Sections) -> float:
    return medians(pick(sections["filter"]["data"]["rounds"], "rate"))[OURS]


def _act_rate(sections: Sections) -> float:
    return medians(pick(sections["act"]["data"]["rounds"], "rate"))[OURS]


def _act_against_best(sections: Sections) -> float:
    """Ours by the fastest peer's, whatever that does less; the ceiling is no peer."""
    found = medians(pick(sections["act"]["data"]["rounds"], "rate"))
    peers = [v for who, v in found.items() if who not in (OURS, "ceiling")]
    if not peers:
        raise KeyError("no peers")
    return found[OURS] / max(peers)


def _act_against(who: str) -> Find:
    def find(sections: Sections) -> float:
        return 1 / ratios(pick(sections["act"]["data"]["rounds"], "rate"), OURS)[who]

    return find


def _collapse(figure: str, part: str = "rounds") -> Find:
    def find(sections: Sections) -> float:
        return medians(pick(sections["collapse"]["data"][part], figure))[OURS]

    return find


def _latency(percent: float) -> Find:
    def find(sections: Sections) -> float:
        return percentile(pooled(sections["latency"]["data"]["rounds"])[OURS], percent)

    return find


def _rules(kind: str) -> Find:
    def find(sections: Sections) -> float:
        data = sections["growth"]["data"]["rules"]
        return _growth(data[kind], "cpu_us", data["counts"])[str(data["counts"][-1])]

    return find


def _keys(figure: str) -> Find:
    def find(sections: Sections) -> float:
        data = sections["growth"]["data"]["keys"]
        return _growth(data["rounds"], figure, data["counts"])[str(data["counts"][-1])]

    return find


def _footprint(figure: str) -> Find:
    def find(sections: Sections) -> float:
        return medians(sections["footprint"]["data"]["rounds"])[figure]

    return find


_AT_LEAST, _AT_MOST = "at least", "at most"

TARGETS: tuple[tuple[str, str, str, float, str, Find], ...] = (
    ("filter", "Filter, one core", _AT_LEAST, 50_000, "events/s", _filter_rate),
    ("act", "Act, one core, ledger on", _AT_LEAST, 2_500, "events/s", _act_rate),
    (
        "act-faststream",
        "Act, against FastStream + aiohttp",
        _AT_LEAST,
        1.0,
        "times",
        _act_against("faststream-aiohttp"),
    ),
    ("act-best", "Act, against the fastest peer", _AT_LEAST, 1.0, "times", _act_against_best),
    ("collapse", "Collapse of the outage, one core", _AT_MOST, 5.0, "s", _collapse("right_after")),
    ("collapse-calls", "Calls for it (50 keys)", _AT_MOST, 60, "calls", _collapse("posts")),
    (
        "replicas",
        "Collapse by the chart's two replicas, both cores",
        _AT_MOST,
        5.0,
        "s",
        _collapse("right_after", "replicas"),
    ),
    ("replicas-calls", "Calls for it", _AT_MOST, 60, "calls", _collapse("posts", "replicas")),
    ("latency-p50", "Latency p50 at 50 events/s", _AT_MOST, 2.0, "ms", _latency(50)),
    ("latency-p99", "Latency p99", _AT_MOST, 10.0, "ms", _latency(99)),
    ("rules-filter", "1,000 rules, filter", _AT_MOST, 1.3, "times one rule", _rules("filter")),
    ("rules-act", "1,000 rules, act", _AT_MOST, 1.3, "times one rule", _rules("act")),
    ("keys", "A million ledger keys", _AT_MOST, 1.2, "times 10 keys", _keys("cpu_us")),
    ("keys-memory", "Memory with them", _AT_MOST, 1.1, "times 10 keys", _keys("peak_mb")),
    ("rss", "Resident memory, loaded", _AT_MOST, 80, "MB", _footprint("loaded_mb")),
    ("ready", "Start to ready", _AT_MOST, 0.7, "s", _footprint("ready")),
    ("help", "`--help`", _AT_MOST, 0.2, "s", _footprint("help")),
)
"""Name, what, which way, how much, unit, where it is found."""


def _targets(sections: Sections, reasons: Mapping[str, str]) -> str:
    rows, notes = [], []
    for name, what, way, limit, unit, find in TARGETS:
        try:
            value = find(sections)
        except KeyError:
            rows.append((what, f"{way} {number(limit)} {unit}", "not measured", ""))
            continue
        met = value >= limit if way == _AT_LEAST else value <= limit
        rows.append(
            (what, f"{way} {number(limit)} {unit}", number(value), "met" if met else "**missed**")
        )
        if not met:
            reason = reasons.get(name, f"no reason is given yet (benchmarks/reasons.json: {name})")
            notes.append(f"- {what}: {reason}")
    text = "## Targets\n\n" + table(("", "to reach", "measured", ""), rows)
    return text + ("\nWhy some are missed:\n\n" + "\n".join(notes) + "\n" if notes else "")


# -- sections -------------------------------------------------------------------------------------


def _rates(rounds: Rows) -> str:
    rate, cpu, busy = pick(rounds, "rate"), pick(rounds, "cpu_us"), pick(rounds, "server_busy")
    middle, spread, against = medians(rate), ranges(rate), ratios(rate, OURS)
    spent, servers, events = medians(cpu), medians(busy), medians(pick(rounds, "events"))
    spent_against, others = ratios(cpu, OURS), medians(pick(rounds, "others"))
    rows = [
        (
            _title(who),
            number(middle[who]),
            f"{number(spread[who][0])} to {number(spread[who][1])}",
            f"{against[who]:.2f}" if who in against else "-",
            number(spent[who]),
            f"{spent_against[who]:.2f}" if who in spent_against else "-",
            f"{servers[who]:.0%}",
            f"{others[who]:.0%}",
            f"{events[who]:,.0f}",
        )
        for who in _ranked(middle, highest_first=True)
    ]
    head = (
        "",
        "events/s",
        "from .. to",
        "by ours",
        "CPU us/event",
        "by ours",
        "servers' core",
        "others on its core",
        "events counted",
    )
    return table(head, rows) + _again(rounds)


def _again(rounds: Rows) -> str:
    """Who was handed messages again, or said things again, in any round."""
    found = []
    for figure, what in (("redelivered", "messages redelivered"), ("repeated", "said again")):
        worst = {who: high for who, (_, high) in ranges(pick(rounds, figure)).items() if high}
        found += [f"{_title(who)} {high:,.0f} {what}" for who, high in worst.items()]
    return f"\nAt the most in one round: {'; '.join(found)}.\n" if found else ""


def _what(rounds: Rows) -> str:
    names = dict.fromkeys(who for row in rounds for who in row)
    lines = [f"- {_title(who)}: {EVERYBODY[who].what}." for who in names if who in EVERYBODY]
    return "\n".join(lines) + "\n"


def _filter(data: Mapping[str, Any], _sections: Sections) -> str:
    return (
        f"{data['events']:,} events of 2 KB, of which 1 in 100 matches; all are read and "
        f"acknowledged, the matching ones said. Median of {len(data['rounds'])} paired rounds.\n\n"
        + _rates(data["rounds"])
    )


def _act(data: Mapping[str, Any], _sections: Sections) -> str:
    sink = data["sink"]
    return (
        f"{data['events']:,} events of 2 KB, all match, each with a key of its own: JetStream, "
        "decode, match, render, claim, POST, settle, acknowledge. Median of "
        f"{len(data['rounds'])} paired rounds.\n\n"
        + _rates(data["rounds"])
        + f"\nThe sink alone takes {number(sink['rate'])} POSTs/s and spends "
        f"{number(sink['cpu_us'])} us of the servers' core on each.\n"
        + "\nWhat each does less, or otherwise:\n\n"
        + _what(data["rounds"])
    )


_TWO_REPLICAS = "the same, two replicas, the second on the servers' core"


def _collapse_rows(
    rounds: Rows, scaled: float, title: Callable[[str], str]
) -> Iterator[tuple[str, ...]]:
    """A line for each of them; of who was given a part only, scaled up to all events."""
    figures = ("right_after", "working_for", "settled_after", "posts")
    right, working, settled, posts = (medians(pick(rounds, figure)) for figure in figures)
    for who in _ranked(right, highest_first=False):
        scale, mark = (1.0, "") if who == OURS else (scaled, " (scaled)")
        yield (
            title(who),
            f"{number(right[who] * scale)} s{mark}",
            f"{number(working[who] * scale)} s{mark}",
            f"{number(settled[who] * scale)} s{mark}",
            f"{posts[who] * scale:,.0f}{mark}",
            f"{max(one[who]['wrong'] for one in rounds)}",
            _at_pagerduty(posts[who] * scale),
        )


def _collapse_table(data: Mapping[str, Any], _sections: Sections) -> str:
    scaled = data["events"] / data["part"]
    rows = list(_collapse_rows(data["rounds"], scaled, _title))
    rows[1:1] = _collapse_rows(data["replicas"], scaled, lambda _: _TWO_REPLICAS)
    head = (
        "",
        "state right after the launch",
        "from the first message",
        "all acknowledged",
        "calls",
        "keys wrong in the end, at most",
        "at PagerDuty's 120/min and key",
    )
    return (
        f"{data['events']:,} events over {data['keys']} keys are waiting when the program starts: "
        "time until PagerDuty's state is right. Peers say every event; they were given "
        f"{data['part']:,} of the events, their figures are scaled up to all.\n\n"
        + table(head, rows)
    )


def _at_pagerduty(calls: float) -> str:
    minutes = calls / 120
    return f"{minutes:,.1f} min" if minutes < 120 else f"{minutes / 60:,.1f} h"


def pooled(rounds: Rows) -> dict[str, list[float]]:
    """Who -> the latencies of all rounds."""
    found: dict[str, list[float]] = {}
    for row in rounds:
        for who, figures in row.items():
            found.setdefault(who, []).extend(figures["steady"])
    return found


def _latency_table(data: Mapping[str, Any], _sections: Sections) -> str:
    rounds = data["rounds"]
    together = pooled(rounds)
    middles = [{who: percentile(row[who]["steady"], 50) for who in row} for row in rounds]
    against, cold = ratios(middles, OURS), medians(pick(rounds, "cold"))
    rows = []
    for who in _ranked(medians(middles), highest_first=False):
        values = together[who]
        rows.append(
            (
                _title(who),
                *(number(percentile(values, percent)) for percent in (50, 99, 99.9)),
                f"{against[who]:.2f}" if who in against else "-",
                number(cold[who]),
                f"{len(values):,}",
            )
        )
    head = ("", "p50", "p99", "p99.9", "p50 by ours", "first after start", "samples")
    return (
        f"Milliseconds from just before an event is published to the arrival of its POST, at "
        f"{data['per_second']:g} events/s; all rounds together. The first event comes to a "
        "program that has just started and waits. Alertmanager gets its alerts by HTTP.\n\n"
        + table(head, rows)
    )


def _growth(rounds: Rows, figure: str, counts: Sequence[int]) -> dict[str, float]:
    return ratios(pick(rounds, figure), str(counts[0]))


def _growth_rows(
    rounds: Rows, counts: Sequence[int], figures: Sequence[str]
) -> list[tuple[str, ...]]:
    rows = []
    for count in counts:
        cells = [f"{count:,}"]
        for figure in figures:
            cells.append(number(medians(pick(rounds, figure))[str(count)]))
            against = _growth(rounds, figure, counts).get(str(count))
            cells.append("-" if against is None else f"{against:.2f}")
        rows.append(tuple(cells))
    return rows


def _growth_tables(data: Mapping[str, Any], _sections: Sections) -> str:
    rules, keys, processes = data["rules"], data["keys"], data["processes"]
    parts = ["Ratios are to the first line, inside each round.\n"]
    for kind, what in (("filter", "1 in 100 matches"), ("act", "all match")):
        head = ("rules", "CPU us/event", "ratio", "MB at most", "ratio")
        rows = _growth_rows(rules[kind], rules["counts"], ("cpu_us", "peak_mb"))
        parts.append(f"Rules loaded, one of which matches; {kind}: {what}.\n\n{table(head, rows)}")
    head = ("keys in the ledger", "CPU us/event", "ratio", "MB at most", "ratio")
    rows = _growth_rows(keys["rounds"], keys["counts"], ("cpu_us", "peak_mb"))
    parts.append(f"Keys that the ledger holds already; act, new keys.\n\n{table(head, rows)}")
    if keys["sweep"]:
        swept = [
            (
                f"{int(count):,}" + ("" if found["finished"] else " (**not finished** in 60 s)"),
                *(number(found[name]) for name in _SWEPT),
            )
            for count, found in keys["sweep"].items()
        ]
        head = ("keys in the ledger", "CPU s of one sweep", "MB before", "MB after", "MB at most")
        parts.append(
            "The first look through the whole ledger (5 to 10 s after the start, then every ten "
            f"minutes), one run each.\n\n{table(head, swept)}"
        )
    head = ("processes on the one core", "events/s", "ratio", "CPU us/event", "ratio")
    rows = _growth_rows(processes["rounds"], processes["counts"], ("rate", "cpu_us"))
    parts.append(
        "Processes that share the consumer and the ledger; both on the program's core, so the "
        f"figure of merit is what sharing costs per event.\n\n{table(head, rows)}"
    )
    return "\n".join(parts)


_SWEPT = ("cpu_seconds", "before_mb", "after_mb", "peak_mb")


def _footprint_tables(data: Mapping[str, Any], sections: Sections) -> str:
    found, spread = medians(data["rounds"]), ranges(data["rounds"])
    rows = [
        (what, f"{number(found[name])} {unit}", " to ".join(map(number, spread[name])))
        for name, what, unit in (
            ("ready", "start to ready (`/readyz`)", "s"),
            ("stop", "SIGTERM to the end, idle", "s"),
            ("help", "`pagerduty-subscriber --help`", "s"),
            ("version", "`pagerduty-subscriber --version`", "s"),
            ("import", "import of the service", "s"),
            ("idle_mb", "resident memory, idle", "MB"),
            ("loaded_mb", "resident memory at its highest, act", "MB"),
        )
    ]
    for name, what in (("wheel", "wheel"), ("image", "image, over its base")):
        size = data[name]
        text = f"{number(size['bytes'] / 1e6)} MB" if "bytes" in size else "**skipped**"
        rows.append((what, text, size.get("skipped", "")))
    parts = [table(("", "median", "from .. to"), rows)]
    if "act" in sections and "latency" in sections:
        rounds = sections["latency"]["data"]["rounds"]
        idle, ready = medians(pick(rounds, "idle_mb")), medians(pick(rounds, "ready_after"))
        loaded = medians(pick(sections["act"]["data"]["rounds"], "peak_mb"))
        peers = [
            (_title(who), number(ready[who]), number(idle[who]), number(loaded[who]))
            for who in _ranked(idle, highest_first=False)
            if who in loaded
        ]
        head = ("", "launch to waiting for messages, s", "idle, MB", "act, MB at most")
        parts.append(table(head, peers))
    return "\n".join(parts)


_TITLES = {
    "filter": "1. Filter",
    "act": "2. Act",
    "collapse": "3. Collapse",
    "latency": "4. Latency",
    "growth": "5. Growth",
    "footprint": "6. Footprint",
}
_SECTIONS: dict[str, Callable[[Mapping[str, Any], Sections], str]] = {
    "filter": _filter,
    "act": _act,
    "collapse": _collapse_table,
    "latency": _latency_table,
    "growth": _growth_tables,
    "footprint": _footprint_tables,
}
