"""Children of the benchmark: pinned to a core, measured through /proc, ended by their id.

Rules: a child never outlives us (the kernel kills it when we end, however we end), has a session of
its own (a Ctrl-C in the terminal is ours to handle), and its output goes to a file that is shown
when it fails. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_LIBC = ctypes.CDLL(None, use_errno=True)
_PATIENCE = 15.0


class Broken(Exception):
    """The harness, or a contestant in it, did not do its work: there is no figure."""


def cores() -> tuple[int, int]:
    """The core of the servers and that of the program; the same one when there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[1] if len(usable) > 1 else usable[0]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far.

    The scheduler's own nanoseconds of all its threads; the clock ticks (10 ms) of user and system
    time when they are more, for they include threads that have ended.
    """
    exact = ticks = 0.0
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            exact += int(file.read_text().split()[0]) / 1e9
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = (int(fields[11]) + int(fields[12])) / _TICK
    return max(exact, ticks - 2 / _TICK)


def core_seconds(core: int) -> float:
    """Time that a core was in use by anybody so far, the hypervisor's other guests included."""
    with suppress(OSError):
        for line in Path("/proc/stat").read_text().splitlines():
            words = line.split()
            if words[0] == f"cpu{core}":
                # user nice system idle iowait irq softirq steal
                return sum(int(words[n]) for n in (1, 2, 3, 6, 7, 8)) / _TICK
    return 0.0


def memory(pid: int) -> tuple[float, float]:
    """Resident memory of a process in MB (10^6 bytes): now, and at its highest."""
    found = {"VmRSS": 0.0, "VmHWM": 0.0}
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0]) * 1024 / 1e6
    return found["VmRSS"], found["VmHWM"]


class Child:
    """One process."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        core: int,
        log: Path,
        environment: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
        folder: Path | None = None,
    ) -> None:
        self.command = tuple(command)
        self.log = log
        ours = os.getpid()

        def prepare() -> None:
            os.sched_setaffinity(0, {core})
            _LIBC.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != ours:
                os._exit(1)

        base = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self.started = time.monotonic()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env={**base, **(environment or {})},
                stdin=stdin,
                stdout=output if stdout is None else stdout,
                stderr=output,
                start_new_session=True,
                preexec_fn=prepare,  # noqa: PLW1509  # no threads here
                cwd=folder,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Raise `Broken`, with the end of its log, when it has ended."""
        if self.process.poll() is not None:
            raise Broken(
                f"{' '.join(self.command)[:200]} ended with status {self.process.returncode}:\n"
                + self.tail()
            )

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def end(self) -> None:
        """SIGTERM, then SIGKILL; returns when it is gone."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
