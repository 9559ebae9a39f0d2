"""HTTP on one loopback port: reads requests, answers them in worker threads."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from backend.localcloud.http.broken_replies import Receive, Send, broken_reply
from backend.localcloud.http.call import Call
from backend.localcloud.http.errors import CloudError
from backend.localcloud.http.faults import Broken
from backend.localcloud.http.reading import ClientGone, read_call

if TYPE_CHECKING:
    import uvicorn

HOST = "127.0.0.1"
WORKERS = 32
KEEP_ALIVE_SECONDS = 600  # Longer than any client keeps a connection: none meets a closed one.
GRACE_SECONDS = 2
HEADERS = [
    (b"content-type", b"application/json; charset=UTF-8"),
    (b"x-content-type-options", b"nosniff"),
]


class WebServer:
    """Listens from the moment it is made, so that its port is known; serves from `start` on.

    `answer` is given each request and returns status and JSON.
    """

    def __init__(self, port: int, answer: Callable[[Call], tuple[int, Any]]) -> None:
        self.answer = answer
        self.socket = listen(port)
        self.port: int = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, name="localcloud-server", daemon=True)

    def start(self) -> None:
        self.workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="localcloud-http")
        self.server = _uvicorn(self._app)
        self.thread.start()

    def refuse(self) -> None:
        """Take no more requests; those that are being answered go on."""
        self.server.should_exit = True

    def stop(self) -> None:
        self.refuse()
        self.thread.join()
        self.workers.shutdown(wait=True, cancel_futures=True)
        self.socket.close()

    def _serve(self) -> None:
        asyncio.run(self._serve_and_hang_up())

    async def _serve_and_hang_up(self) -> None:
        await self.server.serve(sockets=[self.socket])
        # uvicorn leaves open what does not end within the grace, as when nobody reads an answer.
        for connection in list(self.server.server_state.connections):
            connection.transport.abort()

    async def _app(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        try:
            call = await read_call(scope, receive, self.port)
        except CloudError as error:
            await _send_json(send, error.code, error.to_json())
            return
        except ClientGone:
            return
        loop = asyncio.get_running_loop()
        status, result = await loop.run_in_executor(self.workers, self.answer, call)
        if isinstance(result, Broken):
            transport = partial(self._transport, scope["client"])
            await broken_reply(result).send(receive, send, transport)
            return
        await _send_json(send, status, result)

    def _transport(self, client: tuple[str, int]) -> asyncio.Transport | None:
        """The connection from an address, None where it is gone."""
        transports = [c.transport for c in self.server.server_state.connections]
        return next((t for t in transports if t.get_extra_info("peername") == client), None)


async def _send_json(send: Send, status: int, result: Any) -> None:
    content = json.dumps(result).encode()
    headers = [*HEADERS, (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class PortError(OSError):
    """A port cannot be listened on; the message says which, and why."""


def listen(port: int) -> socket.socket:
    """A listener on a port of this machine alone; 0 is a free one. Raises PortError."""
    # Without the protocol asyncio leaves Nagle's algorithm on: 40 ms more for each answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise PortError(f"Port {port} cannot be used: {error}.") from error
    return listener


def _uvicorn(app: Any) -> uvicorn.Server:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Protocol(HttpToolsProtocol):
        """Takes the host of an absolute request target for a Host too (RFC 9112, 3.2.2)."""

        def on_headers_complete(self) -> None:
            authority = self.url.partition(b"://")[2].partition(b"/")[0]
            if not self.url.startswith((b"/", b"*")) and (b"host", authority) not in self.headers:
                self.headers.append((b"host", authority))
            super().on_headers_complete()

    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return uvicorn.Server(config)
