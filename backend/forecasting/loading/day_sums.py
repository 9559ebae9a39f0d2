"""What the source database and the training table hold for each day, as sums to compare."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

from ..conf import Config
from ..counting import agree, count_things
from ..database.source import read_source
from ..google.clients import Clients
from ..google.queries import run_query
from ..sql.day_sums import SUMS, render_federated_by_day, render_source_by_day, render_table_by_day
from ..sql.queries import with_days
from ..training_table import NUMBERS

_TOLERANCE = 1e-9
"""Relative. A change of less than a billionth of a day's sum is not seen."""

_AHEAD = 3
"""What the queries yield before the columns' sums: rows, entities, scores."""


@dataclass(frozen=True, kw_only=True)
class ColumnSums:
    """A day's numbers of one column: how many, and their sums on its scale and far off it."""

    count: int = 0
    sum: float = 0.0
    excess: float = 0.0

    def same_as(self, other: "ColumnSums") -> bool:
        """Sums of floating point may differ in the digits that depend on the rows' order."""
        return (
            self.count == other.count
            and _close(self.sum, other.sum)
            and _close(self.excess, other.excess)
        )

    def __str__(self) -> str:
        wild = f" and {self.excess:g}" if self.excess else ""
        return f"{self.count} {self.sum:.6f}{wild}"


@dataclass(frozen=True, kw_only=True)
class DaySums:
    """One day: its rows, a checksum of its entities, its scores, and each column's numbers.

    The scores are summed up twice: as they are, to be shown, and weighed like every column.
    """

    rows: int
    keys: int
    scores: float
    columns: Mapping[str, ColumnSums]

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """`row` is what the two queries yield after the day."""
        rows, keys, scores = row[:_AHEAD]
        sums = zip(*(iter(row[_AHEAD:]),) * len(SUMS), strict=True)
        return cls(
            rows=int(rows),
            keys=int(keys or 0),
            scores=_number(scores),
            columns={
                column.name: ColumnSums(count=int(n), sum=_number(near), excess=_number(far))
                for column, (n, near, far) in zip(NUMBERS, sums, strict=True)
            },
        )

    def of(self, column: str) -> ColumnSums:
        return self.columns.get(column, ColumnSums())

    def same_as(self, other: "DaySums") -> bool:
        return (
            (self.rows, self.keys) == (other.rows, other.keys)
            and _close(self.scores, other.scores)
            and not self.differing_columns(other)
        )

    def differing_columns(self, other: "DaySums") -> list[str]:
        names = dict.fromkeys([*self.columns, *other.columns])
        return [name for name in names if not self.of(name).same_as(other.of(name))]

    def __str__(self) -> str:
        columns = "".join(f", {name} {sums}" for name, sums in self.columns.items())
        rows = f"{self.rows} {agree(self.rows, 'row', 'rows')}"
        return f"{rows}, scores {self.scores:.6f}, entities {self.keys:x}{columns}"


NO_ROWS = DaySums(rows=0, keys=0, scores=0.0, columns={})


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """Days before one of which the source has too few rows; `days` of them none, or under half.

    `rows_before` are the table's of all its days before that one, `rows` what is left of them.
    """

    days: int
    rows_before: int
    rows: int
    before: date

    def __str__(self) -> str:
        days = f", and of {self.days} of these days none or less than half" if self.days else ""
        return (
            f"of the {count_things(self.rows_before, 'row')} that the table has of days before "
            f"{self.before}, PostgreSQL has {self.rows:,}{days}"
        )


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

    def forgotten(self, end_day: date) -> "Forgotten | None":
        """What the source has lost of the days before one; None for nothing to speak of.

        Late corrections take a row here and there. A source that forgets lacks whole days, or most
        of one, or more than a tenth of all their rows.
        """
        old = {day: had.rows for day, had in self.table.items() if day < end_day}
        left = {day: self.source_of(day).rows for day in old}
        lost = [day for day, rows in old.items() if 2 * left[day] < rows]
        rows, kept = sum(old.values()), sum(min(left[day], old[day]) for day in old)
        if not lost and 10 * kept >= 9 * rows:
            return None
        return Forgotten(days=len(lost), rows_before=rows, rows=kept, before=end_day)

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


def sum_up_table(
    config: Config,
    clients: Clients,
    first_day: date,
    end_day: date,
    *,
    as_of: datetime | None = None,
) -> tuple[dict[date, DaySums], int | None]:
    """The days [first_day, end_day) of the training table, now or then; and the bytes read.

    Raises what google-cloud-bigquery raises.
    """
    query = render_table_by_day(config, as_of)
    answer = run_query(clients, query, window_start=first_day, end_day=end_day)
    return _by_day(tuple(row.values()) for row in answer.rows), answer.bytes_processed


def _with_table(
    config: Config, clients: Clients, first_day: date, end_day: date, source: dict[date, DaySums]
) -> BothSides:
    table, read = sum_up_table(config, clients, first_day, end_day)
    return BothSides(source=source, table=table, bytes_processed=read)


def _by_day(rows: Iterable[Sequence[Any]]) -> dict[date, DaySums]:
    return {row[0]: DaySums.from_row(row[1:]) for row in rows}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _close(one: float, other: float) -> bool:
    return one == other or math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
