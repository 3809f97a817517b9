"""What an upgrade does: pods are replaced when only a restart helps, else the service follows."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from chart_world import EXISTING, KEY, Mount, Node, laid, minimal, render

from subscriber.cli.console import read_config
from subscriber.config import Config
from subscriber.ports.http import SenderOptions
from subscriber.ports.memory import ManualClock
from subscriber.ports.nats.options import NatsOptions
from subscriber.service.app import Setup
from subscriber.service.keys import resolve_accounts
from subscriber.service.meters import Meters
from subscriber.service.reload import _FIXED, Reload, signature, watched_files
from subscriber.service.rulebook import load_rules

# key of the configuration -> a value that is not the default
OTHER: dict[str, dict[str, Any]] = {
    "nats": {"max_in_flight": 9},
    "pagerduty": {"client": "other"},
    "services": {"default": {"region": "eu"}},
    "packs": {"": ["keptn"]},
    "rules": {"": [{"use": "keptn/test", "enabled": False}]},
    "delivery": {"max_age": 100},
    "http": {"listen": "0.0.0.0:9999"},
    "log": {"level": "debug"},
}


def changed(part: str) -> dict[str, Any]:
    value = OTHER[part].get("", OTHER[part])
    return minimal(config={part: value})


@pytest.mark.parametrize("part", Config.model_fields)
def test_a_part_restarts_pods_exactly_when_the_service_cannot_follow(part: str) -> None:
    """A new part of the configuration has to be added to OTHER, and to one side."""
    before, after = render(minimal()), render(changed(part))
    assert before.config != after.config
    assert (before.checksum != after.checksum) == (part in _FIXED)


@pytest.mark.parametrize(
    ("values", "restarts"),
    [
        ({"config": {"pagerduty": {"timeout": 11}}}, True),
        ({"pagerdutyCa": {"secret": "ca"}}, True),
        ({"natsTls": {"ca": {"secret": "ca"}}}, True),
        ({"config": {"pagerduty": {"rate_limit": 3}}}, False),
        ({"config": {"pagerduty": {"region": "eu"}}}, False),
        ({"templates": {"a": "b"}}, False),
    ],
)
def test_the_rest_of_pagerduty_is_followed(values: dict[str, Any], restarts: bool) -> None:
    assert (render(minimal()).checksum != render(minimal(**values)).checksum) == restarts


def test_an_upgrade_of_rules_alone_leaves_the_pods_alone() -> None:
    after = minimal(
        config={"rules": [{"use": "keptn/test", "enabled": False}]}, templates={"a": "{}"}
    )
    assert render(minimal()).deployment == render(after).deployment


@dataclass
class Follower:
    """Stands where the running service is."""

    config_fault: str = ""
    setups: list[Setup] = field(default_factory=list)

    def switch(self, setup: Setup) -> None:
        self.setups.append(setup)


def setup_of(file: Path) -> Setup:
    config, document, folder = read_config(file)
    accounts = resolve_accounts(config, {}, document, folder=folder)
    assert accounts is not None
    return Setup(
        config=config,
        rules=load_rules(config, document, folder=folder),
        accounts=accounts,
        nats=NatsOptions(),
        sender=SenderOptions(),
    )


OWN = {
    "config": {
        "packs": [],
        "rules": [
            {
                "name": "own",
                "types": "t",
                "action": "trigger",
                "dedup_key": "k",
                "body_file": "b.json",
            }
        ],
    },
    "templates": {"b.json": '{"summary": "one", "severity": "info"}'},
}


class Pod:
    """A pod of a release, with a service that watches its files."""

    def __init__(self, root: Path, values: dict[str, Any]) -> None:
        self.node = Node(root, EXISTING)
        self.values = values
        self.release(values)
        file = self.node.path("/etc/pagerduty-subscriber/config/subscriber.yaml")
        self.service = Follower()
        self.reload = Reload(
            load=lambda: setup_of(file),
            files=lambda config: watched_files(file, config),
            service=self.service,  # type: ignore[arg-type]
            config=setup_of(file).config,
            meters=Meters(),
            clock=ManualClock(),
            seen=signature(watched_files(file, setup_of(file).config)),
        )

    def release(self, values: dict[str, Any]) -> None:
        """Helm upgrades, kubelet brings the objects into the pod."""
        rendered = render(values)
        self.node.show(rendered, rendered.pod, rendered.container)

    def key(self) -> str:
        return self.service.setups[-1].accounts["default"].routing_key.get_secret_value()


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path, minimal(**OWN))


def test_the_same_objects_again_change_nothing(pod: Pod) -> None:
    assert not pod.reload.look()


def test_a_changed_rule_reaches_the_running_service(pod: Pod) -> None:
    rules = [{"use": "keptn/evaluation"}]
    pod.release(laid(pod.values, {"config": {"rules": rules}}))
    assert pod.reload.look()
    assert [rule.name for rule in pod.service.setups[-1].rules.rules] == ["keptn/evaluation"]
    assert not pod.reload.look()


def test_a_changed_body_reaches_the_running_service(pod: Pod) -> None:
    pod.release(laid(pod.values, {"templates": {"b.json": '{"summary": "two"'}}))
    assert not pod.reload.look()
    assert "b.json:1:" in pod.service.config_fault
    pod.release(
        laid(pod.values, {"templates": {"b.json": '{"summary": "two", "severity": "info"}'}})
    )
    assert pod.reload.look()
    assert pod.service.config_fault == ""


def test_a_rotated_key_of_an_existing_secret_reaches_the_running_service(pod: Pod) -> None:
    pod.node.existing["pagerduty"] = {"routing-key": KEY[::-1].encode() + b"\n"}
    pod.release(pod.values)
    assert pod.reload.look()
    assert pod.key() == KEY[::-1]


def test_a_rotated_key_given_as_a_value_reaches_the_running_service(tmp_path: Path) -> None:
    first = laid(
        {"config": {"nats": {"url": "nats://n"}}, "routingKeys": {"default": {"value": KEY}}}, OWN
    )
    pod = Pod(tmp_path, first)
    second = laid(first, {"routingKeys": {"default": {"value": KEY[::-1]}}})
    assert render(first).deployment == render(second).deployment
    pod.release(second)
    assert pod.reload.look()
    assert pod.key() == KEY[::-1]


def test_a_key_that_cannot_be_one_changes_nothing(pod: Pod) -> None:
    pod.node.existing["pagerduty"] = {"routing-key": b"oops"}
    pod.release(pod.values)
    assert not pod.reload.look()
    assert "has 4 characters instead of 32" in pod.service.config_fault
    assert "oops" not in pod.service.config_fault


def test_the_mounts_of_these_tests_are_like_kubelets(tmp_path: Path) -> None:
    """User-visible names are links through ..data, and one rename changes all of them."""
    mount = Mount(tmp_path / "m")
    mount.write({"a": b"1", "b": b"1"})
    assert os.readlink(tmp_path / "m" / "a") == "..data/a"
    before = os.readlink(tmp_path / "m" / "..data")
    inode = (tmp_path / "m" / "a").lstat().st_ino
    mount.write({"a": b"2", "b": b"2"})
    assert (tmp_path / "m" / "a").read_bytes() == (tmp_path / "m" / "b").read_bytes() == b"2"
    assert os.readlink(tmp_path / "m" / "..data") != before
    assert not (tmp_path / "m" / before).exists()
    assert (tmp_path / "m" / "a").lstat().st_ino == inode
