"""An ASGI application on a socket, started and stopped inside a running event loop."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import uvicorn

from subscriber.model import Problem, Reason
from subscriber.web.guard import GuardedProtocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class HttpServer:
    """Serves one application; leaves signals to whoever owns the process."""

    def __init__(self, app: ASGIApp, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        self._address = (host.strip("[]"), int(port))
        config = uvicorn.Config(
            app,
            http=GuardedProtocol,
            ws="none",
            log_config=None,
            log_level="error",  # what strangers send is no line of our log
            access_log=False,
            server_header=False,
            lifespan="off",
        )
        self._server = uvicorn.Server(config)
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """Where it listens; with port 0 known after `start`."""
        host, port = self._socket.getsockname()[:2] if self._socket else self._address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            Problem: the address is taken or not ours.
        """
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            raise Problem(
                Reason.INVALID_VALUE,
                f"cannot listen on {host}:{port}: {error.strerror}",
                where="http.listen",
                hint="choose another port, 0 for any free one, or empty for none",
            ) from None
        self._socket = listener
        self._server.config.load()
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        await self._server.startup(sockets=[listener])
        self._task = asyncio.create_task(self._server.main_loop())

    async def stop(self) -> None:
        """Close the socket and wait for running answers."""
        if self._task is None:
            return
        self._server.should_exit = True
        await self._task
        await self._server.shutdown(sockets=[self._socket] if self._socket else None)
        self._task = None
