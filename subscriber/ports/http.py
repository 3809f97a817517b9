"""Carrying requests to PagerDuty over HTTPS.

Rules:
- `send` never raises for what the network does; it says what happened in `Reply.fault`, and above
  all whether PagerDuty can have heard the request. When in doubt, it can.
- A POST is sent once. On a pooled connection that the other side has just closed nobody knows how
  far it got, so that is a ``reset`` for the caller to judge, not something to repeat here.
- Bodies are never logged (they hold the routing key), and neither is what the other side said
  instead of HTTP: it may be an echo. Redirects are never followed, an answer is read up to 64 KiB
  and never unpacked. Once the status line is there it is the answer, however its body ends.
- Proxies and certificates: see `outward`.

Requests go straight to httpx's transport interface, here `carrier` on aiohttp: what
httpx.AsyncClient adds (cookies, redirects, event hooks) is not wanted and costs half of the speed.
CPU time of one send, same machine: 160 us with a new `httpx.Request` each, 115 us with
httpx-aiohttp's own transport, 91 us as it is (aiohttp itself 65).
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from urllib.request import (  # type: ignore[attr-defined]
    getproxies_environment,
    proxy_bypass_environment,
)

import httpx

from subscriber.pagerduty.request import Reply, Request
from subscriber.ports.aiohttp import aiohttp
from subscriber.ports.carrier import URL_TEXT, Carrier
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.outward import proxies, tls_context

MAX_BODY = 64 * 1024
_REMEMBERED_URLS = 64

# The first class that fits tells the fault. What is raised before a byte of the request left the
# process is "connect" or "tls"; everything else may have been accepted.
_FAULTS: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientSSLError, "tls"),
    (aiohttp.ClientConnectorError, "connect"),  # refused, unreachable, unknown host, proxy away
    (aiohttp.ConnectionTimeoutError, "connect"),
    (aiohttp.ClientHttpProxyError, "connect"),  # the proxy refused to connect us
    (aiohttp.InvalidURL, "connect"),
    (aiohttp.NonHttpUrlClientError, "connect"),
    (httpx.InvalidURL, "connect"),
    (TimeoutError, "timeout"),
)
_MAYBE_ACCEPTED = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderOptions:
    """How requests travel.

    Attributes:
        connect_timeout: seconds for the connection, TLS included.
        total_timeout: seconds for everything; must be shorter than a claim's lease.
        max_connections: at a time, to all hosts; further requests wait within their time limit.
        keepalive: seconds for which an idle connection is kept.
        ca_file: PEM file of the CA to trust instead of the system's store.
        proxy: URL of a proxy; empty: as the environment says.
    """

    connect_timeout: float = 5.0
    total_timeout: float = 15.0
    max_connections: int = 64
    keepalive: float = 20.0
    ca_file: str = ""
    proxy: str = ""


def user_agent() -> str:
    """``pagerduty-subscriber/<version>``."""
    try:
        return f"pagerduty-subscriber/{version('pagerduty-subscriber')}"
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "pagerduty-subscriber"


class _Post(httpx.Request):
    """A request with its parts ready made.

    httpx builds and parses URL and headers for every request: 40 us of CPU time, for values that
    are always the same. The headers are the session's, see `HttpSender._session`.
    """

    def __init__(self, url: httpx.URL, content: bytes, extensions: dict[str, object]) -> None:
        self.method = "POST"
        self.url = url
        self.headers = _NO_HEADERS
        self.extensions = extensions
        self.stream = httpx.ByteStream(content)
        self._content = content


_NO_HEADERS = httpx.Headers()


@dataclass(frozen=True, slots=True)
class _Route:
    """The way to one URL."""

    url: httpx.URL
    extensions: dict[str, object]
    carrier: Carrier


class HttpSender:
    """See `ports.interfaces.Sender`. Use it as ``async with``, or call `close`."""

    def __init__(self, options: SenderOptions | None = None) -> None:
        """Raises Problem when the CA file or a proxy cannot be used."""
        self._options = options or SenderOptions()
        self._context = tls_context(self._options.ca_file)
        self._headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": user_agent(),
        }
        self._proxies = proxies(self._options.proxy, getproxies_environment())
        self._carriers: dict[str, Carrier] = {}
        self._routes: dict[str, _Route] = {}
        self._closed = False

    async def send(self, request: Request, *, within: float = math.inf) -> Reply:
        """Send once and read the answer, `within` so many seconds (and the options' limit)."""
        started = time.perf_counter()
        answer: httpx.Response | None = None
        body = bytearray()
        failure: BaseException | None = None
        try:
            async with asyncio.timeout(min(self._options.total_timeout, within)):
                way = self._route(request.url)
                outgoing = _Post(way.url, request.body, way.extensions)
                answer = await way.carrier.handle_async_request(outgoing)
                await _read(answer, body)
        except Exception as error:
            failure = error.__cause__ if isinstance(error, httpx.HTTPError) else error
        seconds = time.perf_counter() - started
        if answer is not None:  # the status is known, whatever became of the body
            return Reply(
                status=answer.status_code,
                body=bytes(body[:MAX_BODY]),
                headers=answer.headers,
                seconds=seconds,
            )
        fault = _fault(failure)
        return Reply(status=0, fault=fault, seconds=seconds, detail=_detail(failure, request))

    async def close(self) -> None:
        """Close the pool; safe to call twice."""
        self._closed = True
        for carrier in self._carriers.values():
            await carrier.aclose()

    async def ping(self) -> None:
        """Usable; says nothing about PagerDuty."""
        if self._closed:
            raise PortUnavailable("HTTP: the sender is closed")

    async def __aenter__(self) -> HttpSender:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def _route(self, text: str) -> _Route:
        """The parsed URL and the pool that leads there, remembered: there are few of them."""
        known = self._routes.get(text)
        if known is not None:
            return known
        url = httpx.URL(text)
        if url.scheme not in ("http", "https") or not url.host:
            raise httpx.InvalidURL("not an http or https URL")
        proxy = self._proxies.get(url.scheme, "")
        if proxy and proxy_bypass_environment(url.netloc.decode(), self._proxies):
            proxy = ""
        if proxy not in self._carriers:
            self._carriers[proxy] = Carrier(
                session=self._session,
                verify=self._context,
                connect_timeout=self._options.connect_timeout,
                proxy=httpx.Proxy(proxy) if proxy else None,
            )
        if len(self._routes) >= _REMEMBERED_URLS:
            self._routes.clear()
        way = _Route(url, {URL_TEXT: str(url)}, self._carriers[proxy])
        self._routes[text] = way
        return way

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._options.max_connections,
                keepalive_timeout=self._options.keepalive,
                ssl=self._context,
            ),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            # We ask for the plain text; a small answer that unpacks to gigabytes is nobody's.
            auto_decompress=False,
            # We look at the environment ourselves, once: aiohttp does for every request, in a
            # thread, and would send a password from ~/.netrc along.
            trust_env=False,
        )


async def _read(answer: httpx.Response, body: bytearray) -> None:
    stream = answer.stream
    if isinstance(stream, httpx.ByteStream):  # it was there at once
        body += b"".join(stream)
        return
    assert isinstance(stream, httpx.AsyncByteStream)
    try:
        async for chunk in stream:
            body += chunk
            if len(body) >= MAX_BODY:
                break
    finally:
        await stream.aclose()


def _fault(error: BaseException | None) -> str:
    return next((fault for kind, fault in _FAULTS if isinstance(error, kind)), _MAYBE_ACCEPTED)


def _detail(error: BaseException | None, request: Request) -> str:
    """What went wrong, and with which host, in words that are not the other side's."""
    host = request.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{host}: the proxy answered {error.status}"
    if isinstance(error, aiohttp.InvalidURL | httpx.InvalidURL):
        return f"{host}: {type(error).__name__}"
    text = " ".join(str(error).split()) or "no further information"
    if isinstance(error, aiohttp.ClientResponseError):
        # "Bad status line: b'...": what was not understood follows
        text = re.split(r"\s*b'|\s*b\"|\s*bytearray\(", error.message)[0].partition("\n")[0]
    return f"{host}: {type(error).__name__}: {text[:200]}"
