"""The Connection API, through Google's own client and as plain JSON."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud.bigquery_connection_v1.types import (
    CloudResourceProperties,
    CloudSqlCredential,
    CloudSqlProperties,
    Connection,
)
from google.iam.v1 import iam_policy_pb2  # type: ignore[import-untyped]
from google.iam.v1.policy_pb2 import Binding, Policy  # type: ignore[import-untyped]
from google.protobuf.field_mask_pb2 import FieldMask

from backend.conftest import PASSWORDS, READER
from backend.localcloud.http.names import project_number
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PARENT, ConnectionFactory, GoogleClients, Send

TRANSPORTS = ("rest", "grpc")

PATH = f"/v1/{PARENT}/connections"
NAME = f"projects/{project_number('demo-project')}/locations/us-central1/connections/pg"
VALID = {"cloudSql": {"instanceId": "p:us-central1:i", "database": "d", "type": "POSTGRES"}}


def update(google: GoogleClients, paths: list[str], **properties: Any) -> Connection:
    return google.connection.update_connection(
        name=NAME,
        connection=Connection(cloud_sql=CloudSqlProperties(**properties)),
        update_mask=FieldMask(paths=paths),
    )


def test_create__answers_all_but_the_credential(
    cloud: LocalCloud, google: GoogleClients, connection: Connection
) -> None:
    got = google.connection.get_connection(name=NAME)
    assert got == connection
    assert (got.name, got.has_credential) == (NAME, True)
    assert got.cloud_sql.credential == CloudSqlCredential()
    assert got.cloud_sql.service_account_id == (
        f"service-{project_number('demo-project')}@gcp-sa-bigqueryconnection"
        ".iam.gserviceaccount.com"
    )
    assert got.creation_time == got.last_modified_time > 0
    assert PASSWORDS[READER] not in str(cloud.requests)
    assert cloud.requests[0].body["cloudSql"]["credential"]["password"] == "***"


def test_create__of_a_taken_id_is_a_conflict(
    make_connection: ConnectionFactory, connection: Connection
) -> None:
    with pytest.raises(Conflict, match="Already Exists: Connection"):
        make_connection()


def test_create__without_a_credential_has_none(make_connection: ConnectionFactory) -> None:
    assert make_connection(credential=None).has_credential is False


def test_create__of_a_cloud_resource(google: GoogleClients) -> None:
    made = google.connection.create_connection(
        parent=PARENT,
        connection_id="lake",
        connection=Connection(cloud_resource=CloudResourceProperties()),
    )
    assert made.cloud_resource.service_account_id.endswith(".iam.gserviceaccount.com")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"cloudSql": {"database": "d", "type": "POSTGRES"}},
        {"cloudSql": {**VALID["cloudSql"], "instanceId": "no-region"}},
        {"cloudSql": {**VALID["cloudSql"], "database": ""}},
        {"cloudSql": {**VALID["cloudSql"], "type": "DATABASE_TYPE_UNSPECIFIED"}},
        {"cloudSql": {**VALID["cloudSql"], "type": "ORACLE"}},
        {"cloudSql": {**VALID["cloudSql"], "type": 99}},
        {"cloudSql": {**VALID["cloudSql"], "port": 5432}},
        {**VALID, "unknown": 1},
        {**VALID, "friendlyName": 5},
        [],
    ],
)
def test_create__refuses(send: Send, body: Any) -> None:
    answer = send("POST", PATH, params={"connectionId": "c"}, json=body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("query", ["connectionId=a%20b", "connectionId=c&nope=1"])
def test_create__refuses_the_query(send: Send, query: str) -> None:
    assert send("POST", f"{PATH}?{query}", json=VALID).status_code == 400


def test_create__takes_enums_by_number_and_names_in_snake_case(send: Send) -> None:
    properties = {"instance_id": "p:us-central1:i", "database": "d", "type": 1}
    made = send("POST", PATH, params={"connection_id": "c"}, json={"cloud_sql": properties})
    assert made.json()["cloudSql"]["type"] == "POSTGRES"


def test_names__take_project_number_and_id(google: GoogleClients, connection: Connection) -> None:
    by_id = google.connection.get_connection(name=f"{PARENT}/connections/pg")
    assert by_id == google.connection.get_connection(name=NAME)


@pytest.mark.parametrize("name", [f"{PARENT}/connections/no", NAME.replace("us-central1", "us")])
def test_get__of_a_missing_one_is_not_found(
    google: GoogleClients, connection: Connection, name: str
) -> None:
    with pytest.raises(NotFound, match="Not found: Connection"):
        google.connection.get_connection(name=name)


def test_list__in_pages_of_one_location(
    google: GoogleClients, make_connection: ConnectionFactory
) -> None:
    for identifier in ("c", "a", "b"):
        make_connection(identifier)
    make_connection("d", location="us")
    listed = google.connection.list_connections(request={"parent": PARENT, "page_size": 2})
    assert [found.name[-1] for found in listed] == ["a", "b", "c"]


def test_update__description_leaves_the_credential(
    google: GoogleClients, connection: Connection
) -> None:
    changed = google.connection.update_connection(
        name=NAME,
        connection=Connection(description="new", friendly_name="not in the mask"),
        update_mask=FieldMask(paths=["description"]),
    )
    assert (changed.description, changed.friendly_name) == ("new", "")
    assert changed.has_credential is True
    assert changed.cloud_sql == connection.cloud_sql


@pytest.mark.trap("credential")
@pytest.mark.parametrize("paths", [["cloud_sql.database"], ["cloud_sql.database", "description"]])
def test_update__of_properties_wipes_the_credential(
    cloud: LocalCloud, google: GoogleClients, connection: Connection, paths: list[str]
) -> None:
    changed = update(google, paths, database="other")
    assert (changed.cloud_sql.database, changed.has_credential) == ("other", False)
    (stored,) = cloud.connections.items.values()
    assert (stored.username, stored.password) == (None, None)


def test_update__of_properties_wipes_a_credential_outside_the_mask(
    google: GoogleClients, connection: Connection
) -> None:
    credential = CloudSqlCredential(username="u", password="p")
    changed = update(google, ["cloud_sql.database"], database="other", credential=credential)
    assert changed.has_credential is False


@pytest.mark.parametrize(
    "paths", [["cloud_sql.credential"], ["cloud_sql.credential", "cloud_sql.database"]]
)
def test_update__with_a_credential_sets_it(
    cloud: LocalCloud, google: GoogleClients, connection: Connection, paths: list[str]
) -> None:
    credential = CloudSqlCredential(username="u", password="p")
    changed = update(google, paths, database="other", credential=credential)
    assert changed.has_credential is True
    (stored,) = cloud.connections.items.values()
    assert (stored.username, stored.password) == ("u", "p")
    assert "credential" not in stored.resource["cloudSql"]


@pytest.mark.parametrize(
    ("mask", "body"),
    [
        ("", {"description": "x"}),
        ("nope", {"description": "x"}),
        ("cloudSql.nope", {"cloudSql": {"database": "x"}}),
        ("description.nope", {"description": "x"}),
        ("name", {"name": "x"}),
        ("creationTime", {}),
        ("cloudSql.type", {"cloudSql": {"type": "MYSQL"}}),
        ("cloudSql.database", {}),
        ("cloudResource", {"cloudResource": {}}),
    ],
)
def test_update__refuses(
    send: Send, connection: Connection, mask: str, body: dict[str, Any]
) -> None:
    before = send("GET", f"/v1/{NAME}").json()
    answer = send("PATCH", f"/v1/{NAME}", params={"updateMask": mask}, json=body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert send("GET", f"/v1/{NAME}").json() == before


@pytest.mark.parametrize("mask", ["friendlyName,description", "friendly_name,description"])
def test_update__masks_are_camel_or_snake(send: Send, connection: Connection, mask: str) -> None:
    body = {"friendlyName": "F", "description": "D"}
    changed = send("PATCH", f"/v1/{NAME}", params={"updateMask": mask}, json=body).json()
    assert (changed["friendlyName"], changed["description"]) == ("F", "D")


def test_delete__once(google: GoogleClients, connection: Connection) -> None:
    google.connection.delete_connection(name=NAME)
    with pytest.raises(NotFound):
        google.connection.delete_connection(name=NAME)


def test_policy__is_replaced_as_a_whole(google: GoogleClients, connection: Connection) -> None:
    role = "roles/bigquery.connectionUser"
    policy = Policy(bindings=[Binding(role=role, members=["user:a@example.com"])])
    google.connection.set_iam_policy(
        iam_policy_pb2.SetIamPolicyRequest(resource=NAME, policy=policy)
    )
    got = google.connection.get_iam_policy(resource=NAME)
    assert [(b.role, list(b.members)) for b in got.bindings] == [(role, ["user:a@example.com"])]
    google.connection.set_iam_policy(
        iam_policy_pb2.SetIamPolicyRequest(resource=NAME, policy=Policy())
    )
    assert not google.connection.get_iam_policy(resource=NAME).bindings


@pytest.mark.parametrize(
    ("name", "expected"), [(NAME, ["bigquery.connections.use"]), (NAME + "2", [])]
)
def test_permissions__of_a_missing_connection_are_none(
    google: GoogleClients, connection: Connection, name: str, expected: list[str]
) -> None:
    wanted = ["bigquery.connections.use"]
    request = iam_policy_pb2.TestIamPermissionsRequest(resource=name, permissions=wanted)
    assert list(google.connection.test_iam_permissions(request).permissions) == expected


def test_answer__says_a_bad_field_in_googles_words(send: Send) -> None:
    body = {"cloudSql": {"nope": 1}}
    answer = send("POST", PATH, params={"connectionId": "c"}, json=body)
    assert answer.json()["error"]["message"] == (
        'Invalid JSON payload received. Unknown name "nope" at '
        "'connection.cloud_sql': Cannot find field."
    )


def test_bad_request__is_raised_as_such(make_connection: ConnectionFactory) -> None:
    with pytest.raises(BadRequest):
        make_connection(instance_id="nope")
