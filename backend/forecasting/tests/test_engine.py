from itertools import chain, repeat
from typing import Any

import pytest
from google.cloud.bigquery import Dataset

from backend.forecasting.conf import Config
from backend.forecasting.errors import ApiError, ConflictError, UnreachableError
from backend.forecasting.google.clients import Clients
from backend.forecasting.google.errors import ApiDisabledError
from backend.forecasting.provisioning.connections import ConnectionSpec
from backend.forecasting.provisioning.credentials import Credential
from backend.forecasting.provisioning.datasets import DatasetSpec
from backend.forecasting.provisioning.engine import (
    Step,
    apply,
    plan_step,
    plan_steps,
)
from backend.forecasting.provisioning.plan import Action, Plan
from backend.forecasting.provisioning.scheduled_queries import ScheduledQuerySpec
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.tests.support.clock import FastClock
from backend.forecasting.tests.support.factories import (
    PASSWORD,
    PROJECT,
    TRANSFER_NAME,
    USER,
    VERSIONS,
    Google,
    anonymous,
    change,
    disabled,
    google_error,
    grpc_error,
    make_connection,
    make_dataset,
    make_table,
    make_transfer,
    retry_error,
)
from backend.forecasting.tests.test_gcp import refused_connection, reset_connection

ABSENT = google_error(404, "Not found")
BUSY = google_error(503, "The service is currently unavailable.")
LOST_REPLIES = [
    BUSY,
    grpc_error("UNAVAILABLE", "Connection reset"),
    grpc_error("DEADLINE_EXCEEDED", "Deadline Exceeded"),
    google_error(504, "Gateway Timeout"),
    reset_connection(),
    retry_error(BUSY),
]


@pytest.fixture
def dataset(config: Config) -> DatasetSpec:
    return DatasetSpec.from_config(config)


@pytest.fixture
def query(config: Config) -> ScheduledQuerySpec:
    return ScheduledQuerySpec.from_config(config)


@pytest.fixture
def connection(config: Config) -> ConnectionSpec:
    credential = Credential(user=USER, password=PASSWORD, versions=VERSIONS)
    return ConnectionSpec.from_config(config, credential)


def step(spec: Any, observed: Any = None) -> Step[Any]:
    return Step(spec, observed, spec.plan(observed))


# Observing and planning


def test_plan_step__is_the_resource_with_its_plan(google: Google, dataset: DatasetSpec) -> None:
    google.bigquery.get_dataset.return_value = make_dataset()
    found = plan_step(dataset, google)
    assert found.observed is google.bigquery.get_dataset.return_value
    assert found.plan.action is Action.UNCHANGED


def test_plan_step__says_what_was_looked_at(google: Google, dataset: DatasetSpec) -> None:
    google.bigquery.get_dataset.side_effect = google_error(400, "Invalid dataset ID")
    with pytest.raises(ApiError) as raised:
        plan_step(dataset, google)
    assert str(raised.value) == (
        f"Looking at dataset {PROJECT}.intelligence failed: Invalid dataset ID (HTTP 400)."
    )


def test_plan_steps__names_every_disabled_api(
    google: Google, dataset: DatasetSpec, connection: ConnectionSpec
) -> None:
    google.bigquery.get_dataset.side_effect = disabled("bigquery.googleapis.com", "BigQuery API")
    google.connections.get_connection.side_effect = disabled(
        "bigqueryconnection.googleapis.com", "BigQuery Connection API"
    )
    with pytest.raises(ApiDisabledError) as raised:
        plan_steps([dataset, connection], google)
    assert len(str(raised.value).splitlines()) == 2


# Applying


def test_apply__creates_what_is_absent(google: Google, dataset: DatasetSpec) -> None:
    google.bigquery.create_dataset.return_value = make_dataset()
    (done,) = apply([step(dataset)], google)
    assert done.observed is google.bigquery.create_dataset.return_value
    assert done.plan.action is Action.CREATE
    assert google.writes == ["create_dataset"]


def test_apply__updates_what_differs(google: Google, dataset: DatasetSpec) -> None:
    google.bigquery.update_dataset.return_value = make_dataset()
    (done,) = apply([step(dataset, make_dataset(defaultTableExpirationMs="1"))], google)
    assert done.plan.action is Action.UPDATE
    assert google.writes == ["update_dataset"]


def test_apply__sends_nothing_for_what_is_equal(google: Google, dataset: DatasetSpec) -> None:
    (done,) = apply([step(dataset, make_dataset())], google)
    assert done.plan.action is Action.UNCHANGED
    assert google.calls == []


def test_apply__goes_in_order_and_stops_at_a_failure(google: Google, config: Config) -> None:
    google.bigquery.create_dataset.side_effect = google_error(403, "no")
    steps = [step(DatasetSpec.from_config(config)), step(TableSpec.from_config(config))]
    with pytest.raises(ApiError, match=r"^Creating dataset .* was refused: no"):
        apply(steps, google)
    assert google.writes == ["create_dataset"]


# A race that was lost


def test_race__created_by_another_run_is_looked_at_again(
    google: Google, dataset: DatasetSpec
) -> None:
    google.bigquery.create_dataset.side_effect = google_error(409, "Already Exists")
    google.bigquery.get_dataset.return_value = make_dataset()
    (done,) = apply([step(dataset)], google)
    assert done.observed is google.bigquery.get_dataset.return_value
    assert google.writes == ["create_dataset"]


def test_race__created_by_another_and_differing_is_repaired(
    google: Google, dataset: DatasetSpec
) -> None:
    google.bigquery.create_dataset.side_effect = google_error(409, "Already Exists")
    google.bigquery.get_dataset.return_value = make_dataset(defaultTableExpirationMs="1")
    google.bigquery.update_dataset.return_value = make_dataset()
    apply([step(dataset)], google)
    assert google.writes == ["create_dataset", "update_dataset"]


def test_race__created_by_another_elsewhere_is_a_conflict(
    google: Google, dataset: DatasetSpec
) -> None:
    """`exists_ok` would have taken it."""
    google.bigquery.create_dataset.side_effect = google_error(409, "Already Exists")
    google.bigquery.get_dataset.return_value = make_dataset(location="EU")
    with pytest.raises(ConflictError, match="location is eu, not us-central1"):
        apply([step(dataset)], google)


def test_race__connection_created_by_another_over_grpc(
    google: Google, connection: ConnectionSpec
) -> None:
    google.connections.create_connection.side_effect = grpc_error("ALREADY_EXISTS", "no")
    google.connections.get_connection.return_value = make_connection()
    apply([step(connection)], google)
    assert google.writes == ["create_connection"]


@pytest.mark.parametrize("settled", [True, False])
def test_race__changed_by_another_is_planned_again_with_its_new_etag(
    google: Google, config: Config, settled: bool
) -> None:
    spec = TableSpec.from_config(config)
    fresh = make_table(etag="newer", **({} if settled else {"description": "by hand"}))
    google.bigquery.update_table.side_effect = [google_error(412, "conditionNotMet"), make_table()]
    google.bigquery.get_table.return_value = fresh
    apply([step(spec, make_table(description="old"))], google)
    updates = google.bigquery.update_table.call_args_list
    assert len(updates) == (1 if settled else 2)
    assert [call.args[0].etag for call in updates][1:] == ([] if settled else ["newer"])


def test_race__removed_by_another_is_made_again(google: Google, dataset: DatasetSpec) -> None:
    google.bigquery.update_dataset.side_effect = ABSENT
    google.bigquery.get_dataset.side_effect = ABSENT
    google.bigquery.create_dataset.return_value = make_dataset()
    apply([step(dataset, make_dataset(defaultTableExpirationMs="1"))], google)
    assert google.writes == ["update_dataset", "create_dataset"]


def test_race__lost_again_and_again_is_given_up(google: Google, dataset: DatasetSpec) -> None:
    google.bigquery.create_dataset.side_effect = google_error(409, "Already Exists")
    google.bigquery.get_dataset.side_effect = ABSENT
    with pytest.raises(ApiError, match=r"^Creating dataset .* failed: Already Exists"):
        apply([step(dataset)], google)
    assert google.bigquery.create_dataset.call_count == 4


# A reply that was lost


@pytest.mark.parametrize("error", LOST_REPLIES, ids=lambda error: type(error).__name__)
def test_lost_reply__is_looked_for_before_anything_is_made_again(
    google: Google, query: ScheduledQuerySpec, config: Config, error: Exception
) -> None:
    made = make_transfer(config)
    google.transfers.create_transfer_config.side_effect = error
    google.transfers.list_transfer_configs.return_value = [made]
    (done,) = apply([step(query)], google)
    assert done.observed == (made,)
    assert done.plan.action is Action.CREATE
    assert google.writes == ["create_transfer_config"]


def test_lost_reply__of_a_request_that_had_no_effect_is_sent_again(
    google: Google, query: ScheduledQuerySpec, config: Config
) -> None:
    made = make_transfer(config)
    google.transfers.create_transfer_config.side_effect = [BUSY, made]
    google.transfers.list_transfer_configs.side_effect = chain([[], []], repeat([made]))
    apply([step(query)], google)
    assert google.writes == ["create_transfer_config"] * 2


def test_lost_reply__of_an_update_that_took_effect_is_not_sent_again(
    google: Google, connection: ConnectionSpec
) -> None:
    google.connections.update_connection.side_effect = BUSY
    google.connections.get_connection.return_value = make_connection()
    apply([step(connection, make_connection(has_credential=False))], google)
    assert google.writes == ["update_connection"]


def test_lost_reply__found_twice_and_different_is_a_conflict(
    google: Google, query: ScheduledQuerySpec, config: Config
) -> None:
    found = {
        f"{TRANSFER_NAME}{hour}": make_transfer(
            config, name=f"{TRANSFER_NAME}{hour}", schedule=f"every day 0{hour}:00"
        )
        for hour in (1, 2)
    }
    google.transfers.create_transfer_config.side_effect = BUSY
    google.transfers.list_transfer_configs.return_value = list(found.values())
    google.transfers.get_transfer_config.side_effect = lambda *, name, **_: found[name]
    with pytest.raises(ConflictError, match="delete all but one"):
        apply([step(query)], google)
    assert google.writes == ["create_transfer_config"]


def test_lost_reply__given_up_after_four_attempts(google: Google, dataset: DatasetSpec) -> None:
    google.bigquery.create_dataset.side_effect = BUSY
    google.bigquery.get_dataset.side_effect = ABSENT
    with pytest.raises(ApiError, match=r"currently unavailable \(HTTP 503\)"):
        apply([step(dataset)], google)
    assert google.bigquery.create_dataset.call_count == 4


# A reply that cannot be read, and a bug


def test_unreadable_reply__is_looked_for_and_not_sent_again(
    google: Google, dataset: DatasetSpec
) -> None:
    """What a write did is then as unknown as when its reply is lost."""
    google.bigquery.create_dataset.side_effect = KeyError("datasetReference")
    google.bigquery.get_dataset.return_value = make_dataset()
    (done,) = apply([step(dataset)], google)
    assert done.observed is google.bigquery.get_dataset.return_value
    assert google.writes == ["create_dataset"]


def test_unreadable_reply__is_looked_for_once_and_then_told(
    google: Google, dataset: DatasetSpec
) -> None:
    google.bigquery.create_dataset.side_effect = KeyError("datasetReference")
    google.bigquery.get_dataset.side_effect = ABSENT
    with pytest.raises(ApiError) as raised:
        apply([step(dataset)], google)
    assert google.writes == ["create_dataset"] * 2
    assert str(raised.value).startswith(
        f"Creating dataset {PROJECT}.intelligence failed: the reply is not as Google documents it "
        "(KeyError: 'datasetReference'); run it again"
    )


def test_bug__behind_a_write_is_no_reply_and_sends_nothing_again(
    google: Google, config: Config
) -> None:
    class Faulty(DatasetSpec):
        def create(self, clients: Clients) -> Dataset:
            super().create(clients)
            raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        apply([step(Faulty.from_config(config))], google)
    assert google.writes == ["create_dataset"]


def test_attempts__are_paused_between(fast_clock: FastClock, dataset: DatasetSpec) -> None:
    """Ever longer, and each look at what is not there is made twice, a first pause apart."""
    google = Google(PROJECT, "us-central1", anonymous())
    google.bigquery.create_dataset.side_effect = google_error(409, "Already Exists")
    google.bigquery.get_dataset.side_effect = ABSENT
    with pytest.raises(ApiError):
        apply([step(dataset)], google)
    assert fast_clock.slept == [0.2, 0.2, 0.4, 0.2, 0.8, 0.2]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refusal__is_not_tried_again(google: Google, dataset: DatasetSpec, status: int) -> None:
    google.bigquery.create_dataset.side_effect = google_error(status, "no")
    with pytest.raises(ApiError) as raised:
        apply([step(dataset)], google)
    assert google.calls.count("create_dataset") == 1
    assert "get_dataset" not in google.calls
    assert raised.value.__cause__ is google.bigquery.create_dataset.side_effect


def test_refused_connection__is_not_tried_again(google: Google, dataset: DatasetSpec) -> None:
    google.bigquery.create_dataset.side_effect = refused_connection()
    with pytest.raises(UnreachableError):
        apply([step(dataset)], google)
    assert google.calls == ["create_dataset"]


# Conflicts


def test_conflict__writes_nothing(google: Google, dataset: DatasetSpec) -> None:
    with pytest.raises(ConflictError):
        apply([step(dataset, make_dataset(location="EU"))], google)
    assert google.calls == []


def test_conflict__is_one_sentence_with_both_values_and_the_ways_out() -> None:
    plan = Plan(
        kind="table",
        name="p.d.t",
        action=Action.CONFLICT,
        changes=(change("partitioning", "none", "DAY on x"), change("columns.a", None, "STRING")),
        remedy="Do this or that.",
    )
    assert plan.refusal == (
        "table p.d.t cannot be changed in place: partitioning is none, not DAY on x; columns.a is "
        "missing, not STRING. Do this or that."
    )
