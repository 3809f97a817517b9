"""The service runs in what a pod of the chart gets, and follows what kubelet changes under it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chart_world import EXISTING, KEY, ROOT, Node, laid, minimal, render

from subscriber.ports.embedded import EmbeddedNats

DEAD_END = "http://127.0.0.1:9"
"""Nobody must be paged by a test."""


class Running:
    """The container's process, its log read as it comes."""

    def __init__(self, arguments: list[str], nats: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "subscriber", *arguments],
            env={**os.environ, "NATS_URL": nats},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(json.loads(line) if line.startswith("{") else {"text": line})

    def wait_for(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The log's lines of an event, once there are so many."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            found = [line for line in self.lines if line.get("event") == event]
            if len(found) >= count:
                return found
            time.sleep(0.05)
        pytest.fail(f"no {event} in {self.lines}")

    def stop(self) -> int:
        """End it as kubelet does; the exit code."""
        self.process.terminate()
        code = self.process.wait(timeout=25)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.fixture
def running(tmp_path: Path, nats_server: EmbeddedNats, token: str) -> Iterator[tuple[Any, ...]]:
    values = minimal(
        config={
            "nats": {"subjects": [f"{token}.>"], "durable": token, "stream": f"S{token}"},
            "delivery": {"ledger_bucket": f"b{token}"},
            "pagerduty": {"events_url": DEAD_END},
        }
    )
    node = Node(tmp_path, EXISTING)

    def release(over: dict[str, Any]) -> list[str]:
        rendered = render(laid(values, over))
        config = rendered.config_map["data"]
        # the one thing that differs from a pod: there the port is nobody else's
        config["subscriber.yaml"] = config["subscriber.yaml"].replace("0.0.0.0:8080", "127.0.0.1:0")
        node.show(rendered, rendered.pod, rendered.container)
        return [
            str(node.path(one)) if one.startswith("/etc/") else one
            for one in rendered.container["args"]
        ]

    process = Running(release({}), nats_server.url)
    yield process, release, node
    if process.process.poll() is None:
        process.stop()


@pytest.mark.live
def test_the_running_service_follows_the_release(running: tuple[Any, ...]) -> None:
    process, release, node = running
    process.wait_for("nats-connected")
    release({"config": {"packs": ["cdevents"]}})
    (line,) = process.wait_for("config-accepted")
    assert line["rules"]
    assert all(name.startswith("cdevents/") for name in line["rules"])
    # a fault changes nothing; a rotated key is taken with what mends it
    release({"config": {"packs": ["cdevents", "nonsense"]}})
    (line,) = process.wait_for("config-rejected")
    assert "no pack is called 'nonsense'" in line["message"]
    node.existing["pagerduty"] = {"routing-key": KEY[::-1].encode()}
    release({})
    assert len(process.wait_for("config-accepted", 2)) == 2
    assert process.stop() == 0
    assert not re.search(f"{KEY}|{KEY[::-1]}", json.dumps(process.lines))


def test_the_chart_and_the_image_agree() -> None:
    """The Dockerfile says who runs what; the chart gives only arguments."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    user = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)[-1]
    rendered = render(minimal())
    context = rendered.pod["securityContext"]
    assert (str(context["runAsUser"]), str(context["runAsGroup"])) == user
    entry = json.loads(re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[-1])
    assert [Path(one).name for one in entry] == ["pagerduty-subscriber"]
    assert "command" not in rendered.container
    port = re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE)[-1]
    assert rendered.container["ports"][0]["containerPort"] == int(port)
