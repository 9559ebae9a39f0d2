"""The DuckDB engine under bqemulator, a cursor for each piece of work.

The modules of this package reach into private parts of bqemulator, which has no place to hook
into: its server opens two ports and one shared DuckDB connection, its scripts know no ASSERT, and
nothing runs between parsing a statement and executing it. Its version is pinned in
requirements-local.txt for that reason; nothing outside the package imports it.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import os
import re
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
from bqemulator.config import Settings
from bqemulator.storage.engine import DuckDBEngine, _annotate_with_duckdb_types

from backend.localcloud.bqemulator.changes import Change
from backend.localcloud.bqemulator.errors import domain_errors, memory_errors
from backend.localcloud.bqemulator.guard import Guard
from backend.localcloud.http.errors import ResourcesExceeded

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

SPATIAL = "spatial.duckdb_extension"
MEMORY_BYTES = min(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2, 8 * 2**30)
"""What all tables and queries have together: one query must not take all that a laptop has."""

RESULT_BYTES = 2**30
"""What one query may return."""

_BATCH_ROWS = 100_000
_VECTOR_ROWS = 2048  # DuckDB's STANDARD_VECTOR_SIZE.
# In this order: the last two make the others final, for every cursor.
LOCKED = (
    "TimeZone = 'UTC'",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "python_enable_replacements = false",
    "temp_directory = ''",
    "enable_external_access = false",
    "lock_configuration = true",
)


@dataclass
class Work:
    """What runs right now in this context: its DuckDB cursor, and what to do around statements.

    `functions` are those that DuckDB would find, `variables` those that the script has declared.
    `before` is given each statement and returns the text to run in its place; `finished` is told
    of each statement that ran, `committed` when what they changed is there to stay. `change` tells
    what a statement is about to change.
    """

    cursor: duckdb.DuckDBPyConnection
    functions: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    job: str = ""
    in_transaction: bool = False
    registered: int = 0
    before: Callable[[Work, str], str] = lambda work, sql: sql
    finished: Callable[[str], None] = lambda sql: None
    committed: Callable[[], None] = lambda: None
    change: Callable[[str], Change] = lambda sql: Change()

    def register(self, rows: pa.Table) -> str:
        """Make rows a relation that this work's statements can name; its name."""
        self.registered += 1
        name = f"{RELATION}_{self.registered}"
        self.cursor.register(name, rows)
        return name

    def prepare(self, sql: str) -> str:
        """The text to run for a statement."""
        with domain_errors():
            return self.before(self, sql)


RELATION = f"external_query_{uuid.uuid4().hex}"
"""How the names of relations begin: nobody can guess it, and the same text keeps its translation.
A relation belongs to its cursor."""

MERGE_ON_FALSE = re.compile(r"(\AMERGE INTO \S+ AS (\w+) USING \w+ AS (\w+)) ON FALSE\b")

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
        """Open the database, with the packaged spatial extension, and lock it."""
        self._connection = duckdb.connect(":memory:")
        self._connection.load_extension(_spatial_path())
        self._ensure_catalog_schema()
        self._register_builtin_udfs()
        self.guard = Guard(self._connection)
        for setting in (*bounds(), *LOCKED):
            self._connection.execute(f"SET GLOBAL {setting}")
        self._started = True

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        work = current.get()
        return work.cursor if work else super().connection

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same database."""
        assert self._connection is not None  # noqa: S101 (the emulator starts it first)
        return self._connection.cursor()

    def execute(self, sql: str, parameters: list[Any] | None = None) -> duckdb.DuckDBPyConnection:
        with self.turn, domain_errors(), memory_errors():
            self.guard.check(sql)
            return super().execute(without_nested_loop(sql), parameters)

    def fetch_arrow(self, sql: str, parameters: list[Any] | None = None) -> pa.Table:
        """What a query returns, as long as that is not more than fits."""
        with self.turn, domain_errors(), memory_errors():
            result = self.execute(sql, parameters)
            return _annotate_with_duckdb_types(_read(result), result.description)

    @contextlib.asynccontextmanager
    async def write_lock(self) -> AsyncIterator[None]:
        """The same turn: each thread has an event loop of its own, so it may block."""
        with self.turn:
            yield


def bounds() -> tuple[str, ...]:
    """The settings that leave something of the machine to everybody else."""
    threads = max((os.cpu_count() or 1) // 2, 1)
    return f"memory_limit = '{MEMORY_BYTES}B'", f"threads = {threads}"


def _read(result: duckdb.DuckDBPyConnection) -> pa.Table:
    import pyarrow as pa

    reader = result.to_arrow_reader(_BATCH_ROWS)
    batches, size = [], 0
    for batch in reader:
        size += batch.nbytes
        if size > RESULT_BYTES:
            raise ResourcesExceeded(size / RESULT_BYTES)
        batches.append(batch)
    table = pa.Table.from_batches(batches, reader.schema)
    return _copied(table) if table.num_rows < _VECTOR_ROWS else table


def _copied(table: pa.Table) -> pa.Table:
    """The same rows in memory of their size: DuckDB's has room for a vector in each column."""
    import pyarrow as pa

    rows = pa.BufferOutputStream()
    with pa.ipc.new_stream(rows, table.schema) as writer:
        writer.write_table(table)
    return pa.ipc.open_stream(rows.getvalue()).read_all()


def without_nested_loop(sql: str) -> str:
    """A MERGE of a temporary table ON FALSE, so put that DuckDB does not compare all rows with all.

    Its time is linear then, as BigQuery's is. Row numbers are not negative: no two rows match.
    """
    return MERGE_ON_FALSE.sub(r"\1 ON \2.rowid = -1 - \3.rowid", sql)


def _spatial_path() -> str:
    package = importlib.resources.files("duckdb_extension_spatial")
    return str(package / "extensions" / f"v{duckdb.__version__}" / SPATIAL)
