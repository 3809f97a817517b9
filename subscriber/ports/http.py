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

Requests go straight to aiohttp's session; httpx reads URLs and proxies. CPU time of one send, same
machine, paired: 112 us through httpx's transport interface (whose answers are built, read and taken
apart again), 83 us as it is. What httpx.AsyncClient adds (cookies, redirects, hooks) is not wanted.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.request import (  # type: ignore[attr-defined]
    getproxies_environment,
    proxy_bypass_environment,
)

import aiohttp
import httpx

from subscriber.pagerduty.request import Reply, Request
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.outward import proxies, tls_context

MAX_BODY = 64 * 1024
_CHUNK = 16 * 1024
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


@dataclass(frozen=True, slots=True)
class _Route:
    """The way to a URL, found once.

    Attributes:
        url: as httpx writes it, so checked and encoded.
        session: the pool that leads there.
        proxy: what requests are given beside: nothing, or the proxy and who we are to it.
    """

    url: str
    session: aiohttp.ClientSession
    proxy: dict[str, Any]


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
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._routes: dict[str, _Route] = {}
        self._closed = False

    async def send(self, request: Request, *, within: float = math.inf) -> Reply:
        """Send once and read the answer, `within` so many seconds (and the options' limit)."""
        started = time.perf_counter()
        answer: aiohttp.ClientResponse | None = None
        body = bytearray()
        failure: BaseException | None = None
        limit = asyncio.timeout(min(self._options.total_timeout, within))
        try:
            async with limit:
                route = self._route(request.url)
                answer = await route.session.post(
                    route.url, data=request.body or None, allow_redirects=False, **route.proxy
                )
                await _read(answer, body)
        except Exception as error:
            failure = error
        seconds = time.perf_counter() - started
        if answer is not None:  # the status is known, whatever became of the body
            return Reply(
                status=answer.status,
                body=bytes(body[:MAX_BODY]),
                headers=_headers(answer),
                seconds=seconds,
            )
        fault = "timeout" if limit.expired() else _fault(failure)
        return Reply(status=0, fault=fault, seconds=seconds, detail=_detail(failure, request))

    async def close(self) -> None:
        """Close the pool; safe to call twice."""
        self._closed = True
        for session in self._sessions.values():
            await session.close()

    async def ping(self) -> None:
        """Usable; says nothing about PagerDuty."""
        if self._closed:
            raise PortUnavailable("HTTP: the sender is closed")

    async def __aenter__(self) -> HttpSender:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def _route(self, text: str) -> _Route:
        """The way there, remembered: there are few of them."""
        known = self._routes.get(text)
        if known is not None:
            return known
        url = httpx.URL(text)
        if url.scheme not in ("http", "https") or not url.host:
            raise httpx.InvalidURL("not an http or https URL")
        proxy = self._proxies.get(url.scheme, "")
        if proxy and proxy_bypass_environment(url.netloc.decode(), self._proxies):
            proxy = ""
        route = _Route(str(url), self._session(proxy), _through(proxy))
        if len(self._routes) >= _REMEMBERED_URLS:
            self._routes.clear()
        self._routes[text] = route
        return route

    def _session(self, proxy: str) -> aiohttp.ClientSession:
        if proxy not in self._sessions:
            self._sessions[proxy] = self._new_session()
        return self._sessions[proxy]

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._options.max_connections,
                keepalive_timeout=self._options.keepalive,
                ssl=self._context,
            ),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(sock_connect=self._options.connect_timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            # We ask for the plain text; a small answer that unpacks to gigabytes is nobody's.
            auto_decompress=False,
            # We look at the environment ourselves, once: aiohttp does for every request, in a
            # thread, and would send a password from ~/.netrc along.
            trust_env=False,
        )


def _through(proxy: str) -> dict[str, Any]:
    """How aiohttp is told of a proxy, whose URL may hold a password."""
    if not proxy:
        return {}
    known = httpx.Proxy(proxy)
    return {
        "proxy": str(known.url),
        "proxy_auth": aiohttp.BasicAuth(*known.auth) if known.auth else None,
    }


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """Names in lower case; of a repeated one the values are joined, as HTTP has it."""
    found: dict[str, str] = {}
    for raw_name, raw_value in answer.raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("utf-8", "replace")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def _read(answer: aiohttp.ClientResponse, body: bytearray) -> None:
    content = answer.content
    async with answer:
        if content.is_eof():  # mostly it came with the status
            body += content.read_nowait(MAX_BODY)
            return
        while len(body) < MAX_BODY and not content.at_eof():
            body += await content.read(_CHUNK)


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
