"""Datasets, through BigQuery's own client."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed
from google.cloud.bigquery import AccessEntry, Dataset, Table

from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PROJECT, GoogleClients, Send

PATH = f"/bigquery/v2/projects/{PROJECT}/datasets"


def test_insert__keeps_what_it_was_given(google: GoogleClients) -> None:
    wanted = Dataset(f"{PROJECT}.made")
    wanted.location, wanted.description, wanted.friendly_name = "europe-west1", "what", "Made"
    wanted.labels = {"team": "risk"}
    wanted.default_table_expiration_ms = 3_600_000 * 24
    wanted.access_entries = [AccessEntry("READER", "userByEmail", "a@example.com")]
    google.bigquery.create_dataset(wanted)
    made = google.bigquery.get_dataset("made")
    assert (made.location, made.description, made.friendly_name) == ("europe-west1", "what", "Made")
    assert (made.labels, made.default_table_expiration_ms) == ({"team": "risk"}, 86_400_000)
    assert [entry.entity_id for entry in made.access_entries] == ["a@example.com"]


def test_insert__without_a_location_is_us_with_the_usual_access(send: Send) -> None:
    made = send("POST", PATH, json={"datasetReference": {"datasetId": "d"}}).json()
    assert made["location"] == "US"
    assert {entry["role"] for entry in made["access"]} == {"OWNER", "READER", "WRITER"}


def test_insert__of_a_taken_name_is_a_conflict(google: GoogleClients, dataset: Dataset) -> None:
    with pytest.raises(Conflict, match=f"Already Exists: Dataset {PROJECT}:intelligence") as raised:
        google.bigquery.create_dataset(dataset)
    assert raised.value.errors[0]["reason"] == "duplicate"
    other = Dataset(dataset.reference)
    other.location = "EU"
    assert google.bigquery.create_dataset(other, exists_ok=True).location == "us-central1"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"datasetReference": {"datasetId": "a-b"}},
        {"datasetReference": {"datasetId": "a"}, "location": "not a place"},
        {"datasetReference": {"datasetId": "a"}, "labels": {"Big": "a"}},
        {"datasetReference": {"datasetId": "a"}, "labels": {"a": "Big"}},
        {"datasetReference": {"datasetId": "a"}, "unknown": 1},
        {"datasetReference": {"datasetId": "a", "unknown": 1}},
        {"datasetReference": []},
        [],
    ],
)
def test_insert__refuses(send: Send, body: Any) -> None:
    answer = send("POST", PATH, json=body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_get__of_a_missing_one_is_not_found(google: GoogleClients) -> None:
    with pytest.raises(NotFound, match=f"Not found: Dataset {PROJECT}:nope"):
        google.bigquery.get_dataset("nope")


def test_list__has_only_the_projects_own(google: GoogleClients, dataset: Dataset) -> None:
    google.bigquery.create_dataset("other-project.elsewhere")
    assert [found.dataset_id for found in google.bigquery.list_datasets()] == ["intelligence"]
    assert [p.project_id for p in google.bigquery.list_projects()] == [PROJECT, "other-project"]


def test_patch__changes_the_named_fields_only(google: GoogleClients, dataset: Dataset) -> None:
    dataset.description, dataset.labels = "new", {"a": "b"}
    google.bigquery.update_dataset(dataset, ["description", "labels"])
    changed = google.bigquery.get_dataset("intelligence")
    assert (changed.description, changed.labels) == ("new", {"a": "b"})
    changed.labels = {"a": None, "c": "d"}
    google.bigquery.update_dataset(changed, ["labels"])
    assert google.bigquery.get_dataset("intelligence").labels == {"c": "d"}
    assert google.bigquery.get_dataset("intelligence").description == "new"


def test_patch__of_what_has_changed_since_is_refused(
    google: GoogleClients, dataset: Dataset
) -> None:
    stale = google.bigquery.get_dataset("intelligence")
    dataset.description = "first"
    google.bigquery.update_dataset(dataset, ["description"])
    stale.description = "second"
    with pytest.raises(PreconditionFailed) as raised:
        google.bigquery.update_dataset(stale, ["description"])
    assert raised.value.errors[0]["reason"] == "conditionNotMet"
    assert google.bigquery.get_dataset("intelligence").description == "first"


def test_patch__never_moves_a_dataset(send: Send, dataset: Dataset) -> None:
    assert send("PATCH", f"{PATH}/intelligence", json={"location": "EU"}).status_code == 400
    assert send("PATCH", f"{PATH}/intelligence", json={"location": "us-central1"}).ok


def test_update__clears_what_it_does_not_name(send: Send, dataset: Dataset) -> None:
    send("PATCH", f"{PATH}/intelligence", json={"description": "x", "labels": {"a": "b"}})
    body = {"datasetReference": {"datasetId": "intelligence"}, "friendlyName": "F"}
    changed = send("PUT", f"{PATH}/intelligence", json=body).json()
    assert changed["friendlyName"] == "F"
    assert "description" not in changed
    assert "labels" not in changed


def test_delete__refuses_a_dataset_in_use(google: GoogleClients, table: Table) -> None:
    with pytest.raises(BadRequest, match="is still in use") as raised:
        google.bigquery.delete_dataset("intelligence")
    assert raised.value.errors[0]["reason"] == "resourceInUse"
    google.bigquery.delete_dataset("intelligence", delete_contents=True)
    with pytest.raises(NotFound):
        google.bigquery.delete_dataset("intelligence")


def test_dataset__is_found_by_the_number_of_its_project(
    cloud: LocalCloud, dataset: Dataset, send: Send
) -> None:
    number = cloud.projects.number(PROJECT)
    found = send("GET", f"/bigquery/v2/projects/{number}/datasets/intelligence").json()
    assert found["datasetReference"]["projectId"] == PROJECT
    assert send("GET", f"/bigquery/v2/projects/{number}/datasets/other").status_code == 404
