"""Queries that read only, bounded in bytes and time."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from google.cloud import bigquery

from .clients import Clients

MAX_BYTES_BILLED = 200 * 10**9
"""The most that one query may bill: twice the largest table that Vertex AI takes."""

WAIT_SECONDS = 300.0
_TYPES = {date: "DATE", int: "INT64", str: "STRING"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The rows of a query, and the bytes that it processed where Google says how many."""

    rows: list[dict[str, Any]]
    bytes_processed: int | None


def run_query(
    clients: Clients, sql: str, *, bounded: bool = True, **parameters: date | int | str
) -> Answer:
    """The answer to a query with these parameters. Raises what google-cloud-bigquery raises.

    `bounded` is off for federated queries, which refuse a limit on bytes
    (federated-queries-intro, limitations).
    """
    given = [
        bigquery.ScalarQueryParameter(name, _TYPES[type(value)], value)
        for name, value in parameters.items()
    ]
    job_config = bigquery.QueryJobConfig(query_parameters=given)
    if bounded:
        job_config.maximum_bytes_billed = MAX_BYTES_BILLED
    rows = clients.surely(
        lambda: clients.bigquery.query_and_wait(
            sql, job_config=job_config, **clients.querying(WAIT_SECONDS)
        )
    )
    return Answer(
        rows=[dict(row.items()) for row in rows], bytes_processed=rows.total_bytes_processed
    )
