"""From the table to a model, against the stand-in: how bq_verify is asked and what it answers."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from jsonschema import Draft202012Validator

from backend.forecasting.tests.support.healthy import ENTITIES, HORIZON, Healthy
from backend.forecasting.tests.support.loading import day_before
from backend.forecasting.tests.support.tampering import WITHOUT_DATA, no_table, table_for_view

pytestmark = [pytest.mark.django_db, pytest.mark.untraced]

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
    title, head, last, mean, weekday, *checks = out.getvalue().splitlines()
    assert title.startswith("Baseline: 9 days from ")
    assert head.split() == ["MAE", "WAPE", "MASE"]
    assert [line[2:].split()[0] for line in (last, mean, weekday)] == ["last", "mean", "weekday"]
    assert checks[-1].endswith(" passed.")


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


# The specification -----------------------------------------------------------------------------


def test_verify__specification_is_written_with_what_it_was_made_from(
    healthy: Healthy, tmp_path: Path
) -> None:
    file = tmp_path / "training.json"
    verified = healthy.verify(baseline=True, training_spec=file)
    assert verified.status == 0
    found = json.loads(file.read_text("utf-8"))
    horizon, run, made_from = int(HORIZON), found["training"]["run"], found["made_from"]
    assert (run["forecast_horizon"], run["context_window"]) == (horizon, 2 * horizon)
    assert [run[f"{part}_fraction_split"] for part in ("training", "validation", "test")] == [
        *(0.8, 0.1, 0.1)
    ]
    assert made_from["baseline"] == verified.document["baseline"]
    assert made_from["series"] == {"usable": ENTITIES, "judged": ENTITIES, "rows": ENTITIES * 90}
    assert made_from["window"]["first_day"] == f"{day_before(90)}"
    assert made_from["window"]["last_day"] == f"{day_before(1)}"
    for source in (
        found["dataset"]["create"]["bq_source"],
        found["prediction"]["batch_predict"]["bigquery_source"],
    ):
        view = healthy.client.get_table(source.removeprefix("bq://"))
        assert view.table_type == "VIEW"


def no_series_is_recent(healthy: Healthy) -> None:
    healthy.change_rows(
        f"DELETE FROM {{table}} WHERE DATE(mentioned_at) >= '{day_before(30)}' OR entity_id IS NULL"
    )


def no_rows(healthy: Healthy) -> None:
    healthy.change_rows("DELETE FROM {table} WHERE TRUE")


@pytest.mark.traced
@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (no_series_is_recent, f"none of {ENTITIES} series is usable"),
        (no_rows, "none of 0 series is usable"),
        (no_table, "no table to read"),
        (table_for_view, "entity_risk_training_data_forecast cannot be changed in place: type is"),
    ],
)
def test_verify__nothing_to_train_on_is_said_and_nothing_written(
    healthy: Healthy, tmp_path: Path, tamper: Callable[[Healthy], None], why: str
) -> None:
    file = tmp_path / "training.json"
    file.write_text("the last one")
    tamper(healthy)
    healthy.cloud.requests.clear()
    verified = healthy.verify(baseline=True, training_spec=file)
    assert verified.status == 2
    assert why in verified.said
    assert [path.read_text() for path in tmp_path.iterdir()] == ["the last one"]
    assert not healthy.cloud.writes
    Draft202012Validator(SCHEMA).validate(verified.document)


def test_verify__horizon_as_long_as_the_window_has_no_usable_series(healthy: Healthy) -> None:
    verified = healthy.verify(baseline=True, horizon_days="90")
    assert verified.status == 2
    assert "0 of 60 series are usable" in verified.checks["vertex.series_usable"]["message"]
    assert verified.checks["vertex.baseline"]["status"] == "skipped"


def test_verify__horizon_longer_than_the_window_is_one_sentence(healthy: Healthy) -> None:
    verified = healthy.verify(baseline=True, horizon_days="91")
    assert (verified.status, verified.document["status"]) == (1, "error")
    assert "FORECASTING_HORIZON_DAYS is 91, more than the window" in verified.said
    assert not healthy.cloud.requests
