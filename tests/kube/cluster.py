"""A Kubernetes control plane from its sources: etcd, API server, controllers, scheduler, kwok.

Everything is the real thing but the nodes: kwok says of every pod that it runs, and runs nothing.
The programs are built once into .tools/kube/bin from the Go module proxy (a quarter of an hour on
two cores), listen on loopback only, and end with the block.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".tools" / "kube"
BIN = PLACE / "bin"
KUBERNETES, ETCD, KWOK, HELM4 = "1.35.4", "3.6.5", "0.8.0", "4.3.1"
TOKEN = "kube-check"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")


def say(text: str) -> None:
    print(text, flush=True)


def go(*words: str, folder: Path, **env: str) -> str:
    """Run go, slowly: others use the machine too."""
    done = subprocess.run(
        ["nice", "-n", "15", "go", *words],
        check=False,
        cwd=folder,
        text=True,
        capture_output=True,
        env=os.environ | {"GOFLAGS": "", "GOWORK": "off"} | env,
    )
    if done.returncode:
        raise SystemExit(f"go {' '.join(words[:3])}: {done.stderr[-3000:]}")
    return done.stdout


def module_folder(module: str) -> Path:
    """Where the source of a module is."""
    PLACE.mkdir(parents=True, exist_ok=True)
    return Path(json.loads(go("mod", "download", "-json", module, folder=PLACE))["Dir"])


def scratch(name: str, lines: list[str], packages: list[str]) -> Path:
    """A module of our own, for programs whose go.mod replaces modules and cannot be installed."""
    folder = PLACE / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text("\n".join([f"module {name}.scratch", "go 1.25.0", *lines, ""]))
    imports = "\n".join(f'\t_ "{package}"' for package in packages)
    (folder / "tools.go").write_text(
        f"//go:build tools\n\npackage tools\n\nimport (\n{imports}\n)\n"
    )
    go("mod", "tidy", folder=folder)
    return folder


def build_kubernetes() -> None:
    """The four programs of Kubernetes, told their version as its own build does."""
    minor = KUBERNETES.split(".")[1]
    source = module_folder(f"k8s.io/kubernetes@v{KUBERNETES}")
    required = [line.split() for line in (source / "go.mod").read_text().splitlines()]
    staging = sorted(
        {w[0] for w in required if len(w) > 1 and w[0][:7] == "k8s.io/" and w[1] == "v0.0.0"}
    )
    lines = [f"require k8s.io/kubernetes v{KUBERNETES}"]
    lines += [f"replace {name} => {name} v0.{KUBERNETES.split('.', 1)[1]}" for name in staging]
    folder = scratch("kubernetes", lines, [f"k8s.io/kubernetes/cmd/{name}" for name in PROGRAMS])
    says = {"gitVersion": f"v{KUBERNETES}", "gitMajor": "1", "gitMinor": minor}
    flags = " ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in says.items())
    for name in PROGRAMS:
        if not (BIN / name).exists():
            say(f"building {name} {KUBERNETES} ...")
            go(
                *("build", "-p", "1", "-trimpath", "-ldflags", f"-s -w {flags}"),
                *("-o", str(BIN / name), f"k8s.io/kubernetes/cmd/{name}"),
                folder=folder,
            )


def build_tools() -> None:
    """Build what is not there yet."""
    BIN.mkdir(parents=True, exist_ok=True)
    if not all((BIN / name).exists() for name in PROGRAMS):
        build_kubernetes()
    if not (BIN / "etcd").exists():
        say(f"building etcd {ETCD} ...")
        package = "go.etcd.io/etcd/server/v3"
        folder = scratch("etcd", [f"require {package} v{ETCD}"], [package])
        go("build", "-p", "1", "-trimpath", "-ldflags", "-s -w", "-o", str(BIN / "etcd"), package,
           folder=folder)  # fmt: skip
    for name, package in (
        ("kwok", f"sigs.k8s.io/kwok/cmd/kwok@v{KWOK}"),
        ("helm", f"helm.sh/helm/v4/cmd/helm@v{HELM4}"),
    ):
        if not (BIN / name).exists():
            say(f"building {package} ...")
            go("install", "-p", "1", "-trimpath", "-ldflags", "-s -w", package,
               folder=PLACE, GOBIN=str(BIN))  # fmt: skip


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running control plane."""

    kubeconfig: Path
    version: str

    def run(
        self, *words: str | Path, stdin: str | None = None, fails: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl, helm or another program against it; what fails unasked ends the check."""
        command = [str(word) for word in words]
        if command[0] == "kubectl":
            command[0] = str(BIN / "kubectl")
        done = subprocess.run(
            command,
            check=False,
            text=True,
            input=stdin,
            capture_output=True,
            cwd=ROOT,
            timeout=180,
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
        )
        if (done.returncode != 0) != fails:
            say(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
            raise SystemExit(f"ended with {done.returncode}")
        return done

    def get(self, *words: str) -> Any:
        """`kubectl get ... -o json`."""
        return json.loads(self.run("kubectl", "get", *words, "-o", "json").stdout)


# what kwok does to nodes and pods, as it is shipped
STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-delete.yaml",
)
ROOM = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "64Gi", "pods": "110"}
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": "pretended",
        "labels": {"kubernetes.io/hostname": "pretended", "kubernetes.io/os": "linux"},
    },
    "status": {"capacity": ROOM, "allocatable": ROOM},
}


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start everything, wait until a namespace has its service account, end it all."""
    peer, client, api, manager, scheduler = free_ports(5)
    key = folder / "accounts.key"
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key.write_bytes(
        made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    kubeconfig = folder / "kubeconfig"
    entry = {
        "server": f"https://127.0.0.1:{api}",
        "certificate-authority": str(folder / "apiserver.crt"),
    }
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "check", "cluster": entry}],
                "users": [{"name": "admin", "user": {"token": TOKEN}}],
                "contexts": [{"name": "check", "context": {"cluster": "check", "user": "admin"}}],
                "current-context": "check",
            }
        )
    )
    etcd = f"http://127.0.0.1:{client}"
    with contextlib.ExitStack() as stack:

        def start(name: str, *options: str) -> None:
            log = stack.enter_context((folder / f"{name}.log").open("w"))
            process = subprocess.Popen(
                [str(BIN / name), *options], cwd=folder, stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(_end, process)

        start(
            "etcd", "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--log-level=error",
            f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}", "--name=one",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=one=http://127.0.0.1:{peer}",
        )  # fmt: skip
        start(
            "kube-apiserver", f"--etcd-servers={etcd}", "--bind-address=127.0.0.1",
            f"--secure-port={api}", f"--cert-dir={folder}", "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/24", f"--token-auth-file={folder}/tokens.csv",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            "--endpoint-reconciler-type=none",
        )  # fmt: skip
        made_cluster = Cluster(kubeconfig, f"v{KUBERNETES}")
        _wait(lambda: _ready(kubeconfig), "the API server", folder / "kube-apiserver.log")
        start(
            "kube-controller-manager", f"--kubeconfig={kubeconfig}", "--leader-elect=false",
            f"--service-account-private-key-file={key}", f"--secure-port={manager}",
            f"--root-ca-file={folder}/apiserver.crt", "--bind-address=127.0.0.1",
            f"--cert-dir={folder}/manager",
        )  # fmt: skip
        start(
            "kube-scheduler", f"--kubeconfig={kubeconfig}", "--leader-elect=false",
            f"--secure-port={scheduler}", "--bind-address=127.0.0.1",
            f"--cert-dir={folder}/scheduler",
        )  # fmt: skip
        stages = folder / "stages.yaml"
        shipped = module_folder(f"sigs.k8s.io/kwok@v{KWOK}") / "kustomize" / "stage"
        stages.write_text("\n---\n".join((shipped / one).read_text() for one in STAGES))
        start(
            "kwok", f"--kubeconfig={kubeconfig}", "--manage-all-nodes=true", f"--config={stages}",
            "--node-lease-duration-seconds=40",
        )  # fmt: skip
        made_cluster.run("kubectl", "apply", "-f", "-", stdin=json.dumps(NODE))
        _wait(
            lambda: made_cluster.get("serviceaccounts", "-n", "default")["items"],
            "the controllers",
            folder / "kube-controller-manager.log",
        )
        yield made_cluster


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


def _ready(kubeconfig: Path) -> bool:
    done = subprocess.run(
        [BIN / "kubectl", "get", "--raw", "/readyz"],
        check=False,
        capture_output=True,
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
    )
    return done.returncode == 0


def _wait(wanted: Any, what: str, log: Path, limit: float = 120.0) -> None:
    begun = time.monotonic()
    while not wanted():
        if time.monotonic() - begun > limit:
            sys.stdout.write(log.read_text()[-3000:])
            raise SystemExit(f"{what} did not come up within {limit:g} s")
        time.sleep(0.5)
