"""RESULTS.md is made from the data, whatever of it is there."""

import json
import re

import pytest
from benchsuite.report import TARGETS, pooled, render, table

MACHINE = {
    "at": "2026-01-02T03:04+00:00",
    "commit": "abc1234",
    "cpu": "A CPU",
    "cores": 2,
    "pinned": "servers on core 0, program under test on core 1",
    "shared_core": False,
    "memory_gb": 8.0,
    "kernel": "Linux 6.1",
    "load_before": 0.1,
    "nats_server": "nats-server: v2.15.1",
    "versions": {"ours": "Python 3.11", "ceiling": "uvloop 0.23"},
}


def drained(rate: float, **more) -> dict:
    figures = {
        "events": 900,
        "rate": rate,
        "cpu_us": 1e6 / rate,
        "server_busy": 0.25,
        "others": 0.01,
        "posts": 50,
        "repeated": 0,
        "redelivered": 0,
        "peak_mb": 70.0,
        "right_after": 3.0,
        "settled_after": 3.5,
        "working_for": 2.5,
        "wrong": 0,
    }
    return {**figures, **more}


def section(data: dict, **header) -> dict:
    skipped = {"bento": "Bento is not built (make bench-peers)"}
    return {"header": {**MACHINE, **header}, "skipped": skipped, "data": data}


def results(ours: float = 60_000.0) -> dict:
    rounds = [
        {"ours": drained(ours * turn), "faststream-aiohttp": drained(ours * turn / 4)}
        for turn in (1, 2, 3)
    ]
    paced = {"ready_after": 0.5, "idle_mb": 60.0, "cold": 4.0, "steady": [1.0, 1.5, 9.0]}
    counts = {"1": drained(1000), "1000": drained(800)}
    keys = {"10": drained(1000), "1000000": drained(900)}
    footprint = dict.fromkeys(
        ("ready", "stop", "help", "version", "import", "idle_mb", "loaded_mb"), 0.5
    )
    return {
        "machine": MACHINE,
        "sections": {
            "filter": section({"events": 1000, "rounds": rounds}),
            "act": section(
                {"events": 1000, "rounds": rounds, "sink": {"rate": 80_000.0, "cpu_us": 9.0}}
            ),
            "collapse": section(
                {
                    "events": 1000,
                    "keys": 50,
                    "part": 200,
                    "rounds": rounds,
                    "replicas": [
                        {"ours": drained(7.0, right_after=s, posts=51)} for s in (1.25, 2.25, 6.0)
                    ],
                }
            ),
            "latency": section({"per_second": 50.0, "rounds": [{"ours": paced}] * 2}),
            "growth": section(
                {
                    "rules": {"counts": [1, 1000], "filter": [counts], "act": [counts]},
                    "keys": {
                        "counts": [10, 1_000_000],
                        "rounds": [keys],
                        "sweep": {
                            "10": {
                                "finished": False,
                                "cpu_seconds": 50.0,
                                "before_mb": 60.0,
                                "after_mb": 61.0,
                                "peak_mb": 62.0,
                            }
                        },
                    },
                    "processes": {
                        "counts": [1, 2],
                        "rounds": [{"1": drained(1000), "2": drained(900)}],
                    },
                }
            ),
            "footprint": section(
                {
                    "rounds": [footprint],
                    "wheel": {"bytes": 300_000},
                    "image": {"skipped": "no image was built here"},
                }
            ),
        },
    }


def test_everything_measured_is_on_the_page():
    page = render(results(), {})
    assert "not measured" not in page.lower()
    assert "| **pagerduty-subscriber** | 120,000 | 60,000 to 180,000 | 1.00 |" in page
    assert "| FastStream + aiohttp | 30,000 | 15,000 to 45,000 | 0.25 |" in page
    assert "**Skipped:** Bento (Bento is not built (make bench-peers))." in page
    assert "| image, over its base | **skipped** | no image was built here |" in page
    assert "| 1,000 | 1,250 | 1.25 |" in page  # rules: ratio to the first line
    assert "15.0 s (scaled)" in page  # 3.0 s for a fifth of the outage
    assert (
        "two replicas, the second on the servers' core | 2.25 s | 2.50 s | 3.50 s | 51 | 0 |"
        in page
    )
    assert (
        "| Collapse by the chart's two replicas, both cores | at most 5.00 s | 2.25 | met |" in page
    )
    assert "| 10 (**not finished** in 60 s) | 50.0 | 60.0 | 61.0 | 62.0 |" in page
    assert "1.50 | 9.00" in page  # latency: p50 and p99


def test_targets_are_met_missed_and_explained():
    page = render(results(ours=30_000.0), {"help": "the import of X takes 0.3 s"})
    assert re.search(r"\| Filter, one core \| at least 50,000 events/s \| 60,000 \| met \|", page)
    page = render(results(ours=20_000.0), {"help": "the import of X takes 0.3 s"})
    assert re.search(r"\| Filter, one core \| .* \| 40,000 \| \*\*missed\*\* \|", page)
    assert "- Filter, one core: no reason is given yet (benchmarks/reasons.json: filter)" in page
    assert "- `--help`: the import of X takes 0.3 s" in page


@pytest.mark.parametrize("name", list(results()["sections"]))
def test_a_part_that_was_not_measured_says_how(name):
    some = results()
    del some["sections"][name]
    page = render(some, {})
    assert f"Not measured yet: `make bench ONLY={name}`." in page


def test_an_empty_page_has_every_target_unmeasured():
    page = render({"machine": MACHINE, "sections": {}}, {})
    assert page.count("| not measured |") == len(TARGETS)


def test_a_part_from_elsewhere_says_so():
    some = results()
    some["sections"]["act"]["header"]["commit"] = "0ld"
    page = render(some, {})
    assert "This part was measured 2026-01-02T03:04+00:00 at commit `0ld`" in page
    assert page.count("This part was measured") == 1


def test_the_data_survive_json():
    assert render(json.loads(json.dumps(results())), {}) == render(results(), {})


def test_pooled_latencies_are_those_of_all_rounds():
    assert pooled([{"a": {"steady": [1.0]}}, {"a": {"steady": [2.0]}}]) == {"a": [1.0, 2.0]}


def test_table():
    assert table(("", "x"), [("a", "1")]) == "|  | x |\n| --- | ---: |\n| a | 1 |\n"


def test_keys_left_wrong_are_counted_for_everybody():
    found = results()
    data = found["sections"]["collapse"]["data"]
    data["rounds"][1]["faststream-aiohttp"]["wrong"] = 8
    data["replicas"][2]["ours"]["wrong"] = 3
    page = render(found, {})
    assert re.search(r"^\| FastStream \+ aiohttp .* \| 8 \| [^|]* \|$", page, re.MULTILINE)
    assert "on the servers' core | 2.25 s | 2.50 s | 3.50 s | 51 | 3 |" in page
