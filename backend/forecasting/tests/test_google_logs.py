"""What Google's clients log at DEBUG: that they send and receive, and never what."""

import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest
from google.cloud.secretmanager_v1 import SecretManagerServiceClient

from backend.forecasting.conf import Config
from backend.forecasting.google.logs import keep_messages_unlogged, requests_told
from backend.forecasting.provisioning.credentials import read_credential
from backend.forecasting.tests.support.factories import (
    PASSWORD,
    Google,
    assert_no_secret,
    make_google,
    secret_versions,
)

GOOGLES = [
    "google.auth.transport.requests",
    "google.cloud.secretmanager_v1",
    SecretManagerServiceClient.__module__,
]


@pytest.mark.parametrize("name", GOOGLES)
@pytest.mark.parametrize("place", ["request", "response", "httpRequest", "httpResponse"])
def test_record__loses_the_message_beside_its_text(
    google: Google, log: Callable[[], str], name: str, place: str
) -> None:
    told = {"rpcName": "AccessSecretVersion", "serviceName": "SecretManagerService"}
    extra = {place: {"payload": PASSWORD}, **told}
    logging.getLogger(name).debug("Sending request", extra=extra)
    assert "Sending request" in log()
    assert [name for name in told.values() if name not in log()] == []
    assert_no_secret(log())


def test_record__loses_what_is_put_into_its_text_at_debug_only(
    google: Google, log: Callable[[], str]
) -> None:
    logger = logging.getLogger(GOOGLES[0])
    logger.debug("Sending %s", PASSWORD)
    logger.debug('Retrying due to "no" for user "reader_7f3a"')
    logger.warning("No answer from %s", "a host")
    assert_no_secret(log())
    assert 'Retrying due to "no" for user "***"' in log()
    assert "No answer from a host" in log()


def test_record__of_anybody_else_is_left_alone(google: Google, log: Callable[[], str]) -> None:
    logging.getLogger("googly").debug("shown %s", "whole", extra={"request": "too"})
    assert "shown whole" in log()
    assert "'request': 'too'" in log()


def test_clients__made_often_filter_once(google: Google) -> None:
    before = list(logging.getLogger(GOOGLES[0]).filters)
    make_google()
    assert logging.getLogger(GOOGLES[0]).filters == before
    assert before


def test_threads__that_read_secrets_at_once_leave_debug_on(
    config: Config, log: Callable[[], str]
) -> None:
    began, overlapped, ended = Event(), Event(), Event()
    first, second = make_google(), make_google()
    first.secrets.access_secret_version.side_effect = _meeting(began, overlapped)
    second.secrets.access_secret_version.side_effect = _meeting(overlapped, ended)
    threads = [Thread(target=read_credential, args=(google, config)) for google in (first, second)]
    threads[0].start()
    assert began.wait(60)
    threads[1].start()
    threads[0].join(60)
    ended.set()
    threads[1].join(60)
    assert logging.getLogger("any").isEnabledFor(logging.DEBUG)


def _meeting(here: Event, awaited: Event) -> Callable[..., Any]:
    """Reads a secret while another reads one, from before its end until after it."""
    access = secret_versions()

    def meet(**request: Any) -> Any:
        here.set()
        assert awaited.wait(60)
        return access(**request)

    return meet


def test_requests__are_told_in_a_line_without_what_they_carry(google: Google) -> None:
    told: list[str] = []
    http, rpc = logging.getLogger("urllib3.connectionpool"), logging.getLogger(GOOGLES[2])
    with requests_told(told.append):
        http.debug(
            '%s "%s %s %s" %s %s', "http://a:1", "GET", f"/v1/x?key={PASSWORD}", "HTTP/1.1", 200, 9
        )
        http.debug("Starting new HTTP connection (%d): %s", 1, "a")
        rpc.debug("Sending request for /google.x.Y/Get", extra={"request": PASSWORD})
        rpc.debug(PASSWORD)
    http.debug('%s "%s %s %s" %s %s', "http://a:1", "GET", "/late", "HTTP/1.1", 200, 9)
    assert told == ["GET http://a:1/v1/x: 200", "gRPC /google.x.Y/Get"]


def test_requests__are_told_beside_the_warnings_and_leave_the_loggers_as_they_were(
    log: Callable[[], str],
) -> None:
    loggers = [logging.getLogger(name) for name in ("google", "urllib3.connectionpool")]
    before = [(each.level, each.propagate, list(each.handlers)) for each in loggers]
    with requests_told(pytest.fail):
        assert [each.propagate for each in loggers] == [False, False]
        loggers[1].warning("Retrying after %s", "a fault")
    assert "Retrying after a fault" in log()
    assert [(each.level, each.propagate, list(each.handlers)) for each in loggers] == before


@pytest.mark.parametrize("name", ["grpc._some_part", "grpc._plugin_wrapping"])
def test_record__of_grpc_is_dropped_with_a_traceback_only(google: Google, name: str) -> None:
    logger = logging.getLogger(name)
    keep_messages_unlogged()
    record = logging.makeLogRecord({"name": name, "msg": "no"})
    assert logger.filter(record)
    record.exc_info = (ValueError, ValueError("no"), None)
    assert not logger.filter(record)
    record.name = "grpcio"
    assert logging.getLogger("grpcio").filter(record)


def test_record__of_what_grpc_imports_late_has_its_filter_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = "grpc._plugin_wrapping"
    known = {name: it for name, it in logging.root.manager.loggerDict.items() if name != late}
    monkeypatch.setattr(logging.root.manager, "loggerDict", known)
    keep_messages_unlogged()
    assert logging.getLogger(late).filters
