"""With history kept the table is more than its window: what is said of which, and its cure."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.tests.support.factories import make_run
from backend.forecasting.tests.support.snapshots import DATA, NOW, findings_of, make_snapshot
from backend.forecasting.verification.findings import Finding

FEWER = "The source query returned far fewer rows than the training table holds for the same days"
EMPTY = "The source query returned no rows, so the training table was left as it was"


def find(config: Config, check: str, **data: Any) -> Finding:
    snapshot = make_snapshot(config, data={**DATA, **data})
    return findings_of(replace(snapshot, config=config))[check]


def test_rows__say_which_are_of_the_window(config: Config) -> None:
    found = find(config, "data.rows", row_count=9000, series_in_window=40)
    assert found.message.startswith("4,200 rows of 40 entities, ")
    assert "of the window; 9,000 in the whole table" in found.message
    assert "of the window" not in find(config, "data.rows").message


@pytest.mark.parametrize("check", ["data.grain", "data.nulls", "data.finite", "data.range"])
@pytest.mark.parametrize(
    ("settings", "told"),
    [({"keep_history": True}, True), ({"refresh_days": 7}, True), ({}, False)],
    ids=["history kept", "a week read again", "all read again"],
)
def test_hint__names_what_loads_the_days_that_no_run_reads(
    config: Config, check: str, settings: dict[str, Any], told: bool
) -> None:
    wrong = dict.fromkeys(
        ("repeated_rows", "rows_with_null", "rows_not_finite", "rows_out_of_range"), 3
    )
    found = find(replace(config, **settings), check, **wrong)
    assert found.status == "fail"
    assert ("--backfill-days N" in found.hint) is told


@pytest.mark.parametrize("message", [FEWER, EMPTY])
def test_fresh__cure_is_that_of_the_run_that_failed(config: Config, message: str) -> None:
    good = make_run("SUCCEEDED", end_time=NOW - timedelta(hours=50))
    bad = make_run("FAILED", error_status={"code": 3, "message": message})
    for runs in ([bad, good], [bad]):
        found = findings_of(make_snapshot(config, runs=runs))["run.fresh"]
        assert found.status == "fail"
        assert "PostgreSQL" in found.hint
        assert "--run-now" not in found.hint


def test_fresh__after_a_run_that_succeeded_is_a_run(config: Config) -> None:
    good = make_run("SUCCEEDED", end_time=NOW - timedelta(hours=50))
    assert "--run-now" in findings_of(make_snapshot(config, runs=[good]))["run.fresh"].hint
