"""Every check that has a limit, exactly at it and just beyond; and the days that a hint tells."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.loading.day_sums import BothSides
from backend.forecasting.loading.reach import Probe
from backend.forecasting.tests.support.factories import column_reprs, make_run, make_transfer
from backend.forecasting.tests.support.snapshots import (
    NO_BASELINE,
    NOW,
    SAME,
    TODAY,
    UNSEEN,
    Change,
    data,
    findings_of,
    make_snapshot,
    table,
)
from backend.forecasting.verification.data_checks import check_data
from backend.forecasting.verification.snapshot import expected_window, short_days

pytestmark = pytest.mark.untraced

SECOND = timedelta(seconds=1)


def good_run(age: timedelta) -> Change:
    return lambda _: {"runs": [make_run("SUCCEEDED", end_time=NOW - age)]}


def columns(count: int) -> Change:
    ours = column_reprs()
    others = [{"name": f"further_{n}", "type": "FLOAT64"} for n in range(count - len(ours))]
    return table(schema={"fields": [*ours, *others]})


def ago(days: int) -> Any:
    return TODAY - timedelta(days=days)


EDGES: dict[str, tuple[str, Change, Change, str]] = {
    "age of a run": (
        "run.fresh",
        good_run(timedelta(hours=26)),
        good_run(timedelta(hours=26) + SECOND),
        "fail",
    ),
    "no row": ("data.rows", data(rows_in_window=1), data(rows_in_window=0), "fail"),
    "repeated": ("data.grain", data(repeated_rows=0), data(repeated_rows=1), "fail"),
    "null": ("data.nulls", data(rows_with_null=0), data(rows_with_null=1), "fail"),
    "not finite": ("data.finite", data(rows_not_finite=0), data(rows_not_finite=1), "fail"),
    "off the scale": ("data.range", data(rows_out_of_range=0), data(rows_out_of_range=1), "fail"),
    "too early": ("data.window", data(rows_before_window=0), data(rows_before_window=1), "fail"),
    "too late": ("data.window", data(rows_after_window=0), data(rows_after_window=1), "fail"),
    "off midnight": ("data.window", data(rows_off_midnight=0), data(rows_off_midnight=1), "fail"),
    "day missing": ("data.coverage", data(days_in_window=90), data(days_in_window=89), "warn"),
    "orphan": (
        "data.orphans",
        lambda _: {"probe": Probe(error="", orphans=0)},
        lambda _: {"probe": Probe(error="", orphans=1)},
        "warn",
    ),
    "few rows": ("vertex.rows", data(row_count=1_000), data(row_count=999), "fail"),
    "many rows": ("vertex.rows", data(row_count=10**8), data(row_count=10**8 + 1), "fail"),
    "few dense": ("vertex.rows", data(usable_rows=1_000), data(usable_rows=999), "fail"),
    "many dense": ("vertex.rows", data(usable_rows=10**8), data(usable_rows=10**8 + 1), "fail"),
    "columns": ("vertex.columns", columns(100), columns(101), "fail"),
    "bytes": (
        "vertex.size",
        table(numBytes=f"{100 * 10**9}"),
        table(numBytes=f"{100 * 10**9 + 1}"),
        "fail",
    ),
    "steps": ("vertex.series_length", data(most_steps=3_000), data(most_steps=3_001), "fail"),
    "dense": ("vertex.series_length", data(usable_steps=3_000), data(usable_steps=3_001), "fail"),
    "short ones": ("vertex.series_length", data(short_series=30), data(short_series=31), "warn"),
    "span": ("vertex.span", data(first_day=ago(90)), data(first_day=ago(89)), "warn"),
    "constant": (
        "vertex.constant_target",
        data(constant_series=0),
        data(constant_series=1),
        "warn",
    ),
    "gaps": ("vertex.gaps", data(missing_share=0.5), data(missing_share=0.501), "warn"),
    "usable": ("vertex.series_usable", data(usable_count=60), data(usable_count=59), "warn"),
    "one usable": ("vertex.series_usable", data(usable_count=60), data(usable_count=0), "fail"),
    "context": (
        "vertex.context",
        data(long_usable_count=30),
        data(long_usable_count=29),
        "warn",
    ),
    "split": (
        "vertex.split",
        data(usable_first_day=ago(90)),
        data(usable_first_day=ago(89)),
        "warn",
    ),
    "one schedule": (
        "schedule.unique",
        lambda config: {"schedules": [make_transfer(config)]},
        lambda config: {"schedules": [make_transfer(config)] * 2},
        "fail",
    ),
}


@pytest.mark.parametrize("edge", EDGES)
def test_check__passes_exactly_at_its_limit_and_not_beyond(config: Config, edge: str) -> None:
    check, fine, beyond, status = EDGES[edge]
    assert findings_of(make_snapshot(config, **fine(config)))[check].status == "pass"
    assert findings_of(make_snapshot(config, **beyond(config)))[check].status == status


@pytest.mark.parametrize(("days", "advised"), [(45, True), (44, False)])
def test_hint__is_the_even_split_where_that_just_holds_the_horizon(
    config: Config, days: int, advised: bool
) -> None:
    change = data(usable_first_day=ago(days))
    hint = findings_of(make_snapshot(config, **change(config)))["vertex.split"].hint
    assert hint
    assert hint.startswith("split 60/20/20 in the training, which tests on 9 days") is advised


def test_check__of_a_view_without_rows_or_without_a_horizon_is_the_tables(config: Config) -> None:
    empty = data(usable_count=0, usable_rows=None, usable_steps=None)(config)
    besides = {**data(usable_rows=999, usable_steps=3_001)(config), "config": config, "views": []}
    for change in (empty, besides):
        found = findings_of(make_snapshot(config, **change))
        assert found["vertex.rows"].message == "4,200 rows"
        assert found["vertex.series_length"].message == "the longest series has 90 days"


@pytest.mark.parametrize(
    ("fields", "advised"), [((), 20), ((("political", "event__risk_score"),), 30)]
)
def test_usable__are_advised_for_each_column_that_has_numbers(
    config: Config, fields: tuple[tuple[str, str], ...], advised: int
) -> None:
    for usable, status in ((advised, "pass"), (advised - 1, "warn")):
        snapshot = make_snapshot(config, **data(usable_count=usable)(config))
        mapped = replace(snapshot, config=replace(snapshot.config, dimension_fields=fields))
        assert findings_of(mapped)["vertex.series_usable"].status == status


def test_check__says_how_many_series_miss_which_condition(config: Config) -> None:
    change = data(usable_count=1, short_count=3, sparse_count=4, old_count=5)
    message = findings_of(make_snapshot(config, **change(config)))["vertex.series_usable"].message
    assert "3 span less than 19 days" in message
    assert "4 have rows on less than" in message
    assert "5 have none of the last" in message


@pytest.mark.parametrize(
    ("series", "rows", "why"),
    [
        (0, 0, "no series was usable before"),
        (3, 0, "none of 3 series has a row since"),
        (3, 5, "none of 3 series has a number since"),
    ],
)
def test_baseline__that_is_none_says_why(config: Config, series: int, rows: int, why: str) -> None:
    baseline = replace(NO_BASELINE, series=series, rows=rows)
    snapshot = make_snapshot(config, baseline=baseline, baseline_asked=True)
    found = findings_of(snapshot)["vertex.baseline"]
    assert (found.status, why in found.message) == ("skipped", True)
    assert "--backfill-days" in found.hint


@pytest.mark.parametrize("reason", [{"baseline": UNSEEN}, {"data": UNSEEN, "baseline": None}])
def test_baseline__that_could_not_be_looked_at_is_no_want_of_history(
    config: Config, reason: dict[str, Any]
) -> None:
    found = findings_of(make_snapshot(config, baseline_asked=True, **reason))["vertex.baseline"]
    assert (found.status, found.hint) == ("skipped", "")


def test_check__of_an_unknown_number_is_none(config: Config) -> None:
    """An empty table has no series, and BigQuery NULL for their sums."""
    names = ("most_steps", "usable_steps", "short_series", "constant_series", "missing_share")
    nothing = data(**dict.fromkeys(names))
    found = findings_of(make_snapshot(config, **nothing(config)))
    checks = ("series_length", "constant_target", "gaps")
    assert {found[f"vertex.{name}"].status for name in checks} == {"pass"}
    assert found["vertex.series_length"].message == "the longest series has 0 days"


def test_days__of_a_short_series_are_a_context_and_a_horizon() -> None:
    assert [short_days(horizon) for horizon in (0, 1, 9)] == [0, 2, 18]


def test_rows__are_told_with_the_last_day_and_not_the_one_after(config: Config) -> None:
    first, *_ = check_data(make_snapshot(config))
    assert first.message.endswith("2025-12-02 to 2026-03-01")


@pytest.mark.parametrize(("days", "end"), [(-1, ago(1)), (0, TODAY), (3, TODAY)])
def test_window__ends_with_the_good_run_and_never_after_today(
    config: Config, days: int, end: Any
) -> None:
    """A run for a day to come loads what there is by now."""
    ages = (-days, 9)
    runs = [make_run("SUCCEEDED", run_time=NOW - timedelta(days=age)) for age in ages]
    window = expected_window(config, runs, NOW)
    assert (window.start, window.end) == (end - timedelta(days=90), end)


# What a hint tells to load ---------------------------------------------------------------------


def hint_for(config: Config, *ages: int, lost: int = 0) -> tuple[str, str]:
    """Status and hint where PostgreSQL has a row more on days of these ages, or `lost` less."""
    theirs = {ago(age): replace(SAME, rows=SAME.rows + 1 - lost) for age in ages}
    sides = BothSides(source=theirs, table=dict.fromkeys(theirs, SAME))
    finding = findings_of(make_snapshot(config, sides=sides))["source.reconciled"]
    return str(finding.status), finding.hint


def test_hint__waits_for_no_run_where_none_is_to_come(config: Config) -> None:
    off = {"schedules": [make_transfer(config, disabled=True)]}
    sides = BothSides(source={ago(1): replace(SAME, rows=SAME.rows + 1)}, table={ago(1): SAME})
    found = findings_of(make_snapshot(config, sides=sides))["source.reconciled"]
    assert found.status == "warn"
    found = findings_of(make_snapshot(config, sides=sides, **off))["source.reconciled"]
    assert found.status == "fail"
    assert "the next run" not in found.hint
    assert "`python manage.py bq_setup_etl --run-now`" in found.hint


@pytest.mark.parametrize("ages", [(20,), (9, 12, 20), (20, 9, 12)])
def test_hint__tells_the_days_back_to_the_oldest_that_differs(
    config: Config, ages: tuple[int, ...]
) -> None:
    short = replace(config, refresh_days=7)
    status, hint = hint_for(short, *ages)
    assert status == "fail"
    assert hint.endswith("`python manage.py bq_setup_etl --backfill-days 20`")


@pytest.mark.parametrize(
    ("ages", "cure"), [((7,), "--run-now`"), ((3, 7), "--run-now`"), ((8, 7), "-days 8`")]
)
def test_hint__is_a_run_where_that_reads_the_oldest_day(
    config: Config, ages: tuple[int, ...], cure: str
) -> None:
    """By today's run: the next one, tomorrow, reads a day less far back."""
    _, hint = hint_for(replace(config, refresh_days=7), *ages)
    assert hint.endswith(cure)


@pytest.mark.parametrize(("lost", "loads"), [(3, True), (4, False)])
def test_hint__loads_nothing_where_many_rows_would_go(
    config: Config, lost: int, loads: bool
) -> None:
    """Of 10 rows PostgreSQL has 8, which is a fifth less, or 7."""
    status, hint = hint_for(replace(config, refresh_days=7), 20, lost=lost)
    assert status == "fail"
    assert ("--backfill-days 20" in hint) is loads
    assert ("find out what PostgreSQL has lost" in hint) is not loads


# The next run ----------------------------------------------------------------------------------

TOMORROW = NOW + timedelta(hours=14)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"next_run_time": TOMORROW}, TOMORROW),
        ({"next_run_time": TOMORROW, "disabled": True}, None),
        ({"next_run_time": None}, None),
    ],
    ids=["scheduled", "disabled", "unknown"],
)
def test_next_run__is_none_where_none_will_come(
    config: Config, fields: dict[str, Any], expected: Any
) -> None:
    schedules = [make_transfer(config, **fields), make_transfer(config, next_run_time=NOW)]
    assert make_snapshot(config, schedules=schedules).next_run == expected


@pytest.mark.parametrize("schedules", [[], UNSEEN])
def test_next_run__of_what_is_not_there_is_none(config: Config, schedules: Any) -> None:
    assert make_snapshot(config, schedules=schedules).next_run is None
