"""What the training table holds for each day of the window, counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ..conf import Config
from ..google.clients import Clients
from ..google.queries import run_query
from ..sql.day_counts import COUNT, GREATEST, LEAST, OFF_SCALE, counted, render_day_counts
from ..training_table import DIMENSIONS


@dataclass(frozen=True, kw_only=True)
class DimensionCounts:
    """A day's values of one dimension; `off_scale` of them below or above its scale."""

    count: int = 0
    off_scale: int = 0
    least: float | None = None
    greatest: float | None = None


@dataclass(frozen=True, kw_only=True)
class DayCounts:
    """The rows of a day, and what they have of each dimension, by the column's name."""

    day: date
    rows: int
    dimensions: Mapping[str, DimensionCounts]

    def of(self, column: str) -> DimensionCounts:
        return self.dimensions.get(column, DimensionCounts())


def count_days(
    config: Config, clients: Clients, first_day: date, end_day: date
) -> tuple[DayCounts, ...]:
    """Every day from the first that has rows to before `end_day`, those without rows too.

    Raises what google-cloud-bigquery raises.
    """
    query = render_day_counts(config)
    answer = run_query(clients, query, window_start=first_day, end_day=end_day)
    found = {row["day"]: _read(row) for row in answer.rows}
    first = min(found, default=end_day)
    days = [first + timedelta(days=n) for n in range((end_day - first).days)]
    return tuple(found.get(day) or DayCounts(day=day, rows=0, dimensions={}) for day in days)


def count_rows(days: Sequence[DayCounts]) -> int:
    return sum(day.rows for day in days)


def _read(row: dict[str, Any]) -> DayCounts:
    dimensions = {
        column.name: DimensionCounts(
            count=row[counted(column, COUNT)],
            off_scale=row[counted(column, OFF_SCALE)],
            least=row[counted(column, LEAST)],
            greatest=row[counted(column, GREATEST)],
        )
        for column in DIMENSIONS
    }
    return DayCounts(day=row["day"], rows=row["row_count"], dimensions=dimensions)
