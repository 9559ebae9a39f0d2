"""An empty table passes nothing, and what failed is named beside what could not be looked at."""

from dataclasses import replace

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.loading.day_sums import BothSides
from backend.forecasting.tests.support.factories import make_run
from backend.forecasting.tests.support.snapshots import (
    DATA,
    SAME,
    YESTERDAY,
    findings_of,
    make_snapshot,
)
from backend.forecasting.verification.verify import Verification, check_snapshot


@pytest.mark.parametrize("check", ["data.grain", "data.nulls", "data.finite"])
def test_checks__of_an_empty_table_fail(config: Config, check: str) -> None:
    finding = findings_of(make_snapshot(config, data={**DATA, "row_count": 0}))[check]
    assert (finding.status, finding.message) == ("fail", "the table is empty")
    assert finding.hint == "run `python manage.py bq_setup_etl --run-now`"


@pytest.mark.parametrize("check", ["data.volume", "data.dimensions"])
def test_days__that_are_all_empty_have_the_cure_of_an_empty_table(
    config: Config, check: str
) -> None:
    finding = findings_of(make_snapshot(config, days=[]))[check]
    assert (finding.status, finding.message) == ("fail", "no rows")
    assert finding.hint == "run `python manage.py bq_setup_etl --run-now`"


@pytest.mark.parametrize("check", ["data.rows", "data.grain", "data.nulls", "data.finite"])
def test_checks__of_a_table_that_no_run_filled_have_the_cure_of_that_run(
    config: Config, check: str
) -> None:
    message = "The source query returned no rows, so the training table was left as it was"
    runs = [make_run("FAILED", error_status={"code": 3, "message": message})]
    empty = {**DATA, "row_count": 0, "rows_in_window": 0}
    finding = findings_of(make_snapshot(config, runs=runs, data=empty))[check]
    assert finding.status == "fail"
    assert finding.hint.startswith("PostgreSQL has no mention of the days that are read")


def test_failure__names_what_failed_and_what_was_skipped(config: Config) -> None:
    snapshot = make_snapshot(config, probe=None, data={**DATA, "rows_with_null": 1})
    findings = check_snapshot(snapshot)
    result = Verification(config=config, snapshot=snapshot, findings=findings, strict=False)
    assert str(result.failure) == (
        "1 check failed (data.nulls), 2 checks skipped (connection.usable, data.orphans)."
    )


def test_reconciliation__many_more_rows_in_bigquery_are_looked_into_first(config: Config) -> None:
    sides = BothSides(
        source={YESTERDAY: replace(SAME, rows=2)}, table={YESTERDAY: replace(SAME, rows=100)}
    )
    hint = findings_of(make_snapshot(config, sides=sides))["source.reconciled"].hint
    assert hint.startswith("BigQuery holds 100 rows of these days and PostgreSQL 2: find out what")
    assert "manage.py" not in hint
