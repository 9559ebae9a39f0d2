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
from bench.tables import table

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


def night_cost() -> str:
    """The arithmetic of a night in BigQuery, which no machine here reaches."""
    head = ("rows in the table", "days refreshed", "queries", "MiB read", "MiB billed", "TiB in 30")
    return (
        "## 7. What a night costs in BigQuery\n\n"
        "Arithmetic, on demand, for a window of 90 days; nothing here was measured in BigQuery. "
        f"A row is {ROW} bytes at most (text 2 and its UTF-8, other columns 8, a NULL none: "
        "bigquery/docs/reference/standard-sql/data-types). A query is billed by the columns that "
        "it reads, at least 10 MiB for each table that it names, in whole MiB; a MERGE that "
        "deletes by what it reads and by all of the partitions that it changes "
        "(cloud.google.com/bigquery/pricing); a federated query by the bytes that PostgreSQL "
        "returns (bigquery/docs/federated-queries-intro). That both the look at the window and the "
        "MERGE read no other partitions than theirs follows from "
        "bigquery/docs/using-dml-with-partitioned-tables, and was not tried.\n\n"
        f"{table(head, _nights())}\n\n"
        "The last column is what 30 nights are billed. The smallest nights are all minimum: "
        "fewer rows make them no cheaper."
    )


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


def _nights() -> list[list[str]]:
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
