"""What we ship from others: pinned, permissive, listed; what `make audit` makes of an answer."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from typing import Any

import pytest
from parts import PAGE, PERMISSIVE, ROOT, name_of, page, parts, rows

PINS = {
    name_of(line.split("==")[0]): line.split("==")[1].strip()
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
}


def _supply() -> Any:
    spec = importlib.util.spec_from_file_location("supply", ROOT / ".ci" / "supply.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("extra", ["", "otel", "embedded", "dev"])
def test_everything_that_is_installed_is_pinned(extra: str) -> None:
    needed = parts(extra)
    assert {name for name in needed if name not in PINS} == set()
    if extra == "":
        assert len(needed) > 30, "the test looks at something"


def test_every_pin_is_exact_and_stands_once() -> None:
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line) for line in lines)
    assert len(lines) == len(PINS)
    assert not [line for line in lines if "://" in line or "@" in line]


def test_every_licence_asks_for_no_more_than_its_notice() -> None:
    for name, spdx, _ in rows():
        words = set(re.split(r" AND | OR |[()]", spdx)) - {""}
        assert words, f"{name} states no licence that is understood"
        assert words <= PERMISSIVE, f"{name}: {spdx}"
        assert "MPL-2.0" not in words or name == "certifi"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need other packages")
def test_the_list_of_third_parties_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "python tests/house/parts.py writes it"


def test_an_audit_that_audits_nothing_is_not_taken_for_a_good_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged = _supply().judged
    unknown = {"name": "a", "skip_reason": "not found"}
    good = {"name": "b", "version": "1", "vulns": []}
    bad = {"name": "c", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    assert judged([unknown, unknown], "pypi") is None
    assert judged([unknown, good], "pypi") == 0
    assert "not audited: a" in capsys.readouterr().out
    assert judged([good, bad, unknown], "pypi") == 1
    assert "c 1: CVE-1, mended in 2" in capsys.readouterr().out


def test_the_parts_list_names_no_machine_and_no_index() -> None:
    link = {"type": "distribution", "url": "https://index.internal/a.whl"}
    source = {"type": "vcs", "url": "https://github.com/a/a"}
    listed = {
        "metadata": {
            "component": {
                "name": "us", "bom-ref": "us",
                "externalReferences": [{"type": "vcs", "url": "file:///home/me/us"}],
            }
        },
        "components": [
            {"name": "a", "bom-ref": "a", "externalReferences": [link, source],
             "properties": [{"name": "path", "value": "/home/me"}]},
            {"name": "pip", "bom-ref": "pip"},
        ],
        "dependencies": [{"ref": "us", "dependsOn": ["a", "pip"]}, {"ref": "pip"}],
    }  # fmt: skip
    published = _supply().published(listed)
    text = json.dumps(published)
    assert "index.internal" not in text
    assert "/home/me" not in text
    assert [one["name"] for one in published["components"]] == ["a"]
    assert published["components"][0]["externalReferences"] == [source]
    assert published["dependencies"] == [{"ref": "us", "dependsOn": ["a"]}]
