"""bq_verify against the stand-in: a healthy pipeline passes, and each check has its own failure."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.provisioning.views import view_specs
from backend.forecasting.tests.support.check_cases import CASES, RUN_ETL, Case
from backend.forecasting.tests.support.healthy import Healthy
from backend.forecasting.tests.support.loading import TABLE, day_before
from backend.forecasting.tests.support.tampering import (
    WITHOUT_DATA,
    columns,
    failed_run,
    wrong_password,
)
from backend.forecasting.verification import resource_checks, vertex_checks
from backend.localcloud.http.faults import Fault, Kind

pytestmark = [pytest.mark.django_db, pytest.mark.untraced]

TAMPERED = [case for case in CASES if case.tamper]


def test_verify__healthy_pipeline_passes_every_check(healthy: Healthy) -> None:
    verified = healthy.verify(reconcile=True, baseline=True)
    assert verified.troubles == {}
    assert verified.document["ok"] is True
    assert verified.status == 0
    assert not healthy.cloud.writes


@pytest.mark.usefixtures("undrawn")
def test_table_that_demands_a_partition_filter__is_loaded_and_verified(
    healthy: Healthy, tmp_path: Path
) -> None:
    healthy.touched = True
    table = healthy.client.get_table(TABLE)
    table.require_partition_filter = True
    healthy.client.update_table(table, ["require_partition_filter"])
    call_command("bq_setup_etl", run_now=True, stdout=StringIO())
    call_command("bq_setup", stdout=StringIO())
    report = str(tmp_path / "report.html")
    assert healthy.verify(reconcile=True, baseline=True, report=report).troubles == {}
    healthy.change_rows(f"DELETE FROM {{table}} WHERE mentioned_at = TIMESTAMP '{day_before(3)}'")
    verified = healthy.verify(reconcile=True)
    assert "was left with" in verified.checks["source.reconciled"]["message"]
    clients, config = make_clients(load_config()), load_config()
    for spec in view_specs(config):
        clients.bigquery.query_and_wait(f"SELECT COUNT(*) FROM `{spec.name}`")


def test_cases__are_there_for_every_check(healthy: Healthy) -> None:
    elsewhere = {"source.reconciled", "vertex.size"}  # test_reconciliation.py, and below
    tampered = {case.check for case in TAMPERED}
    assert set(healthy.verify(reconcile=True, baseline=True).checks) == tampered | elsewhere


@pytest.mark.parametrize("case", TAMPERED, ids=str)
def test_verify__finds_what_was_tampered_with(healthy: Healthy, case: Case) -> None:
    assert case.tamper
    case.tamper(healthy)
    verified = healthy.verify(**case.options)
    assert verified.troubles == {case.check: case.status, **case.besides}
    assert case.hint in verified.checks[case.check]["hint"]
    fails = bool({case.status, *case.besides.values()} - {"warn"})
    assert verified.document["ok"] is not fails
    assert verified.status == (case.exit_status if fails else 0)


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
