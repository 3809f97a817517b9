"""The way out: whose certificates are trusted, through which proxy, and what nobody gets to see."""

from __future__ import annotations

import asyncio
import base64
import gzip
import shutil
import ssl
import subprocess
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from subscriber.model import Problem, Reason
from subscriber.pagerduty import judge
from subscriber.pagerduty.request import Api, Reply, Request
from subscriber.ports.http import MAX_BODY, HttpSender, SenderOptions
from subscriber.ports.outward import proxies, tls_context

KEY = "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY00"
BODY = b'{"routing_key": "%s"}' % KEY.encode()
PASSWORD = "pr0xy-p@ss/w:rd"
ESCAPED = "pr0xy-p%40ss%2Fw%3Ard"
SECRETS = (KEY, PASSWORD, ESCAPED, "pr0xy-p")
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


# httpx-aiohttp's way of handing a proxy's password to aiohttp; aiohttp 4 is not ours yet
pytestmark = pytest.mark.filterwarnings("ignore:.*encode_basic_auth:DeprecationWarning")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def listening(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server; the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await talk(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hear(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """A request: its head and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    sizes = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
    return head, await reader.readexactly(int(sizes[0].partition(":")[2])) if sizes else b""


class PagerDuty:
    """Takes every event; remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.heard.append(await hear(reader))
            writer.write(ACCEPTED)
            await writer.drain()


class ForwardProxy:
    """A forward proxy as people run them: CONNECT for https, absolute URLs for http."""

    def __init__(self, *, wants: str = "") -> None:
        self._wants = wants
        self.heads: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        method, target, _ = head.split("\r\n")[0].split(" ")
        if self._wants and self._wants != self.credentials:
            writer.write(
                b"HTTP/1.1 407 %s\r\nContent-Length: 0\r\n\r\n" % self.credentials.encode()
            )
            return
        address = target if method == "CONNECT" else target.partition("://")[2].partition("/")[0]
        host, _, port = address.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            far_writer.write(head.replace(f"http://{address}", "", 1).encode("latin-1"))
        await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))

    @property
    def credentials(self) -> str:
        """What it was given, in the clear."""
        found = [
            line.split()[-1]
            for line in self.heads[-1].split("\r\n")
            if line.lower().startswith("proxy-authorization:")
        ]
        return base64.b64decode(found[0]).decode() if found else ""


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Authority:
    """A CA and a server certificate for 127.0.0.1 and one host name."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        authority = trustme.CA()
        self.file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.file))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(self.context)


def store_of(file: Path) -> Path:
    """A folder of certificates, as OpenSSL looks them up: by a hash of their names."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, for the hash in a certificate folder")
    folder = file.parent / "store"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(file.read_bytes())
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
    return folder


async def send(url: str, **options: object) -> Reply:
    values = {"connect_timeout": 3.0, "total_timeout": 6.0, **options}
    async with HttpSender(SenderOptions(**values)) as sender:  # type: ignore[arg-type]
        request = Request(api=Api.EVENTS, service="shop", url=url, body=BODY)
        reply = await sender.send(request)
    shown = f"{reply!r} {judge(Api.EVENTS, reply)!r}"
    assert not [secret for secret in SECRETS if secret in shown]
    return reply


# -- certificates -----------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "option"])
async def test_an_authority_of_ones_own_is_trusted(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = Authority(tmp_path), PagerDuty()
    options: dict[str, object] = {}
    if variable == "option":
        options["ca_file"] = str(ours.file)
    elif variable == "SSL_CERT_FILE":
        monkeypatch.setenv(variable, str(ours.file))
    else:
        monkeypatch.setenv(variable, str(store_of(ours.file)))
    async with listening(theirs, ours.context) as port:
        assert (await send(f"https://127.0.0.1:{port}/v2/enqueue", **options)).status == 202
    assert theirs.heard[0][1] == BODY


async def test_without_it_nothing_is_said(tmp_path: Path) -> None:
    theirs = PagerDuty()
    async with listening(theirs, Authority(tmp_path).context) as port:
        reply = await send(f"https://127.0.0.1:{port}/v2/enqueue")
    assert (reply.status, reply.fault) == (0, "tls")
    assert not theirs.heard


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "pagerduty.example"), PagerDuty()
    async with listening(theirs, ours.context) as port:
        reply = await send(f"https://127.0.0.1:{port}/v2/enqueue", ca_file=str(ours.file))
    assert (reply.status, reply.fault) == (0, "tls")
    assert not theirs.heard


def test_what_is_named_is_the_whole_store(tmp_path: Path) -> None:
    ours = str(Authority(tmp_path).file)
    assert len(tls_context(ours, {}).get_ca_certs()) == 1
    assert len(tls_context("", {"SSL_CERT_FILE": ours}).get_ca_certs()) == 1


@pytest.mark.parametrize(
    "environment",
    [{}, {"SSL_CERT_FILE": ""}, {"SSL_CERT_DIR": ""}],
    ids=["unset", "empty file", "empty folder"],
)
def test_the_system_is_trusted_unless_something_is_named(environment: dict[str, str]) -> None:
    context = tls_context("", environment)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    if not ssl.get_default_verify_paths().capath:
        assert context.get_ca_certs()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_what_is_named_must_be_usable(variable: str, content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "store"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Problem) as caught:
        tls_context("", {variable: str(path)})
    assert caught.value.reason is Reason.TLS_FAILED
    assert caught.value.where == variable


# -- proxies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_a_forward_proxy_with_a_password(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = Authority(tmp_path), PagerDuty()
    proxy = ForwardProxy(wants=f"user:{PASSWORD}")
    async with (
        listening(theirs, ours.context if scheme == "https" else None) as port,
        listening(proxy) as door,
    ):
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://user:{ESCAPED}@127.0.0.1:{door}")
        url = f"{scheme}://127.0.0.1:{port}/v2/enqueue"
        assert (await send(url, ca_file=str(ours.file))).status == 202
        assert len(proxy.heads) == 1
        head, body = theirs.heard[0]
        assert body == BODY
        assert "authorization" not in head.lower().replace("proxy-authorization", "")
        if scheme == "https":
            assert proxy.heads[0].startswith(f"CONNECT 127.0.0.1:{port} ")
            assert "proxy-authorization" not in head.lower()
        monkeypatch.setenv("NO_PROXY", "10.0.0.1,127.0.0.1")
        assert (await send(url, ca_file=str(ours.file))).status == 202
        assert len(proxy.heads) == 1, "NO_PROXY is honoured"


async def test_a_proxy_cannot_read_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that opens the connection instead of passing it on is nobody we trust."""
    ours, theirs = Authority(tmp_path), PagerDuty()
    (tmp_path / "wrong").mkdir()

    async def intercept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.start_tls(Authority(tmp_path / "wrong").context)
        await theirs(reader, writer)

    async with listening(intercept) as door:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{door}")
        reply = await send("https://127.0.0.1:9/v2/enqueue", ca_file=str(ours.file))
    assert reply.fault in ("tls", "connect")
    assert not theirs.heard


@pytest.mark.parametrize(
    "answer",
    ["wrong password", "garbage", "silence", "refused", "no such host"],
)
async def test_no_fault_of_a_proxy_shows_its_password(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"user:" + PASSWORD.encode() + b" " + head)
        await writer.drain()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    talks = {"garbage": garbage, "silence": silence}
    talk = talks.get(answer, ForwardProxy(wants="somebody else"))
    async with listening(talk) as door:
        address = {"refused": "127.0.0.1:1", "no such host": "nowhere.invalid:3128"}.get(
            answer, f"127.0.0.1:{door}"
        )
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{ESCAPED}@{address}")
        reply = await send("https://127.0.0.1:9/x", total_timeout=0.5)
    assert reply.status == 0
    assert reply.detail


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:pr0xy-p/x@127.0.0.1:3128",
        "http://user:pr0xy-p#x@127.0.0.1:3128",
        "http://user:pr0xy-p?x@127.0.0.1:99999",
        "http://user:pr0xy-p@127.0.0.1:99999",
        "http://user:pr0xy-p@127.0.0.1:0",
        "http://user:pr0xy-p\x01x@127.0.0.1:3128",
        "http://user:pr0xy-p@",
        "http://user:pr0xy-p@[::1",
        "user:pr0xy-p/x@proxy:3128",
        "socks5://user:pr0xy-p@proxy:1080",
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_at_the_start_without_its_password(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(Problem) as caught:
        HttpSender()
    assert caught.value.reason is Reason.INVALID_VALUE
    assert "pr0xy-p" not in "".join(traceback.format_exception(caught.value))
    assert proxies("", {"http": "http://proxy:3128"})["http"] == "http://proxy:3128"


# -- what comes back --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_does_not_carry_the_routing_key_away(status: int) -> None:
    elsewhere = PagerDuty()

    async with listening(elsewhere) as other:

        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await hear(reader)
            location = f"http://127.0.0.1:{other}/v2/enqueue"
            writer.write(
                f"HTTP/1.1 {status} X\r\nLocation: {location}\r\nRefresh: 0; url={location}\r\n"
                "Content-Length: 0\r\n\r\n".encode()
            )
            await writer.drain()

        async with listening(redirect) as port:
            reply = await send(f"http://127.0.0.1:{port}/v2/enqueue")
    assert reply.status == status
    assert not elsewhere.heard


async def test_an_echo_does_not_bring_the_routing_key_into_a_message() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await hear(reader)
        writer.write(body + b"\r\n\r\n")
        await writer.drain()

    async def polite_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await hear(reader)
        head = b"HTTP/1.1 400 %s\r\nX-Echo: %s\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (KEY.encode(), KEY.encode(), len(body)) + body)
        await writer.drain()

    async with listening(echo) as port:
        reply = await send(f"http://127.0.0.1:{port}/v2/enqueue")
        assert (reply.status, reply.fault) == (0, "reset")
    async with listening(polite_echo) as port, HttpSender() as sender:
        request = Request(
            api=Api.EVENTS, service="shop", url=f"http://127.0.0.1:{port}/x", body=BODY
        )
        verdict = judge(Api.EVENTS, await sender.send(request))
        assert KEY not in repr(verdict)


def endless(start: bytes, again: bytes, pause: float = 0.0) -> Talk:
    """Answers with `start`, and then with `again` for ever."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hear(reader)
        writer.write(start)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause)

    return talk


OK = b"HTTP/1.1 202 Accepted\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS: dict[str, tuple[Talk, int]] = {
    "a body of gigabytes": (
        endless(OK + b"Content-Length: 99999999999\r\n\r\n", b"x" * 99_999),
        202,
    ),
    "chunks without end": (endless(CHUNKED, b"1\r\nx\r\n" * 9999), 202),
    "a chunk's extension without end": (endless(CHUNKED + b"1;", b"a=b;" * 9999), 202),
    "a body in drops": (endless(OK + b"Content-Length: 99999\r\n\r\n", b"x", 0.02), 202),
    "headers without end": (endless(OK, b"X: y\r\n" * 9999), 0),
    "one header without end": (endless(OK + b"X: ", b"y" * 99_999), 0),
    "a header in drops": (endless(OK + b"X: ", b"y", 0.02), 0),
    "a status line without end": (endless(b"HTTP/1.1 202 ", b"y" * 99_999), 0),
    "continue, continue": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 999), 0),
    "early hints": (endless(b"", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 999), 0),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_an_answer_without_end_ends(name: str) -> None:
    talk, status = ENDLESS[name]
    began = time.monotonic()
    async with listening(talk) as port:
        reply = await send(f"http://127.0.0.1:{port}/v2/enqueue", total_timeout=0.4)
    assert time.monotonic() - began < 6.0
    assert reply.status == status
    assert len(reply.body) <= MAX_BODY
    assert sum(len(name) + len(value) for name, value in reply.headers.items()) < 100_000


async def test_a_packed_answer_is_not_unpacked() -> None:
    packed = gzip.compress(bytes(20_000_000))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hear(reader)
        head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
        writer.write(OK + head + packed)
        await writer.drain()

    async with listening(talk) as port:
        reply = await send(f"http://127.0.0.1:{port}/v2/enqueue")
    assert reply.body == packed[:MAX_BODY]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("-1", None),
        ("1e999", None),
        ("nan", None),
        ("inf", None),
        ("0x10", None),
        ("1 2", None),
        ("\u0663", None),
        ("9" * 5000, 3600.0),
        ("0" * 5000, 0.0),
        ("Wed, 21 Oct 9999 07:28:00 GMT", 3600.0),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Mon, 1 Jan 1 0:0:0 +2359", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 " + "9" * 5000, 0.0),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_nonsensical_retry_after_is_ignored_or_bounded(text: str, seconds: float | None) -> None:
    reply = Reply(status=429, headers={"retry-after": text})
    assert judge(Api.EVENTS, reply, now=1.7e9).retry_after == seconds
