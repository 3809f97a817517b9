"""The policy that every pod and object of the chart keeps, whatever the values."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
from chart_world import (
    CHART,
    KEY,
    VARIANTS,
    Rendered,
    containers,
    laid,
    minimal,
    pods,
    render,
    strings,
    tool,
    variant,
)

every_variant = pytest.mark.parametrize("name", VARIANTS)

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "projected", "secret"} | {
    "persistentVolumeClaim"
}
"""What the restricted Pod Security Standard allows."""


def violations(pod: dict[str, Any]) -> list[str]:
    """Breaches of the restricted Pod Security Standard, and of what we ask beyond it."""
    found: list[str] = []

    def must(holds: bool, said: str) -> None:
        if not holds:
            found.append(said)

    for field in ("hostNetwork", "hostPID", "hostIPC"):
        must(not pod.get(field), field)
    must(pod.get("automountServiceAccountToken") is False, "service account token")
    must(pod.get("enableServiceLinks") is False, "service links in the environment")
    whole = pod.get("securityContext", {})
    must(whole.get("runAsNonRoot") is True, "runAsNonRoot of the pod")
    must(isinstance(whole.get("runAsUser"), int) and whole["runAsUser"] > 0, "numeric user")
    must(whole.get("seccompProfile", {}).get("type") == "RuntimeDefault", "seccomp")
    for volume in pod.get("volumes", []):
        must(set(volume) - {"name"} <= VOLUMES, f"volume {volume['name']}")
    for container in containers(pod):
        name = container["name"]
        own = container.get("securityContext", {})
        must(own.get("allowPrivilegeEscalation") is False, f"{name}: privilege escalation")
        must(own.get("privileged") is False, f"{name}: privileged")
        must(own.get("readOnlyRootFilesystem") is True, f"{name}: writable root")
        must(own.get("runAsNonRoot") is True, f"{name}: runAsNonRoot")
        must(own.get("capabilities") == {"drop": ["ALL"]}, f"{name}: capabilities")
        must(not any("hostPort" in port for port in container.get("ports", [])), f"{name}: port")
        resources = container.get("resources", {})
        must("memory" in resources.get("limits", {}), f"{name}: memory limit")
        must({"cpu", "memory"} <= set(resources.get("requests", {})), f"{name}: requests")
        must(not container["image"].endswith(":latest"), f"{name}: image tag")
        for mount in container.get("volumeMounts", []):
            must("subPath" not in mount and "subPathExpr" not in mount, f"{name}: subPath")
            if mount["mountPath"].startswith("/etc/"):
                must(mount.get("readOnly") is True, f"{name}: {mount['name']} is writable")
    return found


@every_variant
def test_every_pod_keeps_the_restricted_standard(name: str) -> None:
    found = list(pods(render(variant(name))))
    assert len(found) == 2
    assert [violations(pod) for pod in found] == [[], []]


@pytest.mark.parametrize(
    ("values", "breach"),
    [
        ({"podSecurityContext": {"runAsNonRoot": False}}, "runAsNonRoot of the pod"),
        ({"podSecurityContext": {"runAsUser": 0}}, "numeric user"),
        ({"podSecurityContext": {"seccompProfile": {"type": "Unconfined"}}}, "seccomp"),
        ({"securityContext": {"privileged": True}}, "subscriber: privileged"),
        ({"securityContext": {"capabilities": {"add": ["NET_RAW"]}}}, "subscriber: capabilities"),
        ({"securityContext": {"readOnlyRootFilesystem": False}}, "subscriber: writable root"),
        ({"extraVolumes": [{"name": "h", "hostPath": {"path": "/"}}]}, "volume h"),
        ({"resources": {"limits": {"memory": None}}}, "subscriber: memory limit"),
        ({"image": {"tag": "latest"}}, "subscriber: image tag"),
    ],
)
def test_the_policy_finds_breaches(values: dict[str, Any], breach: str) -> None:
    assert breach in violations(render(minimal(**values)).pod)


@every_variant
def test_no_service_account_brings_a_token(name: str) -> None:
    rendered = render(variant(name))
    (account,) = rendered.all("ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert {pod["serviceAccountName"] for pod in pods(rendered)} == {account["metadata"]["name"]}


def test_an_existing_service_account_is_used() -> None:
    given = {"create": False, "name": "mine"}
    rendered = render(minimal(serviceAccount=given))
    assert rendered.all("ServiceAccount") == []
    assert {pod["serviceAccountName"] for pod in pods(rendered)} == {"mine"}
    rendered = render(minimal(serviceAccount={"create": False}))
    assert {pod["serviceAccountName"] for pod in pods(rendered)} == {"default"}


@every_variant
def test_nothing_may_talk_to_kubernetes(name: str) -> None:
    kinds = {one["kind"] for one in render(variant(name)).objects}
    assert not {kind for kind in kinds if "Role" in kind}


def keys_of(values: dict[str, Any]) -> list[str]:
    return [key["value"] for key in values["routingKeys"].values() if "value" in key]


@pytest.mark.parametrize("name", ["eu", "everything-on"])
def test_keys_from_values_are_in_secrets_only(name: str) -> None:
    values = variant(name)
    keys = keys_of(values)
    assert keys
    rendered = render(values)
    outside = Rendered([one for one in rendered.objects if one["kind"] != "Secret"], rendered.notes)
    texts = [*strings(outside.objects), outside.notes]
    assert not [key for key in keys if any(key in text for text in texts)]


@every_variant
def test_no_secret_is_an_argument_or_in_the_environment(name: str) -> None:
    for pod in pods(render(variant(name))):
        for container in containers(pod):
            assert "command" not in container
            assert all(
                one in ("run", "check", "explain")
                or one.startswith(("--", "/etc/pagerduty-subscriber/"))
                for one in container["args"]
            )
            for one in container.get("env", []):
                assert "secretKeyRef" not in json.dumps(one)


@every_variant
def test_secrets_are_mounted_for_the_group_alone(name: str) -> None:
    for pod in pods(render(variant(name))):
        group = pod["securityContext"]["fsGroup"]
        assert group == pod["securityContext"]["runAsUser"]
        for volume in pod["volumes"]:
            for kind in ("secret", "projected"):
                if kind in volume:
                    assert volume[kind]["defaultMode"] == 0o440


@every_variant
def test_the_test_pod_gets_no_secret(name: str) -> None:
    pod = render(variant(name)).one("Pod")["spec"]
    assert [set(volume) - {"name"} for volume in pod["volumes"]] == [{"configMap"}] * 2


def test_the_config_map_holds_no_secret() -> None:
    values = laid(variant("everything-on"), {"natsAuth": {"method": "token"}, "extraEnvFrom": []})
    text = json.dumps(render(values).config)
    assert not re.search(r'"(password|token|routing_key|secret)"', text)


def test_templates_look_nothing_up() -> None:
    """`lookup` and random values would make `helm template` and GitOps differ from an install."""
    for file in CHART.rglob("templates/**/*"):
        if file.is_file():
            text = file.read_text("utf-8")
            code = " ".join(re.findall(r"\{\{.*?\}\}", text, re.DOTALL))
            for word in ("lookup", "rand", "genCA", "now", "uuidv4", "htpasswd"):
                assert not re.search(rf"\b{word}", re.sub(r"/\*.*?\*/", "", code)), (
                    f"{file}: {word}"
                )


# Why kube-score's other findings are not followed:
IGNORED = {
    "container-image-pull-policy": "tags are versions; a registry that is away must not stop a pod",
    "deployment-has-host-podantiaffinity": "topology spread constraints do it",
    "deployment-replicas": "with KEDA the number of replicas is not the Deployment's",
}


@every_variant
def test_kube_score_is_content(name: str) -> None:
    manifests = render(variant(name)).objects
    ignored = [word for one in IGNORED for word in ("--ignore-test", one)]
    done = subprocess.run(
        [
            tool("kube-score"),
            "score",
            "-",
            "--kubernetes-version=v1.34",
            "--ignore-container-cpu-limit",  # it would only delay pages
            "--exit-one-on-warning",
            "--output-format=ci",
            *ignored,
        ],
        input="\n---\n".join(json.dumps(one) for one in manifests),
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line for line in done.stdout.splitlines() if line.startswith(("[CRIT", "[WARN"))]
    assert found == []
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout
