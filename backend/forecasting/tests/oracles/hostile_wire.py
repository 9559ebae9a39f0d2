"""A Google that answers what it should not: real clients, real parsing, replies tampered with."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import requests
from google.cloud.bigquery_connection_v1.types import Connection
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig, TransferRun
from google.cloud.secretmanager_v1.types import AccessSecretVersionResponse
from urllib3.exceptions import IncompleteRead, ProtocolError

from backend.forecasting.conf import Config
from backend.forecasting.sql.day_counts import COUNT, GREATEST, LEAST, OFF_SCALE, counted
from backend.forecasting.tests.support.clock import FastClock
from backend.forecasting.tests.support.factories import (
    NUMBER,
    PASSWORD,
    USER,
    http_response,
    make_connection,
    make_dataset,
    make_run,
    make_table,
    make_transfer,
    secret_reply,
)
from backend.forecasting.tests.support.snapshots import DATA
from backend.forecasting.training_table import DIMENSIONS

ENDPOINT = "http://127.0.0.1:9"

# What each request is answered with: method, path, a text of the body, the reply's name.
_ROUTES = (
    ("POST", r"/(queries|jobs)$", "EXTERNAL_QUERY", "probe"),
    ("POST", r"/(queries|jobs)$", "INFORMATION_SCHEMA.PARTITIONS", "partitions"),
    ("POST", r"/(queries|jobs)$", "_off_scale", "days"),
    ("POST", r"/(queries|jobs)$", "", "summary"),
    ("", r"/(queries|jobs)/", "", "summary"),
    ("GET", r"/serviceAccount$", "", "account"),
    ("", r"/datasets/\w+/tables", "", "table"),
    ("", r"/datasets", "", "dataset"),
    ("GET", r"/secrets/POSTGRES_USER/", "", "user"),
    ("GET", r"/secrets/POSTGRES_PASSWORD/", "", "password"),
    ("", r"/connections", "", "connection"),
    ("POST", r":startManualRuns$", "", "started"),
    ("POST", r":checkValidCreds$", "", "consent"),
    ("GET", r"/runs$", "", "runs"),
    ("GET", r"/runs/", "", "run"),
    ("GET", r"/transferConfigs$", "", "configs"),
    ("", r"/transferConfigs", "", "config"),
)


_QUERIES = ("probe", "partitions", "days", "summary")


ANY = "any"
"""In the place of a reply's name: every one of them."""

Failure = Callable[[FastClock, float], requests.Response]
"""In the place of a reply: told the clock, and the seconds that the client waits."""


class HostileWire:
    """Answers every request of this process, on a clock that nothing but waiting moves.

    `replies` holds JSON values, or text that is none; `pages` those that go before them, once each;
    `failures` what happens each time in their place.
    """

    def __init__(self, config: Config, clock: FastClock) -> None:
        self.healthy = healthy_replies(config)
        self.clock = clock
        self.restore()

    def restore(self) -> None:
        self.replies = copy.deepcopy(self.healthy)
        self.pages: dict[str, list[Any]] = {}
        self.failures: dict[str, Failure] = {}
        self.asked: list[str] = []
        self.writes: list[str] = []

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        path = str(request.url).partition("?")[0]
        body = request.body or b""
        text = body.decode() if isinstance(body, bytes) else body
        name = _name_of(str(request.method), path, text)
        self.asked.append(name)
        if failure := self.failures.get(name, self.failures.get(ANY)):
            return failure(self.clock, kwargs["timeout"])
        reply = self.pages[name].pop(0) if self.pages.get(name) else self.replies[name]
        # Google itself waits for a query that has not ended, before it answers.
        self.clock.sleep(10 if name in _QUERIES else 0)
        if request.method != "GET" and not re.search(r"/(queries|jobs)\b|:checkValidCreds$", path):
            self.writes.append(f"{request.method} {path}")
        content = reply if isinstance(reply, str) else json.dumps(reply)
        response: requests.Response = http_response(200, content, str(request.url))
        response.headers["Content-Type"] = "application/json; charset=UTF-8"
        response.request = request
        return response


def hang(clock: FastClock, timeout: float) -> requests.Response:
    clock.sleep(timeout)
    raise requests.exceptions.ReadTimeout("Read timed out.")


def busy(clock: FastClock, timeout: float) -> requests.Response:
    response: requests.Response = http_response(503, {"error": {"code": 503, "message": "busy"}})
    return response


def reset(clock: FastClock, timeout: float) -> requests.Response:
    raise requests.exceptions.ConnectionError(
        ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
    )


def truncate(clock: FastClock, timeout: float) -> requests.Response:
    raise requests.exceptions.ChunkedEncodingError(
        ProtocolError("Connection broken: IncompleteRead(9 bytes read)", IncompleteRead(9, 10))
    )


def _name_of(method: str, path: str, body: str) -> str:
    for wanted, pattern, text, name in _ROUTES:
        if method.startswith(wanted) and re.search(pattern, path) and text in body:
            return name
    raise AssertionError(f"{method} {path}")


def healthy_replies(config: Config) -> dict[str, Any]:
    """The replies of a pipeline that is as it should be, with a run that has just succeeded."""
    now = datetime.now(UTC)
    run = _json(TransferRun, make_run("SUCCEEDED", run_time=now, schedule_time=now, end_time=now))
    transfer = {**_json(TransferConfig, make_transfer(config)), "ownerInfo": {"email": "a@b.c"}}
    return {
        "account": {"email": f"bq-{NUMBER}@bigquery-encryption.iam.gserviceaccount.com"},
        "dataset": make_dataset()._properties,
        "table": make_table()._properties,
        "user": _json(
            AccessSecretVersionResponse, secret_reply("POSTGRES_USER", USER.encode(), version=3)
        ),
        "password": _json(
            AccessSecretVersionResponse,
            secret_reply("POSTGRES_PASSWORD", PASSWORD.encode(), version=7),
        ),
        "connection": _json(Connection, make_connection()),
        "config": transfer,
        "configs": {"transferConfigs": [transfer]},
        "run": run,
        "runs": {"transferRuns": [run]},
        "started": {"runs": [run]},
        "consent": {"hasValidCreds": True},
        "probe": _rows({"row_count": 0, "orphans": 0}),
        "partitions": _rows({"partition_id": f"{_day_before(now):%Y%m%d}", "row_count": 60}),
        "days": _rows(_counts(_day_before(now))),
        "summary": _rows(_summary(now.date())),
    }


def _json(message_class: Any, message: Any) -> Any:
    return json.loads(message_class.to_json(message, use_integers_for_enums=False))


def _summary(today: date) -> dict[str, Any]:
    """The row of data_summary.sql for a table that passes every check."""
    first, last = today - timedelta(days=90), today - timedelta(days=1)
    days = {"first_day": first, "last_day": last}
    return {**DATA, **days, **{f"usable_{name}": day for name, day in days.items()}}


def _day_before(now: datetime) -> date:
    return now.date() - timedelta(days=1)


def _counts(day: date) -> dict[str, Any]:
    """The row of day_counts.sql for a day on which every row has every dimension."""
    numbers = {COUNT: 60, OFF_SCALE: 0, LEAST: 10.0, GREATEST: 90.0}
    columns = {
        counted(column, what): number for column in DIMENSIONS for what, number in numbers.items()
    }
    return {"day": day, "row_count": 60, **columns}


def _rows(row: dict[str, Any]) -> dict[str, Any]:
    """A reply of jobs.query with one row."""
    types = {int: "INTEGER", float: "FLOAT", date: "DATE", str: "STRING"}
    fields = [{"name": name, "type": types[type(value)]} for name, value in row.items()]
    return {
        "kind": "bigquery#queryResponse",
        "schema": {"fields": fields},
        "jobReference": {"projectId": "demo-project", "jobId": "j", "location": "us-central1"},
        "queryId": "q",
        "jobComplete": True,
        "totalRows": "1",
        "totalBytesProcessed": "4096",
        "rows": [{"f": [{"v": str(value)} for value in row.values()]}],
    }


def places_of(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, from the whole inwards; of a list the first two only."""
    yield place
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value[:2])
    for key, item in inner:
        yield from places_of(item, (*place, key))


GONE = object()
"""Put in place of a value: nothing at all."""


def put(value: Any, place: tuple[Any, ...], junk: Any) -> Any:
    """The value with `junk` at a place."""
    if not place:
        return {} if junk is GONE else junk
    changed = copy.deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    if junk is GONE:
        del inner[place[-1]]
    else:
        inner[place[-1]] = junk
    return changed
