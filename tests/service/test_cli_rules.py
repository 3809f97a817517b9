"""The verbs for those who tune rules: explain, render --rule, test."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from subscriber.cli.app import app
from subscriber.service.rulebook import packs_folder

CONFIG = """\
packs: []
services: {default: {routing_key_env: X}, shop: {routing_key_env: Y}}
rules:
  - name: approvals
    types: sh.keptn.event.approval.*
    match: {data.stage: [staging, production]}
    when: ne .data.service "sandbox"
    action: '{{if hasSuffix ".triggered" .type}}trigger{{else if hasSuffix ".finished" .type}}resolve{{end}}'
    dedup_key: '{{.data.service}}/approval'
    service: shop
    body: {summary: '{{.data.service}} waits', severity: info}
  - name: night/owls
    enabled: false
    types: com.example.night
    action: trigger
    dedup_key: night
    body_file: bodies/night.json.tmpl
"""  # noqa: E501


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with two rules, and the present folder."""
    (tmp_path / "subscriber.yaml").write_text(CONFIG)
    (tmp_path / "bodies").mkdir()
    night = '{"summary": "{{.data.who}} is awake", "severity": "warning"}'
    (tmp_path / "bodies" / "night.json.tmpl").write_text(night)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str, code: int = 0, stdin: str = "") -> tuple[str, str]:
    """Standard output and standard error of a verb."""
    done = CliRunner().invoke(app, arguments, input=stdin)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def event(type_: str = "sh.keptn.event.approval.triggered", **data: object) -> str:
    document = {
        "specversion": "1.0",
        "id": "e1",
        "source": "test",
        "type": type_,
        "time": "2024-05-06T07:08:09Z",
        "data": {"stage": "production", "service": "checkout", **data},
    }
    return json.dumps(document)


def case(folder: Path, label: str, text: str, expected: object = None) -> Path:
    """A case on disk; where its expected file is."""
    path = folder / "cases" / label
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.event.json").write_text(text)
    file = path.with_name(f"{path.name}.expected.json")
    if expected is not None:
        file.write_text(json.dumps(expected))
    return file


@pytest.mark.parametrize("verb", ["init", "explain", "test", "schema", "docs", "check", "render"])
def test_help_shows_examples(verb: str) -> None:
    out, _ = call(verb, "--help")
    assert "Examples" in out
    assert f"pagerduty-subscriber {verb}" in out


# -- explain -------------------------------------------------------------------------------------


def test_explain_says_what_would_be_sent(folder: Path) -> None:
    out, _ = call("explain", "-", stdin=event())
    assert out == (
        "-: sh.keptn.event.approval.triggered\n"
        "  id e1, source test, time 2024-05-06T07:08:09Z\n"
        "\n"
        "  yes  approvals\n"
        "       trigger info -> service shop\n"
        "       dedup key: checkout/approval\n"
        "       {\n"
        '         "event_action": "trigger",\n'
        '         "dedup_key": "checkout/approval",\n'
        '         "payload": {\n'
        '           "summary": "checkout waits",\n'
        '           "source": "test",\n'
        '           "severity": "info",\n'
        '           "timestamp": "2024-05-06T07:08:09.000+0000"\n'
        "         },\n"
        '         "client": "pagerduty-subscriber"\n'
        "       }\n"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            event(stage="dev"),
            "value-differs: data.stage is 'dev', wanted 'staging' or 'production'",
        ),
        (event("a.b"), "type-differs: type is 'a.b', wanted sh.keptn.event.approval.*"),
        (
            event(service="sandbox"),
            "condition-false: the `when` condition is false\n       data.service is 'sandbox'\n",
        ),
        (
            event("sh.keptn.event.approval.started"),
            "action-empty: the rule asks for no action\n"
            "       type is 'sh.keptn.event.approval.started'\n",
        ),
    ],
)
def test_explain_says_why_not(folder: Path, text: str, says: str) -> None:
    out, _ = call("explain", "-", stdin=text)
    assert f"  no   approvals\n       {says}" in out
    assert "no rule matches" in out
    call("explain", "-", "--expect-match", stdin=text, code=1)


def test_explain_expects_a_match_of_every_event(folder: Path) -> None:
    (folder / "a.json").write_text(event())
    (folder / "b.json").write_text(event(stage="dev"))
    call("explain", "a.json", "--expect-match")
    call("explain", "a.json", "b.json")
    call("explain", "a.json", "b.json", "--expect-match", code=1)


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_explain_for_machines(folder: Path, output: str) -> None:
    batch = f"[{event(note=chr(0x202E))}, {{}}]"
    out, _ = call("explain", "-", "--output", output, stdin=batch, code=1)
    assert out.isascii()
    found = json.loads(out) if output == "json" else YAML(typ="safe").load(out)
    good, bad = found
    assert good["matched"] is True
    (rule,) = good["rules"]
    assert rule == {
        "rule": "approvals",
        "matched": True,
        "reason": "matched",
        "action": "trigger",
        "service": "shop",
        "dedup_key": "checkout/approval",
        "api": "events",
        "request": rule["request"],
        "notes": [],
    }
    assert "routing_key" not in rule["request"]
    assert bad["problem"]["reason"] == "missing-attribute"


def test_explain_shows_a_rule_that_fails_and_its_plain_page(folder: Path) -> None:
    text = event().replace('"service": "checkout"', '"other": 1')
    out, _ = call("explain", "-", "--expect-match", stdin=text, code=1)
    assert "  bad  approvals\n" in out
    assert 'there is no key "service"' in out


def test_explain_asks_single_rules_by_name_or_glob(tmp_path: Path) -> None:
    file = str(packs_folder() / "keptn/evaluation/cases/fail.event.json")
    config = tmp_path / "c.yaml"
    config.write_text("{}")
    out, _ = call("explain", file, "--rule", "keptn/*", "-c", str(config), "--output", "json")
    assert {rule["rule"].split("/")[0] for rule in json.loads(out)[0]["rules"]} == {"keptn"}
    _, error = call("explain", file, "--rule", "keptn/evalution", "-c", str(config), code=2)
    assert "did you mean 'keptn/evaluation'?" in error


def test_explain_prints_nothing_that_a_terminal_would_act_on(folder: Path) -> None:
    out, _ = call("explain", "-", stdin=event(service="\u202ex\x85"))
    assert all(c.isprintable() or c == "\n" for c in out)
    assert r"\u202e" in out


# -- check ---------------------------------------------------------------------------------------

DOUBTFUL = """\
packs: []
rules:
  - name: once
    types: sh.keptn.event.approval.triggered
    action: trigger
    dedup_key: '{{.data.service}}'
    body: {summary: '{{.data.service}} waits', severity: info}
"""


def test_check_tells_what_is_probably_not_meant(folder: Path) -> None:
    (folder / "subscriber.yaml").write_text(DOUBTFUL)
    out, error = call("check")
    assert out == (
        "subscriber.yaml:5:13: warning: rule 'once' opens alerts, and no rule resolves one under "
        "such a key [never-resolves]\n"
        "  hint: give the event that ends it a rule, or a branch here, with action resolve and the "
        "same dedup_key; if a person is to close it: `# check: allow never-resolves`\n"
        "subscriber.yaml: good, 1 warning. 1 rules, services: default\n"
        "  once                             sh.keptn.event.approval.triggered\n"
    )
    assert error == ""
    out, _ = call("check", "--strict", "--output", "json", code=1)
    found = json.loads(out)
    assert (found["good"], found["faults"]) == (True, [])
    assert [one["code"] for one in found["warnings"]] == ["never-resolves"]
    assert found["rules"] == [{"name": "once", "types": ["sh.keptn.event.approval.triggered"]}]


def test_check_takes_a_comment_for_an_answer(folder: Path) -> None:
    allowed = DOUBTFUL.replace("action: trigger", "action: trigger # check: allow never-resolves")
    (folder / "subscriber.yaml").write_text(allowed)
    out, _ = call("check", "--strict")
    assert out.startswith("subscriber.yaml: good. 1 rules")


def test_check_lists_every_fault_for_machines_too(folder: Path) -> None:
    wrong = DOUBTFUL.replace("'{{.data.service}}'", "'{{.data.service'") + "nats: {ack_wait: 12}\n"
    (folder / "subscriber.yaml").write_text(wrong)
    _, error = call("check", code=2)
    assert "subscriber.yaml:6:16: rule 'once', dedup_key" in error
    assert "subscriber.yaml:8:18: nats.ack_wait (12 s) must be longer" in error
    out, _ = call("check", "-o", "json", code=2)
    found = json.loads(out)
    assert found["good"] is False
    assert [one["where"] for one in found["faults"]] == [
        "subscriber.yaml:6:16",
        "subscriber.yaml:8:18",
    ]
    (folder / "subscriber.yaml").write_text("rulez: []")
    out, _ = call("check", "-o", "json", code=2)
    assert json.loads(out)["faults"][0]["reason"] == "unknown-key"


# -- render --rule -------------------------------------------------------------------------------


def test_render_prints_the_request_and_tells_what_was_cut(folder: Path) -> None:
    out, error = call(
        "render", "--rule", "approvals", "--event", "-", stdin=event(service="x" * 300)
    )
    request = json.loads(out)
    assert request["event_action"] == "trigger"
    assert len(request["dedup_key"]) == 255
    assert error == "approvals: dedup_key shortened from 309 characters\n"


def test_render_of_a_rule_says_why_it_does_not_match(folder: Path) -> None:
    out, error = call(
        "render", "--rule", "approvals", "--event", "-", stdin=event(stage="x"), code=1
    )
    assert out == ""
    assert error == (
        "approvals: value-differs: data.stage is 'x', wanted 'staging' or 'production'\n"
    )


def test_render_points_at_what_fails_in_a_rule(folder: Path) -> None:
    text = CONFIG.replace("{{.data.service}} waits", "{{.data.service}} and {{.data.nope}}")
    (folder / "subscriber.yaml").write_text(text)
    out, error = call("render", "--rule", "approvals", "--event", "-", stdin=event(), code=1)
    assert error.startswith(
        'subscriber.yaml:11:21 body.summary:1:25: there is no key "nope" in .data\n'
        "    {{.data.service}} and {{.data.nope}}\n"
        "                            ^\n"
    )
    assert "plain page" in error
    assert json.loads(out)["payload"]["severity"] == "error"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--event", "e"], "TEMPLATE file or --rule NAME"),
        (["t", "--rule", "r", "--event", "e"], "TEMPLATE file or --rule NAME"),
        (["--rule", "r"], "--event FILE"),
        (["--rule", "r", "--event", "e", "--missing", "zero"], "--missing: a rule says this"),
        (["t", "--config", "c", "--event", "e"], "--config goes with --rule"),
    ],
)
def test_render_refuses_what_does_not_go_together(arguments: list[str], says: str) -> None:
    _, error = call("render", *arguments, code=2)
    assert says in " ".join(error.replace("│", " ").split())


# -- test ----------------------------------------------------------------------------------------


def test_update_writes_what_test_then_accepts(folder: Path) -> None:
    expected = case(folder, "approvals/asked", event())
    case(folder, "approvals/in-dev", event(stage="dev"))
    case(folder, "night/owls/late", event("com.example.night", who="Ada"))
    out, _ = call("test", code=1)
    assert f"{expected.relative_to(folder)} is missing (`--update` writes it)" in out
    out, _ = call("test", "--update")
    assert out == (
        "new: cases/approvals/asked.expected.json\n"
        "new: cases/approvals/in-dev.expected.json\n"
        "new: cases/night/owls/late.expected.json\n"
        "3 cases of 2 rules: 3 passed; 3 expected files written, read them\n"
    )
    assert json.loads(expected.read_text())["body"]["dedup_key"] == "checkout/approval"
    assert json.loads((folder / "cases/approvals/in-dev.expected.json").read_text()) == {
        "skipped": "value-differs",
        "detail": "data.stage is 'dev', wanted 'staging' or 'production'",
    }
    out, _ = call("test")
    assert out == "3 cases of 2 rules: 3 passed\n"
    out, _ = call("test", "--update")
    assert "written" not in out


def test_a_difference_is_shown_as_a_diff(folder: Path) -> None:
    expected = case(folder, "approvals/asked", event())
    call("test", "--update")
    config = (folder / "subscriber.yaml").read_text().replace("severity: info", "severity: error")
    (folder / "subscriber.yaml").write_text(config)
    out, _ = call("test", code=1)
    name = expected.relative_to(folder)
    assert out.startswith(
        f"failed  approvals/asked\n  --- {name}\n  +++ what approvals says now\n  @@ -7,7 +7,7 @@\n"
    )
    assert '\n  -      "severity": "info",\n  +      "severity": "error",\n' in out
    assert "1 case of 1 rule: 0 passed, 1 failed\n" in out
    call("test", "--update")
    assert json.loads(expected.read_text())["body"]["payload"]["severity"] == "error"


@pytest.mark.parametrize(
    ("label", "text", "says"),
    [
        ("approvals/x", "{", "x.event.json: not JSON"),
        ("approvals/x", f"[{event()}]", "x.event.json: a CloudEvent is a JSON object"),
        ("approvls/x", event(), "no rule is called 'approvls' (did you mean 'approvals'?)"),
        ("approvals/x", event().replace("service", "other"), 'there is no key "service"'),
    ],
)
def test_a_case_that_cannot_be_run_is_broken_and_never_recorded(
    folder: Path, label: str, text: str, says: str
) -> None:
    expected = case(folder, label, text)
    out, _ = call("test", "--update", code=1)
    assert out.startswith(f"broken  {label}\n")
    assert says in out
    assert not expected.exists()


def test_an_expected_file_without_an_event_is_noticed(folder: Path) -> None:
    case(folder, "approvals/asked", event())
    (folder / "cases/approvals/askd.expected.json").write_text("{}")
    out, _ = call("test", "--update", code=1)
    assert "broken  approvals/askd\n" in out
    assert "askd.event.json: cannot be read" in out


def test_only_some_rules_are_tested(folder: Path) -> None:
    case(folder, "approvals/asked", event())
    case(folder, "night/owls/late", event("com.example.night", who="Ada"))
    out, _ = call("test", "--update", "--rule", "night/*")
    assert "1 case of 1 rule" in out
    _, error = call("test", "--rule", "nght*", code=2)
    assert "no rule called 'nght*' has a case" in error


def test_rules_without_a_case_are_named(folder: Path) -> None:
    case(folder, "night/owls/late", event("com.example.night", who="Ada"))
    out, _ = call("test", "--update")
    assert out.endswith("Rules without a case: approvals\n")


def test_the_results_as_junit_xml(folder: Path) -> None:
    case(folder, "approvals/asked", event(), {"skipped": "no", "detail": "\u0001\uffff <&"})
    case(folder, "approvals/broken", "{")
    case(folder, "night/owls/late", event("com.example.night", who="Ada"))
    call("test", "--rule", "night*", "--update")
    call("test", "--junit", "out/results.xml", code=1)
    root = ElementTree.parse(folder / "out/results.xml").getroot()
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("errors")) == (
        "testsuites",
        "3",
        "1",
        "1",
    )
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["approvals", "night/owls"]
    assert {one.get("name"): [part.tag for part in one] for one in suites["approvals"]} == {
        "asked": ["failure"],
        "broken": ["error"],
    }
    failure = suites["approvals"].find("testcase/failure")
    assert failure is not None
    assert failure.text
    assert "<&" in failure.text
    assert all(float(one.get("time", "")) >= 0 for one in root.iter("testcase"))


@pytest.mark.parametrize(
    ("below", "count"), [("", None), ("keptn", None), ("keptn/evaluation", None)]
)
def test_packs_are_tested_by_folder_too(tmp_path: Path, below: str, count: int | None) -> None:
    root = tmp_path / "rules"
    shutil.copytree(packs_folder() / "keptn", root / "keptn")
    cases = len(list((root / below).rglob("*.event.json")))
    out, _ = call("test", str(root / below))
    assert re.match(rf"{cases} cases of \d+ rules?: {cases} passed\n", out)


def test_every_case_of_the_shipped_rules_passes() -> None:
    cases = len(list(packs_folder().glob("*/*/cases/*.event.json")))
    out, _ = call("test", "--packs")
    assert out.startswith(f"{cases} cases of ")
    assert f": {cases} passed\n" in out


def test_without_cases_the_way_to_some_is_told(folder: Path) -> None:
    _, error = call("test", code=2)
    assert "cases/<rule>: there are no cases" in error
    _, error = call("test", "bodies", code=2)
    assert "no subscriber.yaml and no rule.yaml is here" in error
    assert "`init` makes a configuration" in error


def test_a_wrong_configuration_ends_with_2(folder: Path) -> None:
    case(folder, "approvals/asked", event())
    (folder / "subscriber.yaml").write_text(CONFIG.replace("severity: info}", "severity: '{{'}"))
    _, error = call("test", code=2)
    assert "subscriber.yaml:11:58" in error


@pytest.fixture
def watching(folder: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    case(folder, "approvals/asked", event())
    call("test", "--update")
    output = folder.parent / f"{folder.name}.out"
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "subscriber", "test", "--watch"],
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        )
    try:
        yield output, process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_watch_runs_again_when_a_file_changes_and_ends_by_ctrl_c(
    folder: Path, watching: tuple[Path, subprocess.Popen[bytes]]
) -> None:
    output, process = watching

    def until(text: str, times: int = 1) -> None:
        deadline = time.monotonic() + 20
        while output.read_text().count(text) < times:
            assert time.monotonic() < deadline, output.read_text()
            assert process.poll() is None, output.read_text()
            time.sleep(0.05)

    until("watching")
    assert "1 case of 1 rule: 1 passed" in output.read_text()
    config = folder / "subscriber.yaml"
    config.write_text(CONFIG.replace("waits", "is waiting"))
    until("failed  approvals/asked")
    until("watching", 2)
    config.write_text("rules: [")
    until("subscriber.yaml:1:9")
    until("watching", 3)
    config.write_text(CONFIG)
    until("1 passed", 2)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
