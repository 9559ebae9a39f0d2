"""Running a statement that changes rows, within the limits that BigQuery has for that."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bqemulator.domain.errors import InvalidQueryError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa  # type: ignore[import-untyped]

MOST_PARTITIONS = 4000
FIRST_OWN_ROW = 36_028_797_018_960_000
"""DuckDB numbers rows of a transaction that is not committed from here."""
Run = Callable[[str], Awaitable["pa.Table"]]


class Engine(Protocol):
    """What a change takes of the engine, whose module knows this one."""

    @property
    def turn(self) -> contextlib.AbstractContextManager[object]: ...

    @property
    def connection(self) -> duckdb.DuckDBPyConnection: ...

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection: ...


@dataclass(frozen=True)
class Change:
    """A statement's change of one table, and what is asked about it in GoogleSQL.

    `doubly_matched` answers with a row where one of the target would get several of the source.
    `table` is DuckDB's name of a partitioned target, and `partition` DuckDB's expression for the
    partition of a row; `updated` answers with `moment`, of the rows that are changed in place.
    """

    doubly_matched: str = ""
    table: str = ""
    partition: str = ""
    updated: str = ""
    is_new: bool = False


async def run_change(run: Run, sql: str, change: Change, engine: Engine) -> pa.Table:
    """Run the statement, or refuse it with nothing changed."""
    if change.doubly_matched and (await run(change.doubly_matched)).num_rows:
        raise InvalidQueryError(
            "UPDATE/MERGE must match at most one source row for each target row"
        )
    if not change.table:
        return await run(sql)
    moments = (await run(change.updated)).column("moment").to_pylist() if change.updated else []
    with _all_or_nothing(engine):
        before = {} if change.is_new else _partitions(engine, change, "rowid >= 0")
        answer = await run(sql)
        kept = _partitions(engine, change, f"rowid < {FIRST_OWN_ROW}")
        written = set(_partitions(engine, change, f"rowid >= {FIRST_OWN_ROW}"))
        lost = {p for p, count in before.items() if kept.get(p, 0) != count}
        changed = max(len(written | lost), len(set(moments)))
        if changed > MOST_PARTITIONS:
            raise InvalidQueryError(
                f"Too many partitions produced by query, allowed {MOST_PARTITIONS}, query "
                f"produces at least {changed} partitions"
            )
    return answer


@contextlib.contextmanager
def _all_or_nothing(engine: Engine) -> Iterator[None]:
    """A transaction, in which nobody else has a turn."""
    with engine.turn:
        engine.connection.begin()
        try:
            yield
        except BaseException:
            engine.connection.rollback()
            raise
        engine.connection.commit()


def _partitions(engine: Engine, change: Change, which: str) -> dict[object, int]:
    """How many of these rows each partition has."""
    counted = f"SELECT {change.partition}, COUNT(*) FROM {change.table}"  # noqa: S608  # nosec
    found = engine.execute(f"{counted} WHERE {which} GROUP BY 1")
    return dict(found.fetchall())
