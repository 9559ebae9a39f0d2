"""Usable series, the two views and the baseline, computed in Python and by nothing of the product.

A table is its rows: the values of each series and day, the score first. Days are dates in UTC.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import fmean

Values = tuple[float | None, ...]
Rows = Mapping[tuple[str, date], Values]
METHODS = ("last", "mean", "weekday")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a series is judged by. `window` is None where history is kept."""

    today: date
    horizon: int
    share: float = 0.5
    window: int | None = 90

    def complete(self, rows: Rows) -> dict[str, dict[date, Values]]:
        """The rows of the complete days, by series and day in order."""
        first = date.min if self.window is None else before(self.today, self.window)
        found: dict[str, dict[date, Values]] = defaultdict(dict)
        for (series, day), values in sorted(rows.items()):
            if first <= day < self.today:
                found[series][day] = values
        return found

    def usable(self, rows: Rows, until: date | None = None) -> dict[str, dict[date, Values]]:
        """The usable ones, judged by their days before `until`, with those days."""
        end = until or self.today
        cut = {
            series: {day: values for day, values in days.items() if day < end}
            for series, days in self.complete(rows).items()
        }
        return {series: days for series, days in cut.items() if days and self._fits(days, end)}

    def _fits(self, days: Iterable[date], end: date) -> bool:
        found = sorted(days)
        span = (found[-1] - found[0]).days
        long = span >= 2 * self.horizon
        dense = len(found) / (span + 1) >= self.share
        recent = (end - found[-1]).days <= 30
        return long and dense and recent


def before(day: date, days: int) -> date:
    return day - timedelta(days=days)


def each_day(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def training_rows(rows: Rows, wanted: Wanted) -> dict[tuple[str, date], tuple[Values, bool]]:
    """Every day of every usable series from its first to its last: values, and `observed`."""
    return {
        (series, day): (values, day in days)
        for series, days in wanted.usable(rows).items()
        for day, values in _filled(days, max(days)).items()
    }


def forecast_rows(rows: Rows, wanted: Wanted) -> dict[tuple[str, date], tuple[Values, bool]]:
    """The last two horizons of complete days and the horizon to forecast."""
    expected = {}
    yesterday = before(wanted.today, 1)
    context = before(wanted.today, 2 * wanted.horizon)
    future = each_day(wanted.today, before(wanted.today, -wanted.horizon + 1))
    for series, days in wanted.usable(rows).items():
        for day, values in _filled(days, yesterday).items():
            if day >= context:
                expected[series, day] = (values, day in days)
        width = len(next(iter(days.values())))
        expected |= {(series, day): ((None,) * width, False) for day in future}
    return expected


def _filled(days: Mapping[date, Values], last: date) -> dict[date, Values]:
    """Each column's last value that was one, by day."""
    known: list[float | None] = [None] * len(next(iter(days.values())))
    filled = {}
    for day in each_day(min(days), last):
        for column, value in enumerate(days.get(day, ())):
            known[column] = known[column] if value is None else value
        filled[day] = tuple(known)
    return filled


def baseline(rows: Rows, wanted: Wanted) -> dict[str, object]:
    """The figures of the baseline, under the names of the JSON document."""
    cutoff = before(wanted.today, wanted.horizon)
    history = {
        series: [(day, _score(values)) for day, values in sorted(days.items())]
        for series, days in wanted.usable(rows, cutoff).items()
    }
    test = [
        (series, day, _score(values))
        for series, days in wanted.complete(rows).items()
        for day, values in days.items()
        if series in history and day >= cutoff
    ]
    errors: dict[str, list[float]] = {method: [] for method in METHODS}
    for series, day, score in test:
        for method, value in _forecasts(history[series], cutoff, day).items():
            errors[method].append(abs(score - value))
    steps = [abs(now - then) for days in history.values() for (_, then), (_, now) in pairwise(days)]
    size = sum(abs(score) for _, _, score in test)
    scale = fmean(steps) if steps else 0.0
    figures = {method: _figures(found, size, scale) for method, found in errors.items()}
    maes = {m: f["mae"] for m, f in figures.items() if f["mae"] is not None}
    return {
        "horizon_days": wanted.horizon,
        "cutoff": cutoff.isoformat(),
        "series": len(history),
        "rows": len(test),
        "methods": figures,
        "best": min(maes, key=maes.__getitem__) if maes else None,
    }


def _score(values: Values) -> float:
    assert values[0] is not None
    return values[0]


def _forecasts(history: list[tuple[date, float]], cutoff: date, day: date) -> dict[str, float]:
    def mean_of(days: Iterable[date]) -> float | None:
        wanted = set(days)
        found = [score for known, score in history if known in wanted]
        return fmean(found) if found else None

    last = history[-1][1]
    month = mean_of(before(cutoff, age) for age in range(1, 29))
    mean = last if month is None else month
    months = (before(cutoff, age) for age in range(1, 57))
    weekday = mean_of(known for known in months if known.weekday() == day.weekday())
    return {"last": last, "mean": mean, "weekday": mean if weekday is None else weekday}


def _figures(errors: list[float], size: float, scale: float) -> dict[str, float | None]:
    mae = fmean(errors) if errors else None
    return {
        "mae": mae,
        "wape": sum(errors) / size if errors and size else None,
        "mase": mae / scale if mae is not None and scale else None,
    }
