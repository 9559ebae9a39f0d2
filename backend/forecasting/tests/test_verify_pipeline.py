"""bq_verify against the stand-in: a healthy pipeline passes, and each check has its own failure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from backend.forecasting.tests.support.healthy import Healthy
from backend.forecasting.tests.support.loading import TODAY, day_before
from backend.forecasting.tests.support.tampering import (
    ONE_ROW,
    WITHOUT_CONNECTION,
    WITHOUT_DATA,
    WITHOUT_ROWS,
    WITHOUT_SCHEDULE,
    WITHOUT_TABLE,
    columns,
    dataset_elsewhere,
    extra_columns,
    failed_run,
    no_credential,
    no_dataset,
    no_table,
    null_target,
    nullable_target,
    old_runs,
    other_database,
    other_script,
    resource,
    rows,
    second_schedule,
    undescribed,
    unpartitioned,
    wrong_password,
)
from backend.forecasting.verification import resource_checks, vertex_checks
from backend.localcloud.http.faults import Fault, Kind

pytestmark = pytest.mark.django_db

RUN_SETUP = "run `python manage.py bq_setup`"
RUN_ETL = "run `python manage.py bq_setup_etl`"
RUN_NOW = "run `python manage.py bq_setup_etl --run-now`"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is done to a healthy pipeline, the check that finds it, and what comes with it."""

    check: str
    tamper: Callable[[Healthy], None]
    hint: str
    status: str = "fail"
    # Other checks that cannot pass or cannot look once this one fails.
    besides: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    exit_status: int = 2


CASES = [
    Case(
        check="dataset.exists",
        tamper=no_dataset,
        hint=RUN_SETUP,
        besides={**WITHOUT_TABLE, "dataset.location": "skipped", "table.exists": "fail"},
    ),
    Case(
        check="dataset.location",
        tamper=dataset_elsewhere,
        hint="choose another FORECASTING_DATASET",
        besides=WITHOUT_DATA,
        exit_status=1,
    ),
    Case(check="table.exists", tamper=no_table, hint=RUN_SETUP, besides=WITHOUT_TABLE),
    Case(check="table.schema", tamper=columns(nullable_target), hint=RUN_SETUP),
    Case(check="table.partitioning", tamper=unpartitioned, hint=RUN_SETUP),
    Case(check="table.description", tamper=undescribed, hint=RUN_SETUP),
    Case(
        check="connection.exists",
        tamper=lambda healthy: healthy.cloud.connections.items.clear(),
        hint=RUN_ETL,
        besides=WITHOUT_CONNECTION,
    ),
    Case(check="connection.target", tamper=other_database, hint=RUN_ETL),
    Case(
        check="connection.credential",
        tamper=no_credential,
        hint=RUN_ETL,
        besides={"connection.usable": "skipped"},
    ),
    Case(
        check="connection.usable",
        tamper=wrong_password,
        hint="put the right ones into Secret Manager",
    ),
    Case(
        check="schedule.exists",
        tamper=lambda healthy: healthy.cloud.transfers.items.clear(),
        hint=RUN_ETL,
        besides=WITHOUT_SCHEDULE,
    ),
    Case(check="schedule.unique", tamper=second_schedule, hint="bq rm --transfer_config"),
    Case(check="schedule.enabled", tamper=resource(disabled=True), hint=RUN_ETL),
    Case(check="schedule.time", tamper=resource(schedule="every day 03:00"), hint=RUN_ETL),
    Case(check="schedule.query", tamper=other_script, hint=RUN_ETL),
    Case(
        check="schedule.destination",
        tamper=resource(destinationDatasetId="intelligence"),
        hint=RUN_ETL,
    ),
    Case(check="run.succeeded", tamper=failed_run, hint="put the right ones into Secret Manager"),
    Case(check="run.fresh", tamper=old_runs, hint="see why no run has succeeded since"),
    Case(
        check="data.rows",
        tamper=rows("DELETE FROM {table} WHERE TRUE"),
        hint=RUN_NOW,
        besides=WITHOUT_ROWS,
    ),
    Case(
        check="data.grain",
        tamper=rows(f"INSERT INTO {{table}} SELECT * FROM {{table}} WHERE {ONE_ROW}"),
        hint=RUN_NOW,
    ),
    Case(check="data.nulls", tamper=null_target, hint=RUN_NOW, besides={"table.schema": "fail"}),
    Case(
        check="data.finite",
        tamper=rows(
            f"UPDATE {{table}} SET political_risk = CAST('nan' AS FLOAT64) WHERE {ONE_ROW}"
        ),
        hint=RUN_NOW,
    ),
    Case(
        check="data.range",
        tamper=rows(f"UPDATE {{table}} SET risk_score = 100.5 WHERE {ONE_ROW}"),
        hint="correct the scores in PostgreSQL",
    ),
    Case(
        check="data.window",
        tamper=rows(f"UPDATE {{table}} SET mentioned_at = TIMESTAMP '{TODAY}' WHERE {ONE_ROW}"),
        hint=RUN_NOW,
    ),
    Case(
        check="data.coverage",
        tamper=rows(f"DELETE FROM {{table}} WHERE DATE(mentioned_at) = '{day_before(30)}'"),
        hint="check that PostgreSQL holds the whole window",
        status="warn",
    ),
    Case(
        check="vertex.rows",
        tamper=rows(
            "DELETE FROM {table} WHERE entity_id NOT IN "
            "(SELECT entity_id FROM {table} GROUP BY entity_id ORDER BY entity_id LIMIT 11)"
        ),
        hint="load more history",
    ),
    Case(
        check="vertex.columns",
        tamper=extra_columns(*(f"extra_{number}" for number in range(94))),
        hint="drop columns that nobody trains on",
    ),
    Case(check="vertex.names", tamper=extra_columns("_odd"), hint="no underscore in front"),
    Case(
        check="vertex.span",
        tamper=lambda healthy: None,
        hint="FORECASTING_KEEP_HISTORY=on",
        status="warn",
        options={"horizon_days": "10"},
    ),
    Case(
        check="vertex.series_length",
        tamper=lambda healthy: None,
        hint="such series hardly teach a model",
        status="warn",
        options={"horizon_days": "46"},
        besides={"vertex.span": "warn"},
    ),
    Case(
        check="vertex.constant_target",
        tamper=rows(
            "UPDATE {table} SET risk_score = 50 "
            "WHERE entity_id = (SELECT MIN(entity_id) FROM {table})"
        ),
        hint="leave them out of the training",
        status="warn",
    ),
    Case(
        check="vertex.gaps",
        tamper=rows(
            f"DELETE FROM {{table}} WHERE DATE(mentioned_at) > '{day_before(90)}' "
            f"AND DATE(mentioned_at) < '{day_before(1)}' AND entity_id NOT IN "
            "(SELECT entity_id FROM {table} GROUP BY entity_id ORDER BY entity_id LIMIT 11)"
        ),
        hint="train on the entities that are mentioned most",
        status="warn",
    ),
]


def test_verify__healthy_pipeline_passes_every_check(healthy: Healthy) -> None:
    verified = healthy.verify(reconcile=True)
    assert verified.troubles == {}
    assert verified.document["ok"] is True
    assert verified.status == 0
    assert not healthy.cloud.writes


def test_cases__are_there_for_every_check(healthy: Healthy) -> None:
    elsewhere = {"source.reconciled", "vertex.size"}  # test_reconciliation.py, and below
    assert set(healthy.verify(reconcile=True).checks) == {c.check for c in CASES} | elsewhere


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.check)
def test_verify__finds_what_was_tampered_with(healthy: Healthy, case: Case) -> None:
    case.tamper(healthy)
    verified = healthy.verify(**case.options)
    assert verified.troubles == {case.check: case.status, **case.besides}
    assert case.hint in verified.checks[case.check]["hint"]
    assert verified.document["ok"] is (case.status == "warn")
    assert verified.status == (case.exit_status if case.status == "fail" else 0)


def test_verify__names_no_user_of_a_run_that_could_not_log_in(healthy: Healthy) -> None:
    failed_run(healthy)
    verified = healthy.verify()
    assert 'user "***"' in verified.checks["run.succeeded"]["message"]
    assert '"bigquery"' not in verified.said


@pytest.mark.parametrize(
    ("limit", "check", "hint"),
    [
        ("MAX_BYTES", "vertex.size", "shorten the window"),
        ("MAX_STEPS", "vertex.series_length", "shorten the window"),
    ],
)
def test_verify__table_larger_than_vertex_takes(
    healthy: Healthy, monkeypatch: pytest.MonkeyPatch, limit: str, check: str, hint: str
) -> None:
    monkeypatch.setattr(vertex_checks, limit, 80)
    verified = healthy.verify()
    assert verified.troubles == {check: "fail"}
    assert hint in verified.checks[check]["hint"]


def test_verify__missing_column_is_drift_and_no_error(healthy: Healthy) -> None:
    columns(lambda schema: [f for f in schema if f.name != "political_risk"])(healthy)
    verified = healthy.verify()
    assert verified.troubles == {"table.schema": "fail", **WITHOUT_DATA}
    assert verified.checks["data.rows"]["message"] == "the table lacks columns to read"
    assert verified.status == 2


def test_verify__score_of_the_entity_warns(healthy: Healthy) -> None:
    verified = healthy.verify(score_source="entity")
    assert verified.checks["vertex.constant_target"]["status"] == "warn"
    assert "FORECASTING_SCORE_SOURCE=event" in verified.checks["vertex.constant_target"]["hint"]


def test_verify__unknown_refusal_has_a_hint_too(
    healthy: Healthy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource_checks, "likely_cause", lambda message: "")
    wrong_password(healthy)
    assert RUN_ETL in healthy.verify().checks["connection.usable"]["hint"]


# What a single answer says that is not there


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", r"/datasets/intelligence$"),
        ("GET", r"/tables/\w+$"),
        ("GET", r"/connections/"),
        ("POST", r"/queries$"),
    ],
)
def test_absence__is_believed_only_when_it_is_said_twice(
    healthy: Healthy, method: str, path: str
) -> None:
    fault = Fault(kind=Kind.NOT_FOUND, method=method, path=path, nth=2 if method == "POST" else 1)
    healthy.cloud.faults.add(fault)
    verified = healthy.verify()
    hits = list(healthy.cloud.faults.hits)
    healthy.cloud.faults.clear()
    assert hits == [fault]
    assert (verified.status, verified.troubles) == (0, {})
