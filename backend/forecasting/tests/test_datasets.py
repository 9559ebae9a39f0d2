from typing import Any

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.google.waiting import TIMEOUT
from backend.forecasting.provisioning.datasets import DatasetSpec
from backend.forecasting.provisioning.plan import Action, Plan
from backend.forecasting.tests.support.factories import (
    PROJECT,
    Google,
    changes_of,
    google_error,
    grpc_error,
    make_config,
    make_dataset,
    make_wire,
)

NAME = f"{PROJECT}.intelligence"


@pytest.fixture
def spec(config: Config) -> DatasetSpec:
    return DatasetSpec.from_config(config)


def test_dataset__absent_is_planned_with_its_location(spec: DatasetSpec) -> None:
    plan = spec.plan(None)
    assert (plan.kind, plan.name, plan.action) == ("dataset", NAME, Action.CREATE)
    assert changes_of(plan) == {"location": (None, "us-central1")}


def test_dataset__equal_is_left_alone(spec: DatasetSpec) -> None:
    assert spec.plan(make_dataset()) == Plan(kind="dataset", name=NAME, action=Action.UNCHANGED)


@pytest.mark.parametrize(
    ("configured", "found", "region"), [("US", "US", "us-east4"), ("eu", "EU", "europe-west1")]
)
def test_dataset__location_is_compared_whatever_its_case(
    configured: str, found: str, region: str
) -> None:
    config = make_config(location=configured, instance=f"{PROJECT}:{region}:main")
    spec = DatasetSpec.from_config(config)
    assert spec.plan(make_dataset(location=found)).action is Action.UNCHANGED


def test_dataset__what_we_do_not_own_is_no_difference(spec: DatasetSpec) -> None:
    found = make_dataset(
        friendlyName="Risk",
        description="by hand",
        labels={"team": "data"},
        access=[{"role": "READER", "userByEmail": "a@example.com"}],
        maxTimeTravelHours="48",
    )
    assert spec.plan(found).action is Action.UNCHANGED


@pytest.mark.parametrize("field", ["defaultTableExpirationMs", "defaultPartitionExpirationMs"])
def test_dataset__default_expiration_is_taken_away(spec: DatasetSpec, field: str) -> None:
    plan = spec.plan(make_dataset(**{field: "5184000000"}))
    assert plan.action is Action.UPDATE
    assert changes_of(plan) == {field: ("5184000000 ms", None)}


@pytest.mark.trap("region")
@pytest.mark.parametrize("location", ["US", "us-east1", "EU"])
def test_dataset__elsewhere_is_a_conflict(spec: DatasetSpec, location: str) -> None:
    plan = spec.plan(make_dataset(location=location, defaultTableExpirationMs="1"))
    assert plan.action is Action.CONFLICT
    assert changes_of(plan) == {"location": (location.lower(), "us-central1")}
    assert "FORECASTING_LOCATION" in plan.remedy
    assert "FORECASTING_DATASET" in plan.remedy


@pytest.mark.parametrize(
    "error", [google_error(404, "Not found: Dataset"), grpc_error("NOT_FOUND", "no")]
)
def test_observe__absent(google: Google, spec: DatasetSpec, error: Exception) -> None:
    google.bigquery.get_dataset.side_effect = error
    assert spec.observe(google) is None


def test_observe__found_with_a_timeout(google: Google, spec: DatasetSpec) -> None:
    google.bigquery.get_dataset.return_value = make_dataset()
    assert spec.observe(google) is google.bigquery.get_dataset.return_value
    assert google.bigquery.get_dataset.call_args.args == (NAME,)
    assert google.bigquery.get_dataset.call_args.kwargs["timeout"] == TIMEOUT


def test_create__sends_the_location_and_nothing_else(spec: DatasetSpec) -> None:
    wire = make_wire(make_dataset().to_api_repr())
    assert spec.create(wire.clients).location == "us-central1"
    method, path, body = wire.sent
    assert (method, path) == ("POST", f"/projects/{PROJECT}/datasets")
    assert {key: value for key, value in body.items() if value} == {
        "datasetReference": {"projectId": PROJECT, "datasetId": "intelligence"},
        "location": "us-central1",
    }


@pytest.mark.parametrize("field", ["defaultTableExpirationMs", "defaultPartitionExpirationMs"])
def test_update__sends_one_null_guarded_by_the_etag(spec: DatasetSpec, field: str) -> None:
    found = make_dataset(**{field: "5184000000"}, labels={"team": "data"}, description="by hand")
    wire = make_wire(make_dataset().to_api_repr())
    spec.update(wire.clients, found, spec.plan(found))
    assert wire.sent == ("PATCH", f"/projects/{PROJECT}/datasets/intelligence", {field: None})
    assert wire.headers["If-Match"] == "dataset-etag"


def test_update__both_expirations_at_once(spec: DatasetSpec) -> None:
    expirations: dict[str, Any] = {
        "defaultTableExpirationMs": "1",
        "defaultPartitionExpirationMs": "2",
    }
    found = make_dataset(**expirations)
    wire = make_wire(make_dataset().to_api_repr())
    spec.update(wire.clients, found, spec.plan(found))
    assert wire.sent[2] == dict.fromkeys(expirations)
