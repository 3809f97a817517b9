"""Every way in which configuration, environment and connections can be wrong, and no secret told.

The commands run in this process, as a person would call them: with secrets in the environment, in
the configuration and in files. Standard output, standard error and what was raised are looked at.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from private_server import configured
from secret_world import KEY, OTHER_KEY, SECRETS, leaks, told
from typer.testing import CliRunner

from subscriber.cli.app import app
from subscriber.config import load_config
from subscriber.model import Problem, Reason
from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.http import HttpSender, SenderOptions
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.options import NatsOptions
from subscriber.service import options
from subscriber.service.app import Service, Setup
from subscriber.service.keys import resolve_accounts
from subscriber.service.meters import Meters
from subscriber.service.rulebook import load_rules

GOOD_EVENT = '{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"note":"x"}}'
RULE = (
    "rules: [{name: r, types: t, action: trigger, dedup_key: x, "
    "body: {summary: s, severity: info, source: x}}]\n"
)
SERVICES = (
    f"packs: []\nservices: {{default: {{routing_key: {KEY}}}, till: {{routing_key_file: key}}}}\n"
)
PASSWORD, TOKEN = SECRETS["NATS password"], SECRETS["NATS token"]
URL_PASSWORD, PROXY_PASSWORD = SECRETS["password in NATS_URL"], SECRETS["proxy password"]
SEED, JWT = SECRETS["nkey seed"], SECRETS["JWT of a creds file"]


@dataclass(frozen=True)
class Desk:
    """A folder with every kind of secret in it, and an environment with the others."""

    folder: Path
    nats: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "NATS_URL": self.nats,
            "NATS_PASSWORD": PASSWORD,
            "NATS_TOKEN": "",
            "PAGERDUTY_ROUTING_KEY": KEY,
            "HTTPS_PROXY": f"http://user:{PROXY_PASSWORD}@127.0.0.1:1",
            "HTTP_PROXY": f"http://user:{PROXY_PASSWORD}@127.0.0.1:1",
            "NO_COLOR": "1",
        }

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def call(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Exit code, and everything that was written or raised."""
        runner = CliRunner(env={**self.environment, **environment})
        here = os.getcwd()
        os.chdir(self.folder)
        try:
            result = runner.invoke(app, list(arguments))
        finally:
            os.chdir(here)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result.exit_code, result.output + result.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    """A nats-server that wants another password than ours."""
    folder = tmp_path_factory.mktemp("nats")
    made = configured(folder, "authorization { user: us, password: right-one }")
    asyncio.run(made.start())
    yield made
    asyncio.run(made.stop())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "key").write_text(OTHER_KEY + "\n")
    (tmp_path / "event.json").write_text(GOOD_EVENT)
    (tmp_path / "seed").write_text(SEED[:-2] + "\n")
    (tmp_path / "creds").write_text(
        f"-----BEGIN NATS USER JWT-----\n{JWT}\n------END NATS USER JWT------\n"
        f"-----BEGIN USER NKEY SEED-----\n{SEED[:-2]}\n------END USER NKEY SEED------\n"
    )
    url = f"nats://us:{URL_PASSWORD}@127.0.0.1:1"
    return Desk(folder=tmp_path, nats=url)


def loaded(text: str, folder: Path) -> None:
    """All that `check` and `run` do with a configuration before anything is opened."""
    config, document = load_config(text)
    load_rules(config, document, folder=folder)
    options.policy(config)
    resolve_accounts(config, {"PAGERDUTY_ROUTING_KEY": KEY}, document, folder=folder)
    servers = ("nats://us@host",)
    options.nats_options(config, {"NATS_PASSWORD": PASSWORD}, servers, folder)
    HttpSender(options.sender_options(config, folder))


# -- what is wrong with a file, by reason -----------------------

FILES: dict[Reason, tuple[str, ...]] = {
    Reason.INVALID_YAML: (
        SERVICES + f"rules: [{KEY}",
        f"services: {{shop: {{routing_key: '{KEY}}}\n",
        f"services: {{shop: {{routing_key: {KEY}\t: x\n",
        f"{KEY}: 1\n{KEY}: 2\n",
        f"services: {{shop: &{KEY} 1, till: *{OTHER_KEY}}}",
        f"services: !{KEY} {{}}\n? [{KEY}]\n: 1\n",
    ),
    Reason.UNKNOWN_KEY: (
        f"{KEY}: 1",
        f"services: {{shop: {{{KEY}: 1}}}}",
        f"nats: {{token: {TOKEN}}}",
        f"nats: {{password: {PASSWORD}}}",
    ),
    Reason.INVALID_VALUE: (
        f"services: {{shop: {KEY}}}",
        f"packs: []\nservices: {{shop: {{routing_key: {KEY}x}}}}",
        f"packs: []\nservices: {{shop: {{routing_key: '{KEY} {OTHER_KEY}'}}}}",
        f"services: {{shop: {{routing_key: {KEY}, routing_key_env: {OTHER_KEY}}}}}",
        f"pagerduty: {{events_url: 'https://user:{PROXY_PASSWORD}@host?'}}",
        f"nats: {{url: [[nats://us:{URL_PASSWORD}@host]]}}",
        f"nats: {{mode: nats://us:{URL_PASSWORD}@host}}",
        "nats: {ack_wait: 1}" + f"\n{SERVICES}",
    ),
    Reason.MISSING_FILE: (
        SERVICES + "rules: [{name: r, types: t, action: trigger, dedup_key: x, body_file: no}]",
    ),
    Reason.MISSING_SECRET: (
        SERVICES.replace("routing_key_file: key", "routing_key_env: NO_SUCH_KEY"),
        SERVICES.replace("routing_key_file: key", "routing_key_file: none"),
        SERVICES + "nats: {password_file: none, token_file: none}",
    ),
    Reason.UNKNOWN_RULE: (SERVICES + "rules: [{use: keptn/nothing}]",),
    Reason.TEMPLATE_SYNTAX: (
        SERVICES + RULE.replace("summary: s", f"summary: '{{{{if {KEY}', routing_key: {KEY}"),
        SERVICES + RULE.replace("summary: s", f"summary: '{KEY}{{{{.a | nothing}}}}'"),
    ),
    Reason.TLS_FAILED: (SERVICES + "pagerduty: {ca_file: key}",),
    Reason.TOO_LARGE: (SERVICES + f"# {KEY}\n" * 40_000,),
}


@pytest.mark.parametrize(
    ("reason", "text"),
    [(reason, text) for reason, texts in FILES.items() for text in texts],
    ids=lambda value: value.value if isinstance(value, Reason) else value[:24],
)
def test_a_configuration_that_is_refused(reason: Reason, text: str, desk: Desk) -> None:
    with pytest.raises(Problem) as caught:
        loaded(text, desk.folder)
    problems = getattr(caught.value, "problems", (caught.value,))
    assert reason in {one.reason for one in problems}
    shown = told(caught.value)
    # a traceback quotes lines of ours only; the fault's own text is in it once more
    assert {name: leaks(value) for name, value in shown.items() if leaks(value)} == {}
    config = desk.write("subscriber.yaml", text)
    for arguments in (
        ("check", str(config)),
        ("run", "--config", str(config)),
        ("explain", "event.json", "--config", str(config)),
        ("render", "--rule", "r", "--event", "event.json", "--config", str(config)),
        ("dlq", "list", "--config", str(config)),
        ("send", "event.json", "--config", str(config)),
    ):
        if arguments[0] in ("dlq", "send") and reason in _LATER:
            continue  # these look at no rule and no key, and would wait for NATS
        _, output = desk.call(*arguments)
        assert leaks(output) == [], (arguments, output)


_LATER = {
    Reason.MISSING_FILE,
    Reason.MISSING_SECRET,
    Reason.UNKNOWN_RULE,
    Reason.TEMPLATE_SYNTAX,
    Reason.TLS_FAILED,
    Reason.INVALID_VALUE,
}


# -- templates --------------------------------------------------

TEMPLATES: dict[Reason, str] = {
    Reason.TEMPLATE_SYNTAX: f'{{"routing_key": "{KEY}", "a": "{{{{if}}"}}',
    Reason.TEMPLATE_EXECUTION: f'{{"routing_key": "{KEY}", "a": "{{{{.data.note.x}}}}"}}',
    Reason.TEMPLATE_LIMIT: "{{range until 9999}}{{range until 9999}}x{{end}}{{end}}",
}


@pytest.mark.parametrize("reason", TEMPLATES)
def test_a_template_that_fails(reason: Reason, desk: Desk) -> None:
    from subscriber.template import compile

    desk.write("event.json", GOOD_EVENT.replace('"x"', f'"{KEY}"'))
    template = desk.write("body.json.tmpl", TEMPLATES[reason])
    with pytest.raises(Problem) as caught:
        compile(TEMPLATES[reason], name="t").render({"data": {"note": KEY}})
    assert caught.value.reason is reason
    code, output = desk.call("render", str(template), "--event", "event.json")
    assert code == 1
    assert leaks(output) == []


# -- connections ------------------------------------------------

Connect = Callable[[Desk, EmbeddedNats], NatsOptions]


def _wrong_password(desk: Desk, server: EmbeddedNats) -> NatsOptions:
    return NatsOptions(servers=(server.url,), user="us", password=PASSWORD)


def _wrong_password_in_the_url(desk: Desk, server: EmbeddedNats) -> NatsOptions:
    url = server.url.replace("://", f"://us:{URL_PASSWORD}@")
    return NatsOptions(servers=(url,))


def _wrong_token(desk: Desk, server: EmbeddedNats) -> NatsOptions:
    return NatsOptions(servers=(server.url,), token=TOKEN)


def _broken_seed(desk: Desk, server: EmbeddedNats) -> NatsOptions:
    return NatsOptions(servers=(server.url,), nkey_seed_file=str(desk.folder / "seed"))


def _broken_creds(desk: Desk, server: EmbeddedNats) -> NatsOptions:
    return NatsOptions(servers=(server.url,), credentials_file=str(desk.folder / "creds"))


def _no_tls(desk: Desk, server: EmbeddedNats) -> NatsOptions:
    return NatsOptions(servers=(server.url,), tls=True, user="us", password=PASSWORD)


def _seed_for_a_certificate(desk: Desk, server: EmbeddedNats) -> NatsOptions:
    return NatsOptions(servers=(server.url,), tls_ca_file=str(desk.folder / "seed"))


def _nobody(desk: Desk, server: EmbeddedNats) -> NatsOptions:
    return NatsOptions(
        servers=(f"nats://us:{URL_PASSWORD}@127.0.0.1:1",), password=PASSWORD, startup_timeout=0.3
    )


def _no_address(desk: Desk, server: EmbeddedNats) -> NatsOptions:
    return NatsOptions(servers=(f"nats://us:{URL_PASSWORD}@host:port",), password=PASSWORD)


def _half_an_address(desk: Desk, server: EmbeddedNats) -> NatsOptions:
    return NatsOptions(servers=(f"http://us:{URL_PASSWORD}/@@host",), password=PASSWORD)


CONNECTIONS: Sequence[tuple[Reason, Connect]] = (
    (Reason.ACCESS_DENIED, _wrong_password),
    (Reason.ACCESS_DENIED, _wrong_password_in_the_url),
    (Reason.ACCESS_DENIED, _wrong_token),
    (Reason.INVALID_VALUE, _broken_seed),
    (Reason.ACCESS_DENIED, _broken_creds),
    (Reason.TLS_FAILED, _no_tls),
    (Reason.TLS_FAILED, _seed_for_a_certificate),
    (Reason.UNREACHABLE, _nobody),
    (Reason.INVALID_VALUE, _no_address),
    (Reason.INVALID_VALUE, _half_an_address),
)


@pytest.mark.live
@pytest.mark.parametrize(
    ("reason", "connect"), CONNECTIONS, ids=lambda value: getattr(value, "__name__", str(value))
)
async def test_a_connection_that_is_refused(
    reason: Reason, connect: Connect, desk: Desk, server: EmbeddedNats
) -> None:
    heard: list[str] = []
    found = connect(desk, server)
    with pytest.raises(Problem) as caught:
        async with NatsConnection(found, lambda state, text: heard.append(text)):
            pass
    assert caught.value.reason is reason
    shown = {**told(caught.value), "listener": repr(heard), "options": repr(found)}
    assert {name: leaks(value) for name, value in shown.items() if leaks(value)} == {}


VERBS = (
    ("run",),
    ("tail",),
    ("send", "event.json"),
    ("dlq", "list"),
    ("dlq", "replay", "--all"),
    ("alerts", "list"),
    ("alerts", "resolve", "x", "--yes"),
    ("backtest",),
)


@pytest.mark.live
@pytest.mark.parametrize(
    ("arguments", "way"),
    [
        *((verb, "url") for verb in VERBS),
        *((("run",), way) for way in ("password", "token", "seed", "creds", "tls", "nobody")),
        *((("dlq", "list"), way) for way in ("creds", "nobody")),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_command_that_does_not_get_to_nats(
    arguments: tuple[str, ...], way: str, desk: Desk, server: EmbeddedNats
) -> None:
    nats = {
        "seed": "nkey_file: seed",
        "creds": "credentials_file: creds",
        "tls": "user: us, tls: {}",
        "password": "user: us",
    }.get(way, "")
    levels = "http: {listen: ''}\nlog: {level: debug, format: json}\n"
    text = SERVICES + RULE + levels + f"nats: {{startup_timeout: 0.2, {nats}}}\n"
    config = desk.write("subscriber.yaml", text)
    url = {
        "url": server.url.replace("://", f"://us:{URL_PASSWORD}@"),
        "nobody": desk.nats,
    }.get(way, server.url)
    environment = {"NATS_URL": url, "NATS_TOKEN": TOKEN if way == "token" else ""}
    code, output = desk.call(*arguments, "--config", str(config), **environment)
    assert code != 0
    assert output.strip()
    assert leaks(output) == []


@pytest.mark.parametrize("verb", ["run", "send", "tail", "check", "dlq", "alerts"])
def test_help_shows_no_environment(verb: str, desk: Desk) -> None:
    code, output = desk.call(verb, "--help")
    assert code == 0
    assert leaks(output) == []


def test_a_proxy_that_cannot_be_used_is_told_without_its_password(desk: Desk) -> None:
    desk.write(
        "subscriber.yaml", SERVICES + RULE + "http: {listen: ''}\nnats: {startup_timeout: 0.2}\n"
    )
    proxy = f"http://user:{PROXY_PASSWORD}/x@127.0.0.1:1"
    code, output = desk.call("run", "--config", "subscriber.yaml", HTTPS_PROXY=proxy)
    assert code == 2
    assert "HTTPS_PROXY" in output
    assert leaks(output) == []


@pytest.mark.live
async def test_streams_and_programs_that_cannot_be_used(
    desk: Desk, nats_server: EmbeddedNats, token: str, tmp_path: Path
) -> None:
    text = (
        SERVICES
        + RULE
        + (
            "nats: {subjects: ['>'], startup_timeout: 2}\n"
            f"delivery: {{dead_letter_stream: {token}-d, ledger_bucket: {token}-l}}\n"
        )
    )
    config, document = load_config(text)
    accounts = resolve_accounts(config, {}, document, folder=desk.folder)
    assert accounts is not None
    setup = Setup(
        config=config,
        rules=load_rules(config, document, folder=desk.folder),
        accounts=accounts,
        nats=NatsOptions(servers=(nats_server.url,), startup_timeout=2),
        sender=SenderOptions(),
    )
    with pytest.raises(Problem) as caught:
        async with Service(setup, meters=Meters(), observers=()):
            pass
    assert caught.value.reason is Reason.STREAM_CONFLICT
    shown = {**told(caught.value), "setup": repr(setup)}
    assert {name: leaks(value) for name, value in shown.items() if leaks(value)} == {}

    with pytest.raises(Problem) as caught:
        await configured(tmp_path / "f", f"nonsense {{ password: {PASSWORD} }} [").start()
    assert caught.value.reason is Reason.PROGRAM_FAILED


def test_settings_show_no_secret_when_they_are_printed(desk: Desk) -> None:
    config, document = load_config(SERVICES + RULE)
    accounts = resolve_accounts(config, {}, document, folder=desk.folder)
    url = f"nats://us:{URL_PASSWORD}@host:4222"
    found = options.nats_options(
        config, {"NATS_PASSWORD": PASSWORD, "NATS_TOKEN": TOKEN}, (url,), desk.folder
    )
    assert {*found.secrets} == {PASSWORD, TOKEN, URL_PASSWORD}
    for value in (config, document, accounts, found, config.model_dump(), config.services):
        if value is not document:  # the file's own values; nothing prints them
            assert leaks(repr(value)) == []
            assert leaks(str(value)) == []
    assert leaks(config.model_dump_json()) == []


PROVOKED: frozenset[Reason] = frozenset(
    {
        *FILES,
        *TEMPLATES,
        *(reason for reason, _ in CONNECTIONS),
        Reason.STREAM_CONFLICT,
        Reason.PROGRAM_FAILED,
        Reason.MATCHED,
        Reason.TYPE_DIFFERS,
    }
)
"""The reasons that come up here; `explain` below says the last two."""


@pytest.mark.parametrize("output", ["text", "json", "yaml"])
def test_what_is_explained_and_rendered_holds_no_routing_key(output: str, desk: Desk) -> None:
    rules = RULE.replace("]\n", ", {name: other, types: u, action: resolve, dedup_key: x}]\n")
    config = desk.write("subscriber.yaml", SERVICES + rules)
    _, told_ = desk.call("explain", "event.json", "--config", str(config), "--output", output)
    assert "type-differs" in told_ or "types" in told_
    assert "trigger" in told_
    assert leaks(told_) == []
    code, rendered = desk.call(
        "render", "--rule", "r", "--event", "event.json", "--config", str(config)
    )
    assert code == 0
    assert leaks(rendered) == []
    assert leaks(desk.call("check", str(config))[1]) == []
