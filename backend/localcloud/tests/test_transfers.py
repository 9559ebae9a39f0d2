"""Transfer configs, through Google's own client and as plain JSON."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPICallError, NotFound
from google.cloud.bigquery import Dataset
from google.cloud.bigquery_datatransfer_v1.types import (
    CreateTransferConfigRequest,
    EmailPreferences,
    ScheduleOptions,
    TransferConfig,
    UpdateTransferConfigRequest,
)
from google.protobuf.field_mask_pb2 import FieldMask

from backend.localcloud.http.names import project_number
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PARENT, PROJECT, ConfigFactory, GoogleClients, Send

TRANSPORTS = ("rest", "grpc")

NUMBERED = f"projects/{project_number(PROJECT)}/locations/us-central1/transferConfigs/"
PATH = f"/v1/{PARENT}/transferConfigs"
VALID = {"displayName": "n", "dataSourceId": "scheduled_query", "params": {"query": "SELECT 1"}}
ACCOUNT = "etl@demo-project.iam.gserviceaccount.com"


def update(google: GoogleClients, name: str, paths: list[str], **fields: Any) -> TransferConfig:
    return google.transfer.update_transfer_config(
        transfer_config=TransferConfig(name=name, **fields), update_mask=FieldMask(paths=paths)
    )


def clock_of(config: TransferConfig) -> str:
    """The time of day of the next run; proto-plus answers a datetime, whatever the stubs say."""
    moment: Any = config.next_run_time
    return f"{moment:%H:%M}"


def test_create__names_the_config_itself(google: GoogleClients, make_config: ConfigFactory) -> None:
    made = make_config(name="mine", email_preferences=EmailPreferences(enable_failure_email=True))
    assert made.name.startswith(NUMBERED)
    uuid.UUID(made.name.removeprefix(NUMBERED))
    assert (made.display_name, dict(made.params)) == ("nightly", {"query": "SELECT 1 AS one"})
    assert (made.dataset_region, made.schedule) == ("us-central1", "every day 02:00")
    assert clock_of(made) == "02:00"
    assert made.user_id
    assert made.update_time
    assert made.email_preferences.enable_failure_email


def test_create__display_names_need_not_be_unique(
    google: GoogleClients, make_config: ConfigFactory
) -> None:
    assert make_config().name != make_config().name
    assert len(list(google.transfer.list_transfer_configs(parent=PARENT))) == 2


def test_create__without_a_schedule_is_daily_from_now(make_config: ConfigFactory) -> None:
    assert make_config(schedule="").schedule == "every 24 hours"


def test_create__on_demand_has_no_next_run(make_config: ConfigFactory) -> None:
    options = ScheduleOptions(disable_auto_scheduling=True)
    assert make_config(schedule_options=options).next_run_time is None
    assert make_config(disabled=True).next_run_time is None


EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
V2 = {"timeBasedSchedule": {"schedule": "every day 03:00"}}


@pytest.mark.parametrize(
    "changes",
    [
        {"displayName": ""},
        {"dataSourceId": ""},
        {"params": {}},
        {"params": {"query": " "}},
        {"params": {"query": 5}},
        {"params": {"query": "SELECT 1", "nope": "x"}},
        {"params": {"query": "SELECT 1", "write_disposition": "WRITE_EMPTY"}},
        {"schedule": "0 2 * * *"},
        {"schedule": "every 4 minutes"},
        {"schedule": "every day 02:00", "scheduleOptionsV2": V2},
        {"scheduleOptionsV2": {"timeBasedSchedule": {"schedule": "nope"}}},
        {
            "scheduleOptions": {
                "startTime": "2026-01-02T00:00:00Z",
                "endTime": "2026-01-01T00:00:00Z",
            }
        },
        {"notificationPubsubTopic": "topic"},
        {"dataRefreshWindowDays": 3},
        {"serviceAccountName": ACCOUNT},
        {"unknown": 1},
    ],
)
def test_create__refuses(send: Send, changes: dict[str, Any]) -> None:
    answer = send("POST", PATH, json={**VALID, **changes})
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_create__refuses_an_unknown_data_source(send: Send) -> None:
    assert send("POST", PATH, json={**VALID, "dataSourceId": "ads"}).status_code == 404


def test_create__with_the_newer_schedule(send: Send) -> None:
    made = send("POST", PATH, json={**VALID, "scheduleOptionsV2": V2}).json()
    assert made["nextRunTime"].endswith("T03:00:00.000000Z")
    assert "schedule" not in made
    manual = send("POST", PATH, json={**VALID, "scheduleOptionsV2": {"manualSchedule": {}}}).json()
    assert "nextRunTime" not in manual


@pytest.mark.parametrize(
    ("location", "name", "status"),
    [
        ("us-central1", "intelligence", 200),
        ("us-central1", "nope", 404),
        ("us", "intelligence", 400),
    ],
)
def test_create__destination_has_to_be_in_the_location(
    send: Send, dataset: Dataset, location: str, name: str, status: int
) -> None:
    path = PATH.replace("us-central1", location)
    answer = send("POST", path, json={**VALID, "destinationDatasetId": name})
    assert answer.status_code == status


def test_create__as_a_service_account(google: GoogleClients) -> None:
    values: dict[str, Any] = {"display_name": "n", "data_source_id": "scheduled_query"}
    config = TransferConfig(**values, params={"query": "SELECT 1"})
    request = CreateTransferConfigRequest(
        parent=PARENT, transfer_config=config, service_account_name=ACCOUNT
    )
    made = google.transfer.create_transfer_config(request)
    assert not made.owner_info.email
    assert google.transfer.get_transfer_config(name=made.name).owner_info.email == ACCOUNT


@pytest.mark.parametrize(
    "query", ["serviceAccountName=nobody", f"serviceAccountName={ACCOUNT}&versionInfo=1", "nope=1"]
)
def test_create__refuses_the_query(send: Send, query: str) -> None:
    assert send("POST", f"{PATH}?{query}", json=VALID).status_code == 400


@pytest.mark.trap("region")
def test_names__without_a_location_are_us(google: GoogleClients, send: Send) -> None:
    made = send("POST", f"/v1/projects/{PROJECT}/transferConfigs", json=VALID).json()
    assert "/locations/us/" in made["name"]
    assert list(google.transfer.list_transfer_configs(parent=PARENT)) == []
    parent = f"projects/{PROJECT}/locations/us"
    assert len(list(google.transfer.list_transfer_configs(parent=parent))) == 1
    short = made["name"].replace("/locations/us", "")
    assert send("GET", f"/v1/{short}").json()["name"] == made["name"]


def test_get__of_another_location_is_not_found(
    google: GoogleClients, make_config: ConfigFactory
) -> None:
    name = make_config().name
    with pytest.raises(NotFound, match="Requested entity was not found"):
        google.transfer.get_transfer_config(name=name.replace("us-central1", "eu"))


def test_list__filters_by_data_source(google: GoogleClients, make_config: ConfigFactory) -> None:
    make_config()
    for source, count in (("scheduled_query", 1), ("ads", 0)):
        request = {"parent": PARENT, "data_source_ids": [source]}
        assert len(list(google.transfer.list_transfer_configs(request=request))) == count


def test_update__changes_the_masked_fields_only(
    google: GoogleClients, make_config: ConfigFactory
) -> None:
    name = make_config().name
    changed = update(
        google,
        name,
        ["schedule", "params"],
        schedule="every day 03:00",
        params={"query": "SELECT 2"},
    )
    assert (clock_of(changed), changed.display_name) == ("03:00", "nightly")
    assert dict(changed.params) == {"query": "SELECT 2"}
    assert update(google, name, ["disabled"], disabled=True).next_run_time is None
    assert clock_of(update(google, name, ["disabled"])) == "03:00"


def test_update__an_explicit_empty_destination_clears_it(
    google: GoogleClients, dataset: Dataset, make_config: ConfigFactory
) -> None:
    made = make_config(destination_dataset_id="intelligence")
    assert made.destination_dataset_id == "intelligence"
    cleared = update(google, made.name, ["destination_dataset_id"], destination_dataset_id="")
    assert cleared.destination_dataset_id == ""


@pytest.mark.parametrize(
    ("mask", "body"),
    [
        ("", {"displayName": "x"}),
        ("nope", {"displayName": "x"}),
        ("params.query", {"params": {"query": "SELECT 2"}}),
        ("params", {}),
        ("schedule", {"schedule": "nope"}),
        ("displayName", {}),
        ("dataSourceId", {"dataSourceId": "ads"}),
        ("scheduleOptionsV2", {"scheduleOptionsV2": V2}),
        ("service_account_name", {}),
    ],
)
def test_update__refuses(
    send: Send, make_config: ConfigFactory, mask: str, body: dict[str, Any]
) -> None:
    name = make_config().name
    before = send("GET", f"/v1/{name}").json()
    answer = send("PATCH", f"/v1/{name}", params={"updateMask": mask}, json=body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert send("GET", f"/v1/{name}").json() == before


def test_update__without_the_account_that_the_mask_names(
    google: GoogleClients, make_config: ConfigFactory
) -> None:
    with pytest.raises(BadRequest, match=r"The requested service account name \(\) doesn't exist"):
        update(google, make_config().name, ["service_account_name"])


def test_update__of_what_somebody_else_owns(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory
) -> None:
    name = make_config().name
    (stored,) = cloud.transfers.items.values()
    stored.owner = "somebody@example.com"
    with pytest.raises(Forbidden, match="Cannot modify restricted parameters without taking"):
        update(google, name, ["params"], params={"query": "SELECT 2"})
    assert update(google, name, ["schedule"], schedule="every day 04:00").schedule
    request = UpdateTransferConfigRequest(
        transfer_config=TransferConfig(name=name, params={"query": "SELECT 2"}),
        update_mask=FieldMask(paths=["params", "service_account_name"]),
        service_account_name=ACCOUNT,
    )
    google.transfer.update_transfer_config(request)
    assert google.transfer.get_transfer_config(name=name).owner_info.email == ACCOUNT


def test_delete__takes_the_runs_along(google: GoogleClients, make_config: ConfigFactory) -> None:
    name = make_config().name
    google.transfer.delete_transfer_config(name=name)
    with pytest.raises(NotFound):
        list(google.transfer.list_transfer_runs(parent=name))
    with pytest.raises(NotFound):
        google.transfer.delete_transfer_config(name=name)


def test_create__as_a_person_without_consent(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory
) -> None:
    cloud.transfers.consent = False
    name = f"{PARENT}/dataSources/scheduled_query"
    assert not google.transfer.check_valid_creds(name=name).has_valid_creds
    with pytest.raises(GoogleAPICallError, match="Failed to find a valid credential"):
        make_config()
    assert not cloud.transfers.items


def test_data_source__is_described(google: GoogleClients) -> None:
    (source,) = google.transfer.list_data_sources(parent=PARENT)
    assert (source.data_source_id, source.name.rpartition("/")[2]) == ("scheduled_query",) * 2
    name = f"{PARENT}/dataSources/scheduled_query"
    assert google.transfer.get_data_source(name=name) == source
    assert google.transfer.check_valid_creds(name=name).has_valid_creds
    with pytest.raises(NotFound):
        google.transfer.get_data_source(name=name.replace("scheduled_query", "ads"))
