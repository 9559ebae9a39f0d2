"""That the documents are really asked: what is wrong in each of its ways is found."""

import dataclasses
from typing import Any

import pytest

from backend.forecasting.tests.oracles.discovery import Exchange, problems

GET_TABLE = Exchange(
    method="GET",
    url="http://127.0.0.1/bigquery/v2/projects/p/datasets/d/tables/t?prettyPrint=false",
    body=None,
    status=200,
    reply={"numRows": "7", "timePartitioning": {"type": "DAY", "expirationMs": "1"}},
)
CREATE_CONNECTION = Exchange(
    method="POST",
    url="http://127.0.0.1/v1/projects/p/locations/l/connections"
    "?connectionId=c&%24alt=json%3Benum-encoding%3Dint",
    body={"cloudSql": {"instanceId": "p:l:i", "type": 1}},
    status=200,
    reply={"name": "c", "hasCredential": True, "creationTime": "1700000000000"},
)
LIST_RUNS = Exchange(
    method="GET",
    url="http://127.0.0.1/v1/projects/p/locations/l/transferConfigs/c/runs?pageSize=9&states=2"
    "&states=RUNNING&runAttempt=LATEST",
    body=None,
    status=200,
    reply={"transferRuns": [{"state": "FAILED", "runTime": "2026-03-02T02:00:00Z"}]},
)
CREATE_TABLE = Exchange(
    method="POST",
    url="http://127.0.0.1/bigquery/v2/projects/p/datasets/d/tables",
    body={"tableReference": {"projectId": "p", "datasetId": "d", "tableId": "t"}},
    status=409,
    reply={"error": {"code": 409, "message": "Already Exists", "status": "ALREADY_EXISTS"}},
)


@pytest.mark.parametrize("exchange", [GET_TABLE, CREATE_CONNECTION, LIST_RUNS, CREATE_TABLE])
def test_documents__accept_what_is_right(exchange: Exchange) -> None:
    assert problems(exchange) == []


def changed(exchange: Exchange, **changes: Any) -> Exchange:
    return dataclasses.replace(exchange, **changes)


@pytest.mark.parametrize(
    ("exchange", "problem"),
    [
        (changed(GET_TABLE, url="http://127.0.0.1/v3/projects/p"), "no such method"),
        (changed(GET_TABLE, method="LIST"), "no such method"),
        (changed(GET_TABLE, url=GET_TABLE.url + "&what=1"), "unknown query parameter what=1"),
        (changed(GET_TABLE, url=GET_TABLE.url + "&$alt=proto"), "parameter $alt=proto"),
        (changed(GET_TABLE, url=GET_TABLE.url + "&key=1&key=2"), "key is given twice"),
        (changed(GET_TABLE, body={}), "takes no body"),
        (changed(GET_TABLE, reply={"rows": 7}), "reply.rows is unknown"),
        (changed(GET_TABLE, reply={"numRows": 7}), "reply.numRows is 7, not uint64"),
        (changed(GET_TABLE, reply={"numBytes": "many"}), 'numBytes is "many", not int64'),
        (changed(GET_TABLE, reply={"timePartitioning": {"expires": 1}}), "expires is unknown"),
        (changed(GET_TABLE, reply={"schema": {"fields": {}}}), "reply.schema.fields is no array"),
        (changed(GET_TABLE, reply={"schema": []}), "reply.schema is no object"),
        (changed(GET_TABLE, reply={"labels": {"a": True}}), "reply.labels.a is true, not string"),
        (changed(GET_TABLE, reply={"description": None}), "description is null, not string"),
        (changed(CREATE_CONNECTION, body={"hasCredential": True}), "hasCredential is read only"),
        (changed(CREATE_CONNECTION, body={"cloudSql": {"type": "PG"}}), 'type is "PG", not string'),
        (changed(CREATE_CONNECTION, body={"cloud_sql": {}}), "body.cloud_sql is unknown"),
        (changed(CREATE_CONNECTION, body=None), "body is no object"),
        (changed(LIST_RUNS, url=LIST_RUNS.url + "&states=ASLEEP"), 'states[0] is "ASLEEP"'),
        (changed(LIST_RUNS, url=LIST_RUNS.url.replace("=9", "=few")), 'pageSize is "few"'),
        (changed(LIST_RUNS, reply={"transferRuns": [{"state": 5}]}), "state is 5, not string"),
        (changed(LIST_RUNS, reply={"transferRuns": [{"runTime": "noon"}]}), "not google-datetime"),
        (changed(CREATE_TABLE, body={}), "body.tableReference is required"),
        (changed(CREATE_TABLE, body={**CREATE_TABLE.body, "numRows": "1"}), "numRows is read only"),
        (changed(CREATE_TABLE, reply={"error": {"code": 404}}), "error.code is 404"),
        (changed(CREATE_TABLE, reply={"error": {"code": "409"}}), 'error.code is "409", not int32'),
        (changed(CREATE_TABLE, reply={"oops": 1}), "the error reply has no error"),
        (changed(CREATE_TABLE, reply="<html>"), "the error reply has no error"),
    ],
)  # fmt: skip
def test_documents__refuse_what_is_wrong(exchange: Exchange, problem: str) -> None:
    assert any(problem in found for found in problems(exchange)), problems(exchange)
