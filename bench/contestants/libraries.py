"""The ways to fill the table: the product's own query by COPY, and what each library does with it.

A library is imported inside, because another one's way must do without: it may not be installed,
and its memory counts. `registry` says which, so that it is imported before the time is taken.
"""

import os
import tempfile
import threading
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg2

from backend.forecasting.training_table import COLUMNS
from bench.contestants.job import (
    EVENTS_VIEW,
    MENTIONS_VIEW,
    SOURCE_VIEW,
    TYPES,
    Job,
    aggregate_arrow,
    open_target,
    store_arrow,
    store_relation,
)
from bench.data import read_sql

# Read when dlt is imported; nothing about a run is sent anywhere.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

_COPY = r"delim = '\t', nullstr = '\N', quote = '', escape = '', header = false"
_RAW = "extracted"


def copy_aggregate(job: Job) -> None:
    """This project's query by PostgreSQL's own COPY: DuckDB reads it from a pipe as it comes."""
    reading, writing = os.pipe()
    writer = threading.Thread(target=_write, args=(job, writing), name="copy")
    writer.start()
    columns = ", ".join(f"'{column.name}': '{TYPES[column.type]}'" for column in COLUMNS)
    with open_target(job.target) as connection:
        connection.execute(
            f"CREATE TABLE training AS SELECT * FROM read_csv('/dev/fd/{reading}', "  # noqa: S608  # nosec
            f"columns = {{{columns}}}, auto_detect = false, {_COPY})"
        )
    writer.join()
    os.close(reading)


def _write(job: Job, descriptor: int) -> None:
    with (
        os.fdopen(descriptor, "wb") as stream,
        closing(psycopg2.connect(job.uri, options="-c timezone=UTC")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.copy_expert(f"COPY ({job.aggregate}) TO STDOUT", stream)


def adbc_aggregate(job: Job) -> None:
    from adbc_driver_postgresql import dbapi

    with (
        dbapi.connect(job.uri) as source,
        source.cursor() as cursor,
        open_target(job.target) as connection,
    ):
        cursor.execute(job.aggregate)
        # Batch by batch, so that the rows are never all in memory.
        store_arrow(connection, cursor.fetch_record_batch())


def adbc_mentions(job: Job) -> None:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(job.uri) as source, open_target(job.target) as connection:
        aggregate_arrow(connection, *(_fetch(source, each) for each in (job.mentions, job.events)))


def _fetch(source: Any, query: str) -> Any:
    with source.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetch_arrow_table()


def connectorx_aggregate(job: Job) -> None:
    rows = _read(job, job.aggregate)
    with open_target(job.target) as connection:
        store_arrow(connection, rows)


def connectorx_mentions(job: Job) -> None:
    mentions, events = _read(job, job.mentions), _read(job, job.events)
    with open_target(job.target) as connection:
        aggregate_arrow(connection, mentions, events)


def _read(job: Job, query: str) -> Any:
    import connectorx

    return connectorx.read_sql(job.uri, query, return_type="arrow")


def duckdb_aggregate(job: Job) -> None:
    with open_target(job.target) as connection:
        _attach(connection, job)
        query = job.aggregate.replace("'", "''")
        store_relation(connection, f"postgres_query('source', '{query}')")


def duckdb_mentions(job: Job) -> None:
    """Reads the two tables with its own parallel scan, and joins them itself."""
    with open_target(job.target) as connection:
        _attach(connection, job)
        mentions = read_sql(
            "scanned_mentions", first_day=job.window.first_day, end_day=job.window.end_day
        )
        connection.execute(
            read_sql("local_aggregate", mentions=f"({mentions})", events="source.events_event")
        )


def _attach(connection: duckdb.DuckDBPyConnection, job: Job) -> None:
    import duckdb_extensions

    # Brings the extension from its package, where LOAD would download it.
    duckdb_extensions.import_extension("postgres_scanner", connection)
    connection.execute("LOAD postgres_scanner")
    connection.execute(f"ATTACH '{job.uri}' AS source (TYPE postgres, READ_ONLY)")


def dlt_aggregate(job: Job, backend: str) -> None:
    _extract(job, [SOURCE_VIEW], backend)
    with open_target(job.target) as connection:
        store_relation(connection, f"{_RAW}.{SOURCE_VIEW}")


def dlt_mentions(job: Job, backend: str) -> None:
    _extract(job, [MENTIONS_VIEW, EVENTS_VIEW], backend)
    mentions, events = f"{_RAW}.{MENTIONS_VIEW}", f"{_RAW}.{EVENTS_VIEW}"
    with open_target(job.target) as connection:
        connection.execute(read_sql("local_aggregate", mentions=mentions, events=events))


def _extract(job: Job, views: list[str], backend: Any) -> None:
    """Into DuckDB by dlt's `sql_table`; views, because it asks for them for a uuid or JSON."""
    import dlt
    from dlt.sources.sql_database import sql_table

    table = partial(sql_table, _address(job.uri), backend=backend, chunk_size=100_000)
    with tempfile.TemporaryDirectory(dir=job.target.parent) as folder:
        os.environ["DLT_DATA_DIR"] = folder
        pipeline = dlt.pipeline(
            pipeline_name="benchmark",
            pipelines_dir=folder,
            # A dataset may not be called like the file.
            dataset_name=_RAW,
            destination=dlt.destinations.duckdb(str(job.target)),
        )
        pipeline.run([table(table=view) for view in views])


def _address(uri: str) -> str:
    """The URI of a socket as SQLAlchemy takes it, with a driver that is here."""
    login, _, server = urlsplit(uri).netloc.rpartition("@")
    folder, _, port = server.rpartition(":")
    database = urlsplit(uri).path
    return f"postgresql+psycopg2://{login}@localhost:{port}{database}?host={folder}"
