"""What a night costs in BigQuery, on demand: arithmetic by Google's documented rules.

A column's bytes: bigquery/docs/reference/standard-sql/data-types#data_type_sizes (a text of 36
characters 38, the others 8, a NULL none: so at most this much). A query is billed by the columns
that it reads, at least 10 MiB for each table, in whole MiB; a MERGE that deletes by what it reads
and all of the partitions that it changes; a federated query by what the source returns
(cloud.google.com/bigquery/pricing, bigquery/docs/federated-queries-intro).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from backend.forecasting.training_table import COLUMNS, DIMENSIONS, SERIES_COLUMN

MIB = 2**20
_LEAST = 10 * MIB
_SERIES, _NUMBER = 38, 8
_TIME = _TARGET = _NUMBER
ROW = sum(_SERIES if column.name == SERIES_COLUMN else _NUMBER for column in COLUMNS)


@dataclass(frozen=True)
class Statement:
    """One query of the nightly script: its bytes, and how many tables it names."""

    what: str
    read: int
    tables: int = 1

    @property
    def billed(self) -> int:
        return max(math.ceil(self.read / MIB) * MIB, self.tables * _LEAST)


def night(rows: int, window_days: int, refresh_days: int) -> Sequence[Statement]:
    """The statements of nightly_load.sql over a table of so many rows in its window."""
    staged = round(rows * refresh_days / window_days)
    measures = (1 + len(DIMENSIONS)) * _NUMBER
    return (
        Statement("is the window there", (rows - staged) * _TIME),
        Statement("stage", staged * ROW),
        Statement("any row", 0),
        Statement("enough rows", 2 * staged * _TIME, tables=2),
        Statement("no nulls", staged * (_SERIES + _TIME + _TARGET)),
        Statement("one row each", staged * (_SERIES + _TIME)),
        Statement("days of the window", staged * _TIME),
        Statement("finite numbers", staged * measures),
        Statement("replace", 2 * staged * ROW, tables=2),
    )


def nights_table() -> list[list[str]]:
    """A row for each size and refresh: rows, days, statements, bytes read, bytes billed."""
    return [_row(rows, days) for rows in (100_000, 10_000_000) for days in (90, 7)]


def _row(rows: int, days: int) -> list[str]:
    statements = night(rows, 90, days)
    read, billed = (sum(getattr(s, name) for s in statements) for name in ("read", "billed"))
    return [
        f"{rows:,}",
        f"{days}",
        f"{len(statements)}",
        f"{read / MIB:,.0f}",
        f"{billed / MIB:,.0f}",
        f"{30 * billed / 2**40:.3f}",
    ]
