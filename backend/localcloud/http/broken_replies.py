"""Replies that are no JSON: how they go, or do not go, over the wire."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, ClassVar

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Transport = Callable[[], asyncio.Transport | None]

# Linger for 0 seconds: closing the socket drops what is unsent and sends RST instead of FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


class WireReply:
    """What is sent instead of `content`; `status` is 0 where nothing is."""

    status: ClassVar[int] = 0

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def send(self, receive: Receive, send: Send, transport: Transport) -> None:
        """Do it, with ASGI's two functions and the connection itself, if it is still there."""
        raise NotImplementedError


class Reset(WireReply):
    """The connection is reset."""

    async def send(self, receive: Receive, send: Send, transport: Transport) -> None:
        reset(transport())


class Hang(WireReply):
    """Nothing is sent until the client gives up or `release` is called, from any thread."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._released: Future[None] = Future()

    def release(self) -> None:
        if not self._released.cancelled():
            self._released.set_result(None)

    async def send(self, receive: Receive, send: Send, transport: Transport) -> None:
        client_gone = asyncio.ensure_future(_disconnect(receive))
        released = asyncio.wrap_future(self._released)
        try:
            await asyncio.wait([client_gone, released], return_when=asyncio.FIRST_COMPLETED)
        finally:
            client_gone.cancel()
        if not client_gone.done():
            reset(transport())


class Truncated(WireReply):
    """The headers promise the whole content, half of it comes, and the connection is closed."""

    status = 200

    async def send(self, receive: Receive, send: Send, transport: Transport) -> None:
        await send(_start(self.status, b"application/json; charset=UTF-8", self.content))
        half = self.content[: len(self.content) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        if connection := transport():
            connection.close()


class Markup(WireReply):
    """A page for people, as Google's front end and proxies send it."""

    status = 502
    page = (
        b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>\n"
        b"<p><b>502.</b> <ins>That\xe2\x80\x99s an error.</ins>\n<p>The server encountered a "
        b"temporary error and could not complete your request.<p>Please try again in 30 seconds.\n"
    )

    async def send(self, receive: Receive, send: Send, transport: Transport) -> None:
        await send(_start(self.status, b"text/html; charset=UTF-8", self.page))
        await send({"type": "http.response.body", "body": self.page})


def reset(connection: asyncio.Transport | None) -> None:
    """Close a connection with RST."""
    if connection is not None:
        own_socket = connection.get_extra_info("socket")
        own_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        connection.abort()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(status: int, kind: bytes, content: bytes) -> dict[str, Any]:
    headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode())]
    return {"type": "http.response.start", "status": status, "headers": headers}
