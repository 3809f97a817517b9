"""Install the peers into benchmarks/.peers: FastStream (pip), Node-RED (npm), Bento (Go).

Rules: nothing outside that folder but the package managers' own caches; versions are pinned; what
cannot be had here is said, and everything else is installed all the same. Alertmanager comes from
Debian and is only looked for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchsuite.contestants import BENTO, EVERYBODY, INSTALLED, NODE_MODULES, PEER_PYTHON, nice

CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"
PYTHON_PACKAGES = ("faststream[nats]==0.7.8", "nats-py", "httpx", "aiohttp", "uvloop", "Jinja2")
NODE_PACKAGES = (
    "node-red@4.1.8",
    "@nats-io/jetstream@3.4.0",
    "@nats-io/transport-node@3.4.0",
)
BENTO_MODULE, BENTO_VERSION = "github.com/warpstreamlabs/bento", "v1.20.0"


def install() -> int:
    """Install what is missing; the number of peers that could not be had."""
    INSTALLED.mkdir(exist_ok=True)
    steps = (
        ("FastStream", PEER_PYTHON.exists, _python),
        ("Node-RED", (NODE_MODULES / "node-red").exists, _node),
        ("Bento", BENTO.exists, _bento),
    )
    failed = 0
    for name, there, step in steps:
        if there():
            print(f"{name}: is there")
            continue
        print(f"{name}: installing ...", flush=True)
        try:
            step()
            print(f"{name}: installed")
        except (OSError, subprocess.CalledProcessError) as error:
            failed += 1
            print(f"SKIPPED: {name}: {error}", file=sys.stderr)
    for one in EVERYBODY.values():
        print(f"  {one.name:<20}{one.missing() or 'ready'}")
    return failed


def _run(*command: str, folder: Path | None = None, **environment: str) -> str:
    done = subprocess.run(
        [*nice(), *command],
        cwd=folder,
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def _python() -> None:
    folder = INSTALLED / "venv"
    try:
        venv.create(folder, with_pip=True)
        pip = [str(PEER_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # The same versions of what both use, so that only the programs differ.
        _run(*pip, "--constraint", str(CONSTRAINTS), *PYTHON_PACKAGES)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _node() -> None:
    folder = NODE_MODULES.parent
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text('{"private": true}\n')
    npm = ("npm", "install", "--no-audit", "--no-fund", "--loglevel=error")
    _run(*npm, *NODE_PACKAGES, folder=folder)


def _bento() -> None:
    """As `go install` does it, but without asking for the list of versions, which some proxies of
    the module proxy do not serve."""
    where = f"{BENTO_MODULE}@{BENTO_VERSION}"
    module = json.loads(_run("go", "mod", "download", "-json", where, folder=INSTALLED))
    BENTO.parent.mkdir(exist_ok=True)
    build = ("go", "build", "-p=1", "-buildvcs=false", "-ldflags=-s -w", "-o", str(BENTO))
    _run(*build, "./cmd/bento", folder=Path(module["Dir"]))
    BENTO.with_name("bento.version").write_text(BENTO_VERSION + "\n")
