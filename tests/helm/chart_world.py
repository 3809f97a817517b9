"""The chart as the tests use it: rendered by Helm, mounted as kubelet does, read by the service.

Rules: what is rendered is parsed and looked at, not grepped. A pod's volumes are laid out on disk
from the rendered objects alone (and from the Secrets that exist already), so that a path that the
configuration names and no mount brings is a failing test.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "pagerduty-subscriber"
TOOLS = ROOT / ".tools" / "bin"
VARIANTS = sorted(file.name.removesuffix("-values.yaml") for file in CHART.glob("ci/*-values.yaml"))
KEY = "abcdefabcdefabcdefabcdefabcdefab"
"""What existing Secrets hold as a routing key."""

Object = dict[str, Any]
Values = Mapping[str, Any]


class Refused(Exception):
    """Helm says no, and why."""


def read_yaml(path: Path) -> Any:
    return yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)


def variant(name: str) -> dict[str, Any]:
    values: dict[str, Any] = read_yaml(CHART / "ci" / f"{name}-values.yaml")
    return values


def tool(name: str) -> str:
    """The path of a program that `make helm-tools` builds, or a skip that says so."""
    found = shutil.which(name, path=f"{TOOLS}:{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip(f"{name} is not installed (`make helm-tools` builds it; needs go)")
    return found


# -- Helm 4 --------------------------------------------------------------------------------------


@cache
def _helm4() -> subprocess.Popen[str]:
    server = Path(__file__).with_name("helm4_server.py")
    return subprocess.Popen(
        [sys.executable, str(server)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def ask(**request: Any) -> Any:
    """What Helm 4 says.

    Raises:
        Refused: it is an error.
    """
    if importlib.util.find_spec("helm_python") is None:
        pytest.skip("helm-python-sdk is not installed (it has wheels for Linux on x86_64)")
    process = _helm4()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"chart": str(CHART), **request}) + "\n")
    process.stdin.flush()
    told = json.loads(process.stdout.readline())
    if "error" in told:
        raise Refused(told["error"])
    return told["ok"]


def end_helm4() -> None:
    """End the process if it was started."""
    if _helm4.cache_info().currsize:
        process = _helm4()
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=10)
        assert process.stdout is not None
        process.stdout.close()
        _helm4.cache_clear()


# -- what is rendered ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Rendered:
    """The objects of a release, and its notes."""

    objects: list[Object]
    notes: str = ""

    def all(self, kind: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] == kind]

    def one(self, kind: str, ending: str = "") -> Object:
        found = [one for one in self.all(kind) if one["metadata"]["name"].endswith(ending)]
        assert len(found) == 1, [one["metadata"]["name"] for one in found]
        return found[0]

    def named(self, kind: str, name: str) -> Object:
        return next(one for one in self.all(kind) if one["metadata"]["name"] == name)

    @property
    def deployment(self) -> Object:
        return self.one("Deployment")

    @property
    def pod(self) -> Object:
        spec: Object = self.deployment["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Object:
        found: Object = self.pod["containers"][0]
        return found

    @property
    def config_map(self) -> Object:
        return self.named("ConfigMap", self.deployment["metadata"]["name"])

    @property
    def config(self) -> Object:
        """The service's configuration."""
        found: Object = yaml.safe_load(self.config_map["data"]["subscriber.yaml"])
        return found

    @property
    def checksum(self) -> str:
        template = self.deployment["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/restart"])


def objects_of(text: str) -> list[Object]:
    return [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]


def render(values: Values, *, name: str = "pager", namespace: str = "delivery") -> Rendered:
    """What Helm 4 makes of values.

    Raises:
        Refused: they are wrong.
    """
    files = ask(do="render", values=values, name=name, namespace=namespace)
    notes = next(text for path, text in files.items() if path.endswith("NOTES.txt"))
    manifests = (text for path, text in sorted(files.items()) if not path.endswith("NOTES.txt"))
    return Rendered([one for text in manifests for one in objects_of(text)], notes)


def minimal(**values: Any) -> dict[str, Any]:
    """The values of the variant `minimal` with others laid over them."""
    return laid(variant("minimal"), values)


def laid(under: Values, over: Values) -> dict[str, Any]:
    """Mappings merge, everything else replaces, as Helm does it."""
    result = dict(under)
    for key, value in over.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = laid(old, value) if both else value  # type: ignore[arg-type]
    return result


def refusal(values: Values) -> str:
    """Why values are refused."""
    with pytest.raises(Refused) as caught:
        render(values)
    return str(caught.value)


def pods(rendered: Rendered) -> Iterator[Object]:
    """The specification of every pod."""
    for one in rendered.objects:
        if one["kind"] == "Pod":
            yield one["spec"]
        elif one["kind"] == "Deployment":
            yield one["spec"]["template"]["spec"]


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]


# -- a node --------------------------------------------------------------------------------------


class Mount:
    """A volume as kubelet writes it: a new folder, then the link ..data turned round at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0
        folder.mkdir(parents=True)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Show these files, and no others."""
        self._count += 1
        old = os.readlink(self.folder / "..data") if (self.folder / "..data").is_symlink() else None
        fresh = f"..2026_11_21_10_00_{self._count:02}.{self._count}"
        for name, data in files.items():
            path = self.folder / fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (self.folder / "..data_tmp").symlink_to(fresh)
        os.replace(self.folder / "..data_tmp", self.folder / "..data")
        for name in {Path(name).parts[0] for name in files}:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        if old is not None:
            shutil.rmtree(self.folder / old)


class Node:
    """The files of one container below a folder that stands for its root."""

    def __init__(
        self, root: Path, existing: Mapping[str, Mapping[str, bytes]] | None = None
    ) -> None:
        self.root = root
        self.existing = dict(existing or {})
        self._mounts: dict[str, Mount] = {}

    def path(self, inside: str) -> Path:
        """Where a path of the container is."""
        return self.root / inside.lstrip("/")

    def show(self, rendered: Rendered, pod: Object, container: Object) -> None:
        """Bring the container's volumes to what the objects say now."""
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in container["volumeMounts"]:
            assert "subPath" not in mount, "such a mount never changes"
            files = self._files(rendered, volumes[mount["name"]])
            if files is None:
                continue
            where = mount["mountPath"]
            if where not in self._mounts:
                self._mounts[where] = Mount(self.path(where))
            # the configuration names paths of the container; here they are below `root`
            here = f"{self.root}/etc/pagerduty-subscriber".encode()
            self._mounts[where].write(
                {
                    name: data.replace(b"/etc/pagerduty-subscriber", here)
                    if name == "subscriber.yaml"
                    else data
                    for name, data in files.items()
                }
            )

    def _files(self, rendered: Rendered, volume: Object) -> dict[str, bytes] | None:
        if "projected" in volume:
            found: dict[str, bytes] = {}
            for source in volume["projected"]["sources"]:
                found |= self._files(rendered, source) or {}
            return found
        for kind, field, named in (
            ("Secret", "secret", "secretName"),
            ("ConfigMap", "configMap", "name"),
        ):
            if field in volume:
                source = volume[field]
                data = self._data(rendered, kind, source.get(named) or source["name"])
                items = source.get("items") or [{"key": key, "path": key} for key in data]
                return {item["path"]: data[item["key"]] for item in items}
        return None  # emptyDir, csi: not ours

    def _data(self, rendered: Rendered, kind: str, name: str) -> Mapping[str, bytes]:
        for one in rendered.all(kind):
            if one["metadata"]["name"] == name:
                if kind == "Secret":
                    return {key: base64.b64decode(text) for key, text in one["data"].items()}
                return {key: text.encode() for key, text in one.get("data", {}).items()}
        return self.existing[name]


EXISTING: dict[str, Mapping[str, bytes]] = {
    "pagerduty": {"routing-key": KEY.encode()},
    "pagerduty-keptn": {"routing-key": KEY.encode()},
    "pagerduty-fallback": {"routing-key": KEY.encode()},
    "pagerduty-payments": {"integration-key": KEY[::-1].encode() + b"\n"},
    "pagerduty-search": {"routing-key": KEY.upper().encode()},
    "nats-token": {"token": b"a token\n"},
    "nats-pager": {"password": b"a password\n"},
    "pager-nkey": {"nkey.seed": b"SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"},
    "nats-creds": {"pager.creds": b"creds", "nats.creds": b"creds"},
    "pager-nats-tls": {"ca.crt": b"ca", "tls.crt": b"certificate", "tls.key": b"key"},
    "nats-ca": {"ca.crt": b"ca"},
    "nats-client": {"client.pem": b"certificate", "client-key.pem": b"key"},
    "company-ca": {"bundle.pem": b"ca"},
    "proxy-ca": {"ca.crt": b"ca"},
}
"""Secrets and ConfigMaps that the variants take for granted."""


def strings(value: Any) -> Iterable[str]:
    """Every text in an object, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inside in value.items():
            yield str(key)
            yield from strings(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from strings(inside)
