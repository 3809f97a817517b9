"""Nothing from a file or an event can command the terminal it is shown on."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click import unstyle
from typer.testing import CliRunner

from subscriber.cli.app import app

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2028\u200b\r[bold red]x[/]\x7f"
RULES = """
packs: []
services: {default: {routing_key: 0123456789abcdef0123456789abcdef}}
rules:
  - name: r
    types: t
    match: {data.result: fail}
    action: trigger
    dedup_key: '{{.data.note}}'
    body: {summary: '{{.data.note}}', severity: critical, source: s, links: '{{.data.note}}'}
  - {name: other, types: t, when: 'eq .data.note "x"', action: trigger, dedup_key: x,
     body: {summary: s, severity: info, source: s}}
  - {name: broken, types: t, action: trigger, dedup_key: '{{.data.note.x}}',
     body: {summary: s, severity: info, source: s}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "subscriber.yaml").write_text(RULES)
    event = {
        "specversion": "1.0",
        "id": "\u202ea\u200b",
        "source": "\u202es",
        "type": "t",
        "data": {"result": "fail", "note": EVIL, EVIL: EVIL},
    }
    (tmp_path / "event.json").write_text(json.dumps(event))
    (tmp_path / "differs.json").write_text(json.dumps({**event, "data": {"result": EVIL}}))
    (tmp_path / "bad.json").write_text(json.dumps({**event, "time": EVIL, EVIL: 1}))
    (tmp_path / "none.json").write_text(EVIL)
    (tmp_path / "body.tmpl").write_text(f"{EVIL}{{{{.data.note | {EVIL}}}}}")
    (tmp_path / "evil.yaml").write_text(f'services: "{EVIL}"\n"{EVIL}": 1\n')
    (tmp_path / "evil2.yaml").write_text(json.dumps({EVIL: {EVIL: EVIL}}))
    (tmp_path / "evil3.yaml").write_text(RULES.replace("{{.data.note}}", "\u202e{{if"))
    webhook = {
        "apiVersion": "webhookconfig.keptn.sh/v1beta1",
        "kind": "WebhookConfig",
        "metadata": {"name": EVIL},
        "spec": {
            "webhooks": [
                {
                    "type": f"sh.keptn.event.{EVIL}.finished",
                    "subscriptionID": EVIL,
                    "requests": [
                        {
                            "url": "https://events.pagerduty.com/v2/enqueue",
                            "method": "POST",
                            "headers": [{"key": EVIL, "value": EVIL}],
                            "payload": json.dumps({"routing_key": EVIL, "payload": EVIL}),
                            "options": EVIL,
                        }
                    ],
                }
            ]
        },
    }
    (tmp_path / "webhook.yaml").write_text(json.dumps(webhook))
    return tmp_path


def safe(text: str) -> None:
    assert all(c.isprintable() or c == "\n" for c in text), ascii(text)


@pytest.mark.parametrize("event", ["event", "differs", "bad", "none"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", "EVENT"),
        ("explain", "EVENT", "--output", "json"),
        ("explain", "EVENT", "--output", "yaml"),
        ("render", "--rule", "r", "--event", "EVENT"),
        ("render", "--rule", "broken", "--event", "EVENT"),
        ("render", "body.tmpl", "--event", "EVENT"),
        ("send", "EVENT"),
    ],
    ids=" ".join,
)
def test_an_event_of_commands(arguments: tuple[str, ...], event: str, folder: Path) -> None:
    words = [word.replace("EVENT", f"{event}.json") for word in arguments]
    result = CliRunner(env={"NATS_URL": "", "NO_COLOR": "1"}).invoke(app, words)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.output
    safe(result.output)


@pytest.mark.parametrize("config", ["evil.yaml", "evil2.yaml", "evil3.yaml", f"{EVIL}.yaml"])
def test_a_configuration_of_commands(config: str, folder: Path) -> None:
    for words in (["check", config], ["run", "--config", config], ["test", config]):
        result = CliRunner(env={"NATS_URL": "", "NO_COLOR": "1"}).invoke(app, words)
        assert result.exit_code == 2
        safe(result.output)


def test_a_webhook_of_commands(folder: Path) -> None:
    result = CliRunner(env={"NO_COLOR": "1"}).invoke(app, ["import-webhook", "webhook.yaml"])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    safe(result.output)


def test_standard_input_has_an_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from subscriber.ports import files

    monkeypatch.setattr(files, "MAX_TEXT", 1000)
    result = CliRunner().invoke(app, ["explain", "-"], input="x" * 1001)
    assert result.exit_code == 2
    assert "more than 1000 bytes" in result.output


def test_a_text_that_is_rendered_onto_a_terminal(folder: Path) -> None:
    """Into a file it goes nearly as it is; a person's terminal gets nothing to obey."""
    (folder / "note.tmpl").write_text("line 1\n{{.data.note}}\n")
    command = [sys.executable, "-m", "subscriber", "render", "note.tmpl", "--event", "event.json"]
    raw = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout.decode()
    assert raw == f"line 1\n{unstyle(EVIL)}\n"
    main, child = pty.openpty()
    process = subprocess.Popen(command, cwd=folder, stdout=child, stderr=child)
    process.wait(60)
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(main, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(main)
    text = shown.decode().replace("\r\n", "\n")
    assert text.startswith("line 1\n")
    assert "[bold red]x[/]" in text, "no markup of anybody's is understood"
    safe(text)
