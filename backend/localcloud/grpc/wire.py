"""HTTP/2 as gRPC uses it: one connection of a client, its calls, and how they are answered.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import asyncio
import base64
import re
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

from google.rpc import status_pb2
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError

Header = tuple[str, str]
START = [(":status", "200"), ("content-type", "application/grpc")]
LONGEST_TEXT = 2500  # Bytes, as it is quoted.
UNSAFE = re.compile(rb"[^\x20-\x24\x26-\x7e]")


@dataclass(eq=False)
class Stream:
    """One call: its path, what has come of its request, and whether the client has left it."""

    id: int
    path: str
    content: bytearray = field(default_factory=bytearray)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def message(self) -> bytes:
        """The request without what frames it. ValueError where it is not one whole message."""
        compressed, size = struct.unpack(">BI", self.content[:5].ljust(5, b"\0"))
        if compressed or len(self.content) != size + 5:
            raise ValueError("one uncompressed message is due")
        return bytes(self.content[5:])


def framed(message: bytes) -> bytes:
    """A message with what frames it."""
    return struct.pack(">BI", 0, len(message)) + message


class Connection(asyncio.Protocol):
    """Reads calls, and gives each that is complete to `answer`, as a task."""

    def __init__(
        self,
        answer: Callable[[Connection, Stream], Awaitable[None]],
        connections: set[Connection],
    ) -> None:
        self.answer = answer
        self.connections = connections
        self.http2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.streams: dict[int, Stream] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.room = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.connections.add(self)
        self.http2.initiate_connection()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        for stream_id in list(self.streams):
            self._leave(stream_id)

    def data_received(self, data: bytes) -> None:
        try:
            events = self.http2.receive_data(data)
        except ProtocolError:
            self.flush()
            self.transport.close()
            return
        for event in events:
            self._take(event)
        self.flush()

    def flush(self) -> None:
        """Send what is to be sent."""
        if not self.transport.is_closing():
            self.transport.write(self.http2.data_to_send())

    def close(self) -> None:
        """Say good-bye, and hang up."""
        if not self.transport.is_closing():
            self.go_away(max(self.streams, default=0))

    def go_away(self, last: int) -> None:
        """The same, telling the client that its calls after the `last` were not begun."""
        self.http2.close_connection(last_stream_id=last)
        self.flush()
        self.transport.close()

    async def reply(self, stream: Stream, message: bytes) -> None:
        """Answer with a message, and the status that all is well."""
        self.start(stream, START)
        await self.send(stream, framed(message))
        self.end(stream, [("grpc-status", "0")])

    def refuse(self, stream: Stream, status: status_pb2.Status) -> None:
        """Answer with a status, its details among the trailers, where Google puts them.

        Clients refuse trailers of more than 8 KiB, in which the text is twice.
        """
        status.message = _shortened(status.message)
        details = base64.b64encode(status.SerializeToString()).decode().rstrip("=")
        trailers = [("grpc-status", str(status.code)), ("grpc-message", _quoted(status.message))]
        self.end(stream, [*START, *trailers, ("grpc-status-details-bin", details)])

    def start(self, stream: Stream, headers: list[Header]) -> None:
        """Send the headers that come first."""
        if stream.id in self.streams:
            self.http2.send_headers(stream.id, headers)
            self.flush()

    def give_up(self, stream: Stream) -> None:
        """End a call in the middle of it, the connection goes on."""
        if self.streams.pop(stream.id, None):
            self.http2.reset_stream(stream.id, ErrorCodes.INTERNAL_ERROR)
            self.flush()

    async def send(self, stream: Stream, content: bytes) -> None:
        """Send content, as fast as the client makes room for it."""
        while content and stream.id in self.streams:
            window = self.http2.local_flow_control_window(stream.id)
            size = min(len(content), window, self.http2.max_outbound_frame_size)
            if size:
                self.http2.send_data(stream.id, content[:size])
                content = content[size:]
                self.flush()
            else:
                self.room.clear()
                await self.room.wait()

    def end(self, stream: Stream, headers: list[Header]) -> None:
        """Send the headers that come last, or none, and with them the end of a call."""
        if self.streams.pop(stream.id, None) is None:
            return
        if headers:
            self.http2.send_headers(stream.id, headers, end_stream=True)
        else:
            self.http2.end_stream(stream.id)
        self.flush()

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            headers = dict(cast(list[Header], event.headers))
            self.streams[event.stream_id] = Stream(event.stream_id, headers[":path"])
        elif isinstance(event, DataReceived):
            self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if stream := self.streams.get(event.stream_id):
                stream.content += event.data
        elif isinstance(event, StreamEnded):
            self._begin(event.stream_id)
        elif isinstance(event, StreamReset):
            self._leave(event.stream_id)
        elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
            self.room.set()
        elif isinstance(event, ConnectionTerminated):
            self.transport.close()

    def _begin(self, stream_id: int) -> None:
        if stream := self.streams.get(stream_id):
            task = asyncio.ensure_future(self.answer(self, stream))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def _leave(self, stream_id: int) -> None:
        """Forget a call: its client has."""
        if stream := self.streams.pop(stream_id, None):
            stream.gone.set()
        self.room.set()


def _shortened(text: str) -> str:
    """A text that fits into the trailers, its middle left out: what matters is at either end."""
    kept, size = text, len(text)
    while len(_quoted(kept)) > LONGEST_TEXT:
        size = size * 3 // 4
        kept = f"{text[: size // 2]} [...] {text[-(size // 2) :]}"
    return kept


def _quoted(text: str) -> str:
    """A message as `grpc-message` has it, which is a header."""
    encoded = UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], text.encode())
    return encoded.decode("ascii")
