"""Snapshots made by hand, in which every check passes but for what is changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from backend.forecasting.conf import Config
from backend.forecasting.loading.day_sums import BothSides, DaySums
from backend.forecasting.loading.reach import Probe
from backend.forecasting.provisioning.views import ViewSpec, view_specs
from backend.forecasting.tests.support.factories import (
    USER,
    column_reprs,
    make_connection,
    make_dataset,
    make_run,
    make_table,
    make_transfer,
    make_view,
)
from backend.forecasting.training_table import DIMENSIONS
from backend.forecasting.verification.baseline import Baseline, Errors
from backend.forecasting.verification.day_counts import DayCounts, DimensionCounts
from backend.forecasting.verification.findings import Finding
from backend.forecasting.verification.snapshot import Snapshot, Unseen, Window
from backend.forecasting.verification.verify import check_snapshot

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY, FIRST_DAY = date(2026, 3, 2), date(2025, 12, 2)
UNSEEN = Unseen(reason="the network is down")
WRONG_PASSWORD = f'FATAL: password authentication failed for user "{USER}"'
DATA: dict[str, Any] = {
    "row_count": 4200,
    "rows_in_window": 4200,
    "days_in_window": 90,
    "series_count": 60,
    "series_in_window": 60,
    "repeated_rows": 0,
    "rows_with_null": 0,
    "rows_not_finite": 0,
    "rows_out_of_range": 0,
    "rows_before_window": 0,
    "rows_after_window": 0,
    "rows_off_midnight": 0,
    "first_day": FIRST_DAY,
    "last_day": TODAY - timedelta(days=1),
    "most_steps": 90,
    "short_series": 3,
    "constant_series": 0,
    "missing_share": 0.2,
    "judged_count": 60,
    "short_count": 0,
    "sparse_count": 0,
    "old_count": 0,
    "usable_count": 60,
    "long_usable_count": 50,
    "usable_rows": 4000,
    "usable_steps": 90,
    "usable_first_day": FIRST_DAY,
    "usable_last_day": TODAY - timedelta(days=1),
}
SAME = DaySums(rows=10, keys=7, scores=420.0, columns={})
BASELINE = Baseline(
    horizon_days=9,
    cutoff=TODAY - timedelta(days=9),
    series=60,
    rows=400,
    methods={
        "last": Errors(mae=12.5, wape=0.3125, mase=1.25),
        "mean": Errors(mae=10.0, wape=0.25, mase=1.0),
        "weekday": Errors(mae=10.5, wape=0.2625, mase=1.05),
    },
)
NO_ERRORS = Errors(mae=None, wape=None, mase=None)
NO_BASELINE = replace(
    BASELINE, series=0, rows=0, methods=dict.fromkeys(("last", "mean", "weekday"), NO_ERRORS)
)
YESTERDAY = TODAY - timedelta(days=1)


def make_days(
    last: int = 0, rows: int = 50, share: float = 1.0, **fields: Any
) -> tuple[DayCounts, ...]:
    """The days of the window, 50 rows in each, of which all have all dimensions.

    Of the `last` ones `rows` are there, of which a `share` has the political dimension; `fields`
    are more of what that is on the very last one.
    """
    found = []
    for number in range(90, 0, -1):
        of_day = rows if number <= last else 50
        usual = DimensionCounts(count=of_day, least=1, greatest=99)
        dimensions = {column.name: usual for column in DIMENSIONS}
        if number <= last:
            counts = {"count": round(rows * share), **(fields if number == 1 else {})}
            dimensions["political_risk"] = replace(usual, **counts)
        day = TODAY - timedelta(days=number)
        found.append(DayCounts(day=day, rows=of_day, dimensions=dimensions))
    return tuple(found)


Change = Callable[[Config], dict[str, Any]]


def make_snapshot(config: Config, /, **changes: Any) -> Snapshot:
    """A pipeline in which every check passes, with these parts of it changed."""
    config = replace(config, horizon_days=9)
    snapshot = Snapshot(
        config=config,
        now=NOW,
        dataset=make_dataset(),
        table=make_table(),
        connection=make_connection(),
        probe=Probe(error=""),
        schedules=[make_transfer(config)],
        runs=[make_run("SUCCEEDED")],
        window=Window(start=FIRST_DAY, end=TODAY),
        views=make_views(config),
        data=DATA,
        days=make_days(),
        reconcile=True,
        sides=BothSides(source={YESTERDAY: SAME}, table={YESTERDAY: SAME}),
        baseline_asked=True,
        baseline=BASELINE,
    )
    return replace(snapshot, **changes)


def make_views(config: Config, **resource: Any) -> list[tuple[ViewSpec, Any]]:
    """Both as they should be, with the second one's resource changed."""
    training, forecast = view_specs(replace(config, horizon_days=9))
    return [(training, make_view(training)), (forecast, make_view(forecast, **resource))]


def findings_of(snapshot: Snapshot) -> dict[str, Finding]:
    return {finding.id: finding for finding in check_snapshot(snapshot)}


def dataset(**resource: Any) -> Change:
    return lambda _: {"dataset": make_dataset(**resource)}


def table(**resource: Any) -> Change:
    return lambda _: {"table": make_table(**resource)}


def columns(**changes: Any) -> Change:
    return table(schema={"fields": column_reprs(**changes)})


def connection(**fields: Any) -> Change:
    return lambda _: {"connection": make_connection(**fields)}


def schedule(**fields: Any) -> Change:
    return lambda config: {"schedules": [make_transfer(config, **fields)]}


def run(state: str, **fields: Any) -> Change:
    return lambda _: {"runs": [make_run(state, **fields)]}


def data(**changes: Any) -> Change:
    return lambda _: {"data": {**DATA, **changes}}


def days(last: int, **changes: Any) -> Change:
    return lambda _: {"days": make_days(last, **changes)}


def source(day: date, **changes: Any) -> Change:
    """PostgreSQL holds more, or other, for a day than the table does."""
    sides = BothSides(source={day: replace(SAME, **changes)}, table={day: SAME})
    return lambda _: {"sides": sides}


def horizon(days: int) -> Change:
    return lambda config: {"config": replace(config, horizon_days=days)}


def view(**resource: Any) -> Change:
    return lambda config: {"views": make_views(config, **resource)}


def view_is(seen: Unseen | None) -> Change:
    """In place of the second view."""

    def change(config: Config) -> dict[str, Any]:
        training, (spec, _) = make_views(config)
        return {"views": [training, (spec, seen)]}

    return change


def absent(part: str, empty: Any = None) -> Change:
    return lambda _: {part: empty}
