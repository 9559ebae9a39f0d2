"""Google's three services over gRPC, which is how production reaches them, on loopback.

The stand-in speaks REST. These servers take the gRPC form of a request, built by Google's own
client packages, and hand it to the REST transport of the same package; so the state and the rules
stay the stand-in's. Refusals become what Google's servers send: a status, and its
`google.rpc.Status` with the details in the trailing metadata.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery_connection_v1, bigquery_datatransfer_v1
from google.cloud import secretmanager_v1 as secret_manager
from google.cloud.bigquery_connection_v1.services.connection_service import (
    transports as connection_transports,
)
from google.cloud.bigquery_datatransfer_v1.services.data_transfer_service import (
    transports as transfer_transports,
)
from google.cloud.secretmanager_v1.services.secret_manager_service import (
    transports as secret_transports,
)
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2  # noqa: F401 (registers the details)
from grpc_status import rpc_status  # type: ignore[import-untyped]

from backend.forecasting.google.clients import Clients

SERVICES: dict[str, tuple[Any, Any]] = {
    "google.cloud.bigquery.connection.v1.ConnectionService": (
        connection_transports.ConnectionServiceRestTransport,
        bigquery_connection_v1.types,
    ),
    "google.cloud.bigquery.datatransfer.v1.DataTransferService": (
        transfer_transports.DataTransferServiceRestTransport,
        bigquery_datatransfer_v1.types,
    ),
    "google.cloud.secretmanager.v1.SecretManagerService": (
        secret_transports.SecretManagerServiceRestTransport,
        secret_manager.types,
    ),
}
"""By the name in the path of a gRPC call: what forwards it, and its messages."""

Hook = Callable[[], None]


@dataclass
class GrpcServer(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers for all three services; `calls` are the methods that were called, in order.

    A hook in `before` is taken off and called before the next call of a method is forwarded.
    """

    rest_address: str
    calls: list[str] = field(default_factory=list)
    before: dict[str, Hook] = field(default_factory=dict)
    address: str = ""

    def service(self, details: Any) -> grpc.RpcMethodHandler | None:
        _, service, method = details.method.split("/")
        forward, types = self._transports[service], SERVICES[service][1]
        request_class = getattr(types, f"{method}Request")

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self.calls.append(method)
            try:
                self.before.pop(method, lambda: None)()
                return getattr(forward, _snake(method))(request, timeout=30)
            except GoogleAPICallError as error:
                context.abort_with_status(rpc_status.to_status(_status_of(error)))

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=request_class.deserialize,
            response_serializer=_serialize,
        )

    @cached_property
    def _transports(self) -> dict[str, Any]:
        return {
            name: transport(
                host=self.rest_address, url_scheme="http", credentials=AnonymousCredentials()
            )
            for name, (transport, _) in SERVICES.items()
        }


@dataclass(frozen=True)
class GrpcClients(Clients):
    """The product's clients with gRPC channels to `grpc_address`; BigQuery has REST only."""

    grpc_address: str = ""

    @cached_property
    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(self.grpc_address)

    @cached_property
    def connections(self) -> bigquery_connection_v1.ConnectionServiceClient:
        transport = connection_transports.ConnectionServiceGrpcTransport(channel=self.channel)
        return bigquery_connection_v1.ConnectionServiceClient(transport=transport)

    @cached_property
    def transfers(self) -> bigquery_datatransfer_v1.DataTransferServiceClient:
        transport = transfer_transports.DataTransferServiceGrpcTransport(channel=self.channel)
        return bigquery_datatransfer_v1.DataTransferServiceClient(transport=transport)

    @cached_property
    def secrets(self) -> secret_manager.SecretManagerServiceClient:
        transport = secret_transports.SecretManagerServiceGrpcTransport(channel=self.channel)
        return secret_manager.SecretManagerServiceClient(transport=transport)


@contextmanager
def serve_grpc(rest_endpoint: str) -> Iterator[GrpcServer]:
    """The three services in front of a REST endpoint such as http://127.0.0.1:9050."""
    handler = GrpcServer(rest_endpoint.removeprefix("http://"))
    server = grpc.server(ThreadPoolExecutor(4, thread_name_prefix="grpc"), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    handler.address = f"127.0.0.1:{port}"
    server.start()
    try:
        yield handler
    finally:
        server.stop(grace=None).wait()


def refusal(name: str, message: str, reason: str = "", **metadata: str) -> GoogleAPICallError:
    """What a hook raises to have a call refused; `name` is that of the gRPC status."""
    error: dict[str, Any] = {"status": name, "message": message}
    if reason:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
        error["details"] = [{**info, "domain": "googleapis.com", "metadata": metadata}]
    return _Refusal(error)


class _Refusal(GoogleAPICallError):
    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])  # type: ignore[no-untyped-call]
        self.error = error


def _status_of(error: GoogleAPICallError) -> status_pb2.Status:
    """A refusal over REST as gRPC's: the same status, words and details."""
    found = error.error if isinstance(error, _Refusal) else error.response.json()["error"]
    code: int = grpc.StatusCode[found["status"]].value[0]
    status = {"code": code, "message": found["message"], "details": found.get("details", [])}
    return json_format.ParseDict(status, status_pb2.Status())


def _serialize(message: Any) -> bytes:
    """The bytes of a message, be it proto-plus or, as `Empty` is, plain."""
    plain = type(message).pb(message) if hasattr(type(message), "pb") else message
    return bytes(plain.SerializeToString())


def _snake(method: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", method).lower()
