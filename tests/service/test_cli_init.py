"""From nothing to a tested rule: init, check, test, schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from subscriber.cli.app import app


def call(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, arguments, env={"NO_COLOR": "1"})
    assert done.exit_code == code, done.output
    return done


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_init_writes_is_good_and_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = call("init").stdout
    for name in tree(tmp_path):
        assert f"written: {name}\n" in told
    assert "subscriber.yaml: good." in call("check", "--strict").stdout
    done = call("test").stdout
    assert "4 cases of 2 rules: 4 passed\n" in done
    assert "without a case" not in done
    asked = call("explain", "cases/approvals/asked.event.json", "--expect-match").stdout
    assert "trigger info -> service default" in asked
    before = tree(tmp_path)
    call("test", "--update")
    assert tree(tmp_path) == before


def test_the_schema_beside_it_is_named_by_it_and_takes_it(tmp_path: Path) -> None:
    call("init", str(tmp_path / "new" / "folder"))
    here = tmp_path / "new" / "folder"
    text = (here / "subscriber.yaml").read_text()
    first = text.splitlines()[0]
    assert first == "# yaml-language-server: $schema=subscriber.schema.json"
    schema = json.loads((here / "subscriber.schema.json").read_text())
    assert schema == json.loads(call("schema").stdout)
    value = YAML(typ="safe", pure=True).load(text)
    assert not list(Draft202012Validator(schema).iter_errors(value))


def test_every_example_in_its_comments_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uncommented, the file still says something that is understood."""
    monkeypatch.chdir(tmp_path)
    call("init")
    lines = Path("subscriber.yaml").read_text().splitlines()
    uncommented = [re.sub(r"^(\s*)# ( *\w+:.*)$", r"\1\2", line) for line in lines]
    Path("subscriber.yaml").write_text("\n".join(uncommented))
    assert sum(old != new for old, new in zip(lines, uncommented, strict=True)) >= 10
    good = call("check").stdout
    assert "never-" not in good
    assert "services: checkout, default" in good


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    mine = tmp_path / "bodies" / "approvals.json.tmpl"
    mine.parent.mkdir()
    mine.write_text("mine")
    done = call("init", str(tmp_path), code=1)
    assert f"{mine} exists" in done.stderr
    assert "Nothing was written" in done.stderr
    assert tree(tmp_path) == {"bodies/approvals.json.tmpl": b"mine"}
    call("init", str(tmp_path), "--force")
    assert mine.read_text() != "mine"


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in call("init", str(tmp_path / "file"), code=2).stderr
