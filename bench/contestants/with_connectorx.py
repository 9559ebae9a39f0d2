"""ConnectorX: queries into Arrow, aggregated in DuckDB where they were not before."""

from typing import Any

import connectorx

from bench.contestants.job import Job, aggregate_arrow, open_target, store_arrow


def load_aggregate(job: Job) -> None:
    rows = _read(job, job.aggregate)
    with open_target(job.target) as connection:
        store_arrow(connection, rows)


def load_mentions(job: Job) -> None:
    mentions, events = _read(job, job.mentions), _read(job, job.events)
    with open_target(job.target) as connection:
        aggregate_arrow(connection, mentions, events)


def _read(job: Job, query: str) -> Any:
    return connectorx.read_sql(job.uri, query, return_type="arrow")
