"""The header of the results: hardware, kernel, versions, and how busy the machine was.

Everything is read from the running system; what cannot be read says so.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from benchsuite.contestants import Contestant
from benchsuite.processes import cores
from subscriber.ports.embedded import find_nats_server

ROOT = Path(__file__).resolve().parents[2]


def header(contestants: Iterable[Contestant]) -> dict[str, object]:
    """All of it, for the results' data."""
    server, program = cores()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": commit(),
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "pinned": f"servers on core {server}, program under test on core {program}",
        "shared_core": server == program,
        "memory_gb": round(memory, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "load_before": round(os.getloadavg()[0], 2),
        "nats_server": _said(str(find_nats_server()), "--version"),
        "versions": {one.name: one.versions() for one in contestants},
    }


def commit() -> str:
    """The commit under test; a plus when the tree differs from it."""
    name = _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    changed = _said("git", "-C", str(ROOT), "status", "--porcelain", "--", "subscriber")
    return (name or "unknown") + ("+" if changed else "")


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
