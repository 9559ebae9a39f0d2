"""DuckDB's postgres scanner: PostgreSQL attached to the DuckDB file that is filled."""

import duckdb
import duckdb_extensions

from bench.contestants.job import Job, open_target, store_relation
from bench.data import read_sql


def load_aggregate(job: Job) -> None:
    with open_target(job.target) as connection:
        _attach(connection, job)
        query = job.aggregate.replace("'", "''")
        store_relation(connection, f"postgres_query('source', '{query}')")


def load_mentions(job: Job) -> None:
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
    # Brings the extension from its package, where LOAD would download it.
    duckdb_extensions.import_extension("postgres_scanner", connection)
    connection.execute("LOAD postgres_scanner")
    connection.execute(f"ATTACH '{job.uri}' AS source (TYPE postgres, READ_ONLY)")
