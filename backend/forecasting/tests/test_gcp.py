from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, create_autospec

import grpc
import pytest
import requests
from google.api_core import exceptions
from google.auth import compute_engine
from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery_connection_v1.types import Connection
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from backend.forecasting.google.clients import Clients, make_clients
from backend.forecasting.google.replies import UnreadableReplyError
from backend.forecasting.google.retrying import is_transient
from backend.forecasting.google.waiting import TIMEOUT, BoundedAdapter
from backend.forecasting.tests.support.factories import (
    NUMBER,
    PROJECT,
    SERVICE_ACCOUNT,
    Google,
    anonymous,
    auth_error,
    google_error,
    grpc_error,
    make_config,
    make_google,
    retry_error,
)

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

ENDPOINT = "http://127.0.0.1:9050"


def refused_connection() -> requests.exceptions.ConnectionError:
    """As requests raises it where nothing listens."""
    pool = HTTPConnectionPool("127.0.0.1", 1)
    reason = NewConnectionError(pool, "Connection refused")  # type: ignore[arg-type]
    return requests.exceptions.ConnectionError(MaxRetryError(pool, "/", reason))


def nobody_there() -> Exception:
    """As gRPC says it."""
    return grpc_error("UNAVAILABLE", "failed to connect to all addresses; last error: UNKNOWN")


def reset_connection() -> requests.exceptions.ConnectionError:
    """As requests raises it where the other side hung up."""
    return requests.exceptions.ConnectionError(
        ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer"))
    )


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_transient__overload_over_rest(status: int) -> None:
    assert is_transient(google_error(status, "try later"))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 501])
def test_transient__refusals_are_not(status: int) -> None:
    assert not is_transient(google_error(status, "no"))


@pytest.mark.parametrize(
    ("reason", "transient"),
    [
        ("rateLimitExceeded", True),
        ("backendError", True),
        ("quotaExceeded", False),
        ("accessNotConfigured", False),
    ],
)
def test_transient__a_403_by_its_reason(reason: str, transient: bool) -> None:
    assert is_transient(google_error(403, "no", legacy_reason=reason)) is transient


def test_transient__a_connection_that_broke_but_not_one_that_was_refused() -> None:
    assert is_transient(reset_connection())
    assert not is_transient(refused_connection())
    assert not is_transient(nobody_there())


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ConnectionError(),
        requests.exceptions.ReadTimeout(),
        requests.exceptions.ChunkedEncodingError(),
        auth_error("TransportError"),
        grpc_error("DEADLINE_EXCEEDED", "slow"),
        grpc_error("UNKNOWN", "Stream removed"),
        grpc_error("ABORTED", "again"),
        grpc_error("CANCELLED", "on the way"),
        grpc_error("DATA_LOSS", "half of it"),
    ],
)
def test_transient__network(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", [auth_error("RefreshError"), ValueError()])
def test_transient__neither_credentials_nor_our_own_mistakes(error: Exception) -> None:
    assert not is_transient(error)


def test_retry__calls_again_until_it_works(google: Google) -> None:
    answers = iter([google_error(503, "busy"), google_error(429, "slow down"), None])

    def call() -> str:
        error = next(answers)
        if error:
            raise error
        return "done"

    assert google.retry(call)() == "done"


def test_clients__local_endpoint_is_reached_anonymously_over_rest() -> None:
    clients = make_clients(make_config_with_endpoint())
    assert isinstance(clients.credentials, AnonymousCredentials)
    assert clients.bigquery._connection.API_BASE_URL == ENDPOINT
    for client in (clients.connections, clients.transfers, clients.secrets):
        assert client.transport.kind == "rest"
        assert client.transport._host == ENDPOINT


@pytest.mark.parametrize("local", [True, False])
def test_clients__local_endpoint_is_reached_by_no_proxy(
    monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    """It is on this machine, and a laptop's proxy knows another one by that address."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    google = Clients(PROJECT, "us-central1", AnonymousCredentials(), ENDPOINT if local else "")
    sessions = [google.bigquery._http]
    if local:
        clients: Any = (google.connections, google.transfers, google.secrets)
        sessions += [client.transport._session for client in clients]
    for session in sessions:
        found = session.merge_environment_settings(ENDPOINT, {}, None, None, None)
        assert bool(found["proxies"]) is not local


def test_clients__local_grpc_endpoint_is_reached_without_encryption(cloud: "LocalCloud") -> None:
    clients = make_clients(
        make_config(api_endpoint=cloud.endpoint, grpc_endpoint=cloud.grpc_endpoint)
    )
    name = f"projects/{PROJECT}/secrets/POSTGRES_USER/versions/latest"
    found = clients.secrets.access_secret_version(name=name, **clients.repeating)
    assert found.payload.data
    assert clients.connections.transport.kind == clients.transfers.transport.kind == "grpc"
    assert [request.transport for request in cloud.requests] == ["grpc"]


def test_clients__local_grpc_endpoint_takes_messages_of_any_length_past_any_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channel = Mock(wraps=grpc.insecure_channel)
    monkeypatch.setattr(grpc, "insecure_channel", channel)
    config = make_config(api_endpoint=ENDPOINT, grpc_endpoint="127.0.0.1:1")
    clients = make_clients(config)
    kinds = {each.transport.kind for each in (clients.transfers, clients.connections)}
    assert kinds == {"grpc"}
    (call,) = channel.call_args_list
    assert call.args == ("127.0.0.1:1",)
    assert call.kwargs["options"] == [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.enable_http_proxy", 0),
    ]


def test_clients__of_google_have_the_login_that_was_proved() -> None:
    who = anonymous()
    made = Clients(PROJECT, "us-central1", who)
    assert made.bigquery._credentials is who
    assert (made.bigquery.project, made.bigquery.location) == (PROJECT, "us-central1")
    assert [each.transport._credentials for each in (made.transfers, made.secrets)] == [who] * 2


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_clients__every_request_to_bigquery_is_bounded(scheme: str) -> None:
    """Google is https, which no test with the stand-in behind it would see."""
    clients = Clients(PROJECT, "us-central1", AnonymousCredentials())
    adapter = clients.bigquery._http.get_adapter(f"{scheme}://bigquery.googleapis.com/bigquery/v2")
    assert isinstance(adapter, BoundedAdapter)


def make_config_with_endpoint() -> Any:
    return make_config(api_endpoint=ENDPOINT)


def test_clients__google_is_reached_with_default_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scopes = []

    def default(**options: Any) -> tuple[Any, None]:
        scopes.append(options["scopes"])
        return service_account_credentials(), None

    monkeypatch.setattr("google.auth.default", default)
    clients = make_clients(make_config())
    assert scopes == [["https://www.googleapis.com/auth/cloud-platform"]]
    assert (clients.project, clients.location, clients.endpoint) == (PROJECT, "us-central1", "")
    assert "googleapis.com" in str(clients.bigquery._connection.API_BASE_URL)


def test_clients__none_is_made_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("google.cloud.bigquery.Client", None)
    assert make_clients(make_config_with_endpoint())


def test_surely__takes_no_empty_message_for_an_answer(google: Google) -> None:
    read = Mock(side_effect=[Connection(), Connection(name="found")])
    assert google.surely(read).name == "found"
    with pytest.raises(UnreadableReplyError, match="it is empty"):
        google.surely(Mock(return_value=Connection()))
    slips = [google_error(404, "no"), Connection(), Connection(name="found")]
    assert google.surely(Mock(side_effect=slips)).name == "found"


@pytest.mark.parametrize("first", [google_error(404, "no"), [], ()])
def test_surely__asks_once_more_where_nothing_is_there(google: Google, first: Any) -> None:
    read = Mock(side_effect=[first, ["found"]])
    assert google.surely(read) == ["found"]
    read = Mock(side_effect=[["found"], first])
    assert google.find(read) == ["found"]
    assert read.call_count == 1


def test_surely__believes_the_second_answer(google: Google) -> None:
    assert google.surely(Mock(return_value=[])) == []
    absent = Mock(side_effect=google_error(404, "no"))
    assert google.find(absent) is None
    with pytest.raises(exceptions.NotFound):
        google.surely(absent)
    assert absent.call_count == 4


@pytest.mark.parametrize("answers", [([], google_error(404, "no")), (google_error(404, "no"), [])])
def test_surely__of_both_answers_prefers_the_empty_list(google: Google, answers: Any) -> None:
    assert google.surely(Mock(side_effect=answers)) == []


def test_surely__asks_once_only_after_any_other_refusal(google: Google) -> None:
    refused = Mock(side_effect=google_error(403, "no"))
    with pytest.raises(exceptions.Forbidden):
        google.find(refused)
    assert refused.call_count == 1


def test_project_number__is_that_of_the_projects_bigquery_account(google: Google) -> None:
    assert google.project_number == NUMBER
    assert google.bigquery.get_service_account_email.call_args.kwargs["timeout"] == TIMEOUT


@pytest.mark.parametrize("account", [None, "", "me@example.com", "x-bq-1@example.com"])
def test_project_number__is_empty_where_the_account_is_of_another_form(
    google: Google, account: str | None
) -> None:
    google.bigquery.get_service_account_email.return_value = account
    assert google.project_number == ""


@pytest.mark.parametrize(
    "error",
    [
        google_error(403, "no"),
        refused_connection(),
        retry_error(google_error(503, "busy")),
        auth_error("RefreshError"),
    ],
)
def test_project_number__is_empty_where_bigquery_does_not_tell(
    google: Google, error: Exception
) -> None:
    google.bigquery.get_service_account_email.side_effect = error
    assert google.project_number == ""


def service_account_credentials() -> Any:
    found = create_autospec(service_account.Credentials, instance=True)
    found.service_account_email = SERVICE_ACCOUNT
    return found


def compute_engine_credentials() -> Any:
    return compute_engine.Credentials()


def person_credentials() -> Any:
    return user_credentials.Credentials("token")


def test_member__of_a_service_account() -> None:
    clients = make_google(service_account_credentials())
    assert clients.service_account_email == SERVICE_ACCOUNT
    assert clients.member == f"serviceAccount:{SERVICE_ACCOUNT}"


@pytest.mark.parametrize("make", [compute_engine_credentials, person_credentials])
def test_member__is_a_placeholder_where_the_credentials_do_not_say(make: Any) -> None:
    clients = make_google(make())
    assert clients.service_account_email == ""
    assert clients.member == "user:YOUR_ACCOUNT"


def test_clients__repr_holds_no_token() -> None:
    token = user_credentials.Credentials("ya29.secret")
    assert "ya29.secret" not in repr(Clients(PROJECT, "us-central1", token))
