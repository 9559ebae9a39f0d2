"""What a contestant is told to do, and the DuckDB file that it fills.

With what tells whether all filled it alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from backend.forecasting.training_table import COLUMNS, TIME_COLUMN
from bench.data import Window, read_sql, windowed

# Without a time zone: DuckDB needs an extension for those, and all of these are UTC.
TYPES = {"STRING": "VARCHAR", "TIMESTAMP": "TIMESTAMP", "FLOAT64": "DOUBLE"}
NUMBERS = tuple(column.name for column in COLUMNS if column.type == "FLOAT64")
# Views of the queries below, for the contestants that read only tables and views.
SOURCE_VIEW, MENTIONS_VIEW, EVENTS_VIEW = "source_query", "window_mentions", "window_events"


@dataclass(frozen=True, kw_only=True)
class Job:
    """Where to read, which days, and which DuckDB file to fill with the table `training`.

    `aggregate` is the product's own source query: a contestant's process does without Django.
    """

    uri: str = field(repr=False)
    window: Window
    target: Path
    aggregate: str

    @property
    def mentions(self) -> str:
        return windowed(MENTIONS_VIEW, self.window)

    @property
    def events(self) -> str:
        return windowed(EVENTS_VIEW, self.window)


@contextmanager
def open_target(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The file, opened; what was done to it is on disk when the block ends."""
    connection = duckdb.connect(str(path))
    try:
        yield connection
    finally:
        connection.close()


def store_arrow(connection: duckdb.DuckDBPyConnection, rows: Any) -> None:
    """Stores rows in Arrow, aggregated already, as the table `training`."""
    connection.register("extracted", rows)
    store_relation(connection, "extracted")


def store_relation(connection: duckdb.DuckDBPyConnection, relation: str) -> None:
    """Stores a relation of aggregated rows as the table `training`."""
    columns = ", ".join(_as_stored(column.name, TYPES[column.type]) for column in COLUMNS)
    connection.execute(f"CREATE TABLE training AS SELECT {columns} FROM {relation}")  # noqa: S608  # nosec


def aggregate_arrow(connection: duckdb.DuckDBPyConnection, mentions: Any, events: Any) -> None:
    """Aggregates mentions and events in Arrow into the table `training`."""
    connection.register("mentions", mentions)
    connection.register("events", events)
    connection.execute(read_sql("local_aggregate", mentions="mentions", events="events"))


def digest(path: Path) -> tuple[float, ...]:
    """The rows of `training`, and of each number how many there are and their sum."""
    numbers = ", ".join(f"count({name}), coalesce(sum({name}), 0)" for name in NUMBERS)
    with open_target(path) as connection:
        query = (
            f"SELECT count(*), count(DISTINCT (entity_id, mentioned_at)), {numbers} FROM training"  # noqa: S608
        )
        return tuple(float(value) for value in connection.execute(query).fetchone() or ())


def _as_stored(name: str, kind: str) -> str:
    # A timestamp with a time zone counts microseconds in UTC, whatever zone it is shown in.
    value = f"make_timestamp(epoch_us({name}))" if name == TIME_COLUMN else f"{name}::{kind}"
    return f"{value} AS {name}"
