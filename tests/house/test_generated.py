"""What is made from the code is current, and the JSON Schema agrees with the loader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from typer.testing import CliRunner

from subscriber.cli.app import app
from subscriber.config import config_schema, load_config, load_rule, reference_page, rule_schema
from subscriber.config.rule import RuleSpec
from subscriber.config.schema import Config
from subscriber.model import Problem
from subscriber.service.pages import PAGES
from subscriber.service.rulebook import packs_folder

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = [
    block
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for block in re.findall(
        r"^```yaml\n(.*?)^```", file.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    if not block.startswith("apiVersion:")  # that of another program
]


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, done.output
    return done.output


def faults(schema: dict[str, Any], text: str) -> list[str]:
    value = YAML(typ="safe", pure=True).load(text)
    found = Draft202012Validator(schema).iter_errors({} if value is None else value)
    return [error.message for error in found]


def test_the_pages_are_current() -> None:
    """When it fails: `pagerduty-subscriber docs --write docs`."""
    assert "3 pages are current" in run("docs", "--check", str(ROOT / "docs"))


def test_a_stale_page_is_noticed_and_written_anew(tmp_path: Path) -> None:
    (tmp_path / "functions.md").write_text("old")
    told = run("docs", "--check", str(tmp_path), code=1)
    assert told.count("not current:") == 3
    assert run("docs", "--write", str(tmp_path)).count("written:") == 3
    assert run("docs", "--write", str(tmp_path)) == ""
    for name, make in PAGES.items():
        assert (tmp_path / name).read_text("utf-8") == make() == run("docs", name)


def test_the_page_describes_every_key() -> None:
    page = reference_page()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|(?: .*?)? \| (.+) \|$", page, re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\| `", page, re.MULTILINE))
    assert all(kind.strip() and meaning.strip() for _, kind, meaning in rows)
    written = {name for name, _, _ in rows}
    assert written >= set(Config.model_fields) | set(RuleSpec.model_fields) | {"ca_file"}


@pytest.mark.parametrize("schema", [config_schema(), rule_schema()])
def test_the_schema_is_one_and_describes_every_key(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    for model in [schema, *schema.get("$defs", {}).values()]:
        assert model["additionalProperties"] is False
        for key, field in model["properties"].items():
            assert field.get("description") or "$ref" in field, key


def test_the_schema_offers_what_is_shipped() -> None:
    schema = json.loads(run("schema"))
    assert "keptn/evaluation" in schema["$defs"]["RuleSpec"]["properties"]["use"]["examples"]
    assert "cdevents" in schema["properties"]["packs"]["examples"]
    assert json.loads(run("schema", "--rule")) == rule_schema()


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_schema_takes_every_example_of_the_documentation(block: str) -> None:
    load_config(block)
    assert not faults(config_schema(), block)


@pytest.mark.parametrize(
    "file",
    sorted(packs_folder().glob("*/*/rule.yaml")),
    ids=lambda file: "/".join(file.parts[-3:-1]),
)
def test_the_schema_takes_every_shipped_rule(file: Path) -> None:
    text = file.read_text("utf-8")
    load_rule(text, name=file.name, label="pack/rule")
    assert not faults(rule_schema(), text)


WRONG = [
    "nats: {urls: x}",
    "nats: {mode: streaming}",
    "nats: {replicas: 9}",
    "nats: {ack_wait: 0}",
    "nats: {durable: 'a b'}",
    "http: {listen: nowhere}",
    "services: {a: {}}",
    "services: {a: {routing_key_env: X, routing_key_file: y}}",
    "rules: [{types: x}]",
    "rules: [{name: '-'}]",
    "rules: [{name: a, types: {a: b}}]",
    "rules: [{name: a, match: {data.x: {y: z}}}]",
    "rules: [{name: a, match: {data.x: []}}]",
    "rules: [{name: a, missing: ignore}]",
    "rules: [{name: a, enabled: 'yes'}]",
    "packs: {keptn: true}",
    "[]",
]
RIGHT = [
    "",
    "nats: {url: nats://a, subjects: [a, b], ack_wait: 40, tls: {ca_file: x}}",
    "services: {a: {routing_key_env: X, region: eu, rate_limit: 0}}",
    "packs: keptn",
    "rules: [{use: keptn/test}]",
    "rules: [{name: a, types: x, match: {data.a: 1, data.b: [true, null, 1.5, x]}, body: {}}]",
]


@pytest.mark.parametrize("text", WRONG)
def test_what_the_loader_refuses_the_schema_refuses_too(text: str) -> None:
    with pytest.raises(Problem):
        load_config(text)
    assert faults(config_schema(), text)


@pytest.mark.parametrize("text", RIGHT)
def test_what_the_loader_takes_the_schema_takes_too(text: str) -> None:
    load_config(text)
    assert not faults(config_schema(), text)
