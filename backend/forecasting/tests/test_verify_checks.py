"""Every check, from snapshots made by hand: what passes, what fails, what only warns."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.errors import ForecastingError, VerificationFailed
from backend.forecasting.loading.day_sums import BothSides, DaySums
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.tests.support.factories import (
    TRANSFER_NAME,
    USER,
    column_reprs,
    make_config,
    make_connection,
    make_dataset,
    make_run,
    make_table,
    make_transfer,
)
from backend.forecasting.verification.findings import Finding, FindingStatus
from backend.forecasting.verification.snapshot import (
    Probe,
    Snapshot,
    Unseen,
    Window,
    expected_window,
)
from backend.forecasting.verification.verify import Verification, check_snapshot

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY, FIRST_DAY = date(2026, 3, 2), date(2025, 12, 2)
UNSEEN = Unseen(reason="the network is down")
WRONG_PASSWORD = f'FATAL: password authentication failed for user "{USER}"'
DATA: dict[str, Any] = {
    "row_count": 4200,
    "rows_in_window": 4200,
    "days_in_window": 90,
    "series_count": 60,
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
}
SAME = DaySums(rows=10, keys=7, scores=420.0, values=999.0)
YESTERDAY = TODAY - timedelta(days=1)
IDS = [
    "dataset.exists",
    "dataset.location",
    "table.exists",
    "table.schema",
    "table.partitioning",
    "table.description",
    "connection.exists",
    "connection.target",
    "connection.credential",
    "connection.usable",
    "schedule.exists",
    "schedule.unique",
    "schedule.enabled",
    "schedule.time",
    "schedule.query",
    "schedule.destination",
    "run.succeeded",
    "run.fresh",
    "data.rows",
    "data.grain",
    "data.nulls",
    "data.finite",
    "data.range",
    "data.window",
    "data.coverage",
    "source.reconciled",
    "vertex.rows",
    "vertex.columns",
    "vertex.size",
    "vertex.names",
    "vertex.series_length",
    "vertex.span",
    "vertex.constant_target",
    "vertex.gaps",
]

Change = Callable[[Config], dict[str, Any]]


def healthy(config: Config, /, **changes: Any) -> Snapshot:
    """A pipeline in which every check passes, with these parts of it changed."""
    snapshot = Snapshot(
        config=replace(config, horizon_days=9),
        now=NOW,
        dataset=make_dataset(),
        table=make_table(),
        connection=make_connection(),
        probe=Probe(error=""),
        schedules=[make_transfer(config)],
        runs=[make_run("SUCCEEDED")],
        window=Window(start=FIRST_DAY, end=TODAY),
        data=DATA,
        reconcile=True,
        sides=BothSides(source={YESTERDAY: SAME}, table={YESTERDAY: SAME}),
    )
    return replace(snapshot, **changes)


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


def source(day: date, **changes: Any) -> Change:
    """PostgreSQL holds more, or other, for a day than the table does."""
    sides = BothSides(source={day: replace(SAME, **changes)}, table={day: SAME})
    return lambda _: {"sides": sides}


def horizon(days: int) -> Change:
    return lambda config: {"config": replace(config, horizon_days=days)}


def absent(part: str, empty: Any = None) -> Change:
    return lambda _: {part: empty}


FAILING: tuple[tuple[str, Change, str], ...] = (
    ("dataset.exists", absent("dataset"), "does not exist"),
    ("dataset.location", dataset(location="EU"), "location: eu, not us-central1"),
    ("table.exists", absent("table"), "does not exist"),
    ("table.schema", columns(risk_score={"type": "STRING"}), "columns.risk_score"),
    ("table.schema", columns(risk_score={"mode": "NULLABLE"}), "columns.risk_score"),
    ("table.schema", columns(entity_id=None), "columns.entity_id"),
    ("table.schema", columns(economic_risk=None), "columns.economic_risk"),
    ("table.schema", columns(economic_risk={"mode": "REQUIRED"}), "columns.economic_risk"),
    ("table.partitioning", table(timePartitioning=None), "partitioning"),
    ("table.partitioning", table(expirationTime="1775001600000"), "expirationTime"),
    (
        "table.partitioning",
        table(
            timePartitioning={"type": "DAY", "field": "mentioned_at", "expirationMs": "86400000"}
        ),
        "timePartitioning.expirationMs",
    ),
    ("table.description", table(description="by hand"), "description"),
    (
        "table.description",
        columns(entity_id={"description": "by hand"}),
        "columns.entity_id.description",
    ),
    ("connection.exists", absent("connection"), "does not exist"),
    ("connection.target", connection(cloud_sql={"database": "other"}), "database other, not"),
    ("connection.target", connection(cloud_sql={"instance_id": "a:b:c"}), "a:b:c"),
    ("connection.target", connection(cloud_sql={"type_": "MYSQL"}), "MYSQL"),
    ("connection.credential", connection(has_credential=False), "no user and password"),
    ("connection.usable", lambda _: {"probe": Probe(error=WRONG_PASSWORD)}, "a query through it"),
    ("schedule.exists", absent("schedules", ()), "does not exist"),
    (
        "schedule.unique",
        lambda config: {"schedules": [make_transfer(config)] * 2},
        "2 scheduled queries load this table",
    ),
    ("schedule.enabled", schedule(disabled=True), "disabled"),
    (
        "schedule.enabled",
        schedule(schedule_options={"disable_auto_scheduling": True}),
        "automatic",
    ),
    (
        "schedule.enabled",
        schedule(schedule_options={"end_time": datetime(2026, 4, 1, tzinfo=UTC)}),
        "ends",
    ),
    ("schedule.time", schedule(schedule="every day 03:00"), "schedule"),
    ("schedule.query", schedule(params={"query": "SELECT 1"}), "query"),
    ("schedule.destination", schedule(destination_dataset_id="x"), "destination_dataset"),
    ("run.succeeded", absent("runs", ()), "no run has ended yet"),
    ("run.succeeded", run("RUNNING"), "no run has ended yet"),
    ("run.succeeded", run("FAILED", error_status={"message": "Boom"}), "ended FAILED: Boom"),
    ("run.succeeded", run("CANCELLED"), "ended CANCELLED"),
    ("run.fresh", absent("runs", ()), "no run has succeeded yet"),
    (
        "run.fresh",
        lambda _: {"now": NOW + timedelta(hours=17)},
        "the last good run ended 27.0 hours ago",
    ),
    ("data.rows", data(rows_in_window=0), "no rows, 2025-12-02 to 2026-03-01"),
    ("data.grain", data(repeated_rows=2), "2 rows that repeat an entity and day"),
    ("data.nulls", data(rows_with_null=1), "1 rows without entity, day or score"),
    ("data.finite", data(rows_not_finite=1), "1 rows with NaN or an infinite number"),
    ("data.range", data(rows_out_of_range=1200), "1,200 rows with a score below 0 or above 100"),
    ("data.window", data(rows_before_window=3), "3 rows before 2025-12-02"),
    ("data.window", data(rows_after_window=3), "3 rows of 2026-03-02 or later"),
    ("data.window", data(rows_off_midnight=3), "3 rows off midnight UTC"),
    (
        "source.reconciled",
        source(TODAY - timedelta(days=200), rows=11),
        "11 rows in PostgreSQL and 10 in BigQuery",
    ),
    ("source.reconciled", source(YESTERDAY, rows=9), "9 rows in PostgreSQL and 10 in BigQuery"),
    ("source.reconciled", source(YESTERDAY, keys=8), "of other entities"),
    ("vertex.rows", data(row_count=999), "999 rows, Vertex AI takes 1,000 to 100,000,000"),
    ("vertex.rows", data(row_count=100_000_001), "100,000,001 rows"),
    ("vertex.columns", table(schema={"fields": column_reprs()[:2]}), "2 columns"),
    ("vertex.size", table(numBytes=str(10**11 + 1)), "100,000,000,001 bytes"),
    (
        "vertex.names",
        table(schema={"fields": [*column_reprs(), {"name": "_x", "type": "STRING"}]}),
        "_x",
    ),
    ("vertex.series_length", data(most_steps=3001), "3,001 days, Vertex AI takes 3,000"),
)

WARNING: tuple[tuple[str, Change, str], ...] = (
    ("data.coverage", data(days_in_window=80), "80 of the window's 90 days have rows"),
    ("source.reconciled", source(YESTERDAY, rows=11), "11 rows in PostgreSQL and 10 in BigQuery"),
    ("source.reconciled", source(YESTERDAY, scores=430.0), "430.00 in PostgreSQL and 420.00"),
    ("vertex.series_length", data(short_series=31), "31 of 60 series span less than 18 days"),
    ("vertex.span", horizon(30), "90 days are short for a horizon of 30 days"),
    ("vertex.constant_target", data(constant_series=2), "2 of 60 series never change"),
    ("vertex.gaps", data(missing_share=0.51), "misses 51% of the days"),
)

PARTS = {
    "dataset": "dataset.",
    "table": "table.",
    "connection": "connection.",
    "probe": "connection.usable",
    "schedules": "schedule.",
    "runs": "run.",
    "data": "data.",
    "sides": "source.",
}


def test_checks__all_pass_in_the_documented_order(config: Config) -> None:
    findings = check_snapshot(healthy(config))
    assert [finding.id for finding in findings] == IDS
    assert {finding.status for finding in findings} == {FindingStatus.PASSED}


@pytest.mark.parametrize(("check", "change", "words"), FAILING)
def test_check__fails_says_what_is_wrong_and_what_to_do(
    config: Config, check: str, change: Change, words: str
) -> None:
    findings = findings_of(healthy(config, **change(config)))
    assert findings[check].status is FindingStatus.FAILED
    assert words in findings[check].message
    assert findings[check].hint
    assert set(findings) == set(IDS)


@pytest.mark.parametrize(("check", "change", "words"), WARNING)
def test_check__warns_and_nothing_fails(
    config: Config, check: str, change: Change, words: str
) -> None:
    findings = findings_of(healthy(config, **change(config)))
    assert findings[check].status is FindingStatus.WARNED
    assert words in findings[check].message
    assert findings[check].hint
    others = {finding.status for id, finding in findings.items() if id != check}
    assert others == {FindingStatus.PASSED}


def test_checks__each_can_fail_or_warn() -> None:
    assert {check for check, *_ in (*FAILING, *WARNING)} == set(IDS)


@pytest.mark.parametrize("part", PARTS)
def test_checks__what_could_not_be_looked_at_is_skipped_and_said(config: Config, part: str) -> None:
    start = PARTS[part]
    findings = findings_of(healthy(config, **{part: UNSEEN}))
    of_part = [finding for id, finding in findings.items() if id.startswith(start)]
    assert of_part
    assert {finding.status for finding in of_part} == {FindingStatus.SKIPPED}
    assert any(UNSEEN.reason in finding.message for finding in of_part)
    assert set(findings) == set(IDS)


@pytest.mark.parametrize("part", ["dataset", "table", "connection"])
def test_checks__of_what_is_absent_are_skipped_but_for_the_first(config: Config, part: str) -> None:
    findings = findings_of(healthy(config, **{part: None}))
    of_part = [finding for id, finding in findings.items() if id.startswith(f"{part}.")]
    assert of_part[0].status is FindingStatus.FAILED
    assert {finding.status for finding in of_part[1:]} == {FindingStatus.SKIPPED}


def test_reconciliation__is_absent_where_it_was_not_asked_for(config: Config) -> None:
    findings = findings_of(healthy(config, reconcile=False, sides=None))
    assert "source.reconciled" not in findings


def test_table__of_another_partitioning_still_shows_the_other_differences(config: Config) -> None:
    found = make_table(timePartitioning=None, description="by hand", expirationTime="1775001600000")
    finding = findings_of(healthy(config, table=found))["table.partitioning"]
    assert finding.message == "differs: expirationTime, partitioning"
    assert TableSpec.from_config(config).plan(found).fields == {"partitioning"}


@pytest.mark.parametrize("alias", ["FLOAT", "FLOAT64"])
def test_table__type_alias_is_no_difference(config: Config, alias: str) -> None:
    found = columns(risk_score={"type": alias})(config)
    assert findings_of(healthy(config, **found))["table.schema"].status is FindingStatus.PASSED


def test_run__failure_has_the_likely_cause_and_no_user(config: Config) -> None:
    runs = [make_run("FAILED", error_status={"code": 3, "message": WRONG_PASSWORD})]
    finding = findings_of(healthy(config, runs=runs))["run.succeeded"]
    assert "put the right ones into Secret Manager" in finding.hint
    assert USER not in str(finding)


def test_run__latest_that_has_ended_counts(config: Config) -> None:
    runs = [make_run("RUNNING"), make_run("SUCCEEDED"), make_run("FAILED")]
    findings = findings_of(healthy(config, runs=runs))
    assert findings["run.succeeded"].status is FindingStatus.PASSED


def test_window__rows_before_it_are_fine_where_history_is_kept() -> None:
    config = make_config(keep_history=True)
    changed = healthy(config, data={**DATA, "rows_before_window": 3})
    assert findings_of(changed)["data.window"].status is FindingStatus.PASSED


def test_span__without_a_horizon_says_how_far_it_reaches(config: Config) -> None:
    finding = findings_of(healthy(config, **horizon(0)(config)))["vertex.span"]
    assert finding.status is FindingStatus.PASSED
    assert finding.message == (
        "90 days, enough for a horizon of up to 9; FORECASTING_HORIZON_DAYS is not set"
    )


def test_target__present_scores_warn_always() -> None:
    config = make_config(score_source="entity")
    finding = findings_of(healthy(config))["vertex.constant_target"]
    assert finding.status is FindingStatus.WARNED
    assert "FORECASTING_SCORE_SOURCE=event" in finding.hint


def test_expected_window__is_that_of_the_last_good_run(config: Config) -> None:
    good = make_run("SUCCEEDED", run_time=datetime(2026, 2, 27, 2, tzinfo=UTC))
    runs = [make_run("FAILED"), good]
    assert expected_window(config, runs, NOW) == Window(
        start=date(2025, 11, 29), end=date(2026, 2, 27)
    )


@pytest.mark.parametrize("runs", [[], UNSEEN])
def test_expected_window__without_a_good_run_ends_today(config: Config, runs: Any) -> None:
    assert expected_window(config, runs, NOW).end == TODAY


# The verification as a whole


def verified(snapshot: Snapshot, *, strict: bool = False) -> Verification:
    findings = check_snapshot(snapshot)
    return Verification(config=snapshot.config, snapshot=snapshot, findings=findings, strict=strict)


def returncode(verification: Verification) -> int:
    return verification.failure.returncode if verification.failure else 0


@pytest.mark.parametrize(
    ("change", "strict", "status"),
    [
        ({}, True, 0),
        (horizon(30)(make_config()), False, 0),
        (horizon(30)(make_config()), True, 2),
        ({"table": None, "data": None, "sides": None}, False, 2),
        ({"connection": UNSEEN}, False, 1),
        ({"connection": UNSEEN, "dataset": None}, False, 1),
    ],
)
def test_verification__exit_status(
    config: Config, change: dict[str, Any], strict: bool, status: int
) -> None:
    verification = verified(healthy(config, **change), strict=strict)
    assert returncode(verification) == status
    assert verification.ok is (status == 0)


def test_verification__failure_counts_what_failed(config: Config) -> None:
    failure = verified(healthy(config, data={**DATA, "rows_with_null": 1, "row_count": 1})).failure
    assert isinstance(failure, VerificationFailed)
    assert str(failure) == "2 checks failed."


def test_verification__says_what_could_not_be_looked_at(config: Config) -> None:
    failure = verified(healthy(config, runs=UNSEEN)).failure
    assert isinstance(failure, ForecastingError)
    assert str(failure) == f"Could not look at everything: {UNSEEN.reason}"


def test_verification__json_is_the_documented_one(config: Config) -> None:
    document = verified(healthy(config, dataset=make_dataset(location="EU"))).as_json()
    assert list(document) == ["command", "project", "ok", "checks"]
    assert (document["command"], document["ok"]) == ("bq_verify", False)
    assert [check["id"] for check in document["checks"]] == IDS
    assert document["checks"][1] == {
        "id": "dataset.location",
        "status": "fail",
        "message": "location: eu, not us-central1",
        "hint": "a dataset never moves: correct FORECASTING_LOCATION or choose another "
        "FORECASTING_DATASET",
        "expected": "us-central1",
        "observed": "eu",
    }


def test_unique__names_each_scheduled_query(config: Config) -> None:
    schedules = [make_transfer(config, name=f"{TRANSFER_NAME}{number}") for number in (1, 2)]
    finding = findings_of(healthy(config, schedules=schedules))["schedule.unique"]
    assert finding.observed == f"{TRANSFER_NAME}1, {TRANSFER_NAME}2"
