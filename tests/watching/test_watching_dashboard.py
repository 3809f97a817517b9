"""The dashboard: current, complete, and asking only for what there is."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import dashboard as maker
import pytest
from watching_promql import TARGET_LABELS, known_series, label_names, metric_names, promtool

from subscriber.service.metrics import METRICS

BOARD: dict[str, Any] = json.loads(maker.FILE.read_text("utf-8"))
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]


def test_the_file_is_current() -> None:
    """When it fails: `python tests/watching/dashboard.py`."""
    assert maker.FILE.read_text("utf-8") == maker.text()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_only_for_series_and_labels_that_exist(expression: str) -> None:
    series = known_series()
    names = metric_names(expression)
    assert names
    assert names <= set(series)
    labels = set[str]().union(*(series[name] for name in names))
    assert label_names(expression) <= labels | TARGET_LABELS
    assert '{namespace=~"$namespace", job=~"$job"' in expression


def test_the_legends_name_labels_that_the_expression_leaves() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            for label in target["legendFormat"].split("{{")[1:]:
                name = label.partition("}}")[0]
                assert name == "instance" or name in label_names(target["expr"]), panel["title"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_a_unit_and_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert len(panel["description"]) > 10
    assert panel["targets"]
    assert panel["datasource"]["uid"] == "${datasource}"


def test_panels_do_not_cover_one_another() -> None:
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_what_is_measured_is_shown() -> None:
    shown = set[str]().union(*map(metric_names, EXPRESSIONS))
    left_out = {"internal_errors", "consumer_info_timestamp_seconds"} | {
        "config_loaded_timestamp_seconds"
    }
    for name, metric in METRICS.items():
        family = metric.full_name
        assert name in left_out or {family, f"{family}_bucket"} & shown, name


def test_prometheus_can_parse_every_expression() -> None:
    """Each becomes a recording rule of a file that promtool checks."""
    rules = [
        {"record": f"panel:{index}", "expr": _without_variables(expression)}
        for index, expression in enumerate(EXPRESSIONS)
    ]
    file = json.dumps({"groups": [{"name": "dashboard", "rules": rules}]})
    assert f"{len(rules)} rules found" in promtool("check", "rules", "/dev/stdin", stdin=file)


def _without_variables(expression: str) -> str:
    return expression.replace("$__rate_interval", "5m").replace("$__range", "6h")
