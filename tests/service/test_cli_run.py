"""The commands as processes: what a newcomer types, and what is left when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from subscriber.service.rulebook import packs_folder

pytestmark = pytest.mark.live
COMMAND = (sys.executable, "-m", "subscriber")
KEY = "0123456789abcdef0123456789ABCDEF"


def environment(**extra: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "PAGERDUTY_"))}
    return kept | {"NO_COLOR": "1"} | extra


def call(*arguments: str, code: int = 0, stdin: str = "", **extra: str) -> str:
    """Run a command to its end; its standard output and error."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**extra),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


class Process:
    """A running command whose output is read as it comes."""

    def __init__(self, folder: Path, *arguments: str, **extra: str) -> None:
        self.output = folder / "output"
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=folder,
                env=environment(**extra) | {"PYTHONPATH": str(Path.cwd())},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def until(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.search(pattern, self.text)
            if found:
                return found
            assert self.process.poll() is None, self.text
            time.sleep(0.02)
        raise AssertionError(f"{pattern} not within {seconds} s in:\n{self.text}")

    def children(self) -> list[int]:
        """Process ids of what it started (Linux)."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def stop(self, number: signal.Signals = signal.SIGINT, *, within: float = 20.0) -> int:
        self.process.send_signal(number)
        return self.process.wait(within)


@contextmanager
def running(folder: Path, *arguments: str, **extra: str) -> Iterator[Process]:
    process = Process(folder, *arguments, **extra)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()


def is_gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_demo_reaches_every_expected_state() -> None:
    text = call("demo", NATS_URL="nats://nobody.invalid:4222", PAGERDUTY_ROUTING_KEY=KEY)
    assert "8 steps, every step as expected" in text
    assert re.search(
        r"evaluation\.finished fail +keptn/evaluation +trigger critical +202 acc", text
    )
    assert KEY not in text


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes through /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_plays_the_sample_takes_events_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    with running(tmp_path, "run", "--embedded", "--sample") as process:
        server = process.until(r"NATS_URL=(nats://\S+)").group(1)
        health = process.until(r"(http://\S+)/readyz").group(1)
        assert process.text.count("202 accepted") >= 8
        event = packs_folder() / "keptn" / "problem" / "cases" / "open.event.json"
        sent = call("send", str(event), NATS_URL=server)
        assert f"published sh.keptn.events.problem on {server}" in sent
        process.until(r"keptn/problem +trigger \w+ +202 accepted +OPEN")
        assert http(f"{health}/readyz")["status"] == "ok"
        assert http(f"{health}/healthz")["status"] == "ok"
        children = process.children()
        assert children
        assert process.stop(number) == 0
        assert "stopped; no process is left behind" in process.text
    assert all(is_gone(pid) for pid in children)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes through /proc")
def test_even_a_kill_leaves_no_nats_server(tmp_path: Path) -> None:
    with running(tmp_path, "run", "--embedded") as process:
        process.until("Ctrl-C stops it")
        children = process.children()
        process.stop(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not all(is_gone(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert all(is_gone(pid) for pid in children)


def http(url: str) -> dict[str, object]:
    from urllib.request import urlopen

    with urlopen(url, timeout=5) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def test_a_real_key_never_meets_the_simulator_nor_the_sample(tmp_path: Path) -> None:
    # the address is nobody's: nothing of this test may leave the machine
    (tmp_path / "c.yaml").write_text("pagerduty: {events_url: 'http://127.0.0.1:9'}\n")
    arguments = ("run", "--embedded", "--sample", "--config", "c.yaml")
    with running(tmp_path, *arguments, PAGERDUTY_ROUTING_KEY=KEY) as process:
        process.until("Ctrl-C stops it")
        assert "PagerDuty  http://127.0.0.1:9, services: default" in process.text
        assert "simulator:" not in process.text
        assert "The sample delivery is not published" in process.text
        assert process.stop() == 0
        assert KEY not in process.text


def test_without_a_key_nothing_goes_to_pagerduty(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("pagerduty: {events_url: 'http://127.0.0.1:9'}\n")
    with running(tmp_path, "run", "--embedded", "--sample", "--config", "c.yaml") as process:
        process.until("Ctrl-C stops it")
        assert "(simulator: PAGERDUTY_ROUTING_KEY is not set)" in process.text
        assert "202 accepted" in process.text
        assert process.stop() == 0


def test_a_service_without_its_key_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("services: {default: {routing_key_env: MY_KEY}}\n")
    text = call("run", "--embedded", "--config", str(tmp_path / "c.yaml"), code=2)
    assert "MY_KEY" in text
    assert "is not set" in text


def test_in_a_pipe_the_log_is_json_lines_without_the_key(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("pagerduty: {events_url: 'http://127.0.0.1:9'}\n")
    arguments = ("run", "--embedded", "--no-timeline", "--config", "c.yaml")
    with running(tmp_path, *arguments, PAGERDUTY_ROUTING_KEY=KEY) as process:
        url = process.until(r"connected to (nats://[0-9.:]+)").group(1)
        call("send", str(packs_folder() / "keptn/evaluation/cases/fail.event.json"), NATS_URL=url)
        process.until('"event": "deferred"')
        assert process.stop(signal.SIGTERM) == 0
        lines = [json.loads(line) for line in process.text.splitlines()]
        (line,) = [line for line in lines if line["event"] == "deferred"]
        assert (line["reason"], line["rule"]) == ("unreachable", "keptn/evaluation")
        assert KEY not in process.text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run",), "no NATS server is named"),
        (("run", "--config", "nope.yaml"), "nope.yaml: cannot be read: No such file"),
        (("check", "nope.yaml"), "nope.yaml: cannot be read: No such file"),
        (("send", "nope.json"), "nope.json: cannot be read: No such file"),
        (
            ("send", str(packs_folder() / "klt/app/cases/deployment-failed.event.json")),
            "'App Deployment.Failed' is no NATS subject\n  hint: name one that nats.subjects",
        ),
        (("functions", "trnc"), "no function is called 'trnc' (did you mean 'trunc'?)"),
    ],
)
def test_wrong_use_is_told_in_a_line(arguments: tuple[str, ...], says: str) -> None:
    assert says in call(*arguments, code=2)


def test_a_wrong_password_fails_at_start(tmp_path: Path) -> None:
    from subscriber.ports.embedded import EmbeddedNats

    async def main() -> str:
        arguments = ("--user", "u", "--pass", "right")
        async with EmbeddedNats(tmp_path, arguments=arguments) as server:
            return await asyncio.to_thread(
                call, "run", code=2, NATS_URL=server.url, NATS_USER="u", NATS_PASSWORD="wr0ng-one"
            )

    import asyncio

    text = asyncio.run(main())
    assert "wr0ng-one" not in text
    assert "credentials" in text.lower() or "denied" in text.lower() or "refuse" in text.lower()


def test_check_lists_the_rules(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("packs: [keptn]\n")
    text = call("check", str(tmp_path / "c.yaml"))
    assert "good. 8 rules, services: default" in text
    assert "keptn/evaluation" in text


def test_render_reads_pipes_and_points_at_mistakes(tmp_path: Path) -> None:
    event = str(packs_folder() / "keptn/evaluation/cases/fail.event.json")
    assert call("render", "-", "--event", event, stdin="{{.data.result}}") == "fail"
    text = call("render", "-", "--event", event, stdin="{{.data.reslt}}", code=1)
    assert "reslt" in text
    assert "^" in text


@pytest.mark.parametrize(
    "verb", ["run", "demo", "check", "send", "render", "functions", "simulate"]
)
def test_help_has_examples(verb: str) -> None:
    text = call(verb, "--help")
    assert f"pagerduty-subscriber {verb}" in text
    assert "Example" in text
