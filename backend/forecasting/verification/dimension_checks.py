"""The check of the dimensions: a pure function from a snapshot to findings.

A dimension whose key was renamed, or whose JSON was encoded twice, is NULL from then on, and no
load fails of it. So the share of rows that have it is compared between the last days and those
before. A difference that chance explains is none: three standard deviations of as many throws of a
coin.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from math import sqrt

from ..conf import Config
from ..counting import count_things
from ..training_table import DIMENSIONS, Column
from .day_checks import judge_days
from .day_counts import DayCounts, count_rows
from .findings import Finding, passed, warned
from .snapshot import Snapshot

CHECK = "data.dimensions"
SPANS = (7, 3)
LEAST_SHARE = 0.5
"""Of the share before: below it the last days' share is told."""

LEAST_ROWS = 20
DEVIATIONS = 3.0
_HINT = (
    "look at what PostgreSQL holds under these names (FORECASTING_DIMENSION_FIELDS): a key that "
    "was renamed, JSON that was encoded twice, a number that is none; the load takes numbers only"
)


def check_dimensions(snapshot: Snapshot) -> Iterator[Finding]:
    yield from judge_days(snapshot, CHECK, partial(_judge, snapshot.config))


def mapped_dimensions(config: Config) -> list[Column]:
    """Those that the settings name; any other is NULL in every row."""
    named = dict(config.dimension_fields)
    return [column for column in DIMENSIONS if column.dimension in named]


def _judge(config: Config, days: Sequence[DayCounts]) -> Finding:
    mapped = mapped_dimensions(config)
    wrong = "; ".join(problem for column in mapped for problem in _problems(days, column))
    if wrong:
        return warned(CHECK, wrong, _HINT, "as many values as before, on their scale", wrong)
    return passed(CHECK, ", ".join(_describe(days, c, c in mapped) for c in DIMENSIONS))


def _problems(days: Sequence[DayCounts], column: Column) -> Iterator[str]:
    if not _count(days, column):
        yield f"no row has {column.name}"
        return
    drops = (_drop(days[:-span], days[-span:], column) for span in SPANS)
    yield from list(filter(None, drops))[:1]
    if off := sum(day.of(column.name).off_scale for day in days):
        yield _describe_off_scale(days, column, off)


def _drop(before: Sequence[DayCounts], last: Sequence[DayCounts], column: Column) -> str:
    """What is told of a share that fell; empty where it did not."""
    rows = count_rows(last)
    if min(rows, count_rows(before)) < LEAST_ROWS:
        return ""
    share = _count(before, column) / count_rows(before)
    found, chance = _count(last, column), DEVIATIONS * sqrt(rows * share * (1 - share))
    if found >= LEAST_SHARE * rows * share or found >= rows * share - chance:
        return ""
    shares = f"{found / rows:.0%} of the last {len(last)} days' rows, {share:.0%} of those before"
    return f"{column.name} in {shares}".replace("%", " %")


def _describe_off_scale(days: Sequence[DayCounts], column: Column, number: int) -> str:
    counts = [day.of(column.name) for day in days]
    least = min(c.least for c in counts if c.least is not None)
    greatest = max(c.greatest for c in counts if c.greatest is not None)
    scale = "{:g} to {:g}".format(*column.scale)
    values = count_things(number, "value")
    return f"{values} of {column.name} outside {scale}: they go from {least:g} to {greatest:g}"


def _describe(days: Sequence[DayCounts], column: Column, mapped: bool) -> str:
    if not mapped:
        return f"{column.name} is not mapped"
    share = _count(days, column) / count_rows(days)
    return f"{column.name} in {share:.0%} of the rows".replace("%", " %")


def _count(days: Sequence[DayCounts], column: Column) -> int:
    return sum(day.of(column.name).count for day in days)
