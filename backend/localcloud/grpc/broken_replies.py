"""How a broken reply goes over HTTP/2."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from backend.localcloud.grpc.wire import START, Connection, Stream, framed
from backend.localcloud.http.broken_replies import Markup, reset
from backend.localcloud.http.faults import Broken, Kind

# Field 20000 of a message, 5 MiB long: gRPC's own limit for a reply is 4 MiB.
PADDING = b"\x82\xe2\x09\x80\x80\xc0\x02" + bytes(5 * 2**20)

Send = Callable[[Connection, Stream, Broken, bytes], Awaitable[None]]


async def send_broken(
    connection: Connection, stream: Stream, broken: Broken, message: bytes
) -> None:
    """Send it; `message` is what should have been sent."""
    await _SENDERS[broken.kind](connection, stream, broken, message)


async def _reset(connection: Connection, stream: Stream, broken: Broken, message: bytes) -> None:
    reset(connection.transport)


async def _hang(connection: Connection, stream: Stream, broken: Broken, message: bytes) -> None:
    """Send nothing until the client gives up or the reply is released."""
    gone: asyncio.Future[Any] = asyncio.ensure_future(stream.gone.wait())
    released: asyncio.Future[Any] = asyncio.wrap_future(broken.released)
    try:
        await asyncio.wait([gone, released], return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    if not stream.gone.is_set():
        reset(connection.transport)


async def _truncate(connection: Connection, stream: Stream, broken: Broken, message: bytes) -> None:
    """Promise the whole message, send half of it, and give up the call."""
    whole = framed(message)
    connection.start(stream, START)
    await connection.send(stream, whole[: 5 + len(message) // 2])
    connection.give_up(stream)


async def _markup(connection: Connection, stream: Stream, broken: Broken, message: bytes) -> None:
    """A page for people, as a proxy sends it."""
    size = str(len(Markup.page))
    start = [(":status", str(broken.status)), ("content-type", "text/html")]
    connection.start(stream, [*start, ("content-length", size)])
    await connection.send(stream, Markup.page)
    connection.end(stream, [])


async def _go_away(connection: Connection, stream: Stream, broken: Broken, message: bytes) -> None:
    """Say good-bye: this call was the last one to be done, or is the first one that was not."""
    connection.go_away(stream.id if broken.after_effect else max(stream.id - 2, 0))


async def _oversize(connection: Connection, stream: Stream, broken: Broken, message: bytes) -> None:
    """The right message, blown up by a field that nobody knows."""
    await connection.reply(stream, message + PADDING)


async def _garble(connection: Connection, stream: Stream, broken: Broken, message: bytes) -> None:
    """Bytes that are no message of any kind."""
    await connection.reply(stream, b"\xff" * 20)


async def _empty(connection: Connection, stream: Stream, broken: Broken, message: bytes) -> None:
    """A message with nothing in it, which is one of every kind."""
    await connection.reply(stream, b"")


_SENDERS: dict[Kind, Send] = {
    Kind.RESET: _reset,
    Kind.HANG: _hang,
    Kind.TRUNCATED: _truncate,
    Kind.HTML: _markup,
    Kind.GOAWAY: _go_away,
    Kind.OVERSIZED: _oversize,
    Kind.GARBLED: _garble,
    Kind.EMPTY: _empty,
}
