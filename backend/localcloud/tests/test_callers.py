"""Whose requests are answered: programs on this machine, no web page that a browser has open."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
from collections.abc import Callable

import pytest
import requests

from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PARENT, PROJECT, Send

DATASETS = f"/bigquery/v2/projects/{PROJECT}/datasets"
SECRET = f"/v1/projects/{PROJECT}/secrets/POSTGRES_PASSWORD/versions/latest:access"
BODY = json.dumps({"datasetReference": {"datasetId": "d"}}).encode()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_host__of_this_machine_is_answered(cloud: LocalCloud, send: Send, host: str) -> None:
    assert send("GET", DATASETS, headers={"Host": f"{host}:{cloud.port}"}).ok


@pytest.mark.parametrize(
    "host",
    [
        "",
        "127.0.0.1",
        "localhost:1",
        "evil.example",
        "evil.example:{port}",
        "localhost.evil:{port}",
        "127.0.0.1:{port}.evil",
        "127.0.0.1:{port}@evil",
        "0.0.0.0:{port}",
    ],
)
def test_host__of_another_name_is_given_nothing(cloud: LocalCloud, send: Send, host: str) -> None:
    answer = send("GET", SECRET, headers={"Host": host.format(port=cloud.port)})
    assert answer.status_code in (400, 403)
    assert "payload" not in answer.text
    assert cloud.requests == []


def test_host__its_refusal_says_what_is_answered(cloud: LocalCloud, send: Send) -> None:
    answer = send("GET", SECRET, headers={"Host": "evil.example"})
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (403, "PERMISSION_DENIED")
    assert f"127.0.0.1:{cloud.port}" in error["message"]
    assert "'evil.example'" in error["message"]


def test_host__none_or_two_are_refused(cloud: LocalCloud) -> None:
    mine = f"Host: 127.0.0.1:{cloud.port}\r\n"
    for hosts in ("", mine + "Host: evil.example\r\n", "Host: evil.example\r\n" + mine):
        with socket.create_connection(("127.0.0.1", cloud.port), timeout=60) as raw:
            raw.sendall(f"GET {SECRET} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
        assert answer.split()[1] in (b"400", b"403")
        assert b"payload" not in answer


@pytest.mark.parametrize(
    "header",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example", "Connection": "Upgrade", "Upgrade": "websocket"},
        {"X-Forwarded-Host": "127.0.0.1:{port}"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"Via": "1.1 tunnel"},
    ],
)
def test_pages__are_refused(cloud: LocalCloud, send: Send, header: dict[str, str]) -> None:
    """Also what a tunnel brings along from elsewhere."""
    headers = {name: value.format(port=cloud.port) for name, value in header.items()}
    for answer in (
        send("GET", SECRET, headers=headers),
        send("POST", DATASETS, data=BODY, headers=headers | {"Content-Type": "application/json"}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, 403)
    assert cloud.requests == []


def test_pages__get_no_cors_header_ever(cloud: LocalCloud, send: Send) -> None:
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answers = [send("OPTIONS", DATASETS, headers=asking), send("OPTIONS", DATASETS)]
    answers += [send("GET", DATASETS), send("GET", "/nothing"), send("GET", SECRET)]
    assert [answer.status_code for answer in answers] == [403, 501, 200, 501, 200]
    for answer in answers:
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_address__typed_into_a_browser_is_answered(send: Send) -> None:
    assert send("GET", DATASETS, headers={"Sec-Fetch-Site": "none"}).ok


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "multipart/form-data; boundary=a",
        "multipart/related; boundary=a",
    ],
)
def test_body__of_another_type_is_refused(cloud: LocalCloud, send: Send, kind: str) -> None:
    answer = send("POST", DATASETS, data=BODY, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, 415)
    assert "application/json" in answer.json()["error"]["message"]
    assert cloud.requests == []


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8"])
def test_body__of_json_is_read(send: Send, kind: str) -> None:
    assert send("POST", DATASETS, data=BODY, headers={"Content-Type": kind}).ok


def test_upload__is_told_that_it_is_not_done(send: Send) -> None:
    headers = {"Content-Type": "multipart/related; boundary=a"}
    answer = send("POST", f"/upload{DATASETS}", data=b"--a--", headers=headers)
    assert answer.status_code == 501


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_no_body__needs_no_type(send: Send, method: str) -> None:
    assert send(method, f"{DATASETS}/d").status_code in (404, 501)


ZIPPED = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


@pytest.mark.parametrize(
    "body",
    [b"x", b"not gzip at all", gzip.compress(BODY)[:-9], gzip.compress(BODY)[:20]],
    ids=["a letter", "words", "cut off", "a head alone"],
)
def test_malformed_gzip__is_a_bad_request(send: Send, body: bytes) -> None:
    answer = send("POST", DATASETS, data=body, headers=ZIPPED)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert "gzip" in error["message"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_body__that_is_too_large_is_refused(
    monkeypatch: pytest.MonkeyPatch, send: Send, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr("backend.localcloud.http.reading.LARGEST_BODY", 1000)
    headers = {"Content-Type": "application/json"}
    headers |= {"Content-Encoding": "gzip"} if pack is gzip.compress else {}
    answer = send("POST", DATASETS, data=pack(b" " * 1001), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, 413)
    assert send("POST", DATASETS, data=pack(BODY), headers=headers).ok


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b'"\\ud800"'])
def test_body__that_python_stumbles_over_is_a_bad_request(send: Send, body: bytes) -> None:
    answer = send("POST", DATASETS, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


BIGQUERY = f"/bigquery/v2/projects/{PROJECT}"
LISTS = [
    f"{BIGQUERY}/datasets?maxResults=",
    f"{BIGQUERY}/datasets/d/tables?maxResults=",
    f"{BIGQUERY}/datasets/d/tables/t/data?maxResults=",
    f"{BIGQUERY}/datasets/d/tables/t/data?startIndex=",
    f"{BIGQUERY}/jobs?maxResults=",
    f"{BIGQUERY}/queries/j?maxResults=",
    f"{BIGQUERY}/queries/j?startIndex=",
    f"{BIGQUERY}/queries/j?timeoutMs=",
    f"/v1/{PARENT}/connections?pageSize=",
    f"/v1/{PARENT}/transferConfigs?pageSize=",
    f"/v1/projects/{PROJECT}/secrets?pageSize=",
    f"/v1/projects/{PROJECT}/secrets/POSTGRES_USER/versions?pageSize=",
]


@pytest.fixture
def something_to_list(send: Send) -> None:
    send("POST", DATASETS, json={"datasetReference": {"datasetId": "d"}})
    table = {"tableReference": {"tableId": "t"}, "schema": {"fields": [{"name": "a"}]}}
    table["schema"]["fields"][0]["type"] = "STRING"  # type: ignore[index]
    assert send("POST", f"{DATASETS}/d/tables", json=table).ok
    job = {"jobReference": {"jobId": "j", "location": "US"}}
    query = {"query": {"query": "SELECT 1", "useLegacySql": False}}
    assert send("POST", f"{BIGQUERY}/jobs", json=job | {"configuration": query}).ok


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("value", ["-1", "many", "1.5", "%C2%B2", "%00", "9" * 30])
@pytest.mark.usefixtures("something_to_list")
def test_numbers__that_are_none_are_bad_requests(send: Send, path: str, value: str) -> None:
    answer = send("GET", path + value)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400), answer.text


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.usefixtures("something_to_list")
def test_numbers__that_are_some_are_taken(send: Send, path: str) -> None:
    assert send("GET", path + "1").ok


def test_request__of_another_protocol_does_not_stop_the_server(send: Send) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    with contextlib.suppress(requests.ConnectionError):
        assert not send("GET", DATASETS, headers=headers | key).headers.get("Upgrade")
    assert send("GET", DATASETS).ok


def raw_answer(cloud: LocalCloud, request: str) -> str:
    """What is answered to a request as it stands; {port} is the stand-in's."""
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=60) as raw:
        raw.sendall(request.replace("{port}", str(cloud.port)).encode())
        return b"".join(iter(lambda: raw.recv(65536), b"")).decode()


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://evil.example", "127.0.0.1:{port}", 403),
        ("http://evil.example:{port}", "127.0.0.1:{port}", 403),
        ("http://127.0.0.1:{port}", "evil.example", 403),
        ("http://127.0.0.1:{port}", "127.0.0.1:{port}", 200),
    ],
)
def test_host__of_an_absolute_target_counts_too(
    cloud: LocalCloud, target: str, host: str, status: int
) -> None:
    head = f"GET {target}{SECRET} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    answer = raw_answer(cloud, head)
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert ("payload" in answer) == (status == 200)


@pytest.mark.parametrize("kinds", [("text/plain", "application/json"), ("application/json",) * 2])
def test_body__of_two_types_is_refused(cloud: LocalCloud, kinds: tuple[str, str]) -> None:
    types = "".join(f"Content-Type: {kind}\r\n" for kind in kinds)
    head = f"POST {DATASETS} HTTP/1.1\r\nHost: localhost:{{port}}\r\n{types}Connection: close\r\n"
    answer = raw_answer(cloud, f"{head}Content-Length: {len(BODY)}\r\n\r\n{BODY.decode()}")
    assert answer.startswith("HTTP/1.1 415 ")
    assert cloud.requests == []


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_body__packed_in_another_way_is_refused(send: Send, encoding: str) -> None:
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    assert send("POST", DATASETS, data=BODY, headers=headers).status_code == 415


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"query": ' + "[" * 900 + "]" * 900 + "}", "Message too deep"),
        ('{"query": "\\ud800", "useLegacySql": false}', "surrogates not allowed"),
        ('{"\\udfff": 1}', "surrogates not allowed"),
        ('{"query": 2, "useLegacySql": false}', "Invalid value at 'query' (TYPE_STRING), 2"),
        ('{"query": true, "useLegacySql": false}', "Invalid value at 'query' (TYPE_STRING), true"),
        ('{"query": null, "useLegacySql": false}', "Required parameter is missing: query"),
        (
            '{"query": "SELECT @a", "useLegacySql": false, "queryParameters": '
            '[{"name": "a", "parameterType": {"type": "ARRAY"}}]}',
            "Query parameter has no array element type",
        ),
    ],
)
def test_body__that_no_query_can_be_is_googles_400(send: Send, body: str, said: str) -> None:
    headers = {"Content-Type": "application/json"}
    path = f"/bigquery/v2/projects/{PROJECT}/queries"
    answer = send("POST", path, data=body, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert said in error["message"]
