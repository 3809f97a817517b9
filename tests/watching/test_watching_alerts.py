"""The alerts: each fires when it should and not otherwise, and leads to a page that helps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from watching_promql import (
    FILES,
    ROOT,
    TARGET_LABELS,
    headings,
    known_series,
    label_names,
    metric_names,
    promtool,
    read_yaml,
)

from subscriber.service.metrics import PREFIX

FILE = FILES / "alerts.yaml"
GROUPS: list[dict[str, Any]] = read_yaml(FILE)["groups"]
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"].removeprefix("PagerDutySubscriber"): rule
    for group in GROUPS
    for rule in group["rules"]
}
HISTORIES: list[dict[str, Any]] = read_yaml(Path(__file__).with_name("histories.yaml"))
RUNBOOK = (
    "https://github.com/pagerduty-subscriber/pagerduty-subscriber/blob/main/docs/operations.md#"
)
WANTED = {
    "NotDelivering",
    "DeadLetters",
    "ConsumerLag",
    "CircuitOpen",
    "ConfigRejected",
    "InvalidRoutingKey",
    "NothingReceived",
    "NatsDisconnected",
    "Absent",
    "ReplicaDown",
    "Restarting",
    "RenderErrors",
}

every_alert = pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)


def test_nothing_that_should_be_noticed_is_without_an_alert() -> None:
    assert set(ALERTS) >= WANTED
    assert all(rule["alert"].startswith("PagerDutySubscriber") for rule in ALERTS.values())


@every_alert
def test_an_alert_asks_only_for_series_and_labels_that_exist(alert: dict[str, Any]) -> None:
    series = known_series()
    names = metric_names(alert["expr"])
    assert names
    assert names <= set(series)
    labels = set[str]().union(*(series[name] for name in names)) | TARGET_LABELS
    assert label_names(alert["expr"]) <= labels
    shown = set(re.findall(r"\$labels\.(\w+)", json.dumps(alert["annotations"])))
    assert shown <= labels


@every_alert
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning", "none")
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    url = alert["annotations"]["runbook_url"]
    assert url.startswith(RUNBOOK)
    assert url.removeprefix(RUNBOOK) in headings(ROOT / "docs" / "operations.md")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_history_with_it_and_one_without(alert: str) -> None:
    looks = [
        fires
        for history in HISTORIES
        if history["alert"] == alert
        for fires in history["at"].values()
    ]
    assert any(looks)
    assert any(not fires for fires in looks)


def test_promtool_takes_the_file() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", str(FILE))


@pytest.mark.parametrize(
    "history", HISTORIES, ids=lambda history: f"{history['alert']}: {history['when']}"
)
def test_an_alert_fires_exactly_when_it_should(history: dict[str, Any], tmp_path: Path) -> None:
    """Annotations are left out: promtool would want the exact texts."""
    groups = [
        group | {"rules": [{k: v for k, v in rule.items() if k != "annotations"} for rule in rules]}
        for group in GROUPS
        if (rules := group["rules"])
    ]
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": groups}))
    alert = ALERTS[history["alert"]]
    severity = alert["labels"]["severity"]
    tests = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": history.get("every", "1m"),
                "input_series": [
                    {"series": name.replace("$", PREFIX), "values": str(values)}
                    for name, values in history["series"].items()
                ],
                "alert_rule_test": [
                    {
                        "alertname": alert["alert"],
                        "eval_time": at,
                        "exp_alerts": [
                            {"exp_labels": {**one, "severity": severity}} for one in fires
                        ],
                    }
                    for at, fires in history["at"].items()
                ],
            }
        ],
    }
    (tmp_path / "tests.yaml").write_text(json.dumps(tests))
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "tests.yaml"))
