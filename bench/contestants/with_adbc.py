"""ADBC: queries into Arrow by COPY, aggregated in DuckDB where they were not before."""

from typing import Any

from adbc_driver_postgresql import dbapi

from bench.contestants.job import Job, aggregate_arrow, open_target, store_arrow


def load_aggregate(job: Job) -> None:
    with (
        dbapi.connect(job.uri) as source,
        source.cursor() as cursor,
        open_target(job.target) as connection,
    ):
        cursor.execute(job.aggregate)
        # Batch by batch, so that the rows are never all in memory.
        store_arrow(connection, cursor.fetch_record_batch())


def load_mentions(job: Job) -> None:
    with dbapi.connect(job.uri) as source, open_target(job.target) as connection:
        aggregate_arrow(connection, _read(source, job.mentions), _read(source, job.events))


def _read(source: Any, query: str) -> Any:
    with source.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetch_arrow_table()
