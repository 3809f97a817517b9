"""The processes of a chaos run: subscribers, PagerDuty's stand-in, and one or three nats-servers.

Rules: loopback only, no fixed ports; every process is ended by its id, also when the run is
interrupted, and the kernel ends those that are left when the runner itself is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from subscriber.ports.embedded import EmbeddedNats

# Becomes the program, and is killed by the kernel when the process that started it is gone.
_SHIM = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def spawn(command: list[str], **streams: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own (a Ctrl-C in the terminal is ours to pass on)."""
    shim = [sys.executable, "-I", "-S", "-c", _SHIM, str(os.getpid())]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NATS_", "PAGERDUTY_")) and not name.lower().endswith("_proxy")
    }
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [*shim, *command],
        stdin=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
        **streams,  # type: ignore[call-overload]
    )
    return process


async def ended(process: subprocess.Popen[bytes], within: float) -> bool:
    """Whether the process ends within so many seconds."""
    deadline = time.monotonic() + within
    while process.poll() is None:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


class Subscriber:
    """One replica: `pagerduty-subscriber run`, started again as often as it takes.

    Attributes:
        name: for the log files.
        died: exit codes of runs that ended though nobody asked them to.
        late: SIGTERMs that did not lead to an exit code of 0 in time.
    """

    def __init__(self, name: str, config: Path, logs: Path, *, patience: float) -> None:
        self.name = name
        self._config = config
        self._logs = logs
        self._patience = patience
        self._runs = 0
        self._log = logs
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = False
        self.died: list[int] = []
        self.late: list[str] = []

    @property
    def runs(self) -> bool:
        """Whether it runs now (frozen counts)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it unless it runs."""
        if self.runs:
            return
        self.fell()
        self._runs += 1
        self._asked = False
        command = [sys.executable, "-m", "subscriber", "run", "--config", str(self._config)]
        self._log = self._logs / f"{self.name}-{self._runs}.log"
        with self._log.open("wb") as log:
            self._process = spawn(command, stdout=subprocess.DEVNULL, stderr=log)

    def fell(self) -> bool:
        """Whether it ended though nobody asked it to; noted once."""
        process = self._process
        if process is None or process.poll() is None or self._asked:
            return False
        self._asked = True
        self.died.append(process.returncode)
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if there is anybody to hear it."""
        self.fell()
        if self._process is not None and self.runs:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, also when it is frozen."""
        self.fell()
        self._asked = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def terminate(self) -> None:
        """SIGTERM; it should end with 0 in time."""
        self.fell()
        if self._process is None or not self.runs:
            return
        self._asked = True
        self._process.terminate()
        if not await ended(self._process, self._patience):
            self.late.append(f"{self.name}: still running {self._patience:g} s after SIGTERM")
            self.kill()
        elif self._process.returncode != 0 and self._log.stat().st_size:
            # one that had not said a word was still being loaded, and holds nothing
            self.late.append(f"{self.name}: exit code {self._process.returncode} after SIGTERM")


class PagerDuty:
    """The stand-in's process; see `chaos_pagerduty`."""

    def __init__(self, journal: Path, seed: int, faults: tuple[str, ...]) -> None:
        script = Path(__file__).with_name("chaos_pagerduty.py")
        command = [sys.executable, str(script), str(journal), str(seed), *faults]
        self.process = spawn(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().decode().strip()
        if not self.url:
            raise RuntimeError("the stand-in did not start")

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


class Servers:
    """One nats-server, or a cluster of three, with file storage."""

    def __init__(self, folder: Path, *, size: int) -> None:
        ports, routes = _free_ports(size), _free_ports(size)
        self.urls = [f"nats://127.0.0.1:{port}" for port in ports]
        self._members: list[EmbeddedNats] = []
        for number, port in enumerate(ports):
            place = folder / f"nats{number}"
            place.mkdir(parents=True)
            arguments: tuple[str, ...] = ()
            if size > 1:
                config = place / "server.conf"
                config.write_text(_cluster(number, routes), encoding="utf-8")
                arguments = ("-c", str(config))
            self._members.append(EmbeddedNats(place, port=port, arguments=arguments))

    def __len__(self) -> int:
        return len(self._members)

    async def start(self) -> None:
        """Start them all."""
        await asyncio.gather(*(member.start() for member in self._members))

    def kill(self, number: int) -> None:
        """SIGKILL."""
        self._members[number].kill()

    async def stop(self, number: int) -> None:
        """SIGTERM."""
        await self._members[number].stop()

    async def restart(self, number: int) -> None:
        """Start a member that was killed or stopped, on its port and data."""
        await self._members[number].start()

    def signal(self, number: int, what: signal.Signals) -> None:
        """SIGSTOP or SIGCONT."""
        pid = self._members[number].pid
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, what)

    def close(self) -> None:
        """Kill them all."""
        for member in self._members:
            member.kill()


def _cluster(number: int, routes: list[int]) -> str:
    others = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    return (
        f"server_name: n{number}\n"
        f'cluster {{ name: chaos, listen: "127.0.0.1:{routes[number]}", routes: [{others}] }}\n'
    )


def _free_ports(count: int) -> list[int]:
    """Ports that are free now; a cluster's members must know each other's before they start."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
