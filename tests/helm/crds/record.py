"""Records the schemas of other people's resources that the chart makes, from their Go modules.

Rules: only what validates is kept (types, names, enums, patterns), no sentence of anybody; run by
hand when a newer version matters, needs go and its module proxy:

    python tests/helm/crds/record.py
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SOURCES = {
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    "github.com/kedacore/keda/v2@v2.21.0": ("config/crd/bases/keda.sh_scaledobjects.yaml",),
    "github.com/nats-io/nack@v0.23.0": ("deploy/crds.yml",),
}
KINDS = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "ScaledObject", "Stream", "Consumer"} | {
    "KeyValue"
}
VERSIONS = {"v1", "v1alpha1", "v1beta2"}
SAYS = ("description", "title", "example", "externalDocs", "default")


def fetched(module: str) -> Path:
    """The folder of a module's source."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["go", "mod", "download", "-json", module],
            cwd=folder,
            capture_output=True,
            check=True,
            text=True,
        )
    return Path(json.loads(done.stdout)["Dir"])


def validating(schema: Any, *, names: bool = False) -> Any:
    """A schema without its prose; `names`: the keys are names of properties, not of the schema."""
    if isinstance(schema, dict):
        return {
            key: validating(value, names=key == "properties" and not names)
            for key, value in schema.items()
            if names or key not in SAYS
        }
    return [validating(one) for one in schema] if isinstance(schema, list) else schema


def recorded() -> Iterator[tuple[str, dict[str, Any]]]:
    """File name and content of each schema."""
    for module, paths in SOURCES.items():
        root = fetched(module)
        for path in paths:
            for crd in yaml.safe_load_all((root / path).read_text("utf-8")):
                kind = crd["spec"]["names"]["kind"] if crd else ""
                if kind not in KINDS:
                    continue
                for version in crd["spec"]["versions"]:
                    if version["name"] in VERSIONS and version["served"]:
                        yield (
                            f"{kind.lower()}.json",
                            {
                                "source": f"{module}/{path}",
                                "apiVersion": f"{crd['spec']['group']}/{version['name']}",
                                "kind": kind,
                                "schema": validating(version["schema"]["openAPIV3Schema"]),
                            },
                        )


if __name__ == "__main__":
    for name, content in recorded():
        text = json.dumps(content, separators=(",", ":"), sort_keys=True)
        (Path(__file__).parent / name).write_text(text + "\n", "utf-8")
        print(f"{name}: {len(text)} bytes")
