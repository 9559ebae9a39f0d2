"""The DuckDB engine under bqemulator, a cursor for each piece of work.

With interpreter.py, emulator.py and catalog.py one of the four modules that reach into private
parts of bqemulator, which has no place to hook into: its server opens two ports and one shared
DuckDB connection, its scripts know no ASSERT, and nothing runs between parsing a statement and
executing it. Its version is pinned in requirements-local.txt for that reason.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import duckdb
from bqemulator.config import Settings
from bqemulator.domain.errors import (
    AlreadyExistsError,
    DomainError,
    InvalidQueryError,
    NotFoundError,
    UnsupportedFeatureError,
)
from bqemulator.storage.engine import DuckDBEngine

from backend.localcloud.googlesql.text import position
from backend.localcloud.http.errors import AlreadyExists, CloudError, NotDone, NotFound

SPATIAL = "spatial.duckdb_extension"


@dataclass
class Work:
    """What runs right now in this context: its DuckDB cursor, and what to do around statements.

    `before` is given each statement and returns the text to run in its place; `finished` is told
    of each statement that ran.
    """

    cursor: duckdb.DuckDBPyConnection
    job: str = ""
    before: Callable[[Work, str], str] = lambda work, sql: sql
    finished: Callable[[str], None] = lambda sql: None

    def prepare(self, sql: str) -> str:
        """The text to run for a statement."""
        with domain_errors():
            return self.before(self, sql)


DOMAIN_ERRORS: dict[type[CloudError], type[DomainError]] = {
    NotFound: NotFoundError,
    AlreadyExists: AlreadyExistsError,
    NotDone: UnsupportedFeatureError,
}
NULL_IN_REQUIRED = re.compile(r"NOT NULL constraint failed: \S+\.(\S+)")

UNKNOWN_COLUMN = re.compile(r'Referenced column "(\w+)" (?:was )?not found')
MERGE_ON_FALSE = re.compile(r"(\AMERGE INTO \S+ AS (\w+) USING \w+ AS (\w+)) ON FALSE\b")
RAISED = re.compile(r"^Query execution failed: Invalid Input Error: ")

current: ContextVar[Work | None] = ContextVar("work", default=None)


class Engine(DuckDBEngine):
    """bqemulator's engine with a cursor for each piece of work instead of one connection.

    Statements run one after the other: DuckDB refuses concurrent writers of one table, where
    BigQuery queues them.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.turn = threading.RLock()

    async def start(self) -> None:
        """Open the database with the packaged spatial extension: no network, no home directory."""
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("SET autoinstall_known_extensions = false")
        self._connection.execute(f"LOAD '{_spatial_path()}'")
        self._apply_session_pragmas()
        self._ensure_catalog_schema()
        self._register_builtin_udfs()
        self._started = True

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        work = current.get()
        return work.cursor if work else super().connection

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same database."""
        assert self._connection is not None  # noqa: S101 (the emulator starts it first)
        cursor = self._connection.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        return cursor

    def execute(self, sql: str, parameters: list[Any] | None = None) -> duckdb.DuckDBPyConnection:
        with self.turn:
            return super().execute(without_nested_loop(sql), parameters)

    @contextlib.asynccontextmanager
    async def write_lock(self) -> AsyncIterator[None]:
        """The same turn: each request has an event loop of its own, so a thread may block."""
        with self.turn:
            yield


def without_nested_loop(sql: str) -> str:
    """A MERGE of a temporary table ON FALSE, so put that DuckDB does not compare all rows with all.

    Its time is linear then, as BigQuery's is. Row numbers are not negative: no two rows match.
    """
    return MERGE_ON_FALSE.sub(r"\1 ON \2.rowid = -1 - \3.rowid", sql)


def _spatial_path() -> str:
    package = importlib.resources.files("duckdb_extension_spatial")
    return str(package / "extensions" / f"v{duckdb.__version__}" / SPATIAL)


@contextlib.contextmanager
def domain_errors() -> Iterator[None]:
    """Turn the stand-in's refusals into bqemulator's, which its scripts can catch."""
    try:
        yield
    except CloudError as error:
        kind = DOMAIN_ERRORS.get(type(error), InvalidQueryError)
        raise kind(error.message, location=error.location or None) from error


@contextlib.contextmanager
def bigquery_errors(sql: str) -> Iterator[None]:
    """Say as BigQuery does what DuckDB says its own way about `sql`."""
    try:
        yield
    except InvalidQueryError as error:
        message = _bigquery_message(error.message, sql)
        if message == error.message:
            raise
        raise InvalidQueryError(message, location=error.location) from error


def _bigquery_message(message: str, sql: str) -> str:
    if match := NULL_IN_REQUIRED.search(message):
        return f"Required field {match[1]} cannot be null"
    if match := UNKNOWN_COLUMN.search(message):
        found = re.search(rf"\b{re.escape(match[1])}\b", sql, re.IGNORECASE)
        place = f" at {position(sql, found.start())}" if found else ""
        return f"Unrecognized name: {match[1]}{place}"
    return RAISED.sub("", message)
