"""dlt's sql_table source into its DuckDB destination, with the backends that are quick."""

import os
import tempfile
from typing import Any
from urllib.parse import urlsplit

# Before the import, which reads it; nothing about a run is sent anywhere.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
from dlt.sources.sql_database import sql_table

from bench.contestants.job import (
    EVENTS_VIEW,
    MENTIONS_VIEW,
    SOURCE_VIEW,
    Job,
    open_target,
    store_relation,
)
from bench.data import read_sql

_RAW = "extracted"


def load_aggregate(job: Job, backend: str) -> None:
    _extract(job, [SOURCE_VIEW], backend)
    with open_target(job.target) as connection:
        store_relation(connection, f"{_RAW}.{SOURCE_VIEW}")


def load_mentions(job: Job, backend: str) -> None:
    _extract(job, [MENTIONS_VIEW, EVENTS_VIEW], backend)
    mentions, events = f"{_RAW}.{MENTIONS_VIEW}", f"{_RAW}.{EVENTS_VIEW}"
    with open_target(job.target) as connection:
        connection.execute(read_sql("local_aggregate", mentions=mentions, events=events))


def _address(uri: str) -> str:
    """The URI of a socket as SQLAlchemy takes it, with a driver that is here."""
    login, _, server = urlsplit(uri).netloc.rpartition("@")
    folder, _, port = server.rpartition(":")
    database = urlsplit(uri).path
    return f"postgresql+psycopg2://{login}@localhost:{port}{database}?host={folder}"


def _extract(job: Job, views: list[str], backend: str) -> None:
    """Views, because dlt asks for them where a column is a uuid or JSON."""
    with tempfile.TemporaryDirectory(dir=job.target.parent) as folder:
        os.environ["DLT_DATA_DIR"] = folder
        pipeline = dlt.pipeline(
            pipeline_name="benchmark",
            pipelines_dir=folder,
            # A dataset may not be called like the file.
            dataset_name=_RAW,
            destination=dlt.destinations.duckdb(str(job.target)),
        )
        pipeline.run([_table(job, view, backend) for view in views])


def _table(job: Job, view: str, backend: Any) -> Any:
    return sql_table(credentials=_address(job.uri), table=view, backend=backend, chunk_size=100_000)
