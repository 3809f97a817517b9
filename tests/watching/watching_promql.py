"""What the tests of alerts and dashboard share: names in PromQL, known series, promtool."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from subscriber.service.meters import Meters
from subscriber.service.metrics import METRICS, Kind

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "helm" / "pagerduty-subscriber" / "files"

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTORS = re.compile(r"\{[^{}]*\}")
_GROUPINGS = re.compile(
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)", re.IGNORECASE
)
_RANGES = re.compile(r"\[[^\[\]]*\]")
_NAMES = re.compile(r"(?<![\w$])([a-zA-Z_:][\w:]*)(?!\w)(?!\s*\()")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "by", "on", "without", "ignoring"})


def metric_names(promql: str) -> set[str]:
    """The metrics that an expression names."""
    text = _STRINGS.sub("", promql)
    for pattern in (_SELECTORS, _GROUPINGS, _RANGES):
        text = pattern.sub(" ", text)
    return {name for name in _NAMES.findall(text) if name not in _WORDS}


def label_names(promql: str) -> set[str]:
    """The labels that an expression selects or groups by."""
    found = set()
    for group in _GROUPINGS.findall(_STRINGS.sub("", promql)):
        found |= {label.strip() for label in group.split(",") if label.strip()}
    for selector in _SELECTORS.findall(_STRINGS.sub('""', promql)):
        found |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
    return found


def known_series() -> dict[str, set[str]]:
    """Name of every series that `/metrics` can show (and Prometheus' own `up`) -> its labels."""
    found: dict[str, set[str]] = {"up": set()}
    for metric in METRICS.values():
        labels = set(metric.labels)
        if metric.kind is Kind.HISTOGRAM:
            found[f"{metric.full_name}_bucket"] = labels | {"le"}
            found[f"{metric.full_name}_count"] = found[f"{metric.full_name}_sum"] = labels
        else:
            found[metric.full_name] = labels
    for family in Meters().registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set(sample.labels))
    return found


TARGET_LABELS = frozenset({"namespace", "job", "instance", "pod"})
"""What Prometheus adds to every series of a target."""


def promtool(*arguments: str, stdin: str = "") -> str:
    """Run promtool; what it says. Skips the test where there is none."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool on this machine (Debian: apt install prometheus)")
    done = subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def headings(page: Path) -> set[str]:
    """The anchors of a Markdown page, as GitHub makes them."""
    found = set()
    for line in re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE):
        found.add(re.sub(r"[^\w\- ]", "", line.strip().lower()).replace(" ", "-"))
    return found


def read_yaml(file: Path) -> Any:
    """A YAML file as plain values."""
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(file.read_text("utf-8"))
