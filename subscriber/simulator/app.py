"""App: the stand-in behind HTTP: two endpoints for its clients, a control API and a page for us.

Rules: every decision is `StandIn`'s; this module reads bodies (never holding more than the size
limit allows), waits where a ruling says so, and ends connections the way it says. The transport of
the connection arrives in the ASGI scope's state under `TRANSPORT`, put there by `serve`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from subscriber.model import Problem, Reason
from subscriber.simulator import views
from subscriber.simulator.answer import Answer
from subscriber.simulator.faults import Ending, Fault, fault_from, parse_fault
from subscriber.simulator.journal import Api, Call
from subscriber.simulator.page import page
from subscriber.simulator.stand_in import StandIn

TRANSPORT = "subscriber.simulator.transport"
# Of a body that is too large, this much more is read and thrown away, so that a client which
# writes everything before it reads still gets its answer.
MOST_DISCARDED = 16 * 1024 * 1024
MOST_CONTROL = 1024 * 1024

Observer = Callable[[Call], None]


def application(
    stand_in: StandIn,
    *,
    clock: Callable[[], float],
    stopping: asyncio.Event,
    observe: Observer,
) -> Starlette:
    """The ASGI application.

    Args:
        stand_in: who decides.
        clock: seconds since 1970.
        stopping: when set, everything that waits ends.
        observe: called with the record of every POST, before it is answered.
    """

    def endpoint(api: Api) -> _Endpoint:
        return _Endpoint(stand_in, api, clock=clock, stopping=stopping, observe=observe)

    control = _Control(stand_in, clock)
    return Starlette(
        routes=[
            Route("/v2/enqueue", endpoint(Api.EVENTS), methods=["POST"]),
            Route("/v2/change/enqueue", endpoint(Api.CHANGES), methods=["POST"]),
            Route("/", control.page),
            Route("/sim", control.overview),
            Route("/sim", control.reset, methods=["DELETE"]),
            Route("/sim/alerts", control.alerts),
            Route("/sim/calls", control.calls),
            Route("/sim/changes", control.changes),
            Route("/sim/faults", control.faults),
            Route("/sim/faults", control.put_faults, methods=["PUT"]),
            Route("/sim/config", control.config),
            Route("/sim/config", control.put_config, methods=["PUT"]),
        ],
        exception_handlers={Problem: _refusal},
    )


class _Endpoint:
    """POST of one event."""

    def __init__(
        self,
        stand_in: StandIn,
        api: Api,
        *,
        clock: Callable[[], float],
        stopping: asyncio.Event,
        observe: Observer,
    ) -> None:
        self._stand_in = stand_in
        self._api = api
        self._clock = clock
        self._stopping = stopping
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body, size, drained = await _read(receive, self._stand_in.config.size_limit)
        except ClientDisconnect:
            return  # it hung up in the middle of its own request: nothing was sent to us
        ruling = self._stand_in.receive(self._api, body, self._clock(), size)
        self._observe(ruling.call)
        if ruling.wait and await self._gone(receive, ruling.wait):
            return
        if ruling.ending is Ending.ANSWER:
            await _send(send, ruling.answer, close=not drained)
        else:
            await _hang_up(scope, receive, reset=ruling.ending is Ending.RESET)

    async def _gone(self, receive: Receive, seconds: float) -> bool:
        """Wait; true when the client hung up, and early when the stand-in stops."""
        leaving = asyncio.ensure_future(_disconnected(receive))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait(
                (leaving, stopping), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            return leaving.done()
        finally:
            for task in (leaving, stopping):
                task.cancel()
            await asyncio.gather(leaving, stopping, return_exceptions=True)


async def _read(receive: Receive, most: int) -> tuple[bytes | None, int, bool]:
    """The body (None when larger than `most`), its size, and whether it was read to its end."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size <= most:
            chunks.append(chunk)
        else:
            chunks.clear()
        more = message.get("more_body", False)
        if not more or size > most + MOST_DISCARDED:
            return (b"".join(chunks) if size <= most else None), size, not more


async def _send(send: Send, answer: Answer, *, close: bool) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    if answer.content_type:
        headers.append((b"content-type", answer.content_type.encode()))
    headers.append((b"content-length", str(len(answer.body)).encode()))
    if close:
        headers.append((b"connection", b"close"))
    start: Message = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": headers,
    }
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _hang_up(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """End the connection without an answer; with `reset`, the peer sees RST and not FIN."""
    transport: asyncio.Transport = scope["state"][TRANSPORT]
    if reset:
        # Closing a socket that lingers for zero seconds is how TCP is told to reset.
        peer = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _disconnected(receive)


class _Control:
    """The views and switches."""

    def __init__(self, stand_in: StandIn, clock: Callable[[], float]) -> None:
        self._stand_in = stand_in
        self._clock = clock

    def _settled(self) -> StandIn:
        self._stand_in.settle(self._clock())
        return self._stand_in

    async def page(self, request: Request) -> Response:
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        return HTMLResponse(
            page(self._settled()),
            headers={"content-security-policy": policy, "refresh": "5"},
        )

    async def overview(self, request: Request) -> Response:
        return JSONResponse(views.overview(self._settled()))

    async def alerts(self, request: Request) -> Response:
        query = request.query_params
        return JSONResponse(
            views.alerts(
                self._settled(),
                status=query.get("status"),
                dedup_key=query.get("dedup_key"),
                **_span(request),
            )
        )

    async def calls(self, request: Request) -> Response:
        return JSONResponse(views.calls(self._settled(), **_span(request)))

    async def changes(self, request: Request) -> Response:
        return JSONResponse(views.changes(self._settled(), **_span(request)))

    async def faults(self, request: Request) -> Response:
        return JSONResponse(views.faults(self._stand_in))

    async def put_faults(self, request: Request) -> Response:
        document = await _document(request)
        if not isinstance(document, list):
            raise Problem(
                Reason.INVALID_BODY,
                "faults are a list",
                hint='like ["500:p=0.3", {"kind": "429", "next": 5}]',
            )
        self._stand_in.switch([_fault(member) for member in document])
        return JSONResponse(views.faults(self._stand_in))

    async def config(self, request: Request) -> Response:
        return JSONResponse(views.config(self._stand_in))

    async def put_config(self, request: Request) -> Response:
        document = await _document(request)
        if not isinstance(document, dict):
            raise Problem(
                Reason.INVALID_BODY, "settings are an object", hint='like {"rate_limit": null}'
            )
        self._stand_in.configure(document)
        return JSONResponse(views.config(self._stand_in))

    async def reset(self, request: Request) -> Response:
        self._stand_in.reset()
        return Response(status_code=204)


def _fault(member: object) -> Fault:
    if isinstance(member, str):
        return parse_fault(member)
    if isinstance(member, dict):
        return fault_from(member)
    raise Problem(Reason.INVALID_BODY, "a fault is a text or an object")


def _span(request: Request) -> dict[str, Any]:
    """`after` and `limit` from the query."""
    span: dict[str, Any] = {}
    for name in ("after", "limit"):
        value = request.query_params.get(name)
        if value is None:
            continue
        if not (value.isascii() and value.isdigit() and len(value) < 16):
            raise Problem(Reason.INVALID_VALUE, f"{name} is not a whole number", where=name)
        span[name] = int(value)
    return span


async def _document(request: Request) -> object:
    body, _, _ = await _read(request.receive, MOST_CONTROL)
    if body is None:
        raise Problem(Reason.TOO_LARGE, f"more than {MOST_CONTROL} bytes")
    try:
        document: object = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Problem(Reason.NOT_JSON, "the body is not JSON") from None
    return document


async def _refusal(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return JSONResponse(
        {
            "error": problem.message,
            "where": problem.where,
            "hint": problem.hint,
            "reason": str(problem.reason),
        },
        status_code=400,
    )
