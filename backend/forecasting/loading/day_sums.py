"""What the source database and the training table hold for each day, as sums to compare."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from google.cloud import bigquery

from ..conf import Config
from ..database.source import read_source
from ..google.clients import Clients
from ..google.queries import run_query
from ..sql.queries import (
    render_federated_by_day,
    render_source_by_day,
    render_table_by_day,
    with_days,
)

_TOLERANCE = 1e-9
"""Relative. A change of less than a billionth of a day's sum is not seen."""


@dataclass(frozen=True, kw_only=True)
class DaySums:
    """One day: its rows, a checksum of its entities, its scores, and all of its numbers."""

    rows: int
    keys: int
    scores: float
    values: float

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """`row` is what the two queries yield after the day."""
        rows, keys, scores, values = row
        return cls(
            rows=int(rows), keys=int(keys or 0), scores=_number(scores), values=_number(values)
        )

    def same_as(self, other: "DaySums") -> bool:
        """Both sums of floating point may differ in the digits that depend on the rows' order."""
        return (
            (self.rows, self.keys) == (other.rows, other.keys)
            and math.isclose(self.scores, other.scores, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
            and math.isclose(self.values, other.values, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
        )

    def __str__(self) -> str:
        return (
            f"{self.rows} rows, scores {self.scores:.6f}, "
            f"entities {self.keys:x}, numbers {self.values:.6f}"
        )


NO_ROWS = DaySums(rows=0, keys=0, scores=0.0, values=0.0)


@dataclass(frozen=True, kw_only=True)
class BothSides:
    """The same days of source database and training table; a day without rows is left out."""

    source: dict[date, DaySums]
    table: dict[date, DaySums]
    bytes_processed: int | None = None

    @property
    def differing(self) -> list[date]:
        days = sorted(self.source.keys() | self.table.keys())
        return [day for day in days if not self.source_of(day).same_as(self.table_of(day))]

    def source_of(self, day: date) -> DaySums:
        return self.source.get(day, NO_ROWS)

    def table_of(self, day: date) -> DaySums:
        return self.table.get(day, NO_ROWS)


def sum_up_both_sides(
    config: Config, clients: Clients, first_day: date, end_day: date
) -> BothSides:
    """The days [first_day, end_day) of both. PostgreSQL is asked first: it may be out of reach.

    Raises ForecastingError for PostgreSQL, and what google-cloud-bigquery raises.
    """
    query = with_days(render_source_by_day(config), first_day, end_day)
    source = _by_day(read_source(config, query, clients.deadline.left))
    return _with_table(config, clients, first_day, end_day, source)


def sum_up_through_connection(
    config: Config, clients: Clients, first_day: date, end_day: date
) -> BothSides:
    """The same where Django may not reach PostgreSQL: BigQuery reads it through the connection.

    Raises what google-cloud-bigquery raises.
    """
    query = render_federated_by_day(config, first_day, end_day)
    answer = run_query(clients, query, bounded=False)
    source = _by_day(tuple(row.values()) for row in answer.rows)
    return _with_table(config, clients, first_day, end_day, source)


def _with_table(
    config: Config, clients: Clients, first_day: date, end_day: date, source: dict[date, DaySums]
) -> BothSides:
    parameters = [
        bigquery.ScalarQueryParameter("window_start", "DATE", first_day),
        bigquery.ScalarQueryParameter("end_day", "DATE", end_day),
    ]
    answer = run_query(clients, render_table_by_day(config), parameters)
    table = _by_day(tuple(row.values()) for row in answer.rows)
    return BothSides(source=source, table=table, bytes_processed=answer.bytes_processed)


def _by_day(rows: Iterable[Sequence[Any]]) -> dict[date, DaySums]:
    return {row[0]: DaySums.from_row(row[1:]) for row in rows}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
