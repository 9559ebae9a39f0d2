"""Every request over REST that the stand-in answers, and which service answers it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from backend.localcloud.http import discovery
from backend.localcloud.http.call import Call
from backend.localcloud.http.routes import Handler, Route
from backend.localcloud.http.rpc import Service

if TYPE_CHECKING:  # It needs bqemulator, which is imported when a stand-in starts.
    from backend.localcloud.bigquery.front import BigQuery

BIGQUERY = "bigquery.googleapis.com"


def table(bigquery: BigQuery, services: Iterable[Service], endpoint: str) -> list[Route]:
    """All routes; `endpoint` is where they are served, which the discovery documents say."""

    def discover(call: Call) -> Any:
        return discovery.document(call, endpoint)

    return [
        *_bigquery(bigquery),
        *(route for service in services for route in service.routes()),
        Route("GET", "/$discovery/rest", "", discover),
        Route("GET", "/discovery/v1/apis/{api}/{version}/rest", "", discover),
    ]


def _bigquery(bigquery: BigQuery) -> list[Route]:
    project = "/bigquery/v2/projects/{project}"
    datasets, jobs = f"{project}/datasets", f"{project}/jobs"
    dataset, tables = datasets + "/{dataset}", datasets + "/{dataset}/tables"
    one = tables + "/{table}"
    passed = bigquery.passthrough
    rows: list[tuple[str, str, Handler, bool, str]] = [
        ("GET", "/bigquery/v2/projects", bigquery.list_projects, False, ""),
        ("GET", project + "/serviceAccount", bigquery.service_account, False, ""),
        ("GET", datasets, bigquery.datasets.list, False, ""),
        ("POST", datasets, bigquery.datasets.insert, True, "bigquery.datasets.create"),
        ("GET", dataset, bigquery.datasets.get, False, "bigquery.datasets.get"),
        ("PATCH", dataset, bigquery.datasets.patch, True, "bigquery.datasets.update"),
        ("PUT", dataset, bigquery.datasets.update, True, "bigquery.datasets.update"),
        ("DELETE", dataset, bigquery.datasets.delete, True, "bigquery.datasets.delete"),
        ("GET", tables, bigquery.tables.list, False, "bigquery.tables.list"),
        ("POST", tables, bigquery.tables.insert, True, "bigquery.tables.create"),
        ("GET", one, bigquery.tables.get, False, "bigquery.tables.get"),
        ("PATCH", one, bigquery.tables.patch, True, "bigquery.tables.update"),
        ("PUT", one, bigquery.tables.update, True, "bigquery.tables.update"),
        ("DELETE", one, bigquery.tables.delete, True, "bigquery.tables.delete"),
        ("GET", one + "/data", bigquery.list_rows, False, "bigquery.tables.getData"),
        ("POST", one + "/insertAll", passed, True, "bigquery.tables.updateData"),
        ("GET", jobs, bigquery.list_jobs, False, ""),
        ("POST", jobs, bigquery.insert, False, ""),
        ("GET", jobs + "/{job}", bigquery.get, False, ""),
        ("POST", jobs + "/{job}/cancel", bigquery.cancel, True, ""),
        ("DELETE", jobs + "/{job}/delete", passed, True, ""),
        ("POST", project + "/queries", bigquery.query, False, ""),
        ("GET", project + "/queries/{job}", bigquery.results, False, ""),
        ("GET", dataset + "/routines", passed, False, ""),
        ("GET", dataset + "/models", passed, False, ""),
    ]
    return [Route(verb, path, BIGQUERY, do, w, need) for verb, path, do, w, need in rows]
