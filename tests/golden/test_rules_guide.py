"""docs/rules.md tells the truth: every shipped rule is in it, every configuration in it works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packs_cases import packs

from subscriber.config import load_config
from subscriber.service.rulebook import load_packs, load_rules

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "rules.md").read_text("utf-8")
CONFIGURATIONS = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("rule", sorted(packs()))
def test_a_shipped_rule_has_its_row(rule: str) -> None:
    assert re.search(rf"^\| `{re.escape(rule)}`", GUIDE, re.MULTILINE)


def test_the_guide_names_the_rules_that_are_off() -> None:
    off = {name for name, rule in load_packs().items() if not rule.spec.enabled}
    assert {name for name in packs() if f"`{name}` (off)" in GUIDE} == off


@pytest.mark.parametrize("text", CONFIGURATIONS, ids=range(len(CONFIGURATIONS)))
def test_a_configuration_of_the_guide_is_accepted(text: str) -> None:
    config, document = load_config(text)
    rules = load_rules(config, document)
    labels = [spec.label for spec in config.rules if spec.enabled]
    assert [rule.name for rule in rules.rules][: len(labels)] == labels
