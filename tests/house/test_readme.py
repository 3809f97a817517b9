"""The README keeps its word: its configuration loads, its commands and links exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from subscriber.cli.app import app
from subscriber.config import load_config
from subscriber.service.rulebook import load_rules

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_its_configuration_is_good(block: str) -> None:
    config, document = load_config(block)
    rules = load_rules(config, document)
    said = re.search(r"good\. (\d+) rules", README)
    assert said is not None
    assert len(rules.rules) == int(said.group(1))


def test_its_commands_exist_and_all_are_named() -> None:
    table = README.split("## Commands")[1].split("##")[0]
    named = set(re.findall(r"`([a-z-]+)`", table.replace("`--", "")))
    assert named >= set(COMMANDS)
    used = set(re.findall(r"pagerduty-subscriber ([a-z][a-z-]*)", README))
    assert used <= set(COMMANDS)


@pytest.mark.parametrize(
    "file", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_every_link_leads_somewhere(file: str) -> None:
    path = ROOT / file
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_files_that_hold_its_promises_exist() -> None:
    table = README.split("## What it promises")[1].split("What it does not")[0]
    for name in re.findall(r"`(tests/[\w/.]+)`", table):
        assert (ROOT / name).exists(), name


def test_its_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"(?:^    |`)make ([a-z-]+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
