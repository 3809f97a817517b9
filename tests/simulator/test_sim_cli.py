"""`simulate` as a process: what it prints, what it refuses, how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from sim_bodies import KEY, OTHER, encoded, event

from subscriber.simulator import FaultKind

COMMAND = [
    sys.executable,
    "-W",
    "error",
    "-X",
    "dev",
    "-c",
    "import typer; from subscriber.cli.simulate import simulate; typer.run(simulate)",
]
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200", "NO_COLOR": "1"}


@contextmanager
def started(*options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the URL it printed."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *options],
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        match = re.fullmatch(r"PagerDuty simulator listening on (\S+) \(Ctrl-C ends it\)\n", first)
        assert match is not None, first + process.communicate(timeout=10)[1]
        yield process, match[1]
    finally:
        process.kill()
        process.communicate()


def post(url: str, body: object) -> int:
    request = urllib.request.Request(f"{url}/v2/enqueue", data=encoded(body))
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def ended(process: subprocess.Popen[str], number: signal.Signals) -> list[str]:
    """The rest of its lines after a signal; it must end well and say nothing else."""
    process.send_signal(number)
    output, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    return output.splitlines()


def test_one_line_per_call_and_a_clean_ctrl_c() -> None:
    with started("--fault", "500:skip=2,next=1", "--known-key", KEY) as (process, url):
        assert post(url, event()) == 202
        assert post(url, event("resolve", routing_key=OTHER)) == 400
        assert post(url, event()) == 500
        assert post(url, event("nonsense")) == 400
        lines = ended(process, signal.SIGINT)
    assert [re.sub(r"^\d\d:\d\d:\d\d\.\d{3}  ", "", line) for line in lines] == [
        "202  opened        trigger      ****1111  web/dev",
        "400  rejected      events       ****222a  -  Invalid routing key",
        "500  fault         events       ****1111  -  fault 500",
        "400  rejected      events       ****1111  -  'event_action' is invalid "
        "(must be one of the following: 'trigger', 'acknowledge' or 'resolve')",
        "Stopped after 4 calls: 1 alerts, 1 still open, 0 change events",
    ]


def test_quiet_prints_the_url_and_the_end() -> None:
    with started("--quiet", "--rate", "1", SIMULATOR_KNOWN_KEYS=f"{KEY} {OTHER}") as (process, url):
        assert [post(url, event()) for _ in range(2)] == [202, 429]
        assert post(url, event(routing_key="e" * 32)) == 400
        assert ended(process, signal.SIGTERM) == [
            "Stopped after 3 calls: 1 alerts, 1 still open, 0 change events"
        ]


def test_no_rate_limit_and_a_call_in_silence_at_the_end() -> None:
    options = ("--no-rate-limit", "--quiet", "--fault", "timeout-after:skip=130")
    with started(*options) as (process, url):
        assert {post(url, event()) for _ in range(130)} == {202}
        with pytest.raises(OSError, match=r"."):
            urllib.request.urlopen(f"{url}/v2/enqueue", data=encoded(event()), timeout=0.3)
        with urllib.request.urlopen(f"{url}/sim/calls?after=130", timeout=10) as answer:
            assert json.load(answer)["calls"][0]["fault"] == "timeout-after"
        ended(process, signal.SIGINT)


def test_https(tmp_path: Path) -> None:
    import ssl

    authority = trustme.CA()
    pem = tmp_path / "both.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with started("--tls-cert", str(pem), "--tls-key", str(pem)) as (_, url):
        assert url.startswith("https://")
        with urllib.request.urlopen(f"{url}/sim", context=trust, timeout=10) as answer:
            assert json.load(answer)["calls"] == {"total": 0}


@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        (["--fault", "501"], "no fault of the kind '501'", 2),
        (["--known-key", KEY + "x"], "a routing key has 32 letters and digits", 2),
        (["--tls-cert", __file__], "--tls-cert and --tls-key go together", 2),
        (["--tls-cert", __file__, "--tls-key", __file__], "cannot listen on 127.0.0.1:0", 1),
        (["--host", "203.0.113.1"], "cannot listen on 203.0.113.1:0", 1),
    ],
)
def test_refusals(options: list[str], said: str, code: int) -> None:
    ended = subprocess.run(
        [*COMMAND, "--port", "0", *options],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == code
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert KEY not in ended.stderr + ended.stdout


def test_help_names_every_fault_and_shows_examples() -> None:
    ended = subprocess.run(
        [*COMMAND, "--help"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    words = re.split(r"[\s│,.]+", ended.stdout)
    assert set(FaultKind) <= set(words)
    assert "pagerduty-subscriber simulate --fault 500:p=0.3" in ended.stdout
