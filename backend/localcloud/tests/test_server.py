"""The server itself: its life, its log, what it refuses, and requests that no client sends."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
import requests
from google.api_core.exceptions import Forbidden
from google.cloud.bigquery import Table
from google.cloud.bigquery_connection_v1.types import Connection

from backend.localcloud.bqemulator import engine
from backend.localcloud.http.errors import SERVICE_TITLES
from backend.localcloud.http.names import project_number
from backend.localcloud.http.web import HOST, WebServer
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import (
    PARENT,
    PROJECT,
    ConfigFactory,
    GoogleClients,
    Query,
    Send,
)

BIGQUERY = f"/bigquery/v2/projects/{PROJECT}"


def test_life__start_and_stop_leave_nothing() -> None:
    before = set(threading.enumerate())
    with LocalCloud() as cloud:
        answer = requests.get(f"{cloud.endpoint}{BIGQUERY}/datasets", timeout=60)
        assert answer.json()["kind"] == "bigquery#datasetList"
        port = cloud.port
    assert set(threading.enumerate()) - before == set()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=60)
    cloud.stop()


def test_life__can_start_again() -> None:
    cloud = LocalCloud(secrets={"A": "b"})
    for _ in range(2):
        with cloud:
            assert requests.get(f"{cloud.endpoint}{BIGQUERY}/datasets", timeout=60).ok


def test_watchers__see_each_request_before_and_after_its_effect(
    cloud: LocalCloud, google: GoogleClients
) -> None:
    seen: list[tuple[str, bool, bool]] = []

    def watch(call: Any, done: bool) -> None:
        there = cloud.bigquery.datasets.location(PROJECT, "watched") is not None
        seen.append((call.method, done, there))

    cloud.watchers.append(watch)
    try:
        google.bigquery.create_dataset("watched")
    finally:
        cloud.watchers.remove(watch)
    assert seen == [("POST", False, False), ("POST", True, True)]


def test_life__a_port_in_use_is_an_error(cloud: LocalCloud) -> None:
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="in use"):
        LocalCloud(port=cloud.port).start()
    assert set(threading.enumerate()) - before == set()


def test_life__stop_does_not_wait_for_a_query(
    make_connection: Callable[..., Connection], cloud: LocalCloud
) -> None:
    """Which takes longer than any test may."""
    with LocalCloud(sql_instances=cloud.sql_instances) as other:
        make_connection()
        other.connections.items.update(cloud.connections.items)
        sql = "SELECT * FROM EXTERNAL_QUERY('us-central1.pg', 'SELECT pg_sleep(600)::text AS a')"
        body = {"query": sql, "useLegacySql": False, "location": "us-central1", "timeoutMs": 1}
        answer = requests.post(f"{other.endpoint}{BIGQUERY}/queries", json=body, timeout=60)
        assert answer.json()["jobComplete"] is False


def test_life__stop_closes_a_connection_that_its_client_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backend.localcloud.http.web.GRACE_SECONDS", 0)
    server = WebServer(0, lambda call: (200, "x" * 2**24))
    server.start()
    with socket.create_connection((HOST, server.port), timeout=60) as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode())
        assert client.recv(1) == b"H"
        server.stop()
        read = sum(iter(lambda: len(client.recv(2**20)), 0))
    assert 0 < read < 2**24


def test_address__is_loopback_only(cloud: LocalCloud) -> None:
    """Another of this machine's own addresses stands for those that others reach."""
    assert cloud.endpoint == f"http://127.0.0.1:{cloud.port}"
    for endpoint in (cloud.endpoint.removeprefix("http://"), cloud.grpc_endpoint):
        port = int(endpoint.rpartition(":")[2])
        answers = [_connect(address, port) for address in ("127.0.0.1", "127.0.0.2")]
        assert (answers[0], answers[1] != 0) == (0, True)


def _connect(address: str, port: int) -> int:
    """0, or why not."""
    with socket.socket() as client:
        client.settimeout(60)
        # Else it could be given that very port, and reach itself.
        client.bind(("127.0.0.1", 0))
        return client.connect_ex((address, port))


def test_reset__is_as_after_the_start(
    cloud: LocalCloud,
    query: Query,
    google: GoogleClients,
    connection: Connection,
    table: Table,
    make_config: ConfigFactory,
) -> None:
    make_config()
    query("SELECT 1")
    cloud.disable_api("bigquery.googleapis.com")
    cloud.reset()
    assert cloud.requests == []
    assert list(google.bigquery.list_datasets()) == []
    assert list(google.bigquery.list_jobs()) == []
    assert list(google.connection.list_connections(parent=PARENT)) == []
    assert list(google.transfer.list_transfer_configs(parent=PARENT)) == []
    assert not cloud.clock.fixed


CALLS: dict[str, Callable[[GoogleClients], Any]] = {
    "bigquery.googleapis.com": lambda google: google.bigquery.get_dataset("d"),
    "bigqueryconnection.googleapis.com": lambda google: google.connection.get_connection(
        name=f"{PARENT}/connections/c"
    ),
    "bigquerydatatransfer.googleapis.com": lambda google: google.transfer.get_transfer_config(
        name=f"{PARENT}/transferConfigs/c"
    ),
    "secretmanager.googleapis.com": lambda google: google.secret.access_secret_version(
        name=f"projects/{PROJECT}/secrets/s/versions/latest"
    ),
}


@pytest.mark.parametrize("service", SERVICE_TITLES)
def test_disabled_api__answers_as_google_does(
    cloud: LocalCloud, google: GoogleClients, service: str
) -> None:
    cloud.disable_api(service)
    number = project_number(PROJECT)
    with pytest.raises(Forbidden, match=f"has not been used in project {number} before") as raised:
        CALLS[service](google)
    error = raised.value
    assert (error.reason, error.domain) == ("SERVICE_DISABLED", "googleapis.com")
    assert error.metadata["service"] == service
    assert error.metadata["consumer"] == f"projects/{number}"
    reasons = [entry["reason"] for entry in error.response.json()["error"]["errors"]]
    assert reasons == ["accessNotConfigured" if service.startswith("bigquery.") else "forbidden"]


def test_disabled_api__leaves_the_others_and_comes_back(
    cloud: LocalCloud, google: GoogleClients
) -> None:
    cloud.disable_api("bigqueryconnection.googleapis.com")
    assert list(google.bigquery.list_datasets()) == []
    cloud.enable_api("bigqueryconnection.googleapis.com")
    assert list(google.connection.list_connections(parent=PARENT)) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/projects/p/locations/l/connections/c/d"),
        ("PUT", f"/v1/{PARENT}/connections/c"),
        ("POST", f"{BIGQUERY}/datasets/d"),
        ("PATCH", f"{BIGQUERY}/datasets"),
        ("POST", f"{BIGQUERY}/datasets/d/routines"),
        ("POST", f"/v1/{PARENT}/transferConfigs/c:nope"),
        ("DELETE", f"/v1/projects/{PROJECT}/secrets/s"),
    ],
)
def test_unknown_request__answers_501_and_names_itself(send: Send, method: str, path: str) -> None:
    answer = send(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (501, "UNIMPLEMENTED")
    assert error["message"] == f"The local stand-in does not do {method} {path}"


@pytest.mark.parametrize(
    "path", [f"{BIGQUERY}/datasets", f"{BIGQUERY}/jobs", f"/v1/{PARENT}/connections"]
)
@pytest.mark.parametrize("body", [b"{", b"nope", b"\xff\xfe", b'"text"', b"[1]", b"null", b"{}"])
def test_malformed_body__is_a_bad_request(send: Send, path: str, body: bytes) -> None:
    answer = send("POST", path, data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)


@pytest.mark.parametrize(
    "path",
    [
        f"{BIGQUERY}/datasets?maxResults=many",
        f"/v1/{PARENT}/connections?pageSize=many",
        f"/v1/{PARENT}/connections?pageSize=1&pageToken=x",
        f"/v1/{PARENT}/transferConfigs?nope=1",
        f"/v1/{PARENT}/transferConfigs?pageSize=%00",
    ],
)
def test_malformed_query__is_a_bad_request(send: Send, path: str) -> None:
    assert send("GET", path).status_code == 400


def test_compressed_body__is_read(send: Send) -> None:
    body = gzip.compress(json.dumps({"datasetReference": {"datasetId": "d"}}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    made = send("POST", f"{BIGQUERY}/datasets", data=body, headers=headers)
    assert made.json()["id"] == f"{PROJECT}:d"


def test_garbage__does_not_stop_the_server(cloud: LocalCloud, send: Send) -> None:
    for garbage in (
        b"\x00\x01\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: 9\r\n",
    ):
        with socket.create_connection((HOST, cloud.port), timeout=60) as raw:
            raw.sendall(garbage)
    assert send("GET", f"{BIGQUERY}/datasets").ok


@pytest.mark.parametrize("announced", [(b"content-length", b"9"), (b"transfer-encoding", b"a")])
def test_request__whose_sender_hangs_up_in_the_middle_does_nothing(
    announced: tuple[bytes, bytes],
) -> None:
    """Nor is it taken for one without a body, which may ask for something else."""
    part = {"type": "http.request", "body": b"{", "more_body": True}
    receive, send = AsyncMock(side_effect=[part, {"type": "http.disconnect"}]), AsyncMock()
    server = WebServer(0, answer := Mock())
    host, kind = f"localhost:{server.port}".encode(), b"application/json"
    scope = {"type": "http", "method": "POST", "raw_path": b"/", "query_string": b""}
    headers = [(b"host", host), (b"content-type", kind), announced]
    with closing(server.socket):
        asyncio.run(server._app({**scope, "headers": headers}, receive, send))
    assert receive.await_count == 2
    assert (answer.mock_calls, send.mock_calls) == ([], [])


def test_log__has_each_request_in_order(cloud: LocalCloud, send: Send) -> None:
    send("GET", f"{BIGQUERY}/datasets?maxResults=5")
    send("POST", f"{BIGQUERY}/datasets", json={"datasetReference": {"datasetId": "d"}})
    send("GET", f"{BIGQUERY}/datasets/nope")
    first, second, third = cloud.requests
    assert (first.method, first.query, first.status) == ("GET", {"maxResults": "5"}, 200)
    assert second.body == {"datasetReference": {"datasetId": "d"}}
    assert (third.path, third.status) == (f"{BIGQUERY}/datasets/nope", 404)
    assert cloud.writes == [second]


def test_log__does_not_count_questions_as_writes(
    cloud: LocalCloud, send: Send, connection: Connection
) -> None:
    cloud.requests.clear()
    name = f"/v1/{PARENT}/connections/pg"
    send("POST", f"{name}:testIamPermissions", json={"permissions": ["a"]})
    send("POST", f"{name}:getIamPolicy", json={})
    send("POST", f"/v1/{PARENT}/dataSources/scheduled_query:checkValidCreds", json={})
    assert [request.status for request in cloud.requests] == [200, 200, 200]
    assert cloud.writes == []
    send("POST", f"{name}:setIamPolicy", json={"policy": {}})
    assert len(cloud.writes) == 1


def test_error__looks_like_googles(send: Send) -> None:
    error = send("GET", f"{BIGQUERY}/datasets/nope").json()["error"]
    message = f"Not found: Dataset {PROJECT}:nope"
    assert error == {
        "code": 404,
        "message": message,
        "status": "NOT_FOUND",
        "errors": [{"message": message, "domain": "global", "reason": "notFound"}],
    }


def test_project_number__is_the_same_everywhere() -> None:
    assert project_number("demo-project") == "121562304000"
    assert project_number("demo") != project_number("demo-project")
    assert len(project_number("p")) == 12


def test_output__is_silent(capfd: pytest.CaptureFixture[str], query: Query) -> None:
    query("SELECT 1")
    with pytest.raises(Exception, match="identifier"):
        query("DECLARE; nonsense((")
    assert capfd.readouterr() == ("", "")


def test_engine__starts_in_a_folder_with_an_apostrophe(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The folder of this project, or of somebody whose name has one."""
    packaged = Path(engine._spatial_path())
    (tmp_path / "o'brien").mkdir()
    moved = tmp_path / "o'brien" / packaged.name
    moved.symlink_to(packaged)
    monkeypatch.setattr(engine, "_spatial_path", lambda: str(moved))
    started = engine.Engine(cloud.bigquery.emulator.settings)
    asyncio.run(started.start())
    (row,) = started.execute("SELECT ST_ASTEXT(ST_POINT(1, 2))").fetchall()
    assert row == ("POINT (1 2)",)
    asyncio.run(started.stop())
