"""The roles that docs/operations.md asks for are enough, and each of them is needed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.forecasting.tests.support.commands import Result, call
from backend.forecasting.tests.support.factories import PROJECT
from backend.forecasting.tests.support.healthy import Healthy
from backend.localcloud.http.names import project_number

NAMED = re.compile(r"--role (roles/\S+)|GRANT \\`(roles/[^`\\]+)")
LOADER = f"loader@{PROJECT}.iam.gserviceaccount.com"
AGENT = f"service-{project_number(PROJECT)}@gcp-sa-bigqueryconnection.iam.gserviceaccount.com"
OF_THE_LOADER = {
    "roles/bigquery.jobUser": "",
    "roles/bigquery.connectionUser": "",
    "roles/bigquery.dataEditor": "intelligence",
}
OF_THE_DEPLOYER = {
    "roles/bigquery.admin": "",
    "roles/secretmanager.secretAccessor": "",
    "roles/iam.serviceAccountUser": LOADER,
}
OF_THE_AGENT = {"roles/cloudsql.client": ""}
OF_ANOTHER_PROJECT_OR_TOPIC = {"roles/iam.serviceAccountTokenCreator", "roles/pubsub.publisher"}

pytestmark = [pytest.mark.django_db, pytest.mark.untraced]


@pytest.fixture
def granted(healthy: Healthy) -> Iterator[Healthy]:
    """Gives everybody what the documentation names."""
    iam = healthy.cloud.iam
    members = {
        iam.caller: OF_THE_DEPLOYER,
        f"serviceAccount:{LOADER}": OF_THE_LOADER,
        f"serviceAccount:{AGENT}": OF_THE_AGENT,
    }
    for member, roles in members.items():
        for role, resource in roles.items():
            iam.give(member, role, on=resource)
    yield healthy
    iam.reset()


def load() -> Result:
    return call("bq_setup_etl", "--service-account", LOADER, "--run-now")


def test_roles__are_those_of_the_documentation() -> None:
    text = Path("docs/operations.md").read_text().split("## In your own backend")[0]
    named = {first or second for first, second in NAMED.findall(text)}
    named -= OF_ANOTHER_PROJECT_OR_TOPIC
    roles = {*OF_THE_DEPLOYER, *OF_THE_LOADER, *OF_THE_AGENT}
    assert roles == named | {"roles/bigquery.dataEditor", "roles/secretmanager.secretAccessor"}


def test_roles__are_enough_for_all_commands(granted: Healthy) -> None:
    results = [call("bq_setup"), load(), call("bq_verify")]
    assert [(r.status, r.error) for r in results] == [(0, "")] * 3


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("roles/bigquery.jobUser", "User does not have bigquery.jobs.create permission"),
        ("roles/bigquery.connectionUser", "lacks roles/bigquery.connectionUser on the connection"),
        ("roles/bigquery.dataEditor", "roles/bigquery.dataEditor on the dataset"),
    ],
)
def test_loader__without_one_role_fails_with_it(granted: Healthy, role: str, words: str) -> None:
    assert load().status == 0
    granted.cloud.iam.take(f"serviceAccount:{LOADER}", role)
    result = load()
    assert result.status == 2
    assert words in result.error


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("roles/bigquery.admin", "lack bigquery.tables.get"),
        ("roles/secretmanager.secretAccessor", "--role roles/secretmanager.secretAccessor"),
        ("roles/iam.serviceAccountUser", "roles/iam.serviceAccountUser on that account"),
    ],
)
def test_deployer__without_one_role_is_told_it(granted: Healthy, role: str, words: str) -> None:
    granted.cloud.iam.take(granted.cloud.iam.caller, role)
    result = load()
    assert result.status == 1
    assert words in result.error


def test_agent__without_its_role_is_told(granted: Healthy) -> None:
    granted.cloud.iam.take(f"serviceAccount:{AGENT}", "roles/cloudsql.client")
    usable = granted.verify().checks["connection.usable"]
    assert usable["status"] == "fail"
    assert "roles/cloudsql.client" in usable["hint"]
