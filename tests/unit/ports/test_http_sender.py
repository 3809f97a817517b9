"""The sender against raw servers that misbehave: above all, what it says about being heard."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from subscriber.model import Problem, Reason
from subscriber.pagerduty.request import Api, Reply, Request
from subscriber.ports.http import MAX_BODY, HttpSender, SenderOptions, proxies, user_agent
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.memory import MemorySender

Talk = Callable[["Peer"], Awaitable[None]]
KEY = "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY00"
BODY = b'{"routing_key": "%s"}' % KEY.encode()
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nX-Request-Id: abc\r\n\r\n{}"


class Peer:
    """One connection at the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hear(self) -> tuple[list[str], bytes]:
        """A whole request: its head's lines and its body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        length = next(line for line in head if line.lower().startswith("content-length"))
        return head, await self.reader.readexactly(int(length.partition(":")[2]))

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End with RST instead of FIN."""
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


class Server:
    """Accepts and lets `talk` do the rest; counts connections."""

    def __init__(self, talk: Talk, context: ssl.SSLContext | None = None) -> None:
        self._talk, self._context = talk, context
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.url = ""

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._context)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._context else 'http'}://127.0.0.1:{port}/v2/enqueue"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._run(Peer(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, peer: Peer) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._talk(peer)
        finally:
            peer.writer.close()
            with suppress(OSError):
                await peer.writer.wait_closed()  # else its socket may outlive the test


def request(url: str, body: bytes = BODY) -> Request:
    return Request(api=Api.EVENTS, service="checkout", url=url, body=body)


@asynccontextmanager
async def sender(**options: object) -> AsyncIterator[HttpSender]:
    values = {"connect_timeout": 2.0, "total_timeout": 5.0, **options}
    async with HttpSender(SenderOptions(**values)) as made:  # type: ignore[arg-type]
        yield made


async def exchange(talk: Talk, **options: object) -> Reply:
    async with Server(talk) as server, sender(**options) as http:
        reply = await http.send(request(server.url))
    assert KEY not in f"{reply.detail} {reply!r}"
    return reply


# -- answers ----------------------------------------------------------------------------------


async def test_the_request_is_what_was_asked_for_and_the_answer_what_came() -> None:
    heard: list[tuple[list[str], bytes]] = []

    async def talk(peer: Peer) -> None:
        heard.append(await peer.hear())
        await peer.say(ACCEPTED)

    reply = await exchange(talk)
    assert (reply.status, reply.body, reply.fault, reply.detail) == (202, b"{}", "", "")
    assert reply.headers["x-request-id"] == "abc"
    assert 0 < reply.seconds < 5
    head, body = heard[0]
    assert body == BODY
    assert head[0] == "POST /v2/enqueue HTTP/1.1"
    headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:]}
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == user_agent()
    assert headers["user-agent"].startswith("pagerduty-subscriber/")
    assert headers["content-length"] == str(len(BODY))
    assert headers["accept-encoding"] == "identity"
    assert "cookie" not in headers


@pytest.mark.parametrize(
    "status", [200, 202, 301, 307, 400, 401, 404, 408, 429, 500, 502, 503, 599]
)
async def test_every_status_is_an_answer_and_none_is_followed(status: int) -> None:
    async def talk(peer: Peer) -> None:
        await peer.hear()
        await peer.say(
            b"HTTP/1.1 %d X\r\nLocation: /elsewhere\r\nRetry-After: 7\r\n"
            b"Content-Length: 3\r\n\r\n<a>" % status
        )
        await peer.hear()  # a second request would be a bug
        raise AssertionError

    reply = await exchange(talk)
    assert (reply.status, reply.body, reply.fault) == (status, b"<a>", "")
    assert reply.headers["retry-after"] == "7"


async def test_a_large_answer_is_cut() -> None:
    async def talk(peer: Peer) -> None:
        await peer.hear()
        await peer.say(b"HTTP/1.1 400 No\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000)

    reply = await exchange(talk)
    assert reply.status == 400
    assert reply.body == b"x" * MAX_BODY


@pytest.mark.parametrize("ending", ["close", "reset", "silence"])
async def test_once_the_status_is_there_the_end_of_the_body_does_not_matter(ending: str) -> None:
    async def talk(peer: Peer) -> None:
        await peer.hear()
        await peer.say(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\npartial")
        await asyncio.sleep(0.1)
        if ending == "reset":
            peer.reset()
        elif ending == "silence":
            await asyncio.sleep(30)

    reply = await exchange(talk, total_timeout=0.6)
    assert (reply.status, reply.body, reply.fault) == (202, b"partial", "")
    assert reply.seconds < 3


async def test_cookies_are_not_kept() -> None:
    heads: list[str] = []

    async def talk(peer: Peer) -> None:
        for _ in range(2):
            heads.append("\n".join((await peer.hear())[0]).lower())
            await peer.say(b"HTTP/1.1 202 A\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")

    async with Server(talk) as server, sender() as http:
        for _ in range(2):
            assert (await http.send(request(server.url))).status == 202
    assert "cookie" not in heads[1]


# -- faults -----------------------------------------------------------------------------------


async def test_refused_is_connect() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    async with sender() as http:
        reply = await http.send(request(url))
    assert (reply.status, reply.fault) == (0, "connect")
    assert "127.0.0.1" in reply.detail


async def test_an_unknown_host_is_connect() -> None:
    async with sender() as http:
        reply = await http.send(request("http://no-such-host.invalid/"))
    assert (reply.status, reply.fault) == (0, "connect")


@pytest.mark.parametrize("url", ["no url", "http://", "ftp://x/", "http://[::1", ""])
async def test_what_is_no_url_was_never_sent(url: str) -> None:
    async with sender() as http:
        reply = await http.send(request(url))
    assert (reply.status, reply.fault) == (0, "connect")


async def test_no_answer_is_timeout() -> None:
    async def talk(peer: Peer) -> None:
        await peer.hear()
        await asyncio.sleep(30)

    began = time.monotonic()
    reply = await exchange(talk, total_timeout=0.4)
    assert (reply.status, reply.fault) == (0, "timeout")
    assert time.monotonic() - began < 3


async def test_a_connection_that_nobody_accepts_ends_in_time() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        # The queue of one is filled, so that the kernel leaves the next attempt unanswered.
        with socket.socket() as first, socket.socket() as second:
            for filler in (first, second):
                filler.setblocking(False)
                with suppress(BlockingIOError):
                    filler.connect(address)
            async with sender(connect_timeout=0.3, total_timeout=3.0) as http:
                reply = await http.send(request(f"http://127.0.0.1:{address[1]}/"))
    assert (reply.status, reply.fault) == (0, "connect")
    assert reply.seconds < 2.5


@pytest.mark.parametrize("when", ["before reading", "after reading", "mid status", "mid headers"])
@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_connection_that_breaks_before_the_status_is_reset(when: str, how: str) -> None:
    async def talk(peer: Peer) -> None:
        if when != "before reading":
            await peer.hear()
        if when == "mid status":
            await peer.say(b"HTTP/1.1 2")
        elif when == "mid headers":
            await peer.say(b"HTTP/1.1 202 Accepted\r\nContent-")
        await asyncio.sleep(0.05)
        if how == "reset":
            peer.reset()

    reply = await exchange(talk)
    assert (reply.status, reply.fault) == (0, "reset")
    assert reply.detail


@pytest.mark.parametrize(
    "garbage",
    [
        b"not http at all\r\n\r\n",
        b"\x00\xff\xfe\r\n\r\n",
        b"HTTP/9.9 abc\r\n\r\n",
        b"\x16\x03\x01\x02",
    ],
)
async def test_garbage_is_reset(garbage: bytes) -> None:
    async def talk(peer: Peer) -> None:
        await peer.hear()
        await peer.say(garbage)

    reply = await exchange(talk)
    assert (reply.status, reply.fault) == (0, "reset")


async def test_a_cancelled_send_is_cancelled() -> None:
    async def talk(peer: Peer) -> None:
        await peer.hear()
        await asyncio.sleep(30)

    async with Server(talk) as server, sender() as http:
        sending = asyncio.ensure_future(http.send(request(server.url)))
        await asyncio.sleep(0.1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


# -- the pool ---------------------------------------------------------------------------------


async def answer_for_ever(peer: Peer) -> None:
    while True:
        await peer.hear()
        await peer.say(ACCEPTED)


async def test_connections_are_used_again() -> None:
    async with Server(answer_for_ever) as server, sender() as http:
        for _ in range(20):
            assert (await http.send(request(server.url))).status == 202
        assert server.connections == 1


async def test_connections_are_limited_and_everybody_gets_a_turn() -> None:
    async with Server(answer_for_ever) as server, sender(max_connections=4) as http:
        replies = await asyncio.gather(*(http.send(request(server.url)) for _ in range(100)))
        assert {reply.status for reply in replies} == {202}
        assert server.connections <= 4


async def test_a_connection_closed_while_idle_is_replaced() -> None:
    async def answer_once(peer: Peer) -> None:
        await peer.hear()
        await peer.say(ACCEPTED)

    async with Server(answer_once) as server, sender() as http:
        for _ in range(5):
            assert (await http.send(request(server.url))).status == 202
            await asyncio.sleep(0.05)
        assert server.connections == 5


async def test_a_post_on_a_stale_connection_is_not_sent_twice() -> None:
    heard = 0

    async def answer_then_break(peer: Peer) -> None:
        nonlocal heard
        await peer.hear()
        heard += 1
        await peer.say(ACCEPTED)
        await peer.hear()
        heard += 1
        peer.reset()

    async with Server(answer_then_break) as server, sender() as http:
        assert (await http.send(request(server.url))).status == 202
        reply = await http.send(request(server.url))
        assert (reply.status, reply.fault) == (0, "reset")
        await asyncio.sleep(0.1)
        assert heard == 2
        assert server.connections == 1


async def test_a_timed_out_connection_is_not_used_again() -> None:
    """Or the late answer to one request would be read as the answer to the next."""
    count = 0

    async def slow_first(peer: Peer) -> None:
        nonlocal count
        while True:
            await peer.hear()
            count += 1
            number = count
            if number == 1:
                await asyncio.sleep(0.5)
            await peer.say(b"HTTP/1.1 20%d X\r\nContent-Length: 0\r\n\r\n" % number)

    async with Server(slow_first) as server, sender(total_timeout=0.3) as http:
        assert (await http.send(request(server.url))).fault == "timeout"
        await asyncio.sleep(0.4)
        assert (await http.send(request(server.url))).status == 202
        assert server.connections == 2


async def test_a_closed_sender_is_not_usable() -> None:
    http = HttpSender()
    await http.ping()
    await http.close()
    await http.close()
    with pytest.raises(PortUnavailable):
        await http.ping()


# -- TLS and proxies --------------------------------------------------------------------------


def authority(folder: Path) -> tuple[trustme.CA, str]:
    made = trustme.CA()
    file = str(folder / "ca.pem")
    made.cert_pem.write_to_path(file)
    return made, file


def context(ca: trustme.CA, host: str = "127.0.0.1") -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(host).configure_cert(made)
    return made


async def test_tls_is_verified(tmp_path: Path) -> None:
    ca, file = authority(tmp_path)
    async with Server(answer_for_ever, context(ca)) as server:
        async with sender(ca_file=file) as http:
            assert (await http.send(request(server.url))).status == 202
        async with sender() as http:
            reply = await http.send(request(server.url))
            assert (reply.status, reply.fault) == (0, "tls")
            assert "certificate" in reply.detail.lower()
    for_another = Server(answer_for_ever, context(ca, "other.example"))
    async with for_another as server, sender(ca_file=file) as http:
        assert (await http.send(request(server.url))).fault == "tls"


async def test_a_server_without_tls_is_tls() -> None:
    async def talk(peer: Peer) -> None:
        await peer.say(b"HTTP/1.1 400 plain\r\n\r\n")

    async with Server(talk) as server, sender() as http:
        reply = await http.send(request(server.url.replace("http:", "https:")))
        assert (reply.status, reply.fault) == (0, "tls")


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_ca_file_that_cannot_be_used_is_refused_at_start(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Problem) as caught:
        HttpSender(SenderOptions(ca_file=str(file)))
    assert caught.value.reason is Reason.TLS_FAILED
    assert caught.value.where == str(file)


@pytest.mark.parametrize("way", ["environment", "option"])
async def test_a_proxy_is_used(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    lines: list[str] = []

    async def proxy(peer: Peer) -> None:
        lines.append((await peer.hear())[0][0])
        await peer.say(ACCEPTED)

    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with Server(proxy) as server:
        address = server.url.removesuffix("/v2/enqueue")
        options = {"proxy": address} if way == "option" else {}
        if way == "environment":
            monkeypatch.setenv("HTTP_PROXY", address)
            monkeypatch.setenv("http_proxy", address)
        async with sender(**options) as http:
            reply = await http.send(request("http://pagerduty.example/v2/enqueue"))
    assert reply.status == 202
    assert lines == ["POST http://pagerduty.example/v2/enqueue HTTP/1.1"]


async def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("http_proxy", "http://127.0.0.1:1"), ("no_proxy", "localhost,127.0.0.1")):
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.upper(), value)
    async with Server(answer_for_ever) as server, sender() as http:
        assert (await http.send(request(server.url))).status == 202
        assert (await http.send(request("http://other.example/"))).fault == "connect"


@pytest.mark.parametrize(
    ("option", "environment", "expected"),
    [
        ("", {}, {"no": ""}),
        ("", {"https": "http://p:1"}, {"no": "", "https": "http://p:1"}),
        ("", {"all": "p:1", "no": "x"}, {"no": "x", "http": "http://p:1", "https": "http://p:1"}),
        (
            "http://o",
            {"https": "http://p", "no": "*"},
            {"no": "", "http": "http://o", "https": "http://o"},
        ),
    ],
)
def test_which_proxy(option: str, environment: dict[str, str], expected: dict[str, str]) -> None:
    assert proxies(option, environment) == expected


def test_a_proxy_that_is_no_http_proxy_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        HttpSender(SenderOptions(proxy="socks5://user:secret@p:1"))
    assert caught.value.reason is Reason.INVALID_VALUE
    assert "secret" not in str(caught.value)


async def test_a_netrc_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    heads: list[str] = []

    async def talk(peer: Peer) -> None:
        heads.append("\n".join((await peer.hear())[0]).lower())
        await peer.say(ACCEPTED)

    assert (await exchange(talk)).status == 202
    assert "authorization" not in heads[0]


async def test_a_proxy_that_refuses_means_not_heard() -> None:
    async def proxy(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    async with Server(proxy) as server:
        address = server.url.removesuffix("/v2/enqueue")
        async with sender(proxy=address) as http:
            reply = await http.send(request("https://pagerduty.example/v2/enqueue"))
    assert (reply.status, reply.fault) == (0, "connect")


# -- the twin ---------------------------------------------------------------------------------


async def test_the_twin_answers_from_a_function() -> None:
    async def slow(sent: Request) -> Reply:
        await asyncio.sleep(0)
        return Reply(status=400, body=sent.body)

    for answer, status in ((None, 202), (lambda sent: Reply(status=429), 429), (slow, 400)):
        twin = MemorySender(answer)
        await twin.ping()
        reply = await twin.send(request("http://x/"))
        assert reply.status == status
        assert twin.requests == [request("http://x/")]
