"""Queries that read only, bounded in bytes and time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.cloud import bigquery

from .clients import Clients

MAX_BYTES_BILLED = 200 * 10**9
"""The most that one query may bill: twice the largest table that Vertex AI takes."""

WAIT_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The rows of a query, and the bytes that it processed where Google says how many."""

    rows: list[dict[str, Any]]
    bytes_processed: int | None


def run_query(
    clients: Clients,
    sql: str,
    parameters: Iterable[bigquery.ScalarQueryParameter] = (),
    *,
    bounded: bool = True,
) -> Answer:
    """The answer to a query. Raises what google-cloud-bigquery raises.

    `bounded` is off for federated queries, which refuse a limit on bytes
    (federated-queries-intro, limitations).
    """
    job_config = bigquery.QueryJobConfig(query_parameters=list(parameters))
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
