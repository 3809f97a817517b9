"""Every ready-made set of values gives valid objects and a configuration that the service takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from chart_world import (
    CHART,
    EXISTING,
    VARIANTS,
    Node,
    Rendered,
    ask,
    containers,
    objects_of,
    render,
    tool,
    variant,
)
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from subscriber.cli.app import app
from subscriber.cli.console import read_config
from subscriber.service import options
from subscriber.service.keys import resolve_accounts

BY_SDK = ["1.27", "1.31", "1.34", "1.37"]
"""Versions that the chart is validated against as Helm 4's SDK renders it (it names no version)."""
BY_VERSION = ["1.25.0", "1.26.0", "1.36.0"]
"""Versions that Helm 3 renders and lints for."""
FOREIGN = {
    (found["apiVersion"], found["kind"]): found["schema"]
    for found in (
        json.loads(file.read_text("utf-8"))
        for file in sorted((Path(__file__).parent / "crds").glob("*.json"))
    )
}

every_variant = pytest.mark.parametrize("name", VARIANTS)


def closed(schema: Any) -> Any:
    """A schema that refuses what the API server would silently drop."""
    if isinstance(schema, dict):
        found = {key: closed(value) for key, value in schema.items()}
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            found.setdefault("additionalProperties", False)
        if schema.get("x-kubernetes-int-or-string"):
            found = {"type": ["integer", "string"]}
        return found
    return [closed(one) for one in schema] if isinstance(schema, list) else schema


def faults(one: dict[str, Any], version: str) -> list[str]:
    """What is wrong with an object for a version of Kubernetes."""
    foreign = FOREIGN.get((one["apiVersion"], one["kind"]))
    if foreign is not None:
        schema = closed(foreign)
        schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
        return [error.message for error in Draft202012Validator(schema).iter_errors(one)]
    try:
        kubernetes_validate.validate(one, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{one['kind']}: {'.'.join(map(str, error.path))}: {error.message}"]
    return []


@every_variant
@pytest.mark.parametrize("version", BY_SDK)
def test_kubernetes_takes_every_object(name: str, version: str) -> None:
    objects = render(variant(name)).objects
    assert len(objects) >= 7
    assert [fault for one in objects for fault in faults(one, version)] == []


@pytest.mark.parametrize(
    "spoiled",
    [
        {"kind": "Deployment", "spec": {"replicas": "two"}},
        {"kind": "Service", "spec": {"selectors": {}}},
        {"kind": "ScaledObject", "spec": {"minReplicaCout": 1}},
        {"kind": "Consumer", "spec": {"ackPolicy": "sometimes"}},
        {"kind": "ServiceMonitor", "spec": {"endpoints": [{"port": 1}]}},
        {"kind": "PrometheusRule", "spec": {"groups": [{"rules": []}]}},
    ],
    ids=lambda one: one["kind"],
)
def test_the_validation_finds_faults(spoiled: dict[str, Any]) -> None:
    for one in render(variant("everything-on")).all(spoiled["kind"]):
        assert faults(one, "1.37") == []
        assert faults({**one, "spec": {**one["spec"], **spoiled["spec"]}}, "1.37")


@every_variant
def test_helm_4_lints_it_strictly(name: str) -> None:
    report = ask(do="lint", values=variant(name))
    assert report["errors"] == []
    assert [one["error"] for one in report["messages"]] == ["icon is recommended"]


def mounted(name: str, root: Path) -> tuple[Node, Rendered]:
    rendered = render(variant(name))
    node = Node(root, EXISTING)
    node.show(rendered, rendered.pod, rendered.container)
    return node, rendered


@every_variant
def test_what_the_configuration_names_is_mounted(name: str, tmp_path: Path) -> None:
    """Keys are read, and every file for NATS and TLS is where the configuration says."""
    node, rendered = mounted(name, tmp_path)
    file = node.path("/etc/pagerduty-subscriber/config/subscriber.yaml")
    assert rendered.container["args"] == ["run", "--config", f"/{file.relative_to(tmp_path)}"]
    if name == "external-secret":  # the CSI driver is not here
        text = file.resolve().read_text().replace("/mnt/", f"{tmp_path}/mnt/")
        file.resolve().write_text(text)
        (tmp_path / "mnt" / "secrets").mkdir(parents=True)
        (tmp_path / "mnt" / "secrets" / "pagerduty-default").write_text("d" * 32)
    config, document, folder = read_config(file)
    accounts = resolve_accounts(config, {}, document, folder=folder)
    assert accounts is not None
    assert set(accounts) == set(config.services)
    servers = options.nats_servers(config, {})
    found = options.nats_options(config, {}, servers, folder)
    named = [
        found.credentials_file,
        found.nkey_seed_file,
        found.tls_ca_file,
        found.tls_cert_file,
        found.tls_key_file,
        options.sender_options(config, folder).ca_file,
    ]
    assert all(Path(path).is_file() for path in named if path)


@every_variant
def test_helm_test_passes(name: str, tmp_path: Path) -> None:
    """What the pod of `helm test` runs, with the files it gets."""
    rendered = render(variant(name))
    pod = rendered.one("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    for container in containers(pod["spec"]):
        node = Node(tmp_path / container["name"], EXISTING)
        node.show(rendered, pod["spec"], container)
        arguments = [
            str(node.path(one)) if one.startswith("/etc/") else one for one in container["args"]
        ]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output


def by_helm_3(name: str, version: str = "1.34.0") -> list[dict[str, Any]]:
    values = CHART / "ci" / f"{name}-values.yaml"
    command = ["template", "pager", str(CHART), "-f", str(values), "--namespace", "delivery"]
    done = subprocess.run(
        [tool("helm"), *command, "--kube-version", version],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return objects_of(done.stdout)


def by_name(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(objects, key=lambda one: (one["kind"], one["metadata"]["name"]))


@every_variant
def test_helm_3_and_4_make_the_same(name: str) -> None:
    assert by_name(by_helm_3(name)) == by_name(render(variant(name)).objects)


@every_variant
@pytest.mark.parametrize("version", BY_VERSION)
def test_helm_3_makes_what_each_version_takes(name: str, version: str) -> None:
    objects = by_helm_3(name, version)
    assert [fault for one in objects for fault in faults(one, version)] == []


@every_variant
def test_helm_3_lints_it_strictly(name: str) -> None:
    values = CHART / "ci" / f"{name}-values.yaml"
    done = subprocess.run(
        [tool("helm"), "lint", "--strict", CHART, "-f", values, "--kube-version", "1.34.0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_an_old_cluster_is_told_so() -> None:
    values = CHART / "ci" / "minimal-values.yaml"
    done = subprocess.run(
        [tool("helm"), "template", CHART, "-f", values, "--kube-version", "1.24.0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "requires kubeVersion: >=1.25.0-0" in done.stderr
