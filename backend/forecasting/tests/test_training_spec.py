"""The training specification: bound to Google's own client, written whole or not at all."""

import inspect
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import render_to_string

from backend.forecasting.conf import Config
from backend.forecasting.errors import ForecastingError, VerificationFailed
from backend.forecasting.output.page import make_page
from backend.forecasting.output.training_spec import render_training_spec
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.commands import Run
from backend.forecasting.tests.support.factories import Google, make_config
from backend.forecasting.tests.support.snapshots import (
    BASELINE,
    DATA,
    TODAY,
    UNSEEN,
    make_snapshot,
    make_views,
)
from backend.forecasting.verification.verify import Verification, check_snapshot

TABLE = "demo-project.intelligence.entity_risk_training_data"


def verification(**changes: Any) -> Verification:
    snapshot = make_snapshot(make_config(), **changes)
    findings = check_snapshot(snapshot)
    return Verification(config=snapshot.config, snapshot=snapshot, findings=findings, strict=False)


def spec(**data: Any) -> Any:
    return json.loads(render_training_spec(verification(data={**DATA, **data})))


@pytest.mark.filterwarnings("ignore")
def test_spec__each_set_of_arguments_fits_googles_client_and_the_documents_program() -> None:
    from google.cloud import aiplatform

    found = spec()
    job = getattr(aiplatform, found["training"]["class"])
    dataset = getattr(aiplatform, found["dataset"]["class"])
    inspect.signature(dataset.create).bind(**found["dataset"]["create"])
    inspect.signature(job).bind(**found["training"]["init"])
    inspect.signature(job.run).bind(None, dataset=None, **found["training"]["run"])
    predict = inspect.signature(aiplatform.Model.batch_predict)
    predict.bind(None, **found["prediction"]["batch_predict"])


def test_spec__is_as_agreed(tmp_path: Path) -> None:
    assert_agreed("training_spec.json", spec(), tmp_path)


def test_spec__columns_have_their_roles() -> None:
    run = spec()["training"]["run"]
    assert run["unavailable_at_forecast_columns"] == [
        *("risk_score", "sanctions_risk", "political_risk", "economic_risk", "supply_chain_risk")
    ]
    assert run["available_at_forecast_columns"] == ["mentioned_at"]
    assert run["window_column"] == "observed"


def test_spec__leaves_out_dimensions_that_no_row_can_have() -> None:
    """A column that is NULL in every row has failed a training (python-aiplatform#950)."""
    result = verification()
    for fields, named in (((("political", "event__risk_score"),), ["political_risk"]), ((), [])):
        config = replace(result.config, dimension_fields=fields)
        training = json.loads(render_training_spec(replace(result, config=config)))["training"]
        assert training["run"]["unavailable_at_forecast_columns"] == ["risk_score", *named]
        kinds = [
            dict(*t.values())["column_name"] for t in training["init"]["column_transformations"]
        ]
        assert kinds == ["mentioned_at", "risk_score", *named]


NONE = "No specification was written: "


def refusal(result: Verification) -> Exception:
    with pytest.raises(ForecastingError) as raised:
        render_training_spec(result)
    return raised.value


@pytest.mark.parametrize("location", ["eu", "us"])
def test_spec__of_a_multi_region_is_none(location: str) -> None:
    result = verification()
    result = replace(result, config=replace(result.config, location=location))
    assert str(refusal(result)) == (
        f"{NONE}the dataset is in {location}, a multi-region, and Vertex AI reads views from a "
        "region only: set FORECASTING_LOCATION to one such as us-central1, with another "
        "FORECASTING_DATASET (a dataset does not move), and run bq_setup, bq_setup_etl and this "
        "again."
    )


def test_spec__where_something_else_has_a_views_name_is_none(config: Config) -> None:
    result = verification(views=make_views(config, type="TABLE", view=None))
    taken = str(refusal(result))
    assert taken.startswith(f"{NONE}view {TABLE}_forecast cannot be changed in place: ")
    unseen = verification(views=[(spec, UNSEEN) for spec, _ in make_views(config)])
    assert render_training_spec(unseen)


@pytest.mark.parametrize(
    ("data", "context", "split"),
    [
        ({}, 18, (0.8, 0.1, 0.1)),
        ({"long_usable_count": 29}, 9, (0.8, 0.1, 0.1)),
        ({"long_usable_count": 30}, 18, (0.8, 0.1, 0.1)),
        ({"long_usable_count": None}, 9, (0.8, 0.1, 0.1)),
        ({"usable_first_day": TODAY.replace(month=1, day=1)}, 18, (0.6, 0.2, 0.2)),
    ],
)
def test_spec__context_and_split_follow_the_data(
    data: dict[str, Any], context: int, split: tuple[float, ...]
) -> None:
    run = spec(**data)["training"]["run"]
    names = ("training", "validation", "test")
    assert run["context_window"] == context
    assert tuple(run[f"{name}_fraction_split"] for name in names) == split


def test_spec__without_a_baseline_has_none() -> None:
    made_from = json.loads(render_training_spec(verification(baseline=UNSEEN)))["made_from"]
    assert made_from["baseline"] is None


def test_spec__says_what_it_was_made_from() -> None:
    made_from = spec()["made_from"]
    assert made_from["series"] == {"usable": 60, "judged": 60, "rows": 4000}
    assert made_from["baseline"] == BASELINE.as_json()


def test_spec__without_a_usable_series_is_none() -> None:
    nothing = {**DATA, "usable_count": 0, "usable_first_day": None, "usable_last_day": None}
    for judged, said in ((60, "60"), (None, "0"), (1234, "1,234")):
        error = refusal(verification(data={**nothing, "judged_count": judged}))
        assert isinstance(error, VerificationFailed)
        assert str(error) == (
            f"{NONE}none of {said} series is usable; vertex.series_usable says what they miss."
        )


@pytest.mark.parametrize(("data", "status"), [(None, 2), (UNSEEN, 1)])
def test_spec__of_what_could_not_be_read_is_none(data: Any, status: int) -> None:
    assert getattr(refusal(verification(data=data)), "returncode", None) == status


def test_spec__of_no_data_says_what_is_amiss() -> None:
    """By the verification's own words, where it fails."""
    unread = refusal(verification(data=UNSEEN))
    assert str(unread) == "Could not look at everything: the network is down"
    whole = replace(verification(data=None), findings=())
    assert str(refusal(whole)) == f"{NONE}no table to read."
    assert isinstance(refusal(whole), VerificationFailed)


def test_page__has_horizon_usable_series_and_what_to_beat() -> None:
    figures = dict(make_page(verification(), "no charts", lambda _: pytest.fail("no data")).figures)
    assert figures["horizon"] == "9 days"
    assert figures["usable series"] == "60 of 60"
    assert figures["to beat"] == "mean, MAE 10.00"


def test_page__without_a_horizon_or_a_baseline_says_nothing_of_them() -> None:
    without = verification(config=make_config(), views=(), baseline=None, baseline_asked=False)
    figures = dict(make_page(without, "no charts", lambda _: pytest.fail("no data")).figures)
    assert not {"horizon", "usable series", "to beat"} & set(figures)
    figures = dict(
        make_page(
            verification(baseline=None), "no charts", lambda _: pytest.fail("no data")
        ).figures
    )
    assert "to beat" not in figures


def test_page__has_the_methods_side_by_side() -> None:
    page = make_page(verification(), "no charts", lambda _: pytest.fail("no data"))
    html = render_to_string("forecasting/report.html", {"page": page})
    table = html.split("What a model has to beat")[1].split("</section>")[0]
    assert re.findall(r"<td>([0-9.]+)</td>", table)[:3] == ["12.50", "0.313", "1.250"]
    page = make_page(verification(baseline=None), "no charts", lambda _: pytest.fail("no data"))
    assert "to beat" not in render_to_string("forecasting/report.html", {"page": page})


@pytest.mark.django_db
def test_verify__spec_without_a_horizon_names_the_setting_and_writes_nothing(
    run: Run, provisioned: Google, tmp_path: Path
) -> None:
    result = run("bq_verify", training_spec=tmp_path / "spec.json")
    assert (result.status, provisioned.calls) == (1, [])
    assert "FORECASTING_HORIZON_DAYS is not set: --training-spec needs" in result.error
    assert list(tmp_path.iterdir()) == []
