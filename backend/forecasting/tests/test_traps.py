"""The ten traps on Google's side, and the words of each refusal that the product reacts to.

A trap is held by tests all over the suite, which are marked with its name, so that none is lost.
The bodies and texts below are quoted as Google sends them, from Google's documentation or from
public reports of them; what becomes of a run's own texts is in test_runs.py, by the same words.
"""

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions

from backend.forecasting.errors import ApiError
from backend.forecasting.google.errors import ApiDisabledError, explain
from backend.forecasting.tests.support.factories import (
    NUMBER,
    PROJECT,
    Google,
    google_error,
    grpc_error,
    html_error,
)

BACKEND = Path(__file__).resolve().parents[2]
DOING = f"Creating scheduled_query Nightly load of {PROJECT}.intelligence.t"

TRAPS = {
    "destination": "a destination dataset on a script fails every run",
    "region": "everything in one region, and none of it ever moves",
    "types": "types and names of PostgreSQL that BigQuery refuses",
    "identities": "a chain of identities, each of them to be granted",
    "twice": "a schedule that fires twice, and two scheduled queries of one name",
    "literals": "EXTERNAL_QUERY takes a literal, and EXECUTE IMMEDIATE sees no variable",
    "credential": "UpdateConnection wipes the credential",
    "source": "an empty or partial source empties the window",
    "shape": "REQUIRED, partitioning and descriptions get lost; FLOAT is FLOAT64",
    "transport": "one refusal, another class over each transport",
}
"""The traps by the names that tests are marked with: `pytest -m trap` runs those that hold them."""


def marks_in(path: Path) -> list[str]:
    """The traps that the tests of a file are marked to hold."""
    tree = ast.parse(path.read_text("utf-8"))
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    marks = " ".join(ast.unparse(mark) for test in tests for mark in test.decorator_list)
    return re.findall(r"pytest\.mark\.trap\('(\w+)'\)", marks)


def test_traps__are_each_held_by_tests() -> None:
    held = Counter(trap for path in BACKEND.rglob("test_*.py") for trap in marks_in(path))
    assert held.keys() == TRAPS.keys()
    assert {trap: number for trap, number in held.items() if number < 2} == {}


# Refusals of a request: HTTP and gRPC status, Google's words, and what the operator is told.
REFUSALS = [
    (  # https://github.com/googleapis/python-bigquery-datatransfer/issues/433
        (400, "INVALID_ARGUMENT"),
        "Failed to find a valid credential. The request to create a transfer config is supposed to "
        "contain an authorization code.",
        "set FORECASTING_SERVICE_ACCOUNT to a service account",
    ),
    (  # dts-authentication-authorization: the caller may not act as the account
        (403, "PERMISSION_DENIED"),
        "The caller does not have permission",
        "roles/iam.serviceAccountUser",
    ),
    (  # transfer-troubleshooting
        (400, "INVALID_ARGUMENT"),
        "DTS service agent needs iam.serviceAccounts.getAccessToken permission or "
        "[loader@demo-project.iam.gserviceaccount.com] doesn't exist.",
        "roles/iam.serviceAccountTokenCreator",
    ),
    (  # https://github.com/dora-team/fourkeys/issues/63
        (400, "FAILED_PRECONDITION"),
        "BigQuery Data Transfer service account is not found, this could be fixed by re-enabling "
        "BigQuery Data Transfer service API in the Google Cloud Console.",
        "gcloud services enable bigquerydatatransfer.googleapis.com",
    ),
    (  # https://github.com/hashicorp/terraform-provider-google/issues/16033
        (400, "INVALID_ARGUMENT"),
        "The requested service account name () doesn't exist.",
        "the service account does not exist, or you may not act as it",
    ),
    (  # scheduling-queries
        (403, "PERMISSION_DENIED"),
        "Cannot modify restricted parameters without taking ownership of the transfer "
        "configuration.",
        "set FORECASTING_SERVICE_ACCOUNT to take it over",
    ),
    (  # cloud-sql-federated-queries, and reports of it
        (403, "PERMISSION_DENIED"),
        "Access Denied: Connection projects/demo-project/locations/us-central1/connections/c: User "
        "does not have bigquery.connections.use permission for connection c.",
        "--role roles/bigquery.connectionUser",
    ),
    (  # managing-table-schemas: a patch of the schema that another writer overtook
        (400, "INVALID_ARGUMENT"),
        "Provided Schema does not match Table demo-project:intelligence.t. Field extra is missing "
        "in new schema",
        "Field extra is missing in new schema (HTTP 400).",
    ),
    (  # bigquery/quotas: a table of more days than one job may modify
        (400, "INVALID_ARGUMENT"),
        "Too many partitions produced by query, allowed 4000, query produces at least 4001 "
        "partitions",
        "allowed 4000, query produces at least 4001 partitions (HTTP 400).",
    ),
]  # fmt: skip


@pytest.mark.trap("identities")
@pytest.mark.parametrize("transport", ["rest", "grpc"])
@pytest.mark.parametrize(("status", "text", "told"), REFUSALS)
def test_refusal__in_googles_words_says_what_to_do(
    google: Google, status: tuple[int, str], text: str, told: str, transport: str
) -> None:
    error = google_error(status[0], text) if transport == "rest" else grpc_error(status[1], text)
    found = explain(error, DOING, google)
    assert type(found) is ApiError
    assert str(found).startswith(DOING)
    assert text.rstrip(".") in str(found)
    assert told in str(found)


def disabled_body(service: str, title: str, number: str, **error: Any) -> dict[str, Any]:
    """The whole body of today's refusal, as the gateway of every API sends it."""
    url = f"https://console.developers.google.com/apis/api/{service}/overview?project={number}"
    message = (
        f"{title} has not been used in project {number} before or it is disabled. Enable it by "
        f"visiting {url} then retry. If you enabled this API recently, wait a few minutes for the "
        "action to propagate to our systems and retry."
    )
    metadata = {
        "service": service,
        "consumer": f"projects/{number}",
        "containerInfo": number,
        "serviceTitle": title,
        "activationUrl": url,
    }
    kind = "type.googleapis.com/google.rpc"
    details = [
        {
            "@type": f"{kind}.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
            "metadata": metadata,
        },
        {"@type": f"{kind}.LocalizedMessage", "locale": "en-US", "message": message},
        {
            "@type": f"{kind}.Help",
            "links": [{"description": "Google developers console API activation", "url": url}],
        },
    ]
    wanted = {"code": 403, "message": message, "status": "PERMISSION_DENIED", "details": details}
    return {"error": {**wanted, **error}}


def legacy_errors(message: str) -> list[dict[str, str]]:
    """What the older JSON APIs, BigQuery's among them, add to the same body."""
    return [
        {
            "message": message,
            "domain": "usageLimits",
            "reason": "accessNotConfigured",
            "extendedHelp": "https://console.developers.google.com",
        }
    ]


APIS = [
    ("bigquery.googleapis.com", "BigQuery API"),
    ("bigqueryconnection.googleapis.com", "BigQuery Connection API"),
    ("bigquerydatatransfer.googleapis.com", "BigQuery Data Transfer API"),
    ("secretmanager.googleapis.com", "Secret Manager API"),
]


def refused(body: dict[str, Any]) -> exceptions.GoogleAPICallError:
    return html_error(403, body)


@pytest.mark.parametrize(("service", "title"), APIS)
@pytest.mark.parametrize("form", ["today's", "both", "legacy"])
def test_disabled_api__whole_body_in_each_form(
    google: Google, service: str, title: str, form: str
) -> None:
    body = disabled_body(service, title, NUMBER)
    if form != "today's":
        body["error"]["errors"] = legacy_errors(body["error"]["message"])
    if form == "legacy":
        del body["error"]["details"], body["error"]["status"]
    found = explain(refused(body), DOING, google)
    assert isinstance(found, ApiDisabledError)
    assert str(found) == f"Enable {title}: gcloud services enable {service} --project {PROJECT}"


def test_disabled_api__of_gclouds_own_project_is_about_the_quota_project(google: Google) -> None:
    """User credentials without a quota project are billed to project 764086051850."""
    body = disabled_body(*APIS[3], "764086051850")
    told = str(explain(refused(body), DOING, google))
    assert f"gcloud auth application-default set-quota-project {PROJECT}" in told
    assert "services enable" not in told


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        (
            "BILLING_DISABLED",
            f"This API method requires billing to be enabled. Please enable billing on project "
            f"#{NUMBER} by visiting https://console.developers.google.com/billing/enable",
            "gcloud billing projects link",
        ),
        (
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "Request had insufficient authentication scopes.",
            "run `gcloud auth application-default login --scopes ",
        ),
        (
            "USER_PROJECT_DENIED",
            "Caller does not have required permission to use project demo-project. Grant the "
            "caller the roles/serviceusage.serviceUsageConsumer role",
            "Grant the caller the roles/serviceusage.serviceUsageConsumer role (HTTP 403).",
        ),
    ],
)
def test_refusal__of_the_same_status_is_told_apart_by_its_reason(
    google: Google, reason: str, message: str, told: str
) -> None:
    body = disabled_body("bigquery.googleapis.com", "BigQuery API", NUMBER, message=message)
    body["error"]["details"][0]["reason"] = reason
    found = explain(refused(body), DOING, google)
    assert not isinstance(found, ApiDisabledError)
    assert told in str(found)


def test_refusal__of_a_grpc_status_without_an_http_code_is_named(google: Google) -> None:
    assert str(explain(grpc_error("UNKNOWN", "Stream removed"), DOING, google)) == (
        f"{DOING} failed: Stream removed (gRPC UNKNOWN); run it again in a few minutes."
    )
