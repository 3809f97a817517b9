"""The child nats-server: where it listens, what it keeps, and that it never outlives us."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path

import pytest
from private_server import connected

from subscriber.model import Problem, Reason
from subscriber.ports.embedded import EmbeddedNats, find_nats_server
from subscriber.ports.nats.publish import NatsPublisher

pytestmark = pytest.mark.live


def alive(pid: int) -> bool:
    with suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return False


def gone(pid: int, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


async def test_it_listens_on_the_loopback_and_ends_with_us(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path / "deep" / "folder") as server:
        assert server.url.startswith("nats://127.0.0.1:")
        assert alive(server.pid)
        pid = server.pid
        async with connected(server) as connection:
            await connection.ping()
            assert (await connection.api("INFO"))["streams"] == 0
    assert server.pid == 0
    assert not alive(pid)
    assert "Initiating Shutdown" in server.log_file.read_text()


async def test_a_restart_keeps_port_and_data(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path) as server:
        url = server.url
        async with connected(server) as connection:
            config = {"name": "S", "subjects": ["s.>"], "storage": "file", "num_replicas": 1}
            await connection.api("STREAM.CREATE.S", config)
            await NatsPublisher(connection).publish("s.x", b"kept")
        for again in (server.restart, server.start):
            if again == server.start:
                server.kill()
            await again()
            assert server.url == url
            async with connected(server) as connection:
                info = await connection.api("STREAM.INFO.S")
                assert info["state"]["messages"] == 1


async def test_a_ctrl_c_in_our_terminal_does_not_reach_it(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path) as server:
        assert os.getsid(server.pid) != os.getsid(0)
        assert os.getpgid(server.pid) != os.getpgid(0)


SCRIPT = """
import asyncio, pathlib, sys
from subscriber.ports.embedded import EmbeddedNats
async def main():
    server = EmbeddedNats(pathlib.Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only an orderly end stops it")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_our_process_however_that_ends(tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(how)
        parent.wait(10)
    assert gone(pid)


async def test_two_do_not_share_a_folder(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path) as server:
        with pytest.raises(Problem) as caught:
            await EmbeddedNats(tmp_path).start()
        assert caught.value.reason is Reason.PROGRAM_FAILED
        assert str(tmp_path) in caught.value.where
        with pytest.raises(Problem):
            await server.start()
        assert alive(server.pid)
    async with EmbeddedNats(tmp_path) as after:
        assert alive(after.pid)


async def test_a_port_in_use_is_said(tmp_path: Path, nats_server: EmbeddedNats) -> None:
    port = int(nats_server.url.rpartition(":")[2])
    server = EmbeddedNats(tmp_path, port=port)
    with pytest.raises(Problem) as caught:
        await server.start()
    assert caught.value.reason is Reason.PROGRAM_FAILED
    assert "address already in use" in str(caught.value)
    assert server.pid == 0


async def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path, arguments=("--no-such-flag",))
    with pytest.raises(Problem) as caught:
        await server.start()
    assert caught.value.reason is Reason.PROGRAM_FAILED


def test_without_a_binary_there_is_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem) as caught:
        find_nats_server()
    assert caught.value.reason is Reason.MISSING_PROGRAM
    assert "pagerduty-subscriber[embedded]" in caught.value.hint
    (tmp_path / "nats-server").write_text("#!/bin/sh\n")
    (tmp_path / "nats-server").chmod(0o755)
    assert find_nats_server() == tmp_path / "nats-server"


async def test_many_at_once(tmp_path: Path) -> None:
    servers = [EmbeddedNats(tmp_path / str(number)) for number in range(4)]
    await asyncio.gather(*(server.start() for server in servers))
    assert len({server.url for server in servers}) == 4
    await asyncio.gather(*(server.stop() for server in servers))
    assert not any(server.pid for server in servers)
