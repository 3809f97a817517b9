"""Installs the chart into a real Kubernetes API server, as its README says: `make kube-check`.

Needs Go and its module proxy; without Go it says so and ends well. The first run builds Kubernetes,
etcd, kwok and Helm from their sources into .tools/ (a quarter of an hour), later ones take two
minutes. With each of Helm 3 and Helm 4: a namespace that enforces the restricted pod security,
server-side dry run, install, test, upgrade, wrong values, rollback, uninstall; then every variant
of helm/pagerduty-subscriber/ci is installed, with the CRDs of the Prometheus operator, KEDA and
NACK. HELM=3 or HELM=4 does one of them.

What it does not show: pods do not run. kwok says that they do; only the containers of `helm test`
are really executed, here, with this checkout's program, on the files that their volumes would hold.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import yaml
from cluster import BIN, ROOT, Cluster, build_tools, cluster, module_folder, say

CHART = ROOT / "helm" / "pagerduty-subscriber"
HELMS = {"3": ROOT / ".tools" / "bin" / "helm", "4": BIN / "helm"}
PROGRAM = Path(sys.executable).parent / "pagerduty-subscriber"
RESTRICTED = {
    f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")
}
# the modules that the schemas in tests/helm/crds come from
CRDS = {
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_{}.yaml",
        ("servicemonitors", "podmonitors", "prometheusrules"),
    ),
    "github.com/kedacore/keda/v2@v2.21.0": ("config/crd/bases/keda.sh_{}.yaml", ("scaledobjects",)),
    "github.com/nats-io/nack@v0.23.0": ("deploy/{}.yml", ("crds",)),
}
RUNS_AS_ROOT = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "root"},
    "spec": {"containers": [{"name": "c", "image": "x", "securityContext": {"runAsUser": 0}}]},
}
WRONG = {
    "replicaCount": "many",
    "config.nats.urls": "nats://nats:4222",
    "config.nats.max_in_flight": "0",
    "config.pagerduty.region": "mars",
    "terminationGracePeriodSeconds": "5",
}
REFUSED_WORDS = ("replicaCount", "urls", "max_in_flight", "region", "terminationGracePeriodSeconds")
FIRST = "config.nats.url=nats://nats.nats.svc:4222"
KEY = "routingKeys.default.existingSecret.name=pagerduty"


def expect(well: object, what: str, said: str = "") -> None:
    """One finding; a wrong one ends the check, after what the command said."""
    say(f"  {'ok' if well else 'NOT SO'}: {what}")
    if not well:
        raise SystemExit(said or 1)


def namespace(kube: Cluster, name: str) -> None:
    """A namespace that refuses pods which are not restricted."""
    made = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": RESTRICTED},
    }
    kube.run("kubectl", "apply", "-f", "-", stdin=json.dumps(made))
    while not kube.get("serviceaccounts", "-n", name)["items"]:  # the controllers bring one
        time.sleep(0.2)


def install_crds(kube: Cluster) -> None:
    """The definitions that the chart's optional resources need."""
    for module, (pattern, names) in CRDS.items():
        folder = module_folder(module)
        for name in names:
            file = folder / pattern.format(name)
            kube.run("kubectl", "apply", "--server-side", "-f", file)
        say(f"  ok: CRDs of {module}: {', '.join(names)}")


class TestPods:
    """What a node would do for the pods of `helm test`: their containers, one after the other."""

    def __init__(self, kube: Cluster, space: str) -> None:
        self._kube, self._space = kube, space
        self._stop = threading.Event()
        self.said: list[str] = []
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> TestPods:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            for pod in self._kube.get("pods", "-n", self._space)["items"]:
                hooks = pod["metadata"].get("annotations", {}).get("helm.sh/hook", "")
                if "test" in hooks and pod["status"].get("phase") == "Running":
                    self._play(pod)

    def _play(self, pod: dict[str, Any]) -> None:
        spec = pod["spec"]
        good = True
        with tempfile.TemporaryDirectory() as name:
            volumes = {one["name"]: self._files(one, Path(name)) for one in spec["volumes"]}
            for container in (*spec.get("initContainers", ()), *spec["containers"]):
                words = container["args"]
                for mount in container["volumeMounts"]:
                    here = str(volumes[mount["name"]])
                    words = [word.replace(mount["mountPath"], here) for word in words]
                done = subprocess.run(
                    [PROGRAM, *words], check=False, text=True, capture_output=True, timeout=60
                )
                self.said.append(f"{container['name']}: exit {done.returncode}")
                self.said += (done.stdout + done.stderr).splitlines()
                good = good and done.returncode == 0
        status = {"status": {"phase": "Succeeded" if good else "Failed"}}
        self._kube.run(
            *("kubectl", "-n", self._space, "patch", "pod", pod["metadata"]["name"]),
            *("--subresource=status", "--type=merge", "-p", json.dumps(status)),
        )

    def _files(self, volume: dict[str, Any], folder: Path) -> Path:
        """The files of a ConfigMap volume; other volumes are empty."""
        place = folder / volume["name"]
        place.mkdir()
        if "configMap" in volume:
            found = self._kube.get("configmap", volume["configMap"]["name"], "-n", self._space)
            for name, text in found["data"].items():
                (place / name).write_text(text)
        return place


def values(kube: Cluster, space: str) -> dict[str, Any]:
    """The service's configuration as it stands in the cluster."""
    name = kube.get("configmaps", "-n", space, "-l", "app.kubernetes.io/instance=pager")
    texts = [m["data"]["subscriber.yaml"] for m in name["items"] if "subscriber.yaml" in m["data"]]
    expect(len(texts) == 1, "one ConfigMap with subscriber.yaml")
    return dict(yaml.safe_load(texts[0]))


def operate(kube: Cluster, helm: Path, space: str) -> None:
    """The README from the top to the end."""
    namespace(kube, space)
    refused = kube.run(
        "kubectl", "-n", space, "apply", "-f", "-", stdin=json.dumps(RUNS_AS_ROOT), fails=True
    )
    expect(
        "violates PodSecurity" in refused.stderr,
        "the namespace refuses a pod that runs as root",
        refused.stderr,
    )
    secret = (
        "secret",
        "generic",
        "pagerduty",
        f"--from-literal=routing-key={'0123456789abcdef' * 2}",
    )
    kube.run("kubectl", "-n", space, "create", *secret)

    first = (CHART, "--namespace", space, "--set", FIRST, "--set", KEY)
    done = kube.run(helm, "install", "pager", *first, "--dry-run=server")
    expect("kind: Deployment" in done.stdout, "helm install --dry-run=server")
    begun = time.monotonic()
    done = kube.run(helm, "install", "pager", *first, "--wait", "--timeout", "90s")
    expect(
        "PodSecurity" not in done.stderr, f"helm install --wait ({time.monotonic() - begun:.0f} s)"
    )
    say("  | " + "\n  | ".join(done.stdout.strip().splitlines()))
    pods = kube.get("pods", "-n", space)["items"]
    expect(len(pods) == 2 and all(p["status"]["phase"] == "Running" for p in pods), "two pods")
    expect(values(kube, space)["nats"]["url"] == FIRST.partition("=")[2], "its configuration")

    with TestPods(kube, space) as played:
        kube.run(helm, "test", "pager", "-n", space, "--timeout", "90s")
    expect(
        any("keptn/" in line for line in played.said), "helm test: the sample event finds a rule"
    )
    say("  | " + "\n  | ".join(played.said[:12]))

    def images() -> list[str]:
        sets = kube.get("replicasets", "-n", space)["items"]
        return sorted(one["metadata"]["name"] for one in sets)

    before = images()
    kept = ("--reuse-values", "--wait", "--timeout", "90s", "-n", space)
    kube.run(helm, "upgrade", "pager", CHART, *kept, "--set", "config.packs={keptn}")
    expect(values(kube, space)["packs"] == ["keptn"], "helm upgrade: other packs")
    expect(images() == before, "which restarts nothing: the running pods take it")
    kube.run(helm, "upgrade", "pager", CHART, *kept, "--set", "config.nats.max_in_flight=128")
    expect(len(images()) == len(before) + 1, "helm upgrade: another window rolls the pods")

    for (name, value), word in zip(WRONG.items(), REFUSED_WORDS, strict=True):
        done = kube.run(
            helm,
            "upgrade",
            "pager",
            CHART,
            "--reuse-values",
            "-n",
            space,
            "--set",
            f"{name}={value}",
            fails=True,
        )
        expect(word in done.stderr, f"refused: {name}={value}", done.stderr)
        say("  | " + "\n  | ".join(done.stderr.strip().splitlines()[-4:]))
    history = json.loads(kube.run(helm, "history", "pager", "-n", space, "-o", "json").stdout)
    expect([one["status"] for one in history].count("deployed") == 1, f"{len(history)} revisions")

    kube.run(helm, "rollback", "pager", "1", "-n", space, "--wait", "--timeout", "90s")
    expect("packs" not in values(kube, space), "helm rollback: the first configuration again")
    kube.run(helm, "uninstall", "pager", "-n", space, "--wait", "--timeout", "90s")
    kinds = "deployments,services,configmaps,networkpolicies,poddisruptionbudgets,serviceaccounts"
    left = kube.get(kinds, "-n", space, "-l", "app.kubernetes.io/instance=pager")["items"]
    expect(not left, "helm uninstall leaves nothing of its own")
    kube.run("kubectl", "delete", "namespace", space, "--wait=false")


def variants(kube: Cluster, helm: Path, suffix: str) -> None:
    """Every ready-made values file, installed and taken away."""
    for file in sorted((CHART / "ci").glob("*-values.yaml")):
        space = f"{file.name.removesuffix('-values.yaml')}-{suffix}"
        namespace(kube, space)
        done = kube.run(helm, "install", "pager", CHART, "-n", space, "-f", file)
        expect("PodSecurity" not in done.stderr, f"{file.name} is accepted")
        text = kube.run(helm, "get", "manifest", "pager", "-n", space).stdout
        made = [one for one in yaml.safe_load_all(text) if one]
        for one in made:
            one["metadata"].setdefault("namespace", space)
        kube.run(
            *("kubectl", "apply", "--server-side", "--force-conflicts", "--dry-run=server"),
            *("--validate=strict", "-f", "-"),
            stdin=yaml.safe_dump_all(made),
        )
        kinds = sorted({one["kind"] for one in made})
        say(f"  ok: strictly, on the server: {', '.join(kinds)}")
        kube.run(helm, "uninstall", "pager", "-n", space, "--wait", "--timeout", "90s")
        kube.run("kubectl", "delete", "namespace", space, "--wait=false")


def main() -> int:
    """Everything; 0 when it is well, or when this machine has no Go."""
    if shutil.which("go") is None:
        say("SKIPPED: the chart is not installed into an API server: go is missing here")
        return 0
    build_tools()
    if not HELMS["3"].exists():
        subprocess.run(["make", "helm-tools"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(prefix="kube-check-") as name, cluster(Path(name)) as kube:
        said = json.loads(kube.run("kubectl", "version", "-o", "json").stdout)["serverVersion"]
        say(f"Kubernetes {said['gitVersion']}, every pod pretended by kwok")
        kube.run("kubectl", "create", "namespace", "monitoring")
        kube.run("kubectl", "create", "priorityclass", "cluster-important", "--value=1000")
        install_crds(kube)
        for major, helm in HELMS.items():
            if os.environ.get("HELM", major) == major:
                version = kube.run(helm, "version", "--short").stdout.strip()
                say(f"Helm {version}:")
                operate(kube, helm, f"pager-helm{major}")
                variants(kube, helm, f"helm{major}")
    say("the chart is well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
