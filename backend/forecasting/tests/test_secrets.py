"""Neither the password nor the user is shown anywhere, whatever happens."""

import logging
import os
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from google.cloud.bigquery_connection_v1 import ConnectionServiceClient

from backend.forecasting.tests.support.commands import ABSENT, Run, start_answers
from backend.forecasting.tests.support.factories import (
    PASSWORD,
    USER,
    Google,
    assert_no_secret,
    auth_error,
    google_error,
    lose_everything,
    make_connection,
    retry_error,
    secret_reply,
    secret_versions,
)

BUSY = google_error(503, "busy")

pytestmark = pytest.mark.django_db


def _log_everything(google: Google) -> None:
    """As Google's clients do with their client logging on: each message, whole, at DEBUG."""
    for service, names in USED.items():
        for name in names:
            _log_calls(getattr(getattr(google, service), name))


USED = {
    "bigquery": ("get_table",),
    "connections": ("get_connection", "create_connection", "update_connection"),
    "transfers": (
        "list_transfer_configs",
        "create_transfer_config",
        "update_transfer_config",
        "list_transfer_runs",
        "start_manual_transfer_runs",
    ),
    "secrets": ("access_secret_version",),
}


def _log_calls(method: Mock) -> None:
    log = logging.getLogger(ConnectionServiceClient.__module__)
    answer, value = method.side_effect, method.return_value

    def logged(*args: Any, **kwargs: Any) -> Any:
        log.debug("Sending request", extra={"request": {"payload": f"{args} {kwargs}"}})
        reply: Any = value
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            reply = answer(*args, **kwargs)
        log.debug("Received response", extra={"response": {"payload": f"{reply}"}})
        return reply

    method.side_effect = logged


def _fail_login(google: Google) -> None:
    message = f'Error: FATAL: password authentication failed for user "{USER}"'
    start_answers(google, "FAILED", error_status={"code": 3, "message": message})


def _fail_query(google: Google) -> None:
    lose_everything(google)
    google.transfers.create_transfer_config.side_effect = google_error(403, "no")


def _fail(method: str, error: Exception) -> Callable[[Google], None]:
    def arrange(google: Google) -> None:
        google.connections.get_connection.return_value = make_connection(description="")
        if method == "create_connection":
            google.connections.get_connection.side_effect = ABSENT
        getattr(google.connections, method).side_effect = error

    return arrange


def _damage(data: bytes, **options: Any) -> Callable[[Google], None]:
    reply = secret_reply("POSTGRES_PASSWORD", data, **options)

    def arrange(google: Google) -> None:
        google.secrets.access_secret_version.side_effect = secret_versions(POSTGRES_PASSWORD=reply)

    return arrange


def _create(google: Google) -> None:
    lose_everything(google)
    start_answers(google, "SUCCEEDED")


def _rotate(google: Google) -> None:
    google.connections.get_connection.return_value = make_connection(description="")
    start_answers(google, "SUCCEEDED")


PATHS: dict[str, Callable[[Google], None]] = {
    "unchanged": lambda google: start_answers(google, "SUCCEEDED"),
    "created": _create,
    "rotated": _rotate,
    "wrong password": _fail_login,
    "query refused": _fail_query,
    "create refused": _fail("create_connection", google_error(403, "no")),
    "create invalid": _fail("create_connection", google_error(400, "Invalid instance")),
    "create lost": _fail("create_connection", retry_error(BUSY)),
    "update refused": _fail("update_connection", google_error(403, "no")),
    "update lost": _fail("update_connection", BUSY),
    "no login": _fail("update_connection", auth_error("RefreshError")),
    "damaged": _damage(PASSWORD.encode(), crc=1),
    "not text": _damage(PASSWORD.encode() + b"\xff"),
    "with NUL": _damage(PASSWORD.encode() + b"\0"),
}
FINE = {"unchanged", "created", "rotated"}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("path", PATHS)
def test_secrets__are_shown_nowhere(
    run: Run, provisioned: Google, log: Callable[[], str], path: str, form: str
) -> None:
    PATHS[path](provisioned)
    _log_everything(provisioned)
    result = run("bq_setup_etl", "--run-now", f"--format={form}")
    assert (result.status == 0) is (path in FINE)
    chain = list(_chain(result.raised))
    errors = "".join(traceback.format_exception(result.raised)) if result.raised else ""
    shown = [repr(error) + repr(vars(error)) for error in chain]
    assert "Sending" in log()
    assert_no_secret("\n".join([result.out, result.err, log(), errors, *shown]))


def test_secrets__reach_the_connection_all_the_same(run: Run, provisioned: Google) -> None:
    lose_everything(provisioned)
    run("bq_setup_etl")
    sent = provisioned.connections.create_connection.call_args.kwargs["connection"]
    assert sent.cloud_sql.credential.password == PASSWORD


def test_secrets__are_not_in_the_stored_query_or_in_the_environment(
    run: Run, provisioned: Google
) -> None:
    lose_everything(provisioned)
    run("bq_setup_etl")
    request = provisioned.transfers.create_transfer_config.call_args.args[0]
    assert_no_secret(f"{request} {os.environ}")
