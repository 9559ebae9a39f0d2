"""The baseline: how well the simplest forecasts would have done, which a model has to beat.

sql/baseline.sql says what they are, and sums up their errors in one query.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ..conf import Config
from ..google.clients import Clients
from ..google.queries import run_query
from ..sql.series import render_baseline
from ..training_table import SERIES_COLUMN

METHODS = ("last", "mean", "weekday")
"""From simple to less so: of two that do as well the first is the best."""

EXAMPLES = 4
"""How many series are shown day by day."""


@dataclass(frozen=True, kw_only=True)
class Errors:
    """How far off a method was; None where there is nothing to divide by.

    The mean absolute error; it weighed by the scores' sizes; and in mean steps from row to row.
    """

    mae: float | None
    wape: float | None
    mase: float | None


@dataclass(frozen=True, kw_only=True)
class ExampleDay:
    """A score, and what each method had said of it; nothing of days before the cutoff."""

    day: date
    score: float
    forecasts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Example:
    """A series' days before the cutoff and in the test, in order; `key` is as in the table."""

    key: str
    days: tuple[ExampleDay, ...]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """`series` were usable at the cutoff, with or without rows in the test; `rows` are theirs."""

    horizon_days: int
    cutoff: date
    series: int
    rows: int
    methods: Mapping[str, Errors]
    examples: tuple[Example, ...] = ()
    bytes_processed: int | None = None

    @property
    def best(self) -> str | None:
        """The method with the least error; None where there is none."""
        found = {name: e.mae for name, e in self.methods.items() if e.mae is not None}
        return min(METHODS, key=lambda name: found[name]) if len(found) == len(METHODS) else None

    def as_json(self) -> dict[str, Any]:
        """The member `baseline` of bq_verify's document."""
        return {
            "horizon_days": self.horizon_days,
            "cutoff": f"{self.cutoff}",
            "series": self.series,
            "rows": self.rows,
            "methods": {name: vars(self.methods[name]) for name in METHODS},
            "best": self.best,
        }


def read_baseline(config: Config, clients: Clients, today: date) -> Baseline:
    """The backtest of the last complete days. Raises what google-cloud-bigquery raises."""
    cutoff = today - timedelta(days=config.horizon_days)
    query = render_baseline(config)
    answer = run_query(clients, query, today=today, cutoff=cutoff, examples=EXAMPLES)
    (total,) = (row for row in answer.rows if row["kind"] == "total")
    return Baseline(
        horizon_days=config.horizon_days,
        cutoff=cutoff,
        series=total["series_count"],
        rows=total["row_count"],
        methods={name: _errors(total, name) for name in METHODS},
        examples=_examples(row for row in answer.rows if row["kind"] == "example"),
        bytes_processed=answer.bytes_processed,
    )


def _errors(total: Mapping[str, Any], method: str) -> Errors:
    error = total[f"{method}_value"]
    mae = _divide(error, total["row_count"])
    wape = _divide(error, total["score"])
    return Errors(mae=mae, wape=wape, mase=_divide(mae, total["mean_step"]))


def _divide(value: float | None, by: float | None) -> float | None:
    """None also for what is no number: a table may hold NaN, which JSON has no word for."""
    quotient = value / by if value is not None and by else math.nan
    return quotient if math.isfinite(quotient) else None


def _examples(rows: Iterable[Mapping[str, Any]]) -> tuple[Example, ...]:
    found: dict[str, list[ExampleDay]] = {}
    for row in sorted(rows, key=lambda row: (row[SERIES_COLUMN], row["day"])):
        values = {name: row[f"{name}_value"] for name in METHODS}
        forecasts = {name: value for name, value in values.items() if value is not None}
        shown = ExampleDay(day=row["day"], score=row["score"], forecasts=forecasts)
        found.setdefault(row[SERIES_COLUMN], []).append(shown)
    return tuple(Example(key=key, days=tuple(days)) for key, days in found.items())
