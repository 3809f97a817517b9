"""Routing keys: where they come from, and that nothing else ever shows them."""

from pathlib import Path

import pytest

from subscriber.config import ConfigError, load_config
from subscriber.service.keys import resolve_accounts

KEY = "0123456789abcdef0123456789ABCDEF"
OTHER = "fedcba9876543210fedcba9876543210"


def test_one_variable_is_enough() -> None:
    config, _ = load_config("")
    accounts = resolve_accounts(config, {"PAGERDUTY_ROUTING_KEY": f" {KEY}\n"})
    assert accounts is not None
    assert accounts["default"].routing_key.get_secret_value() == KEY
    assert accounts["default"].events_url == "https://events.pagerduty.com"


@pytest.mark.parametrize("environment", [{}, {"PAGERDUTY_ROUTING_KEY": " "}])
def test_without_a_key_there_are_no_accounts(environment: dict[str, str]) -> None:
    config, _ = load_config("pagerduty: {events_url: 'https://elsewhere.example'}")
    assert resolve_accounts(config, environment) is None


def test_keys_come_from_variables_files_and_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    config, _ = load_config(
        "pagerduty: {region: eu}\nservices:\n  a: {routing_key_file: key}\n"
        f"  b: {{routing_key_env: B}}\n  c: {{routing_key: '{KEY}', region: us}}\n"
    )
    accounts = resolve_accounts(config, {"B": OTHER}, folder=tmp_path)
    assert accounts is not None
    assert [accounts[n].routing_key.get_secret_value() for n in "abc"] == [KEY, OTHER, KEY]
    assert accounts["a"].events_url == "https://events.eu.pagerduty.com"
    assert accounts["c"].events_url == "https://events.pagerduty.com"


def test_every_missing_or_malformed_key_is_named_without_its_value(tmp_path: Path) -> None:
    (tmp_path / "short").write_text(KEY[:20])
    text = (
        "services:\n  a: {routing_key_env: NOPE}\n  b: {routing_key_file: nope}\n"
        "  c: {routing_key_file: short}\n  d: {routing_key: 'my-secret-integration-key-abcdef'}\n"
    )
    config, document = load_config(text)
    with pytest.raises(ConfigError) as caught:
        resolve_accounts(config, {}, document, folder=tmp_path)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"subscriber.yaml:{line}:3" for line in (2, 3, 4, 5)
    ]
    assert "NOPE" in lines[0]
    assert "nope" in lines[1]
    assert KEY[:20] not in str(caught.value)
    assert "my-secret" not in str(caught.value)
