"""The login: proved once, in seconds, before anything is asked of Google."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import google.auth
import grpc
import pytest
from google.api_core import exceptions
from google.auth import compute_engine
from google.auth.exceptions import RefreshError, TransportError
from google.auth.transport.grpc import AuthMetadataPlugin
from google.auth.transport.requests import Request
from google.cloud.bigquery_datatransfer_v1 import DataTransferServiceClient
from google.oauth2.credentials import Credentials
from pytest_django import Settings

from backend.forecasting.activity import what_is_done
from backend.forecasting.errors import UnreachableError
from backend.forecasting.google import login
from backend.forecasting.google.clients import make_clients
from backend.forecasting.google.errors import explain
from backend.forecasting.google.login import SCOPE, explain_credentials
from backend.forecasting.google.retrying import is_transient
from backend.forecasting.tests.support.clock import FastClock
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.factories import (
    INSTANCE,
    PROJECT,
    SERVICE_ACCOUNT,
    auth_error,
    google_error,
    grpc_error,
    make_config,
    make_google,
)
from backend.forecasting.tests.support.token_server import (
    REVOKED,
    TOKEN,
    TokenServer,
    token_server,
)
from backend.forecasting.tests.test_google_errors import NO_TOKEN

PLUGIN = f"{NO_TOKEN} with error: "
ANSWER_LOST = "HTTPSConnectionPool(host='oauth2.googleapis.com', port=443): Read timed out."
LOG_IN = (
    "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to the "
    "path of a service account's key file."
)
SAYS_NO_TOKEN = (
    r"^The metadata server gives no token \(Failed to retrieve it\): attach a service account to "
    r"this machine, build or service, and run it again\.$"
)
COMMANDS = ("bq_setup", "bq_setup_etl", "bq_verify")


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[TokenServer]:
    """The commands lead to Google itself, with a person's login that asks this server."""
    settings.GOOGLE_CLOUD_PROJECT, settings.CLOUD_SQL_INSTANCE = PROJECT, INSTANCE
    with token_server() as server:
        found = server.credentials("ana@example.com"), PROJECT
        monkeypatch.setattr(google.auth, "default", lambda **_: found)
        yield server


def test_login__is_refreshed_once_and_knows_its_account(tokens: TokenServer) -> None:
    clients = make_clients(make_config())
    assert clients.credentials.valid
    assert clients.member == "user:ana@example.com"
    assert tokens.asked == 1


@pytest.mark.django_db
@pytest.mark.parametrize("command", COMMANDS)
def test_login__that_was_revoked_is_one_sentence(
    tokens: TokenServer, fast_clock: FastClock, command: str
) -> None:
    """At once: it is asked for one time, and nothing is waited for."""
    tokens.answer = REVOKED
    result = call(command)
    assert (result.status, tokens.asked, fast_clock.slept) == (1, 1, [])
    assert result.error == (
        "Google credentials could not be used (invalid_grant: Token has been revoked): " + LOG_IN
    )


@pytest.mark.django_db
@pytest.mark.parametrize("command", COMMANDS)
def test_login__without_the_scope_is_one_sentence(tokens: TokenServer, command: str) -> None:
    tokens.answer = 200, TOKEN | {"scope": "openid"}
    result = call(command)
    assert result.status == 1
    assert result.error.startswith(f"The login lacks the scope {SCOPE}: run `gcloud auth ")
    assert f"login --scopes {SCOPE}`" in result.error


@pytest.mark.django_db
def test_login__from_a_sign_in_page_is_one_sentence(tokens: TokenServer) -> None:
    tokens.answer = 200, "<html>Sign in to the guests' network</html>"
    result = call("bq_verify")
    assert (result.status, result.error.count("\n")) == (1, 0)
    assert result.error.startswith("Logging in to Google failed: the reply is not as Google ")


@pytest.mark.parametrize("key", ["", "[]", "{}", '{"type": 1}', '"text"', "\0", None])
def test_login__of_a_key_file_that_is_none_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    path = tmp_path / "key.json"
    path.mkdir() if key is None else path.write_text(key)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(UnreachableError, match=r"credentials could not be used \(.+\): run"):
        login.log_in()


def test_login__of_no_project_is_not_warned_of_where_one_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing else is kept from anybody: no other warning, no other thread's, none after it."""
    for name in ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    person = ("client_id", "client_secret", "refresh_token")
    path = tmp_path / "login.json"
    path.write_text(json.dumps({"type": "authorized_user", **dict.fromkeys(person, "x")}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setattr(Credentials, "refresh", lambda *_: None)
    found, warn = google.auth.default, logging.getLogger("google.auth._default").warning

    def default(**given: Any) -> Any:
        warn("It is late.")
        other = threading.Thread(target=warn, args=["No project ID could be determined."])
        other.start()
        other.join()
        return found(**given)

    monkeypatch.setattr(google.auth, "default", default)
    assert isinstance(login.log_in(), Credentials)
    assert caplog.messages == ["It is late.", "No project ID could be determined."]
    found()
    assert caplog.messages[2].startswith("No project ID could be determined. Consider ")


def test_login__that_never_comes_is_given_up(tokens: TokenServer) -> None:
    tokens.answer = None
    with pytest.raises(UnreachableError, match="gave no login within "):
        login.log_in(0.1)


def test_login__that_never_comes_holds_no_process_back() -> None:
    thread = login._within(600, threading.current_thread)
    assert (thread.name, thread.daemon) == ("google-login", True)


def test_login__of_a_machine_tells_its_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Cloud Build and Cloud Run: from the metadata server, which is asked with the refresh."""

    def refresh(credentials: Any, request: Any) -> None:
        credentials._service_account_email = SERVICE_ACCOUNT
        credentials.token = "ya29.a"

    monkeypatch.setattr(compute_engine.Credentials, "refresh", refresh)
    monkeypatch.setattr(google.auth, "default", lambda **_: (compute_engine.Credentials(), None))
    clients = make_clients(make_config())
    assert clients.service_account_email == SERVICE_ACCOUNT


def test_login__of_a_machine_without_account_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refresh(credentials: Any, request: Any) -> None:
        raise auth_error("RefreshError", "Failed to retrieve it")

    monkeypatch.setattr(compute_engine.Credentials, "refresh", refresh)
    monkeypatch.setattr(google.auth, "default", lambda **_: (compute_engine.Credentials(), None))
    with pytest.raises(UnreachableError, match=SAYS_NO_TOKEN):
        make_clients(make_config())


IMPERSONATED = "Unable to acquire impersonated credentials"
DENIED = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource"
BY_PROXY = "an address cannot be read: check HTTPS_PROXY, in which the password is to be "


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RefreshError("<html><h1>503</h1></html>"),
            "Google gave no login for the moment (503); check the network and ",
        ),
        (
            RefreshError("too_busy: None", retryable=True),
            "Google gave no login for the moment (too_busy: None); check the network and ",
        ),
        (
            RefreshError("invalid_grant: Invalid JWT: Token must be a short-lived token (60 min"),
            "short-lived token (60 min): set the clock of this machine, which is off, and ",
        ),
        (
            RefreshError(
                IMPERSONATED,
                json.dumps({"error": {"code": 403, "message": DENIED}}),
            ),
            f"credentials: {DENIED}): grant roles/iam.serviceAccountTokenCreator on that service "
            "account to the login behind it, ",
        ),
        (RefreshError(IMPERSONATED), f"({IMPERSONATED}): grant roles/iam.serviceAccountTokenCre"),
        (RefreshError(IMPERSONATED, "<p>Sorry</p>"), f"({IMPERSONATED}): grant roles/iam.service"),
        (RefreshError(IMPERSONATED, r'{"message": "No\nmore"}'), f"({IMPERSONATED}: No): grant "),
        (RefreshError("invalid_grant: gone", '{"message": "No"}'), "(invalid_grant: gone): run "),
        (
            TransportError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"),
            "self-signed certificate); set REQUESTS_CA_BUNDLE and GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        ),
        (
            TransportError("CERTIFICATE_VERIFY_FAILED: certificate is not yet valid"),
            "not yet valid); set the clock of this machine, ",
        ),
        (
            TransportError("CERTIFICATE_VERIFY_FAILED: certificate has expired"),
            "has expired); set the clock of this machine, ",
        ),
        (
            TransportError("Tunnel connection failed: 407 Proxy Authentication Required"),
            "407 Proxy Authentication Required); check the user and password in HTTPS_PROXY and ",
        ),
        (TransportError("Failed to parse: 'ana:pass' is not a valid host or port"), BY_PROXY),
    ],
)
def test_login__that_is_refused_says_what_cures_it(error: Exception, said: str) -> None:
    explained = str(explain_credentials(error))
    assert said in explained
    assert "ana:pass" not in explained


# What happens to a login later on


@pytest.fixture
def secured(tokens: TokenServer) -> Iterator[DataTransferServiceClient]:
    """A client over gRPC with such a login, and a server that knows no method."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
    server.start()
    plugin = AuthMetadataPlugin(tokens.credentials(), Request())
    secure = grpc.composite_channel_credentials(
        grpc.local_channel_credentials(), grpc.metadata_call_credentials(plugin)
    )
    with grpc.secure_channel(f"127.0.0.1:{port}", secure) as channel:
        transport = DataTransferServiceClient.get_transport_class("grpc")(channel=channel)
        yield DataTransferServiceClient(transport=transport)
    server.stop(None)


def test_lost_login__over_grpc_is_asked_once_and_prints_nothing(
    tokens: TokenServer, secured: DataTransferServiceClient, log: Callable[[], str]
) -> None:
    tokens.answer = REVOKED
    clients = make_google()
    with pytest.raises(exceptions.ServiceUnavailable) as raised:
        secured.get_transfer_config(name="projects/p/transferConfigs/c", **clients.repeating)
    assert tokens.asked == 1
    assert str(explain(raised.value, "Looking", clients)) == (
        "Google credentials could not be used (invalid_grant: Token has been revoked): " + LOG_IN
    )
    assert "Traceback" not in log()
    assert "AuthMetadataPluginCallback" not in log()


@pytest.mark.parametrize(
    ("failure", "passing"),
    [
        ("('invalid_grant: Bad Request', {'error': 'invalid_grant'})", False),
        ("Reauthentication is needed. Please run `gcloud auth login`", False),
        ("('internal_failure: try again', {'error': 'internal_failure'})", True),
        (ANSWER_LOST, True),
        ("('<html>Sign in</html>', '<html>Sign in</html>')", True),
    ],
)
def test_no_token__over_grpc_is_transient_where_it_may_pass(failure: str, passing: bool) -> None:
    assert is_transient(grpc_error("UNAVAILABLE", PLUGIN + failure)) is passing


@pytest.mark.parametrize(
    "error",
    [
        google_error(403, "Request had insufficient authentication scopes."),
        grpc_error("PERMISSION_DENIED", "Request had insufficient authentication scopes."),
        google_error(403, "no", reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    ],
)
def test_missing_scope__that_only_the_request_shows(error: Exception) -> None:
    said = str(explain(error, "Looking", make_google()))
    assert said.startswith(f"The login lacks the scope {SCOPE}: ")


@pytest.mark.parametrize(
    ("granted", "problem"), [(None, ""), ([SCOPE, "openid"], ""), (["openid"], "lacks the scope")]
)
def test_login__is_refused_without_the_scope_where_it_says_what_was_granted(
    monkeypatch: pytest.MonkeyPatch, granted: list[str] | None, problem: str
) -> None:
    credentials = Mock(granted_scopes=granted)
    monkeypatch.setattr(google.auth, "default", lambda **_: (credentials, None))
    with pytest.raises(UnreachableError, match=problem) if problem else nullcontext():
        assert login.log_in() is credentials
    (call,) = credentials.refresh.call_args_list
    assert isinstance(call.args[0], Request)


def test_login__of_a_person_that_is_refused_says_what_google_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credentials = Mock(refresh=Mock(side_effect=auth_error("RefreshError", "gone")))
    monkeypatch.setattr(google.auth, "default", lambda **_: (credentials, None))
    with pytest.raises(UnreachableError) as raised:
        login.log_in()
    assert str(raised.value) == f"Google credentials could not be used (gone): {LOG_IN}"
    monkeypatch.setattr(google.auth, "default", Mock(side_effect=ValueError("no key")))
    with pytest.raises(UnreachableError) as raised:
        login.log_in()
    assert str(raised.value) == f"Google credentials could not be used (no key): {LOG_IN}"


def test_login__is_what_the_command_does_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    here, seen = threading.get_ident(), list[str]()

    def default(**_: Any) -> tuple[Any, None]:
        seen.append(what_is_done(here))
        return Mock(granted_scopes=None), None

    monkeypatch.setattr(google.auth, "default", default)
    login.log_in()
    assert seen == ["Logging in to Google"]
