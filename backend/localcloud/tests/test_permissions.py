"""What the stand-in lets nobody do who has no role for it, in Google's words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPICallError
from google.cloud.bigquery import Dataset, QueryJobConfig, Table
from google.cloud.bigquery_connection_v1.types import Connection
from google.iam.v1 import iam_policy_pb2, policy_pb2  # type: ignore[import-untyped]

from backend.localcloud.iam import Iam
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PARENT, ConfigFactory, GoogleClients, Query

RISK = "demo-project.intelligence.risk"
LOADER = "loader@demo-project.iam.gserviceaccount.com"
FOREIGN = "loader@other-project.iam.gserviceaccount.com"
USE = "bigquery.connections.use"
EXTERNAL = "SELECT * FROM EXTERNAL_QUERY('us-central1.pg', 'SELECT 1 AS one')"


@pytest.fixture
def nobody(cloud: LocalCloud) -> Iam:
    """Roles are asked for, and the caller has none."""
    cloud.iam.give("user:somebody.else@localhost.invalid", "roles/owner")
    return cloud.iam


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(Forbidden) as caught:
        call()
    error: GoogleAPICallError = caught.value
    return str(error.message)


def test_rest__refusals_of_bigquery(table: Table, nobody: Iam, google: GoogleClients) -> None:
    client = google.bigquery
    seen = {
        "get": refused(lambda: client.get_table(table)),
        "make": refused(lambda: client.create_dataset(Dataset("demo-project.other"))),
        "ask": refused(lambda: client.query("SELECT 1").result()),
    }
    dataset = refused(lambda: client.delete_dataset("intelligence"))
    assert [
        "Permission bigquery.tables.get denied on table demo-project:intelligence.risk (or it may"
        in seen["get"],
        "User does not have bigquery.datasets.create permission in project demo-project."
        in seen["make"],
        "User does not have bigquery.jobs.create permission in project demo-project."
        in seen["ask"],
        "Access Denied: Dataset demo-project:intelligence: Permission bigquery.datasets.delete"
        in dataset,
    ] == [True] * 4


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (
            f"SELECT * FROM `{RISK}`",
            "User does not have permission to query table demo-project:int",
        ),
        (
            f"DELETE FROM `{RISK}` WHERE TRUE",
            "Permission bigquery.tables.updateData denied on table",
        ),
        (f"DROP TABLE `{RISK}`", "Permission bigquery.tables.delete denied on table demo-project:"),
        (
            "CREATE TABLE intelligence.t (a INT64)",
            "Permission bigquery.tables.create denied on tabl",
        ),
        (EXTERNAL, f"User does not have {USE} permission for connection us-central1.pg"),
    ],
)
def test_query__takes_a_role_on_what_it_touches(
    table: Table, connection: Connection, nobody: Iam, query: Query, sql: str, words: str
) -> None:
    nobody.give(nobody.caller, "roles/bigquery.jobUser")
    for config in ({}, {"dry_run": True}):
        assert words in refused(lambda: query(sql, **config))  # noqa: B023 (called at once)


def test_role__holds_on_its_resource_alone(table: Table, nobody: Iam, query: Query) -> None:
    nobody.give(nobody.caller, "roles/bigquery.jobUser")
    nobody.give(nobody.caller, "roles/bigquery.dataViewer", on="another")
    refused(lambda: query(f"SELECT * FROM `{RISK}`"))
    nobody.give(nobody.caller, "roles/bigquery.dataViewer", on="intelligence")
    assert query(f"SELECT * FROM `{RISK}`") == []


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_services__name_the_missing_permission(
    connection: Connection, nobody: Iam, google: GoogleClients
) -> None:
    secret = "projects/demo-project/secrets/POSTGRES_USER/versions/latest"
    calls: dict[str, Callable[[], object]] = {
        "bigquery.connections.get": lambda: google.connection.get_connection(name=connection.name),
        "bigquery.transfers.get": lambda: google.transfer.list_transfer_configs(parent=PARENT),
        "secretmanager.versions.access": lambda: google.secret.access_secret_version(name=secret),
    }
    for permission, call in calls.items():
        assert f"Permission '{permission}' denied on resource (or it may not" in refused(call)


def test_connection__has_a_policy_of_its_own(
    connection: Connection, nobody: Iam, google: GoogleClients, query: Query
) -> None:
    asked = iam_policy_pb2.TestIamPermissionsRequest(resource=connection.name, permissions=[USE])
    assert not google.connection.test_iam_permissions(asked).permissions
    nobody.give(nobody.caller, "roles/bigquery.connectionAdmin")
    binding = policy_pb2.Binding(role="roles/bigquery.connectionUser", members=[nobody.caller])
    request = iam_policy_pb2.SetIamPolicyRequest(
        resource=connection.name, policy=policy_pb2.Policy(bindings=[binding])
    )
    google.connection.set_iam_policy(request)
    nobody.take(nobody.caller, "roles/bigquery.connectionAdmin")
    assert list(google.connection.test_iam_permissions(asked).permissions) == [USE]
    nobody.give(nobody.caller, "roles/bigquery.jobUser")
    with pytest.raises(BadRequest, match="server closed the connection unexpectedly"):
        query(EXTERNAL)  # Google's agent has no role yet.


def test_account__takes_the_right_to_act_as_it(nobody: Iam, make_config: ConfigFactory) -> None:
    nobody.give(nobody.caller, "roles/bigquery.admin")
    words = refused(lambda: make_config(account=LOADER))
    assert words.endswith("The caller does not have permission")
    nobody.give(nobody.caller, "roles/iam.serviceAccountUser", on=LOADER)
    make_config(account=LOADER)


def test_account__of_another_project_takes_a_role_of_the_agent(
    cloud: LocalCloud, nobody: Iam, make_config: ConfigFactory
) -> None:
    for role in ("roles/bigquery.admin", "roles/iam.serviceAccountUser"):
        nobody.give(nobody.caller, role)
    with pytest.raises(BadRequest, match=r"DTS service agent needs iam\.serviceAccounts\.getA"):
        make_config(account=FOREIGN)
    number = cloud.projects.number("demo-project")
    agent = f"service-{number}@gcp-sa-bigquerydatatransfer.iam.gserviceaccount.com"
    nobody.give(f"serviceAccount:{agent}", "roles/iam.serviceAccountTokenCreator", on=FOREIGN)
    make_config(account=FOREIGN)


def test_role__that_is_not_known_is_refused(cloud: LocalCloud) -> None:
    with pytest.raises(ValueError, match="does not know roles/editor"):
        cloud.iam.give("user:a@example.invalid", "roles/editor")
    assert not cloud.iam.enforced


def test_query__of_the_caller_is_asked_about(google: GoogleClients, nobody: Iam) -> None:
    config = QueryJobConfig(dry_run=True)
    assert "jobs.create" in refused(lambda: google.bigquery.query("SELECT 1", config))
