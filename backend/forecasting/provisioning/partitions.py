"""The days of the training table and their rows, from what BigQuery knows without reading it."""

from collections.abc import Iterator
from datetime import date, datetime

from google.api_core.exceptions import NotFound

from ..google.clients import Clients
from ..google.queries import run_query
from ..sql.queries import render_partitions


def rows_by_day(clients: Clients, table_id: str) -> Iterator[tuple[date, int]]:
    """Each day that has rows; none where there is no such table.

    Raises what google-cloud-bigquery raises.
    """
    table = table_id.rpartition(".")[2]
    try:
        rows = run_query(clients, render_partitions(table_id), table=table).rows
    except NotFound:
        rows = []
    for row in rows:
        yield datetime.strptime(row["partition_id"], "%Y%m%d").date(), row["row_count"]
