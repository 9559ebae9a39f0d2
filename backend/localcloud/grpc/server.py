"""gRPC on one loopback port: reads calls, answers them in worker threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from google.rpc import status_pb2

from backend.localcloud.grpc.broken_replies import send_broken
from backend.localcloud.grpc.transcoding import refusal, reply_bytes, request_call
from backend.localcloud.grpc.wire import Connection, Stream
from backend.localcloud.http.call import Call
from backend.localcloud.http.errors import CloudError, InvalidArgument, NotDone
from backend.localcloud.http.faults import Broken
from backend.localcloud.http.rpc import Rpc
from backend.localcloud.http.web import WORKERS, listen

Answer = Callable[[Call], tuple[int, Any]]


class GrpcServer:
    """Listens from the moment it is made, so that its port is known; serves from `start` on.

    `answer` is given the REST form of each call and returns status and JSON.
    """

    def __init__(self, port: int, answer: Answer) -> None:
        self.answer = answer
        self.socket = listen(port)
        self.port: int = self.socket.getsockname()[1]
        self.methods: Mapping[str, Rpc] = {}
        self.connections: set[Connection] = set()
        self.thread = threading.Thread(target=self._run, name="localcloud-grpc", daemon=True)

    def start(self, methods: Mapping[str, Rpc]) -> None:
        """Serve these, by their paths."""
        self.methods = methods
        self.workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="localcloud-grpc")
        self.loop, self.stopping = asyncio.new_event_loop(), asyncio.Event()
        self.thread.start()

    def stop(self) -> None:
        """End every call and connection."""
        self.loop.call_soon_threadsafe(self.stopping.set)
        self.thread.join()
        self.workers.shutdown(wait=True, cancel_futures=True)
        self.socket.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        def connect() -> Connection:
            return Connection(self._answer, self.connections)

        server = await self.loop.create_server(connect, sock=self.socket)
        await self.stopping.wait()
        server.close()
        for connection in list(self.connections):
            connection.close()

    async def _answer(self, connection: Connection, stream: Stream) -> None:
        outcome = await self.loop.run_in_executor(self.workers, self._outcome, stream)
        if isinstance(outcome, Broken):
            message = reply_bytes(self.methods[stream.path], outcome.result)
            await send_broken(connection, stream, outcome, message)
        elif isinstance(outcome, bytes):
            await connection.reply(stream, outcome)
        else:
            connection.refuse(stream, outcome)

    def _outcome(self, stream: Stream) -> bytes | status_pb2.Status | Broken:
        """The bytes of the reply, or why there are none."""
        try:
            status, result = self.answer(self._call(stream))
        except CloudError as error:
            status, result = error.code, error.to_json()
        if isinstance(result, Broken):
            return result
        return refusal(result) if status >= 400 else reply_bytes(self.methods[stream.path], result)

    def _call(self, stream: Stream) -> Call:
        if stream.path not in self.methods:
            raise NotDone(f"{stream.path} over gRPC")
        try:
            return request_call(self.methods[stream.path], stream.message)
        except ValueError as error:
            raise InvalidArgument(f"{stream.path}: {error}") from error
