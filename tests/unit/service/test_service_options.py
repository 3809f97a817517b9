"""From the configuration and the environment to what the ports are told."""

from pathlib import Path

import pytest

from subscriber.config import load_config
from subscriber.delivery import OnStale
from subscriber.model import Problem, Reason
from subscriber.ports.nats.options import FirstStart
from subscriber.service import options

FILE = """
nats:
  url: [nats://a:4222, nats://b:4222]
  subjects: [x.>, y]
  stream: mine
  durable: d
  deliver: all
  replicas: 3
  ack_wait: 45
  max_in_flight: 7
  startup_timeout: 9
  credentials_file: c.creds
  nkey_file: n.seed
  user: u
  password_file: password
  token_file: token
  tls: {ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem, server_name: nats.example}
pagerduty: {timeout: 7, rate_limit: 30, ca_file: pd.pem}
services:
  default: {routing_key_env: A}
  free: {routing_key_env: B, rate_limit: 0}
  own: {routing_key_env: C, rate_limit: 5}
delivery: {max_age: 60, stale_after: 30, on_stale: downgrade, ledger_bucket: b}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("from-file\n")
    (tmp_path / "token").write_text("token-file\n")
    return tmp_path


def test_every_setting_reaches_its_port(folder: Path) -> None:
    config, _ = load_config(FILE)
    nats = options.nats_options(config, {}, options.nats_servers(config, {}), folder)
    assert nats.servers == ("nats://a:4222", "nats://b:4222")
    assert nats.credentials_file == str(folder / "c.creds")
    assert nats.nkey_seed_file == str(folder / "n.seed")
    assert (nats.user, nats.password, nats.token) == ("u", "from-file", "token-file")
    assert nats.tls_ca_file == str(folder / "ca.pem")
    assert nats.tls_cert_file == str(folder / "cert.pem")
    assert nats.tls_key_file == str(folder / "key.pem")
    assert nats.tls_hostname == "nats.example"
    assert nats.startup_timeout == 9
    streams = options.stream_options(config)
    assert (streams.subjects, streams.stream, streams.replicas) == (("x.>", "y"), "mine", 3)
    consumer = options.consumer_options(config)
    assert (consumer.durable, consumer.ack_wait) == ("d", 45)
    assert consumer.first_start is FirstStart.ALL
    assert consumer.max_ack_pending == -1  # what waits for a retry must not hold up the rest
    sender = options.sender_options(config, folder)
    assert (sender.total_timeout, sender.ca_file) == (7, str(folder / "pd.pem"))
    ledger = options.ledger_options(config)
    assert (ledger.bucket, ledger.replicas) == ("b", 3)
    policy = options.policy(config)
    assert (policy.send_timeout, policy.lease, policy.max_age) == (7, 17, 60)
    assert (policy.stale_after, policy.on_stale) == (30, OnStale.DOWNGRADE)


def test_the_environment_wins(folder: Path) -> None:
    config, _ = load_config(FILE)
    environment = {
        "NATS_URL": " nats://c:1 , nats://d:2 ",
        "NATS_PASSWORD": "from-environment",
        "NATS_TOKEN": "t",
    }
    servers = options.nats_servers(config, environment)
    nats = options.nats_options(config, environment, servers, folder)
    assert nats.servers == ("nats://c:1", "nats://d:2")
    assert (nats.password, nats.token) == ("from-environment", "t")


def test_secrets_are_in_no_repr(folder: Path) -> None:
    config, _ = load_config(FILE)
    nats = options.nats_options(config, {}, ("nats://a",), folder)
    assert "from-file" not in repr(nats)
    assert "token-file" not in repr(nats)


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    config, _ = load_config("nats: {user: u, password_file: nope}")
    with pytest.raises(Problem) as caught:
        options.nats_options(config, {}, ("nats://a",), tmp_path)
    assert caught.value.reason is Reason.MISSING_SECRET
    assert "nope" in str(caught.value)


def test_times_that_do_not_fit_together_are_refused() -> None:
    config, _ = load_config("nats: {ack_wait: 20}\npagerduty: {timeout: 10}")
    with pytest.raises(Problem, match=r"nats\.ack_wait \(20 s\) must be longer than"):
        options.policy(config)


def test_each_service_has_its_own_allowance() -> None:
    config, _ = load_config(FILE)
    found = options.allowances(config, ("default", "free", "own"))
    assert set(found) == {"default", "own"}
    assert found["default"].left("default", 0) == 30
    assert found["own"].left("own", 0) == 5


def test_the_defaults_fit_together() -> None:
    config, _ = load_config("")
    policy = options.policy(config)
    assert policy.send_timeout < policy.lease < config.nats.ack_wait
    assert options.consumer_options(config).first_start is FirstStart.NEW
    assert options.nats_servers(config, {}) == ()
