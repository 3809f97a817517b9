"""Who takes part: ourselves, the ceiling and the peers; how each is started, and what it needs.

Rules: the same facts for everybody (`Job`), given to peers as PEER_* variables. What is not
installed says why, and is skipped in the output and in the table. Peers live in benchmarks/.peers,
made by `make bench-peers`; what runs on our own dependencies needs nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchsuite.events import ROUTING_KEY, SUBJECTS, WANTED

ROOT = Path(__file__).resolve().parents[1]
PEERS, INSTALLED = ROOT / "peers", ROOT / ".peers"
PEER_PYTHON = INSTALLED / "venv" / "bin" / "python"
BENTO = INSTALLED / "bin" / "bento"
NODE_MODULES = INSTALLED / "node" / "node_modules"
OURS, CEILING = "ours", "ceiling"
HINT = "make bench-peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of one contestant.

    Attributes:
        nats, pagerduty: URLs.
        stream, durable: what to read, and by which name.
        bucket: for a ledger, where there is one.
        folder: for files of the run.
        port: a free one, for health.
        rules: how many rules are loaded; the first is the one that matches.
    """

    nats: str
    pagerduty: str
    stream: str
    durable: str
    bucket: str
    folder: Path
    port: int
    rules: int = 1

    @property
    def environment(self) -> dict[str, str]:
        """For peers."""
        return {
            "PEER_NATS": self.nats,
            "PEER_PAGERDUTY": self.pagerduty,
            "PEER_ENQUEUE": f"{self.pagerduty}/v2/enqueue",
            "PEER_STREAM": self.stream,
            "PEER_DURABLE": self.durable,
            "PEER_SUBJECTS": SUBJECTS,
            "PEER_TYPE": WANTED,
            "PEER_ROUTING_KEY": ROUTING_KEY,
            "PEER_FOLDER": str(self.folder),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One of them.

    Attributes:
        name: in commands and in the results' data.
        title: in tables.
        what: what it does less, or otherwise, than ours.
        command: from a job to the command line; may write files into the job's folder.
        missing: why it cannot run here, empty when it can.
        versions: what it is made of.
        share: the part of the events that it gets; a slow one need not take minutes.
        reads_nats: false for one that is fed through its own API.
    """

    name: str
    title: str
    what: str
    command: Callable[[Job], list[str]]
    missing: Callable[[], str] = lambda: ""
    versions: Callable[[], str] = lambda: ""
    share: float = 1.0
    reads_nats: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


# -- ours -----------------------------------------------------------------------------------------

_RULE = """
  - name: evaluations
    types: {type}
    action: '{{{{if eq .data.result "fail"}}}}trigger{{{{else}}}}resolve{{{{end}}}}'
    dedup_key: '{{{{.data.project}}}}/{{{{.data.stage}}}}/{{{{.data.service}}}}'
    body:
      summary: 'Evaluation of {{{{.data.service}}}} in {{{{.data.stage}}}}: {{{{.data.result}}}}'
      severity: '{{{{if eq .data.result "fail"}}}}critical{{{{else}}}}info{{{{end}}}}'
      source: '{{{{.source}}}}'
      custom_details:
        message: '{{{{.data.message}}}}'
        score: '{{{{.data.evaluation.score}}}}'
        from: '{{{{.data.evaluation.timeStart}}}}'
        to: '{{{{.data.evaluation.timeEnd}}}}'
        build: '{{{{.data.labels.build}}}}'
        context: '{{{{.shkeptncontext}}}}'
"""


def our_config(job: Job) -> str:
    """The configuration as a user would write it, with PagerDuty at the sink and no rate limit."""
    head = {
        "nats": {
            "url": job.nats,
            "stream": job.stream,
            "subjects": [SUBJECTS],
            "durable": job.durable,
            "deliver": "all",
        },
        "pagerduty": {"events_url": job.pagerduty, "rate_limit": 0},
        "services": {"default": {"routing_key": ROUTING_KEY}},
        "delivery": {"ledger_bucket": job.bucket},
        "http": {"listen": f"127.0.0.1:{job.port}"},
        "log": {"format": "json", "level": "info"},
        "packs": [],
    }
    lines = [f"{name}: {json.dumps(value)}" for name, value in head.items()]
    # Every tenth of the further rules has a glob, so that not only exact types are looked up.
    further = [
        {
            "name": f"other-{number}",
            "types": f"sh.keptn.event.other-{number}.{'*' if number % 10 == 0 else 'finished'}",
            "match": {"data.stage": "staging"},
            "action": "trigger",
            "dedup_key": "{{.data.project}}/{{.data.service}}",
            "body": {"summary": "{{.type}}", "source": "{{.source}}", "severity": "error"},
        }
        for number in range(1, job.rules)
    ]
    rules = _RULE.format(type=WANTED) + "".join(f"  - {json.dumps(one)}\n" for one in further)
    return "\n".join(lines) + "\nrules:" + rules


def _ours(job: Job) -> list[str]:
    config = job.folder / "subscriber.yaml"
    config.write_text(our_config(job))
    return [str(our_program()), "run", "--config", str(config)]


def our_program() -> Path:
    """The installed command, as a user calls it."""
    return Path(sys.executable).with_name("pagerduty-subscriber")


# -- peers ----------------------------------------------------------------------------------------


def _script(python: str | Path, name: str, *arguments: str) -> Callable[[Job], list[str]]:
    return lambda job: [str(python), str(PEERS / name), *arguments]


def _node_red(job: Job) -> list[str]:
    flow = job.folder / "flow.json"
    make = [sys.executable, str(PEERS / "node_red" / "make_flow.py"), str(flow)]
    subprocess.run(make, check=True)
    red = NODE_MODULES / "node-red" / "red.js"
    settings = PEERS / "node_red" / "settings.js"
    return ["node", str(red), "--settings", str(settings), str(flow)]


def _bento(job: Job) -> list[str]:
    return [str(BENTO), "-c", str(PEERS / "bento.yaml")]


def _alertmanager(job: Job) -> list[str]:
    text = (PEERS / "alertmanager.yml.in").read_text()
    for name, value in job.environment.items():
        text = text.replace(f"@{name}@", value)
    config = job.folder / "alertmanager.yml"
    config.write_text(text)
    return [
        "prometheus-alertmanager",
        f"--config.file={config}",
        f"--storage.path={job.folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{job.port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else ""


_ASK = "import sys; from importlib.metadata import version; " + (
    "print('Python ' + sys.version.split()[0], "
    "*(f'{n} {version(n)}' for n in sys.argv[1:]), sep=', ')"
)


def _python(python: str | Path, *names: str) -> Callable[[], str]:
    return lambda: _first_line(str(python), "-c", _ASK, *names)


def _needs_peer_python() -> str:
    return "" if PEER_PYTHON.exists() else f"FastStream is not installed ({HINT})"


def _needs_bento() -> str:
    return "" if BENTO.exists() else f"Bento is not built ({HINT}; needs Go and its module proxy)"


def _needs_node_red() -> str:
    if shutil.which("node") is None:
        return "there is no node"
    there = (NODE_MODULES / "node-red").exists() and (NODE_MODULES / "@nats-io").exists()
    return "" if there else f"Node-RED is not installed ({HINT}; needs npm)"


def _needs_alertmanager() -> str:
    found = shutil.which("prometheus-alertmanager")
    return "" if found else "no prometheus-alertmanager (apt-get install prometheus-alertmanager)"


def _npm_version(name: str) -> str:
    return f"{name} {json.loads((NODE_MODULES / name / 'package.json').read_text())['version']}"


def _node_red_versions() -> str:
    parts = (_npm_version("node-red"), _npm_version("@nats-io/jetstream"))
    return ", ".join([f"node {_first_line('node', '--version')}", *parts])


def _alertmanager_version() -> str:
    return " ".join(_first_line("prometheus-alertmanager", "--version").split()[:3])


def _bento_version() -> str:
    note = (
        INSTALLED / "bin" / "bento.version"
    )  # a build from the module cache does not know its own
    return f"Bento {note.read_text().strip()}" if note.exists() else _first_line(str(BENTO), "-v")


_HTTP = ("nats-py", "aiohttp", "Jinja2", "uvloop")

EVERYBODY: dict[str, Contestant] = {
    one.name: one
    for one in (
        Contestant(
            name=OURS,
            title="pagerduty-subscriber",
            what="one rule, ledger on, log in JSON at level info to a file, rate limit 0",
            command=_ours,
            versions=_python(
                sys.executable, "pagerduty-subscriber", "nats-py", "aiohttp", "msgspec", "uvloop"
            ),
        ),
        Contestant(
            name=CEILING,
            title="*ceiling* (bare protocols)",
            what="no rules, templates, ledger, retries or order; a body cut together from slices",
            command=_script(sys.executable, "ceiling.py"),
            versions=_python(sys.executable, "uvloop"),
        ),
        Contestant(
            name="callback",
            title="callback pull, lanes, aiohttp",
            what="ordered per key in one process; no ledger, sandbox, retries or dead letters",
            command=_script(sys.executable, "callback_peer.py", "template"),
            versions=_python(sys.executable, *_HTTP),
        ),
        Contestant(
            name="callback-plain",
            title="the same, body as Python code",
            what="as before, and no template",
            command=_script(sys.executable, "callback_peer.py", "plain"),
            versions=_python(sys.executable, *_HTTP),
        ),
        Contestant(
            name="fetch",
            title="nats-py fetch + aiohttp",
            what="no order, ledger, sandbox or dead letters",
            command=_script(sys.executable, "fetch_peer.py"),
            versions=_python(sys.executable, *_HTTP),
            share=0.5,
        ),
        Contestant(
            name="faststream-aiohttp",
            title="FastStream + aiohttp",
            what="no order, ledger, sandbox or dead letters",
            command=_script(PEER_PYTHON, "faststream_peer.py", "aiohttp"),
            missing=_needs_peer_python,
            versions=_python(PEER_PYTHON, "faststream", *_HTTP),
            share=0.2,
        ),
        Contestant(
            name="faststream-httpx",
            title="FastStream + httpx",
            what="no order, ledger, sandbox or dead letters",
            command=_script(PEER_PYTHON, "faststream_peer.py", "httpx"),
            missing=_needs_peer_python,
            versions=_python(PEER_PYTHON, "faststream", "nats-py", "httpx", "Jinja2"),
            share=0.1,
        ),
        Contestant(
            name="node-red",
            title="Node-RED + nats.js",
            what="no order, ledger, sandbox or dead letters",
            command=_node_red,
            missing=_needs_node_red,
            versions=_node_red_versions,
            share=0.2,
            environment={"PEER_MODULES": str(NODE_MODULES)},
        ),
        Contestant(
            name="bento",
            title="Bento",
            what="Go; no order, ledger or dead letters here",
            command=_bento,
            missing=_needs_bento,
            versions=_bento_version,
        ),
        Contestant(
            name="alertmanager",
            title="Alertmanager (fed by its API)",
            what="Go; no NATS, no filter, nothing durable: alerts are POSTed to it in batches",
            command=_alertmanager,
            missing=_needs_alertmanager,
            versions=_alertmanager_version,
            share=0.3,
            reads_nats=False,
        ),
    )
}


def present(names: list[str]) -> tuple[list[Contestant], dict[str, str]]:
    """Those of `names` that can run here, and why each of the others cannot."""
    chosen = [EVERYBODY[name] for name in names]
    absent = {one.name: one.missing() for one in chosen if one.missing()}
    return [one for one in chosen if one.name not in absent], absent


def nice() -> list[str]:
    """For builds."""
    return ["nice", "-n", "15"] if shutil.which("nice") else []


def peer_environment(job: Job, contestant: Contestant) -> dict[str, str]:
    """What a contestant's process gets besides our own environment."""
    return {**job.environment, **contestant.environment, "PEER_FLOW": str(job.folder / "flow.json")}


def free_of_secrets() -> None:
    """Nothing of the caller's environment may reach the service under test."""
    for name in list(os.environ):
        if name.startswith(("NATS_", "PAGERDUTY_")):
            del os.environ[name]
