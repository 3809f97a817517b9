"""docs/rules.md and docs/packs.md tell the truth: all rules are there, what they show works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packs_cases import packs

from subscriber.config import Config, load_config
from subscriber.service.rulebook import load_packs, load_rules

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = "".join((DOCS / name).read_text("utf-8") for name in ("rules.md", "packs.md"))
CONFIGURATIONS = [
    text
    for text in re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    if not text.startswith("apiVersion:")  # what Argo reads
]


@pytest.mark.parametrize("rule", sorted(packs()))
def test_a_shipped_rule_has_its_row(rule: str) -> None:
    assert re.search(rf"^\| `{re.escape(rule)}`", GUIDE, re.MULTILINE)


def test_the_guide_names_the_packs_that_are_off() -> None:
    off = {rule.pack for rule in packs().values()} - set(Config().packs)
    assert {pack for pack in off if f"| [`{pack}`](#{pack}) |" in GUIDE} == off
    assert all(f"`{pack}`" in str(Config.model_fields["packs"].description) for pack in off)


def test_the_guide_names_the_rules_that_are_off() -> None:
    off = {name for name, rule in load_packs().items() if not rule.spec.enabled}
    assert {name for name in packs() if f"`{name}` (off)" in GUIDE} == off


@pytest.mark.parametrize("text", CONFIGURATIONS, ids=range(len(CONFIGURATIONS)))
def test_a_configuration_of_the_guide_is_accepted(text: str) -> None:
    config, document = load_config(text)
    rules = load_rules(config, document)
    labels = [spec.label for spec in config.rules if spec.enabled]
    assert [rule.name for rule in rules.rules][: len(labels)] == labels
