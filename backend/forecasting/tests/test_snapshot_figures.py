"""What is told from what bq_verify has looked at."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig

from backend.forecasting.conf import Config
from backend.forecasting.errors import ForecastingError, UnreachableError
from backend.forecasting.tests.support.factories import (
    Google,
    google_error,
    make_run,
    make_table,
    make_transfer,
)
from backend.forecasting.tests.support.snapshots import (
    NOW,
    UNSEEN,
    make_snapshot,
    make_views,
)
from backend.forecasting.verification import snapshot as module
from backend.forecasting.verification.snapshot import (
    Unseen,
    Window,
    see,
    succeeded_runs,
)


@pytest.mark.parametrize(
    ("changes", "why_no_data", "why_no_days"),
    [
        ({"data": UNSEEN}, "could not read the table: the network is down", None),
        ({"days": UNSEEN}, "no table to read", "could not read the table: the network is down"),
        ({"table": None}, "no table to read", None),
        ({"table": UNSEEN}, "no table to read", None),
        (
            {"table": make_table(schema={"fields": []})},
            "the table lacks columns to read",
            None,
        ),
    ],
)
def test_snapshot__says_why_there_are_no_figures(
    config: Config, changes: dict[str, Any], why_no_data: str, why_no_days: str | None
) -> None:
    seen = make_snapshot(config, **changes)
    assert (seen.why_no_data, seen.why_no_days) == (why_no_data, why_no_days or why_no_data)


PARTS = ("dataset", "table", "connection", "schedules", "runs", "probe", "data", "days", "sides")


def test_snapshot__counts_as_unseen_each_part_that_was_asked_for(config: Config) -> None:
    assert make_snapshot(config).unseen == []
    every = {name: Unseen(reason=name) for name in (*PARTS, "baseline")}
    views = [(spec, Unseen(reason=f"view {n}")) for n, (spec, _) in enumerate(make_views(config))]
    seen = make_snapshot(config, views=views, **every)
    told = [*PARTS, "baseline", "view 0", "view 1"]
    assert [unseen.reason for unseen in seen.unseen] == told
    quiet = replace(seen, baseline_asked=False)
    assert [unseen.reason for unseen in quiet.unseen] == [*PARTS, "view 0", "view 1"]


@pytest.mark.parametrize(
    ("ages", "hours"), [((), None), ((26.5, 2.5, 9), 2.5), ((-1,), 0.0), ((0,), 0.0)]
)
def test_snapshot__tells_the_age_of_its_latest_good_run(
    config: Config, ages: tuple[float, ...], hours: float | None
) -> None:
    runs = [make_run("SUCCEEDED", end_time=NOW - timedelta(hours=age)) for age in ages]
    failed = make_run("FAILED", end_time=NOW)
    assert make_snapshot(config, runs=[failed, *runs]).hours_since_good_run == hours


@pytest.mark.parametrize("missing", ["run_time", "end_time", None])
def test_runs__that_lack_a_time_are_none_to_count_on(missing: str | None) -> None:
    run = make_run("SUCCEEDED", **({missing: None} if missing else {}))
    assert succeeded_runs([make_run("FAILED"), run]) == ([] if missing else [run])
    assert succeeded_runs(UNSEEN) == []


def test_window__is_todays_where_there_is_no_run(config: Config) -> None:
    now = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
    window = module.expected_window(replace(config, window_days=5), [], now)
    assert window == Window(start=date(2026, 2, 25), end=date(2026, 3, 2))
    assert window.days == 5


def test_see__is_what_was_found_or_why_it_was_not(google: Google) -> None:
    def fail(error: Exception) -> Callable[[], None]:
        return Mock(side_effect=error)

    assert see(google, "Looking", lambda: 7) == 7
    assert see(google, "Looking", fail(ForecastingError("no"))) == Unseen(reason="no")
    refused = see(google, "Looking", fail(google_error(400, "odd")))
    assert refused == Unseen(reason="Looking failed: odd (HTTP 400).")
    with pytest.raises(UnreachableError, match="away"):
        see(google, "Looking", fail(UnreachableError("away")))


def test_scheduled__is_the_first_of_several(config: Config) -> None:
    schedules = [make_transfer(config, name=name) for name in ("first", "second")]
    found = make_snapshot(config, schedules=schedules).scheduled
    assert isinstance(found, TransferConfig)
    assert found.name == "first"
    assert make_snapshot(config, schedules=[]).scheduled is None
    assert make_snapshot(config, schedules=UNSEEN).scheduled is None
