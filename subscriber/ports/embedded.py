"""A real nats-server with JetStream as a child process, for demos, development and tests.

Rules:
- It listens on the loopback interface, on a port of its own choice (kept over a restart).
- It never outlives us. On Linux the kernel sends it SIGTERM when our process (strictly: the thread
  that started it) ends, however it ends; elsewhere only `stop()` and a normal exit do that.
- A Ctrl-C in the terminal does not reach it: it has its own session, so that we can still drain.
- One data folder serves one server at a time; a lock file holds that.

The binary comes with the extra: ``pip install "pagerduty-subscriber[embedded]"``.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from subscriber.model import Problem, Reason

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows has no flock; the folder is then not guarded
    fcntl = None  # type: ignore[assignment]

_HINT = 'pip install "pagerduty-subscriber[embedded]"'

# Asks the kernel for a signal when the parent ends, makes sure it has not ended already, and
# becomes the server: no code of ours runs between fork and exec in the parent's image.
_LINUX_SHIM = """
import ctypes, os, sys
parent, signal = int(sys.argv[1]), int(sys.argv[2])
ctypes.CDLL(None, use_errno=True).prctl(1, signal, 0, 0, 0)
if os.getppid() != parent:
    sys.exit(1)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_nats_server() -> Path:
    """The nats-server binary: beside our Python first, then on PATH.

    Raises:
        Problem: there is none.
    """
    name = "nats-server.exe" if os.name == "nt" else "nats-server"
    beside = Path(sysconfig.get_path("scripts")) / name
    if beside.is_file():
        return beside
    found = shutil.which(name)
    if found:
        return Path(found)
    raise Problem(Reason.MISSING_PROGRAM, "no nats-server is installed", where=name, hint=_HINT)


class EmbeddedNats:
    """One child nats-server; ``async with EmbeddedNats(folder) as server: ... server.url``.

    Attributes:
        url: where it listens; empty before the first start.
        folder: its data, log and lock file; made when missing, never deleted.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        jetstream: bool = True,
        arguments: Sequence[str] = (),
        start_timeout: float = 20.0,
        stop_timeout: float = 10.0,
    ) -> None:
        self.folder = folder
        self.url = ""
        self._port = port
        self._jetstream = jetstream
        self._arguments = tuple(arguments)
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running server, 0 when it does not run."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and running else 0

    @property
    def log_file(self) -> Path:
        """The server's log."""
        return self.folder / "nats-server.log"

    async def start(self) -> None:
        """Start and wait until it listens.

        Raises:
            Problem: no binary, the folder is in use, or the server ended or stayed silent.
        """
        binary = find_nats_server()
        ports_folder = self.folder / "ports"
        ports_folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        for stale in ports_folder.glob("*.ports"):  # of a server that was killed
            stale.unlink(missing_ok=True)
        command = [str(binary), "-a", "127.0.0.1", "-p", str(self._port or -1)]
        command += ["-l", str(self.log_file), "--ports_file_dir", str(ports_folder)]
        if self._jetstream:
            command += ["-js", "-sd", str(self.folder / "data")]
        command += self._arguments
        if sys.platform == "linux":
            ours = [str(os.getpid()), str(int(signal.SIGTERM))]
            command = [sys.executable, "-I", "-S", "-c", _LINUX_SHIM, *ours, *command]
        self._process = subprocess.Popen(  # noqa: S603, ASYNC220  # returns at once
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(self.kill)
        try:
            self.url = await self._listening(ports_folder)
        except BaseException:
            self.kill()
            raise
        self._port = int(self.url.rpartition(":")[2])

    async def stop(self) -> None:
        """Let it shut down in order (its data reach the disk); killed when that takes too long."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            deadline = time.monotonic() + self._stop_timeout
            while process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, and reap it; the port and the data stay for a later `start`."""
        process, self._process = self._process, None
        atexit.unregister(self.kill)
        if process is not None:
            if process.poll() is None:
                process.kill()
            process.wait()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def restart(self) -> None:
        """Stop in order and start again on the same port with the same data."""
        await self.stop()
        await self.start()

    async def __aenter__(self) -> EmbeddedNats:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def _listening(self, ports_folder: Path) -> str:
        process = self._process
        assert process is not None
        deadline = time.monotonic() + self._start_timeout
        while time.monotonic() < deadline:
            # The name starts with that of the program; the server writes it in one go, but we may
            # look between its creation and its content.
            for file in ports_folder.glob(f"*_{process.pid}.ports"):  # noqa: ASYNC240
                with suppress(OSError, msgspec.DecodeError):
                    addresses = msgspec.json.decode(file.read_bytes(), type=dict[str, list[str]])
                    if addresses.get("nats"):
                        return addresses["nats"][0]
            if process.poll() is not None:
                raise self._failure(f"nats-server ended with status {process.returncode}")
            await asyncio.sleep(0.005)
        raise self._failure(f"nats-server does not listen after {self._start_timeout:g} s")

    def _failure(self, message: str) -> Problem:
        detail = ""
        with suppress(OSError):
            for line in self.log_file.read_text(errors="replace").splitlines()[-100:]:
                for level in ("[FTL] ", "[ERR] "):
                    detail = line.partition(level)[2][:300] or detail
        return Problem(
            Reason.PROGRAM_FAILED,
            f"{message}: {detail}" if detail else message,
            where=str(self.log_file),
        )

    def _take_lock(self) -> None:
        if self._lock is not None:
            raise Problem(
                Reason.PROGRAM_FAILED, "nats-server was already started", where=str(self.folder)
            )
        lock = (self.folder / "lock").open("wb")
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                raise Problem(
                    Reason.PROGRAM_FAILED,
                    "another nats-server already works on this folder",
                    where=str(self.folder),
                    hint="stop the other one, or choose another folder",
                ) from None
        self._lock = lock
