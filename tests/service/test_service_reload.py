"""A changed configuration is taken between two events, or refused whole and said so."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from service_world import KEY

from subscriber.config import Config, load_config
from subscriber.pagerduty import Accounts, account
from subscriber.ports.http import SenderOptions
from subscriber.ports.memory import ManualClock
from subscriber.ports.nats.options import NatsOptions
from subscriber.rules import RuleSet
from subscriber.service.app import Setup, book_of
from subscriber.service.book import succeeding
from subscriber.service.meters import Meters
from subscriber.service.reload import Reload, signature, watched_files
from subscriber.service.rulebook import load_rules, service_names

GOOD = (
    "packs: []\nrules: [{{name: {name}, types: t, action: trigger, dedup_key: k, body_file: b}}]\n"
)


@dataclass
class Switched:
    """Stands where the service is: takes setups."""

    config_fault: str = ""
    setups: list[Setup] = field(default_factory=list)

    def switch(self, setup: Setup) -> None:
        self.setups.append(setup)


def setup_of(file: Path) -> Setup:
    config, document = load_config(file.read_text(), name=file.name)
    return Setup(
        config=config,
        rules=load_rules(config, document, folder=file.parent),
        accounts=Accounts(account(name, KEY) for name in service_names(config)),
        nats=NatsOptions(),
        sender=SenderOptions(),
    )


@dataclass
class World:
    file: Path
    service: Switched
    meters: Meters
    reload: Reload

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def reloads(self, result: str) -> float:
        return (
            self.meters.registry.get_sample_value(
                "pagerduty_subscriber_config_reloads_total", {"result": result}
            )
            or 0.0
        )

    @property
    def good(self) -> float | None:
        return self.meters.registry.get_sample_value("pagerduty_subscriber_config_good")


@pytest.fixture
def world(tmp_path: Path) -> World:
    file = tmp_path / "subscriber.yaml"
    (tmp_path / "b").write_text('{"summary": "s", "severity": "info"}')
    file.write_text(GOOD.format(name="first"))
    service, meters = Switched(), Meters()
    reload = Reload(
        load=lambda: setup_of(file),
        files=lambda config: watched_files(file, config),
        service=service,  # type: ignore[arg-type]
        config=setup_of(file).config,
        meters=meters,
        clock=ManualClock(),
    )
    return World(file, service, meters, reload)


def names(rules: RuleSet) -> list[str]:
    return [rule.name for rule in rules.rules]


def test_nothing_happens_while_nothing_changes(world: World) -> None:
    assert not world.reload.look()
    assert world.service.setups == []
    assert world.good == 1


def test_a_good_change_is_taken(world: World) -> None:
    world.write(GOOD.format(name="second-rule"))
    assert world.reload.look()
    assert names(world.service.setups[-1].rules) == ["second-rule"]
    assert world.reloads("accepted") == 1
    assert not world.reload.look()


@pytest.mark.parametrize(
    "text", ["rules: [", "packs: [nope]", "rules: [{name: x, typs: t}]", "a: 1"]
)
def test_a_fault_changes_nothing_and_shows(world: World, text: str) -> None:
    world.write(text)
    assert not world.reload.look()
    assert world.service.setups == []
    assert "rejected, the old one goes on: subscriber.yaml:" in world.service.config_fault
    assert (world.reloads("rejected"), world.good) == (1, 0)
    world.write(GOOD.format(name="mended"))
    assert world.reload.look()
    assert world.service.config_fault == ""
    assert world.good == 1


def test_a_body_file_is_watched_too(world: World) -> None:
    (world.file.parent / "b").write_text('{"summary": "{{.data.x"}')
    assert not world.reload.look()
    assert "b:1:" in world.service.config_fault
    (world.file.parent / "b").write_text('{"summary": "{{.data.x}}", "severity": "info"}')
    assert world.reload.look()


def test_a_file_that_goes_and_comes_back(world: World) -> None:
    text = world.file.read_text()
    world.file.unlink()
    with pytest.raises(FileNotFoundError):
        world.reload.load()
    world.write(text)
    assert world.reload.look()


def test_the_symlink_swap_of_a_configmap_is_seen(tmp_path: Path) -> None:
    for version, name in (("..1", "first"), ("..2", "second")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "subscriber.yaml").write_text(f"packs: [{name}]")
    os.symlink("..1", tmp_path / "..data")
    os.symlink("..data/subscriber.yaml", tmp_path / "subscriber.yaml")
    files = [tmp_path / "subscriber.yaml"]
    before = signature(files)
    assert signature(files) == before
    os.symlink("..2", tmp_path / "..data_tmp")
    os.replace(tmp_path / "..data_tmp", tmp_path / "..data")
    assert signature(files) != before


def test_a_change_while_it_is_read_is_not_lost(world: World) -> None:
    """Kubernetes turns the links of several mounts round within one moment."""
    load = world.reload.load

    def slow() -> Setup:
        setup = load()
        world.reload.load = load
        world.write(GOOD.format(name="written-meanwhile"))
        return setup

    world.reload.load = slow
    world.write(GOOD.format(name="second-rule"))
    assert world.reload.look()
    assert names(world.service.setups[-1].rules) == ["second-rule"]
    assert world.reload.look()
    assert names(world.service.setups[-1].rules) == ["written-meanwhile"]
    assert not world.reload.look()


def test_a_change_between_reading_and_watching_is_not_lost(world: World) -> None:
    """The service waits for NATS in between, up to a minute."""
    seen = signature(watched_files(world.file, world.reload.config))
    world.write(GOOD.format(name="while-nats-was-away"))
    late = Reload(
        load=world.reload.load,
        files=world.reload.files,
        service=world.reload.service,
        config=world.reload.config,
        meters=Meters(),
        clock=ManualClock(),
        seen=seen,
    )
    assert late.look()
    assert not late.look()


def test_what_a_configuration_lacked_may_come_later(world: World, tmp_path: Path) -> None:
    """A file that only the rejected configuration names is not watched, but tried again."""
    world.write(GOOD.format(name="second-rule").replace("body_file: b", "body_file: late"))
    assert not world.reload.look()
    assert not any(world.reload.look() for _ in range(40))
    assert world.reloads("rejected") == 1  # said once
    (tmp_path / "late").write_text('{"summary": "s", "severity": "info"}')
    assert any(world.reload.look() for _ in range(15))
    assert world.service.config_fault == ""
    assert names(world.service.setups[-1].rules) == ["second-rule"]


def test_keys_and_bodies_belong_to_what_is_watched() -> None:
    config = Config.model_validate(
        {
            "services": {"a": {"routing_key_file": "k"}, "b": {"routing_key_env": "B"}},
            "rules": [
                {"name": "r", "body_file": "x"},
                {"name": "s", "body_file": "x"},
                {"use": "keptn/test"},
            ],
        }
    )
    found = watched_files(Path("/etc/us/subscriber.yaml"), config)
    assert found == (Path("/etc/us/subscriber.yaml"), Path("/etc/us/x"), Path("/etc/us/k"))


def test_spent_allowance_survives_a_change(world: World) -> None:
    old = book_of(setup_of(world.file))
    old.allowances["default"].ask("default", 0.0)
    same = succeeding(old, book_of(setup_of(world.file)))
    assert same.allowances["default"].left("default", 0.0) == 119
    world.write("packs: []\npagerduty: {rate_limit: 30}\n")
    other = succeeding(old, book_of(setup_of(world.file)))
    assert other.allowances["default"].left("default", 0.0) == 30
