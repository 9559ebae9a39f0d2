"""HTTP on one loopback port: reads requests, answers them in worker threads."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from backend.localcloud.http.broken_replies import Receive, Send, broken_reply
from backend.localcloud.http.call import Call
from backend.localcloud.http.errors import InvalidArgument
from backend.localcloud.http.faults import Broken

if TYPE_CHECKING:
    import uvicorn

HOST = "127.0.0.1"
WORKERS = 32
KEEP_ALIVE_SECONDS = 600  # Longer than any client keeps a connection: none meets a closed one.
GRACE_SECONDS = 2
LARGEST_BODY = 64 * 1024 * 1024


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
        call = await _read(scope, receive)
        loop = asyncio.get_running_loop()
        status, result = await loop.run_in_executor(self.workers, self.answer, call)
        if isinstance(result, Broken):
            transport = partial(self._transport, scope["client"])
            await broken_reply(result).send(receive, send, transport)
            return
        content = json.dumps(result).encode()
        headers = [(b"content-type", b"application/json; charset=UTF-8")]
        headers.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _transport(self, client: tuple[str, int]) -> asyncio.Transport | None:
        """The connection from an address, None where it is gone."""
        transports = [c.transport for c in self.server.server_state.connections]
        return next((t for t in transports if t.get_extra_info("peername") == client), None)


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

    config = uvicorn.Config(
        app,
        interface="asgi3",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return uvicorn.Server(config)


async def _read(scope: dict[str, Any], receive: Receive) -> Call:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    query = scope["query_string"].decode("latin-1")
    headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
    pairs = parse_qsl(query, keep_blank_values=True)
    path = unquote(scope["raw_path"].decode("latin-1").partition("?")[0])
    return Call(scope["method"], path, query, pairs, headers, _plain(body, headers))


def _plain(body: bytes, headers: dict[str, str]) -> bytes:
    """The body, unzipped where it came zipped, as BigQuery's client sends large ones."""
    if headers.get("content-encoding") != "gzip":
        return body
    inflater = zlib.decompressobj(wbits=31)
    try:
        return inflater.decompress(body, LARGEST_BODY)
    except zlib.error as error:
        raise InvalidArgument(f"The body is not gzip: {error}") from error
