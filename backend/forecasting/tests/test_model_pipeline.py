"""From the table to a model, against the stand-in: how bq_verify is asked and what it answers."""

import json
from io import StringIO

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from jsonschema import Draft202012Validator

from backend.forecasting.tests.support.healthy import ENTITIES, HORIZON, Healthy
from backend.forecasting.tests.support.loading import day_before
from backend.forecasting.tests.support.tampering import WITHOUT_DATA, no_table

pytestmark = pytest.mark.django_db

SCHEMA = json.loads(
    (django_settings.BASE_DIR / "docs" / "bq_verify.schema.json").read_text("utf-8")
)


def test_verify__baseline_is_in_the_document(healthy: Healthy) -> None:
    verified = healthy.verify(baseline=True)
    found = verified.document["baseline"]
    assert (verified.status, verified.troubles) == (0, {})
    assert (found["horizon_days"], found["cutoff"]) == (int(HORIZON), f"{day_before(9)}")
    assert (found["series"], found["rows"]) == (ENTITIES, ENTITIES * 9)
    assert found["best"] in found["methods"]
    assert f"a model has to beat `{found['best']}`" in verified.checks["vertex.baseline"]["message"]
    assert " bytes read)" in verified.checks["vertex.baseline"]["message"]
    Draft202012Validator(SCHEMA).validate(verified.document)


def test_verify__baseline_costs_one_query_more_with_a_limit_on_bytes(healthy: Healthy) -> None:
    healthy.verify(baseline=True)
    posted = [request for request in healthy.cloud.requests if request.method == "POST"]
    assert len(posted) <= 4
    (asked,) = [request for request in posted if "weekday" in request.body["query"]]
    assert asked.body["maximumBytesBilled"] == "200000000000"
    assert not healthy.cloud.writes


def test_verify__baseline_is_a_table_in_text(healthy: Healthy) -> None:
    out = StringIO()
    call_command("bq_verify", baseline=True, stdout=out)
    *_, title, head, last, mean, weekday = out.getvalue().splitlines()
    assert title.startswith("Baseline: 9 days from ")
    assert head.split() == ["MAE", "WAPE", "MASE"]
    assert [line[2:].split()[0] for line in (last, mean, weekday)] == ["last", "mean", "weekday"]


def test_verify__too_little_data_is_said_and_the_figures_are_null(healthy: Healthy) -> None:
    healthy.change_rows("DELETE FROM {table} WHERE TRUE")
    verified = healthy.verify(baseline=True)
    assert verified.status == 2
    assert verified.checks["vertex.baseline"]["status"] == "skipped"
    assert verified.checks["vertex.baseline"]["message"].startswith("too little data: no series")
    found = verified.document["baseline"]
    assert (found["series"], found["rows"], found["best"]) == (0, 0, None)
    assert found["methods"]["last"] == {"mae": None, "wape": None, "mase": None}
    Draft202012Validator(SCHEMA).validate(verified.document)


def test_verify__without_a_table_there_is_no_baseline(healthy: Healthy) -> None:
    no_table(healthy)
    verified = healthy.verify(baseline=True)
    assert verified.status == 2
    assert verified.document["baseline"] is None
    assert verified.troubles.items() >= {**WITHOUT_DATA, "vertex.baseline": "skipped"}.items()


def test_verify__document_without_the_flag_is_as_before(healthy: Healthy) -> None:
    assert "baseline" not in healthy.verify().document
