"""Replies that are no JSON: how they go, or do not go, over the wire."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from backend.localcloud.http.faults import Broken, Kind

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Transport = Callable[[], asyncio.Transport | None]

# Linger for 0 seconds: closing the socket drops what is unsent and sends RST instead of FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


class BrokenReply:
    """How a broken reply goes over HTTP/1.1."""

    def __init__(self, broken: Broken) -> None:
        self.broken = broken
        self.content = json.dumps(broken.result).encode()

    async def send(self, receive: Receive, send: Send, transport: Transport) -> None:
        """Do it, with ASGI's two functions and the connection itself, if it is still there."""
        raise NotImplementedError


class Reset(BrokenReply):
    """The connection is reset."""

    async def send(self, receive: Receive, send: Send, transport: Transport) -> None:
        reset(transport())


class Hang(BrokenReply):
    """Nothing is sent until the client gives up or the reply is released."""

    async def send(self, receive: Receive, send: Send, transport: Transport) -> None:
        client_gone = asyncio.ensure_future(_disconnect(receive))
        released = asyncio.wrap_future(self.broken.released)
        try:
            await asyncio.wait([client_gone, released], return_when=asyncio.FIRST_COMPLETED)
        finally:
            client_gone.cancel()
        if not client_gone.done():
            reset(transport())


class Truncated(BrokenReply):
    """The headers promise the whole content, half of it comes, and the connection is closed."""

    async def send(self, receive: Receive, send: Send, transport: Transport) -> None:
        await send(_start(self.broken.status, b"application/json; charset=UTF-8", self.content))
        half = self.content[: len(self.content) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        if connection := transport():
            connection.close()


class Markup(BrokenReply):
    """A page for people, as Google's front end and proxies send it."""

    page = (
        b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>\n"
        b"<p><b>502.</b> <ins>That\xe2\x80\x99s an error.</ins>\n<p>The server encountered a "
        b"temporary error and could not complete your request.<p>Please try again in 30 seconds.\n"
    )

    async def send(self, receive: Receive, send: Send, transport: Transport) -> None:
        await send(_start(self.broken.status, b"text/html; charset=UTF-8", self.page))
        await send({"type": "http.response.body", "body": self.page})


class Empty(BrokenReply):
    """A JSON object with nothing in it."""

    async def send(self, receive: Receive, send: Send, transport: Transport) -> None:
        await send(_start(self.broken.status, b"application/json; charset=UTF-8", b"{}"))
        await send({"type": "http.response.body", "body": b"{}"})


_REPLIES: dict[Kind, type[BrokenReply]] = {
    Kind.RESET: Reset,
    Kind.HANG: Hang,
    Kind.TRUNCATED: Truncated,
    Kind.HTML: Markup,
    Kind.EMPTY: Empty,
}


def broken_reply(broken: Broken) -> BrokenReply:
    """What sends it."""
    return _REPLIES[broken.kind](broken)


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
