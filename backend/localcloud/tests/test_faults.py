"""Faults on request: that they hit what they are for, and look on the wire as the real ones do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest
import requests
from google.api_core.exceptions import Forbidden
from urllib3.exceptions import IncompleteRead, ProtocolError

from backend.localcloud.http.call import Call
from backend.localcloud.http.faults import EVERY_TIME, Broken, Fault, Faults, Kind, kinds
from backend.localcloud.http.names import project_number
from backend.localcloud.http.web import HOST
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PARENT, PROJECT, GoogleClients, Send
from backend.localcloud.tests.test_server import CALLS

DATASETS = f"/bigquery/v2/projects/{PROJECT}/datasets"
BODY = {"datasetReference": {"datasetId": "d"}}
NUMBER = project_number(PROJECT)


@pytest.fixture(autouse=True)
def leave_no_fault(cloud: LocalCloud) -> Iterator[None]:
    yield
    cloud.faults.clear()


def there(cloud: LocalCloud) -> bool:
    return cloud.bigquery.datasets.location(PROJECT, "d") is not None


# Which request


def test_fault__hits_the_nth_request_that_matches(cloud: LocalCloud, send: Send) -> None:
    fault = Fault(kind=Kind.UNAVAILABLE, method="GET", path=r"/datasets$", nth=2)
    cloud.faults.add(fault)
    send("GET", f"{DATASETS}/other")
    send("POST", DATASETS, json=BODY)
    statuses = [send("GET", DATASETS).status_code for _ in range(3)]
    assert statuses == [200, 503, 200]
    assert cloud.faults.hits == [fault]


def test_fault__can_hit_several_times_or_every_time(cloud: LocalCloud, send: Send) -> None:
    cloud.faults.add(Fault(kind=Kind.UNAVAILABLE, nth=2, times=2))
    assert [send("GET", DATASETS).status_code for _ in range(4)] == [200, 503, 503, 200]
    cloud.faults.add(Fault(kind=Kind.INTERNAL, times=EVERY_TIME))
    assert [send("GET", DATASETS).status_code for _ in range(3)] == [500] * 3


def test_faults__count_each_by_itself(cloud: LocalCloud, send: Send) -> None:
    cloud.faults.add(Fault(kind=Kind.UNAVAILABLE, nth=1))
    cloud.faults.add(Fault(kind=Kind.INTERNAL, nth=2))
    assert [send("GET", DATASETS).status_code for _ in range(3)] == [503, 500, 200]


def test_faults__are_forgotten_by_a_reset(cloud: LocalCloud, send: Send) -> None:
    cloud.faults.add(Fault(kind=Kind.UNAVAILABLE, times=EVERY_TIME))
    assert send("GET", DATASETS).status_code == 503
    cloud.reset()
    assert send("GET", DATASETS).status_code == 200
    assert cloud.faults.hits == []


def test_faults__forgotten_while_a_request_meets_one_hold_nobody() -> None:
    faults, fault = Faults(), Fault(kind=Kind.HANG)
    faults.add(fault)
    assert faults.take(Call("GET", "/", "", [], {}, b"")) == fault
    faults.clear()
    reply = faults.reply(fault, "bigquery.googleapis.com", NUMBER, {})
    assert reply.released.done()
    faults.clear()


def test_broken_reply__may_be_released_by_several_at_once() -> None:
    class Late(Future[None]):
        """To whoever asks it is not done yet, and somebody else is quicker."""

        def done(self) -> bool:
            return False

    reply = Broken(Kind.HANG, {}, after_effect=False, released=Late())
    for _ in range(2):
        reply.release()
    assert reply.released.result(0) is None


@contextmanager
def answered(cloud: LocalCloud) -> Iterator[threading.Event]:
    """Set when a request is done, whatever is sent then."""
    event = threading.Event()

    def watch(call: object, done: bool) -> None:
        if done:
            event.set()

    cloud.watchers.append(watch)
    try:
        yield event
    finally:
        cloud.watchers.remove(watch)


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("kind", kinds("rest"))
def test_fault__comes_before_the_effect_or_after_it(
    cloud: LocalCloud, kind: Kind, after_effect: bool
) -> None:
    cloud.faults.add(Fault(kind=kind, method="POST", after_effect=after_effect))
    # What hangs does so until then: whoever gives up before may be gone before it is read.
    cloud.watchers.append(lambda _, done: cloud.faults.clear() if done else None)
    try:
        ok = requests.post(cloud.endpoint + DATASETS, json=BODY, timeout=60).ok
    except requests.RequestException:
        ok = False
    assert ok is (kind is Kind.EMPTY)
    assert there(cloud) is after_effect
    (request,) = cloud.requests
    assert request.fault is not None
    assert (request.body, request.writes) == (BODY, after_effect)


def test_fault__on_a_request_that_is_not_done_is_a_501(cloud: LocalCloud, send: Send) -> None:
    cloud.faults.add(Fault(kind=Kind.UNAVAILABLE))
    assert send("GET", "/nowhere").status_code == 501


# Google's JSON


STATUSES = [kind for kind in Kind if kind.isdigit()]


@pytest.mark.parametrize("kind", STATUSES)
def test_status__is_googles_json(cloud: LocalCloud, send: Send, kind: Kind) -> None:
    cloud.faults.add(Fault(kind=kind))
    answer = send("GET", DATASETS)
    assert answer.status_code == answer.json()["error"]["code"] == int(kind)
    assert cloud.requests[-1].status == int(kind)


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.SERVICE_DISABLED, "SERVICE_DISABLED"),
        (Kind.PERMISSION_DENIED, "IAM_PERMISSION_DENIED"),
        (Kind.BILLING_DISABLED, "BILLING_DISABLED"),
        (Kind.LEGACY, None),
    ],
)
def test_refusal__has_its_reason(
    cloud: LocalCloud, google: GoogleClients, service: str, kind: Kind, reason: str | None
) -> None:
    cloud.faults.add(Fault(kind=kind))
    with pytest.raises(Forbidden) as raised:
        CALLS[service](google)
    assert raised.value.reason == reason


def test_refusal__of_billing_names_service_and_project(
    cloud: LocalCloud, google: GoogleClients
) -> None:
    cloud.faults.add(Fault(kind=Kind.BILLING_DISABLED))
    with pytest.raises(Forbidden, match=f"enable billing on project #{NUMBER}") as raised:
        google.bigquery.get_dataset("d")
    service = {"service": "bigquery.googleapis.com", "consumer": f"projects/{NUMBER}"}
    assert raised.value.metadata == service


def test_refusal__for_want_of_a_permission_names_it(
    cloud: LocalCloud, google: GoogleClients
) -> None:
    cloud.faults.add(Fault(kind=Kind.PERMISSION_DENIED))
    with pytest.raises(Forbidden, match="denied on resource") as raised:
        google.bigquery.get_dataset("d")
    assert raised.value.metadata == {"permission": "bigquery.datasets.get"}
    assert raised.value.domain == "iam.googleapis.com"


def test_refusal__in_the_older_form_has_one_reason_and_no_details(
    cloud: LocalCloud, send: Send
) -> None:
    cloud.faults.add(Fault(kind=Kind.LEGACY))
    error = send("GET", DATASETS).json()["error"]
    assert error.keys() == {"code", "message", "errors"}
    (entry,) = error["errors"]
    assert (entry["domain"], entry["reason"]) == ("usageLimits", "accessNotConfigured")


# The wire


def ask(cloud: LocalCloud) -> socket.socket:
    """A connection on which a request has been sent."""
    connection = socket.create_connection((HOST, cloud.port), timeout=60)
    connection.sendall(f"GET {DATASETS} HTTP/1.1\r\nHost: {HOST}:{cloud.port}\r\n\r\n".encode())
    return connection


def test_reset__is_one_of_the_connection(cloud: LocalCloud) -> None:
    cloud.faults.add(Fault(kind=Kind.RESET))
    with ask(cloud) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert cloud.requests[-1].status == 0


def test_reset__takes_no_other_connection_with_it(cloud: LocalCloud, send: Send) -> None:
    assert send("GET", DATASETS).ok
    cloud.faults.add(Fault(kind=Kind.RESET))
    with ask(cloud) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert send("GET", DATASETS).ok


def test_truncated__promises_more_than_comes(cloud: LocalCloud) -> None:
    cloud.faults.add(Fault(kind=Kind.TRUNCATED, after_effect=True))
    with ask(cloud) as connection:
        reply = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = reply.partition(b"\r\n\r\n")
    whole = len(json.dumps({"kind": "bigquery#datasetList", "etag": '"0"'}))
    assert f"content-length: {whole}".encode() in head
    assert len(body) == whole // 2


def test_truncated__is_what_requests_calls_incomplete(cloud: LocalCloud, send: Send) -> None:
    cloud.faults.add(Fault(kind=Kind.TRUNCATED))
    with pytest.raises(requests.exceptions.ChunkedEncodingError) as raised:
        send("GET", DATASETS)
    (error,) = raised.value.args
    assert isinstance(error, ProtocolError)
    assert isinstance(error.args[1], IncompleteRead)


def test_html__is_a_page_and_no_json(cloud: LocalCloud, send: Send) -> None:
    cloud.faults.add(Fault(kind=Kind.HTML))
    answer = send("GET", DATASETS)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=UTF-8")
    assert answer.text.startswith("<!DOCTYPE html>")
    assert cloud.requests[-1].status == 502


# Hanging


def test_hang__lasts_until_the_client_gives_up(cloud: LocalCloud, send: Send) -> None:
    cloud.faults.add(Fault(kind=Kind.HANG))
    with answered(cloud) as hit, ask(cloud) as connection:
        assert hit.wait(60)
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert send("GET", DATASETS).ok
    assert [request.status for request in cloud.requests] == [0, 200]


def test_hang__ends_when_the_faults_are_cleared(cloud: LocalCloud) -> None:
    cloud.faults.add(Fault(kind=Kind.HANG))
    with answered(cloud) as hit, ask(cloud) as connection:
        assert hit.wait(60)
        cloud.faults.clear()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_hang__does_not_keep_the_stand_in_from_stopping() -> None:
    with LocalCloud() as other, answered(other) as hit:
        other.faults.add(Fault(kind=Kind.HANG))
        connection = ask(other)
        assert hit.wait(60)
    with connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_hang__of_many_holds_no_worker(cloud: LocalCloud, send: Send) -> None:
    cloud.faults.add(Fault(kind=Kind.HANG, method="GET", times=EVERY_TIME))
    connections = [ask(cloud) for _ in range(40)]
    assert send("POST", f"/v1/{PARENT}/dataSources/scheduled_query:checkValidCreds", json={}).ok
    for connection in connections:
        connection.close()
