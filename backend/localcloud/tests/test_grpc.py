"""gRPC: what Google's clients see of it, what is recorded of it, and how it ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import (
    Aborted,
    Cancelled,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    GoogleAPICallError,
    InternalServerError,
    InvalidArgument,
    MethodNotImplemented,
    PermissionDenied,
    ResourceExhausted,
    ServiceUnavailable,
    Unauthenticated,
    Unknown,
)
from google.api_core.retry import Retry, if_exception_type
from google.cloud.bigquery_connection_v1.types import Connection
from google.cloud.bigquery_datatransfer_v1.types import (
    StartManualTransferRunsRequest,
    TransferConfig,
)
from google.cloud.secretmanager_v1.types import Secret
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.error_details_pb2 import Help, LocalizedMessage

from backend.localcloud.http.faults import Fault, Kind
from backend.localcloud.http.names import project_number
from backend.localcloud.http.web import HOST
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import (
    PARENT,
    PROJECT,
    ConfigFactory,
    GoogleClients,
    open_channel,
)

SECRETS = f"projects/{PROJECT}/secrets"
SERVICE = "/google.cloud.secretmanager.v1.SecretManagerService"
NUMBER = project_number(PROJECT)


@pytest.fixture
def transport() -> str:
    return "grpc"


@pytest.fixture
def channel(cloud: LocalCloud) -> Iterator[grpc.Channel]:
    with open_channel(cloud) as opened:
        yield opened


def read_user(google: GoogleClients, **options: Any) -> bytes:
    name = f"{SECRETS}/POSTGRES_USER/versions/latest"
    options = {"timeout": 60, "retry": None} | options
    return google.secret.access_secret_version(name=name, **options).payload.data


def read_again(google: GoogleClients) -> bytes:
    """The same after a connection was lost, which the channel may take a moment to notice."""
    return read_user(google, retry=Retry(if_exception_type(ServiceUnavailable), initial=0.01))


def send_bytes(channel: grpc.Channel, method: str, content: bytes) -> bytes:
    """A call that no client makes; its reply as it comes."""
    reply: bytes = channel.unary_unary(f"{SERVICE}/{method}")(content, timeout=60)
    return reply


# What is answered


def test_call__is_recorded_as_the_same_request_over_rest(
    cloud: LocalCloud, google: GoogleClients, connection: Connection
) -> None:
    google.connection.update_connection(
        name=f"{PARENT}/connections/pg",
        connection=Connection(description="new"),
        update_mask=FieldMask(paths=["description"]),
    )
    created, updated = cloud.requests
    assert (created.method, created.path) == ("POST", f"/v1/{PARENT}/connections")
    assert (created.query, created.writes) == ({"connectionId": "pg"}, True)
    assert created.body["cloudSql"]["credential"]["password"] == "***"
    assert (updated.query, updated.body) == ({"updateMask": "description"}, {"description": "new"})
    assert {created.transport, updated.transport} == {"grpc"}


def test_watchers__see_each_call_before_and_after_its_effect(
    cloud: LocalCloud, google: GoogleClients
) -> None:
    seen: list[tuple[str, bool, bool]] = []

    def watch(call: Any, done: bool) -> None:
        seen.append((call.transport, done, "NEW" in cloud.secrets.items))

    cloud.watchers.append(watch)
    try:
        secret = Secret(replication={"automatic": {}})
        google.secret.create_secret(parent=f"projects/{PROJECT}", secret_id="NEW", secret=secret)
    finally:
        cloud.watchers.remove(watch)
    assert seen == [("grpc", False, False), ("grpc", True, True)]


def test_refusal__has_googles_details(cloud: LocalCloud, google: GoogleClients) -> None:
    cloud.disable_api("secretmanager.googleapis.com")
    with pytest.raises(PermissionDenied) as raised:
        read_user(google)
    error = raised.value
    assert (error.reason, error.domain) == ("SERVICE_DISABLED", "googleapis.com")
    assert error.metadata["consumer"] == f"projects/{NUMBER}"
    assert error.metadata["service"] == "secretmanager.googleapis.com"
    _, localized, help_ = error.details
    assert isinstance(localized, LocalizedMessage)
    assert localized.message == error.message
    assert isinstance(help_, Help)
    assert help_.links[0].url == error.metadata["activationUrl"]


def test_refusal__of_a_missing_permission_names_it(
    cloud: LocalCloud, google: GoogleClients
) -> None:
    cloud.faults.add(Fault(kind=Kind.PERMISSION_DENIED))
    with pytest.raises(PermissionDenied) as raised:
        read_user(google)
    assert raised.value.reason == "IAM_PERMISSION_DENIED"
    assert raised.value.metadata == {"permission": "secretmanager.versions.access"}


@pytest.mark.parametrize("text", ["täglich 100%", "a\nb", "x" * 2000])
def test_refusal__says_any_text_as_it_is(google: GoogleClients, text: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        google.connection.create_connection(parent=PARENT, connection_id=text)
    assert raised.value.message == f"Invalid connection id: {text}"


@pytest.mark.parametrize("name", ["nonsense", "projects/p", f"{SECRETS}/A/versions/1/more"])
def test_refusal__of_a_name_that_is_none(google: GoogleClients, name: str) -> None:
    with pytest.raises(InvalidArgument, match="name"):
        google.secret.access_secret_version(name=name)


def test_refusal__of_a_method_that_is_not_done_names_it(google: GoogleClients) -> None:
    with pytest.raises(MethodNotImplemented, match=r"does not do .*/UpdateSecret over gRPC"):
        google.secret.update_secret({"secret": {"name": f"{SECRETS}/A"}})


@pytest.mark.parametrize("content", [b"\xff\xff\xff", b"\x0a\x05ab"])
def test_refusal__of_a_request_that_is_no_message(channel: grpc.Channel, content: bytes) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        send_bytes(channel, "GetSecret", content)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_refusal__of_a_config_is_that_of_rest(
    google: GoogleClients, make_config: ConfigFactory
) -> None:
    with pytest.raises(InvalidArgument, match="Required parameter is missing: query"):
        make_config(" ")
    config = make_config(disabled=True)
    start = StartManualTransferRunsRequest(parent=config.name)
    with pytest.raises(FailedPrecondition, match="is disabled"):
        google.transfer.start_manual_transfer_runs(start)


def test_reply__may_be_large(cloud: LocalCloud, google: GoogleClients) -> None:
    cloud.add_secret_version("LARGE", "x" * 5_000_000)
    found = google.secret.access_secret_version(name=f"{SECRETS}/LARGE/versions/latest")
    assert len(found.payload.data) == 5_000_000


def test_calls__are_answered_side_by_side(cloud: LocalCloud, google: GoogleClients) -> None:
    cloud.faults.add(Fault(kind=Kind.HANG))
    hung = threading.Thread(target=suppressed, args=(read_user, google))
    hung.start()
    while not cloud.faults.hits:
        time.sleep(0.001)
    assert read_user(google) == b"bigquery"
    cloud.faults.clear()
    hung.join(60)
    assert not hung.is_alive()


def suppressed(do: Callable[..., Any], *arguments: Any) -> None:
    with suppress(GoogleAPICallError):
        do(*arguments)


# What goes wrong on the wire


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.RESET, ServiceUnavailable),
        (Kind.HTML, ServiceUnavailable),
        (Kind.TRUNCATED, InternalServerError),
    ],
)
def test_broken_reply__is_an_error_and_the_next_call_is_answered(
    cloud: LocalCloud,
    google: GoogleClients,
    kind: Kind,
    error: type[GoogleAPICallError],
    after_effect: bool,
) -> None:
    cloud.faults.add(Fault(kind=kind, after_effect=after_effect))
    with pytest.raises(error):
        read_user(google)
    assert read_again(google) == b"bigquery"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.UNAVAILABLE, ServiceUnavailable),
        (Kind.INTERNAL, InternalServerError),
        (Kind.GATEWAY_TIMEOUT, DeadlineExceeded),
        (Kind.TOO_MANY_REQUESTS, ResourceExhausted),
        (Kind.ABORTED, Aborted),
        (Kind.CANCELLED, Cancelled),
        (Kind.DATA_LOSS, DataLoss),
        (Kind.UNKNOWN, Unknown),
        (Kind.UNAUTHENTICATED, Unauthenticated),
        (Kind.GARBLED, InternalServerError),
    ],
)
def test_fault__is_the_status_of_its_name(
    cloud: LocalCloud, google: GoogleClients, kind: Kind, error: type[GoogleAPICallError]
) -> None:
    cloud.faults.add(Fault(kind=kind))
    with pytest.raises(error) as raised:
        read_user(google)
    assert type(raised.value) is error
    assert read_user(google) == b"bigquery"


def test_goaway__is_for_calls_that_were_not_begun_and_not_noticed(
    cloud: LocalCloud, google: GoogleClients
) -> None:
    read_user(google)
    cloud.faults.add(Fault(kind=Kind.GOAWAY))
    assert read_user(google) == b"bigquery"
    assert len(cloud.faults.hits) == 1


def test_goaway__after_the_effect_loses_the_reply(cloud: LocalCloud, google: GoogleClients) -> None:
    cloud.faults.add(Fault(kind=Kind.GOAWAY, after_effect=True))
    with pytest.raises(ServiceUnavailable):
        read_user(google)
    assert read_again(google) == b"bigquery"


def test_oversized_reply__is_the_right_one(cloud: LocalCloud, google: GoogleClients) -> None:
    cloud.faults.add(Fault(kind=Kind.OVERSIZED, after_effect=True))
    assert read_user(google) == b"bigquery"
    with grpc.insecure_channel(cloud.grpc_endpoint) as limited:
        cloud.faults.add(Fault(kind=Kind.OVERSIZED))
        with pytest.raises(grpc.RpcError, match="larger than max") as raised:
            send_bytes(limited, "ListSecrets", b"\x0a\x0aprojects/p")
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_empty_reply__is_a_message_without_anything(
    cloud: LocalCloud, google: GoogleClients
) -> None:
    cloud.faults.add(Fault(kind=Kind.EMPTY))
    assert read_user(google) == b""


def test_hang__lasts_until_the_client_gives_up(cloud: LocalCloud, channel: grpc.Channel) -> None:
    """And no longer: nothing is there to be reset when the faults are cleared."""
    cloud.faults.add(Fault(kind=Kind.HANG))
    call = channel.unary_unary(f"{SERVICE}/ListSecrets").future(b"\x0a\x0aprojects/p")
    while not cloud.faults.hits:
        time.sleep(0.001)
    assert not call.done()
    assert call.cancel()
    assert send_bytes(channel, "ListSecrets", b"\x0a\x0aprojects/p")
    cloud.faults.clear()
    assert send_bytes(channel, "ListSecrets", b"\x0a\x0aprojects/p")


def test_nonsense__closes_the_connection(cloud: LocalCloud) -> None:
    with socket.create_connection((HOST, cloud.grpc_port), timeout=60) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while client.recv(4096):
            pass


# How it ends


def test_life__stop_ends_a_call_that_hangs() -> None:
    before = set(threading.enumerate())
    with LocalCloud(secrets={"A": "b"}) as cloud, open_channel(cloud) as channel:
        cloud.faults.add(Fault(kind=Kind.HANG))
        call = channel.unary_unary(f"{SERVICE}/ListSecrets").future(b"\x0a\x0aprojects/p")
        while not cloud.faults.hits:
            time.sleep(0.001)
        cloud.stop()
        assert call.exception(timeout=60).code() == grpc.StatusCode.UNAVAILABLE
    assert {t for t in threading.enumerate() if t.name.startswith("localcloud")} <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, cloud.grpc_port), timeout=60)


@pytest.mark.parametrize("letter", ["x", "«", "\U0001f300"])
def test_refusal__with_a_long_text_arrives_as_itself(google: GoogleClients, letter: str) -> None:
    """Clients refuse trailers of more than 8 KiB, and call that RESOURCE_EXHAUSTED."""
    config = TransferConfig(
        display_name="nightly",
        data_source_id="scheduled_query",
        params={"query": "SELECT 1", letter * 20_000: "END"},
    )
    with pytest.raises(InvalidArgument, match="doesn't define this parameter Id: ") as raised:
        google.transfer.create_transfer_config(parent=PARENT, transfer_config=config)
    assert " [...] " in raised.value.message
    assert raised.value.message.endswith(letter)
