"""Connecting: what is refused at once, what is waited for, what never leaks."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nkeys
import pytest
import trustme
from contract_worlds import until
from private_server import LeakyPipe, configured, connected, quick

from subscriber.model import Problem, Reason
from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.deadletters import NatsDeadLetters
from subscriber.ports.nats.ledger import NatsLedger
from subscriber.ports.nats.options import (
    ConnectionState,
    ConsumerOptions,
    NatsOptions,
    StreamOptions,
)
from subscriber.ports.nats.provision import require_jetstream
from subscriber.ports.nats.source import JetStreamSource

pytestmark = pytest.mark.live

SECRET = "s3cr3t-p4ssw0rd"


async def refused(options: NatsOptions) -> Problem:
    """The Problem with which a start ends, which it must do quickly."""
    told: list[str] = []
    began = time.monotonic()
    with pytest.raises(Problem) as caught:
        await NatsConnection(options, lambda state, text: told.append(text)).start()
    assert time.monotonic() - began < 6
    assert SECRET not in f"{caught.value} {told}"
    return caught.value


# -- credentials ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "right", "wrong"),
    [
        (
            f'authorization {{ user: "us", password: "{SECRET}" }}',
            {"user": "us", "password": SECRET},
            {"user": "us", "password": SECRET + "x"},
        ),
        (f'authorization {{ token: "{SECRET}" }}', {"token": SECRET}, {"token": SECRET + "x"}),
        (
            f'authorization {{ user: "us", password: "{SECRET}" }}',
            {"user": "us", "password": SECRET},
            {},
        ),
    ],
    ids=["password", "token", "none given"],
)
async def test_right_credentials_connect_and_wrong_ones_are_refused_at_once(
    tmp_path: Path, config: str, right: dict[str, str], wrong: dict[str, str]
) -> None:
    async with configured(tmp_path, config) as server:
        async with connected(server, **right) as connection:
            await connection.ping()
        problem = await refused(quick(server.url, **wrong))
        assert problem.reason is Reason.ACCESS_DENIED
        assert server.url in problem.where


async def test_a_password_in_the_url_works_and_is_never_shown(tmp_path: Path) -> None:
    config = f'authorization {{ user: "us", password: "{SECRET}" }}'
    async with configured(tmp_path, config) as server:
        address = server.url.removeprefix("nats://")
        told: list[str] = []
        connection = NatsConnection(
            quick(f"nats://us:{SECRET}@{address}"), lambda state, text: told.append(text)
        )
        async with connection:
            await connection.ping()
        assert address in connection.where
        assert SECRET not in f"{connection.where} {told}"
        problem = await refused(quick(f"nats://us:{SECRET}x@{address}"))
        assert problem.reason is Reason.ACCESS_DENIED


def seed_and_public(kind: bytes = b"U") -> tuple[bytes, str]:
    prefix = {b"U": nkeys.PREFIX_BYTE_USER, b"A": nkeys.PREFIX_BYTE_ACCOUNT}
    seed = nkeys.encode_seed(bytes(range(32)), prefix[kind])
    return seed, nkeys.from_seed(bytearray(seed)).public_key.decode()


async def test_an_nkey_file(tmp_path: Path) -> None:
    seed, public = seed_and_public()
    (tmp_path / "seed").write_bytes(seed + b"\n")
    (tmp_path / "other").write_bytes(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER))
    (tmp_path / "broken").write_text("not a seed")
    config = f"authorization {{ users = [ {{ nkey: {public} }} ] }}"
    async with configured(tmp_path / "server", config) as server:
        async with connected(server, nkey_seed_file=str(tmp_path / "seed")) as connection:
            await connection.ping()
        problem = await refused(quick(server.url, nkey_seed_file=str(tmp_path / "other")))
        assert problem.reason is Reason.ACCESS_DENIED
        problem = await refused(quick(server.url, nkey_seed_file=str(tmp_path / "broken")))
        assert problem.reason is Reason.INVALID_VALUE
        assert problem.where == str(tmp_path / "broken")


@pytest.mark.parametrize(
    "field", ["credentials_file", "nkey_seed_file", "tls_ca_file", "tls_cert_file"]
)
def test_a_file_that_is_not_there_is_refused_before_anything_is_opened(field: str) -> None:
    with pytest.raises(Problem) as caught:
        NatsConnection(NatsOptions(**{field: "/nowhere/at-all"}))  # type: ignore[arg-type]
    assert caught.value.reason is Reason.MISSING_FILE
    assert caught.value.where == "/nowhere/at-all"


@pytest.mark.parametrize(
    "url", ["http://host:4222", "nats://", "nats://host:port", "", "nats://:1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Problem) as caught:
        NatsConnection(NatsOptions(servers=(url,)))
    assert caught.value.reason is Reason.INVALID_VALUE


# -- TLS --------------------------------------------------------------------------------------


class Certificates:
    """A CA, a server certificate for 127.0.0.1 and a client certificate, as files."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        authority = trustme.CA()
        self.ca = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca)
        for name, identity in (("server", host), ("client", "client.example")):
            issued = authority.issue_cert(identity)
            issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
            issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
        self.server = (str(folder / "server.pem"), str(folder / "server.key"))
        self.client = {
            "tls_cert_file": str(folder / "client.pem"),
            "tls_key_file": str(folder / "client.key"),
        }

    def config(self, *, verify: bool = False) -> str:
        cert, key = self.server
        return (
            f'tls {{ cert_file: "{cert}", key_file: "{key}", ca_file: "{self.ca}", '
            f"verify: {str(verify).lower()} }}"
        )


async def test_tls_with_the_right_ca(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    async with configured(tmp_path / "s", certificates.config()) as server:
        async with connected(server, tls_ca_file=certificates.ca) as connection:
            await connection.ping()
            await require_jetstream(connection)
        problem = await refused(quick(server.url))
        assert problem.reason is Reason.TLS_FAILED
        (tmp_path / "b").mkdir()
        problem = await refused(quick(server.url, tls_ca_file=Certificates(tmp_path / "b").ca))
        assert problem.reason is Reason.TLS_FAILED
        async with connected(server, tls_insecure=True) as connection:
            await connection.ping()


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path, host="nats.example")
    async with configured(tmp_path / "s", certificates.config()) as server:
        problem = await refused(quick(server.url, tls_ca_file=certificates.ca))
        assert problem.reason is Reason.TLS_FAILED
        options = {"tls_ca_file": certificates.ca, "tls_hostname": "nats.example"}
        async with connected(server, **options) as connection:
            await connection.ping()


async def test_mutual_tls(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    async with configured(tmp_path / "s", certificates.config(verify=True)) as server:
        options = {"tls_ca_file": certificates.ca, **certificates.client}
        async with connected(server, **options) as connection:
            await connection.ping()
        problem = await refused(quick(server.url, tls_ca_file=certificates.ca))
        assert problem.reason is Reason.TLS_FAILED


async def test_a_key_that_does_not_belong_to_the_certificate(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    with pytest.raises(Problem) as caught:
        NatsConnection(
            NatsOptions(
                tls_cert_file=certificates.client["tls_cert_file"],
                tls_key_file=certificates.server[1],
            )
        )
    assert caught.value.reason is Reason.TLS_FAILED


@asynccontextmanager
async def plain_server_that_records(answer: bytes) -> AsyncIterator[tuple[str, bytearray]]:
    heard = bytearray()
    writers: list[asyncio.StreamWriter] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(answer)
        while data := await reader.read(4096):
            heard.extend(data)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", heard
    finally:
        server.close()
        for writer in writers:
            writer.close()


async def test_a_password_is_never_sent_in_the_clear_when_tls_is_asked_for() -> None:
    info = b'INFO {"server_id":"x","version":"2.12.0","max_payload":1048576}\r\n'
    async with plain_server_that_records(info) as (address, heard):
        problem = await refused(quick(f"tls://{address}", user="us", password=SECRET))
        assert problem.reason is Reason.TLS_FAILED
        assert SECRET.encode() not in heard


# -- absence ----------------------------------------------------------------------------------


async def test_an_absent_server_is_given_up_in_time() -> None:
    async with plain_server_that_records(b"") as (address, _):
        pass  # the port is closed now
    began = time.monotonic()
    with pytest.raises(Problem) as caught:
        await NatsConnection(quick(f"nats://{address}", startup_timeout=0.7)).start()
    assert caught.value.reason is Reason.UNREACHABLE
    assert caught.value.hint
    assert time.monotonic() - began < 5


async def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    async with plain_server_that_records(b"") as (address, _):
        began = time.monotonic()
        options = quick(f"nats://{address}", connect_timeout=0.3, startup_timeout=1.0)
        with pytest.raises(Problem) as caught:
            await NatsConnection(options).start()
        assert caught.value.reason is Reason.UNREACHABLE
        assert time.monotonic() - began < 8


async def test_a_server_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path) as server:
        url = server.url
    starting = asyncio.ensure_future(NatsConnection(quick(url, startup_timeout=20)).start())
    await asyncio.sleep(0.5)
    assert not starting.done()
    starting.cancel()
    connection = NatsConnection(quick(url, startup_timeout=20))
    starting = asyncio.ensure_future(connection.start())
    await asyncio.sleep(0.2)
    async with server:
        await asyncio.wait_for(starting, 15)
        await connection.ping()
        await connection.close()


async def test_of_several_servers_one_that_answers_will_do(nats_server: EmbeddedNats) -> None:
    async with plain_server_that_records(b"") as (absent, _):
        pass
    for servers in ((f"nats://{absent}", nats_server.url), (nats_server.url, f"nats://{absent}")):
        async with NatsConnection(NatsOptions(servers=servers)) as connection:
            await connection.ping()


async def test_closing_is_safe_at_any_time(nats_server: EmbeddedNats) -> None:
    connection = NatsConnection(quick(nats_server.url))
    await connection.close()
    connection = NatsConnection(quick(nats_server.url))
    await connection.start()
    await connection.close()
    await connection.close()
    with pytest.raises(PortUnavailable):
        await connection.ping()
    with pytest.raises(PortUnavailable):
        await connection.request("x")
    with pytest.raises(PortUnavailable):
        await connection.publish("x")


# -- in use -----------------------------------------------------------------------------------


async def test_a_request_ends_when_the_connection_breaks(nats_server: EmbeddedNats) -> None:
    async with LeakyPipe(nats_server.url) as pipe:
        options = quick(pipe.url, request_timeout=20.0, ping_interval=60.0)
        async with NatsConnection(options) as connection:
            pipe.to_client = False
            asking = asyncio.ensure_future(connection.api("INFO"))
            await asyncio.sleep(0.2)
            assert not asking.done()
            pipe.cut()
            began = time.monotonic()
            with pytest.raises(PortUnavailable):
                await asking
            assert time.monotonic() - began < 3
            pipe.to_client = True


async def test_a_request_that_nobody_answers_or_waits_for_is_forgotten_in_time(
    nats_server: EmbeddedNats,
) -> None:
    options = quick(nats_server.url, request_timeout=0.3)
    async with NatsConnection(options) as link:
        await link.client.subscribe("silent")  # so that the server does not answer "nobody"
        given_up = asyncio.ensure_future(link.request_plain(b"silent", b"1"))
        waiting = asyncio.ensure_future(link.request_plain(b"silent", b"2", b"NATS/1.0\r\n\r\n"))
        await asyncio.sleep(0)
        assert link._exchange is not None
        assert len(link._exchange._open) == 2
        given_up.cancel()
        with pytest.raises(PortUnavailable, match=r"no answer to silent within 0\.3 s"):
            await asyncio.wait_for(waiting, 5)
        assert given_up.cancelled()
        await until(lambda: link._exchange is not None and link._exchange._open == {})


async def test_an_answer_to_a_ping_that_nobody_waits_for_any_more_does_no_harm(
    nats_server: EmbeddedNats,
) -> None:
    heard: list[ConnectionState] = []
    options = quick(nats_server.url, ping_interval=60.0)
    async with NatsConnection(options, lambda state, text: heard.append(state)) as connection:
        for _ in range(3):  # what a flush leaves behind when its time is up before the answer
            given_up = asyncio.get_running_loop().create_future()
            given_up.cancel()
            await connection.client._send_ping(given_up)
        await connection.ping()
        assert await connection.api("INFO")
        assert heard == [ConnectionState.CONNECTED]


async def test_a_reader_that_dies_brings_a_new_connection_at_once(
    nats_server: EmbeddedNats,
) -> None:
    heard: list[tuple[ConnectionState, str]] = []
    options = quick(nats_server.url, ping_interval=60.0)
    async with NatsConnection(options, lambda *told: heard.append(told)) as connection:

        async def trip(data: bytes) -> None:
            connection.client._ps.parse = parse  # type: ignore[method-assign]
            raise ArithmeticError("a fault inside the client library")

        parse = connection.client._ps.parse
        connection.client._ps.parse = trip  # type: ignore[method-assign]
        asking = asyncio.ensure_future(connection.api("INFO"))
        await until(lambda: ConnectionState.RECONNECTED in dict(heard), within=5)
        with pytest.raises(PortUnavailable):
            await asking
        assert await connection.api("INFO")
        assert "reading ended unexpectedly" in " ".join(text for _, text in heard)


async def test_a_missing_permission_is_named_and_quick(tmp_path: Path) -> None:
    config = (
        'authorization { users = [ { user: "us", password: "p", permissions: '
        '{ publish: ["allowed.>"], subscribe: [">"] } } ] }'
    )
    async with configured(tmp_path, config) as server:
        options = {"user": "us", "password": "p", "request_timeout": 30.0}
        async with connected(server, **options) as connection:
            began = time.monotonic()
            with pytest.raises(Problem) as caught:
                await connection.api("STREAM.NAMES", {"subject": "a.b"})
            assert caught.value.reason is Reason.ACCESS_DENIED
            assert "$JS.API.STREAM.NAMES" in str(caught.value)
            assert time.monotonic() - began < 10
            await connection.ping()


async def test_no_jetstream_is_a_problem_with_a_hint(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, jetstream=False) as server, connected(server) as connection:
        source = JetStreamSource(connection, StreamOptions(subjects=("a.>",)), ConsumerOptions())
        for start in (
            NatsLedger(connection).start(),
            NatsDeadLetters(connection).start(),
            source.start(lambda held: None, capacity=1),
        ):
            began = time.monotonic()
            with pytest.raises(Problem) as caught:
                await start
            assert caught.value.reason is Reason.UNREACHABLE
            assert "core" in caught.value.hint
            assert time.monotonic() - began < 5


@pytest.mark.parametrize("headers", [None, {"X": "y" * 2000}])
async def test_a_message_beyond_the_limit_does_not_cost_the_connection(
    nats_server: EmbeddedNats, headers: dict[str, str] | None
) -> None:
    async with connected(nats_server) as connection:
        size = connection.client.max_payload + (1 if headers is None else -1000)
        for send in (connection.publish, connection.request):
            with pytest.raises(Problem) as caught:
                await send("some.where", b"x" * size, headers=headers)
            assert caught.value.reason is Reason.TOO_LARGE
        await connection.ping()
        assert connection.connected


async def test_the_listener_hears_of_every_change(tmp_path: Path) -> None:
    told: list[ConnectionState] = []
    async with (
        EmbeddedNats(tmp_path) as server,
        connected(server, lambda state, text: told.append(state)) as connection,
    ):
        server.kill()
        await until(lambda: not connection.connected)
        await server.start()
        await until(lambda: connection.connected)
        await connection.ping()
    changes = [state for state in told if state is not ConnectionState.ERROR]
    assert changes == [
        ConnectionState.CONNECTED,
        ConnectionState.DISCONNECTED,
        ConnectionState.RECONNECTED,
        ConnectionState.CLOSED,
    ]


# -- a creds file -----------------------------------------------------------------------------


class Identity:
    """An nkey that signs the JWTs of NATS's decentralised authentication."""

    def __init__(self, prefix: int, fill: int) -> None:
        self.seed = nkeys.encode_seed(bytes([fill]) * 32, prefix)
        self.public = nkeys.from_seed(bytearray(self.seed)).public_key.decode()

    def sign(self, subject: str, name: str, nats: dict[str, object], **claims: object) -> str:
        """A JWT about `subject` (NATS JWT version 2, signed with ed25519)."""

        def part(value: dict[str, object]) -> bytes:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

        body = {"jti": name, "iat": 1_700_000_000, "iss": self.public, "name": name}
        head = part({"typ": "JWT", "alg": "ed25519-nkey"})
        signed = head + b"." + part({**body, "sub": subject, "nats": nats, **claims})
        signature = nkeys.from_seed(bytearray(self.seed)).sign(signed)
        return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


async def test_a_creds_file(tmp_path: Path) -> None:
    operator = Identity(nkeys.PREFIX_BYTE_OPERATOR, 1)
    account = Identity(nkeys.PREFIX_BYTE_ACCOUNT, 2)
    user = Identity(nkeys.PREFIX_BYTE_USER, 3)
    limits = {
        **dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1),
        **{"wildcards": True, "mem_storage": -1, "disk_storage": -1, "streams": -1},
        "consumer": -1,
    }
    operator_jwt = operator.sign(operator.public, "op", {"type": "operator", "version": 2})
    account_jwt = operator.sign(
        account.public, "acc", {"type": "account", "version": 2, "limits": limits}
    )
    config = (
        f"operator: {operator_jwt}\nresolver: MEMORY\n"
        f"resolver_preload: {{ {account.public}: {account_jwt} }}\n"
    )

    def creds(name: str, **claims: object) -> str:
        nats = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        token = account.sign(user.public, name, nats, **claims)
        file = tmp_path / f"{name}.creds"
        file.write_text(
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )
        return str(file)

    # With accounts from JWTs, JetStream wants a system account too; it is not needed here.
    async with configured(tmp_path / "server", config, jetstream=False) as server:
        async with connected(server, credentials_file=creds("good")) as connection:
            await connection.ping()
        problem = await refused(quick(server.url, credentials_file=creds("old", exp=1_700_000_001)))
        assert problem.reason is Reason.ACCESS_DENIED
        (tmp_path / "broken.creds").write_text("nothing in here\n")
        problem = await refused(quick(server.url, credentials_file=str(tmp_path / "broken.creds")))
        assert problem.reason is Reason.INVALID_VALUE
