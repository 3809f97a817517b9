"""What is made from values.yaml and the models is current, and says something about every key."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_world import CHART, ROOT
from jsonschema import Draft7Validator

sys.path.insert(0, str(ROOT / "helm" / "schema"))
generate = importlib.import_module("generate")
document = importlib.import_module("chart_document")
TEXT = (CHART / "values.yaml").read_text("utf-8")
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text("utf-8"))


def test_the_generated_files_are_current() -> None:
    """When it fails: `make helm-docs`."""
    for name, text in generate.files().items():
        assert (CHART / name).read_text("utf-8") == text, name


def test_a_stale_file_is_noticed_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = generate.files()
    monkeypatch.setattr(generate, "files", lambda: made)
    monkeypatch.setattr(generate, "CHART", tmp_path)
    (tmp_path / "README.md").write_text("old")
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().out.count("not current:") == len(made)
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert (tmp_path / "README.md").read_text("utf-8") == made["README.md"]


def test_the_defaults_fit_the_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert list(Draft7Validator(SCHEMA).iter_errors(yaml.safe_load(TEXT))) == []


def test_the_schema_and_the_values_know_the_same_keys() -> None:
    """A key without a default in values.yaml, or without a type in helm/schema/chart_values.py."""

    def compare(schema: dict[str, Any], values: dict[str, Any], path: str) -> None:
        schema = (
            SCHEMA["definitions"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
        )
        if path == "config" or "properties" not in schema or not values:
            return
        assert set(values) <= set(schema["properties"]), path
        probe = path in ("startup", "liveness", "readiness")  # a part of Kubernetes' own defaults
        assert probe or set(values) == set(schema["properties"]), path
        for key, value in values.items():
            if isinstance(value, dict):
                compare(schema["properties"][key], value, key)

    compare(SCHEMA, yaml.safe_load(TEXT), "")


def test_every_key_is_described() -> None:
    values = yaml.safe_load(TEXT)
    said = {entry.path: entry.says for entry in document.entries(TEXT)}

    def undescribed(inside: dict[str, Any], path: tuple[str, ...]) -> list[str]:
        found = []
        for key, value in inside.items():
            here = (*path, key)
            deeper = isinstance(value, dict) and any(
                one[: len(here)] == here for one in said if one != here
            )
            if here not in said and not deeper:
                found.append(".".join(here))
            elif deeper:
                found += undescribed(value, here)
        return found

    assert undescribed(values, ()) == []
    assert all(text.endswith((".", "`")) for text in said.values())


def test_the_schema_describes_what_the_values_describe() -> None:
    for entry in document.entries(TEXT):
        if entry.path[0] == "config" or len(entry.path) > 1:
            continue
        assert SCHEMA["properties"][entry.path[0]]["description"] == entry.says


def test_comments_come_before_their_keys() -> None:
    found = {entry.name: entry for entry in document.entries(TEXT)}
    assert found["natsAuth.key"].says.startswith("Key within the Secret")
    assert found["image.tag"].default == ""
    assert found["image.tag"].chapter == "Image"
    assert "podSecurityContext.runAsUser" not in found


def test_the_readme_has_a_row_for_every_key_and_variant() -> None:
    page = (CHART / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE)
    assert rows == [entry.name for entry in document.entries(TEXT)]
    for file in CHART.glob("ci/*-values.yaml"):
        assert f"(ci/{file.name})" in page


def test_the_readmes_commands_name_values_that_exist() -> None:
    page = (CHART / "README.md").read_text("utf-8").partition("## Values")[0]
    known = {entry.name for entry in document.entries(TEXT)}
    for path in re.findall(r"--set ([\w.]+)=", page):
        head = path.split(".")[0]
        assert path in known or head in ("routingKeys",), path
