import logging
from collections.abc import Callable
from typing import Any

import pytest
from google.cloud.bigquery_connection_v1.services.connection_service.transports import rest
from google.cloud.bigquery_connection_v1.types import Connection

from backend.forecasting.conf import Config
from backend.forecasting.google.waiting import TIMEOUT
from backend.forecasting.provisioning.connections import (
    ConnectionSpec,
    connection_kind,
    recorded_versions,
)
from backend.forecasting.provisioning.credentials import Credential
from backend.forecasting.provisioning.plan import Action, Plan
from backend.forecasting.tests.support.factories import (
    INSTANCE,
    PASSWORD,
    PROJECT,
    USER,
    VERSIONS,
    Google,
    RestConnections,
    anonymous,
    assert_no_secret,
    changes_of,
    google_error,
    make_connection,
)

PARENT = f"projects/{PROJECT}/locations/us-central1"
NAME = f"{PARENT}/connections/postgresql-conn"
ROTATED = "POSTGRES_USER/versions/3, POSTGRES_PASSWORD/versions/6"
ALWAYS = ["cloud_sql.credential", "description"]
OTHER_KINDS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"cloud_sql": {"type_": "MYSQL"}}, "Cloud SQL for MYSQL"),
    ({"cloud_sql": None, "cloud_resource": {}}, "cloud resource"),
    ({"cloud_sql": None, "cloud_spanner": {"database": "d"}}, "cloud spanner"),
    ({"cloud_sql": None}, "unknown"),
)


@pytest.fixture
def spec(config: Config) -> ConnectionSpec:
    credential = Credential(user=USER, password=PASSWORD, versions=VERSIONS)
    return ConnectionSpec.from_config(config, credential)


def other_kind(fields: dict[str, Any]) -> Connection:
    if fields.get("cloud_sql") is not None:
        return make_connection(**fields)
    properties = {name: value for name, value in fields.items() if name != "cloud_sql"}
    return Connection({"name": NAME, **properties})


def update(google: Google, spec: ConnectionSpec, found: Connection) -> dict[str, Any]:
    """What is sent to repair `found`."""
    updated = make_connection()
    google.connections.update_connection.return_value = updated
    assert spec.update(google, found, spec.plan(found)) is updated
    sent: dict[str, Any] = google.connections.update_connection.call_args.kwargs
    return sent


# Absent


def test_connection__absent_is_planned_without_a_secret(spec: ConnectionSpec) -> None:
    plan = spec.plan(None)
    assert (plan.kind, plan.name, plan.action) == ("connection", NAME, Action.CREATE)
    assert changes_of(plan) == {
        "instance": (None, INSTANCE),
        "database": (None, "venezuelawatch"),
        "credential": (None, VERSIONS),
    }


def test_create__sends_target_credential_and_which_versions_it_is(
    google: Google, spec: ConnectionSpec
) -> None:
    google.connections.create_connection.return_value = make_connection()
    assert spec.create(google) == make_connection()
    sent = google.connections.create_connection.call_args.kwargs
    assert (sent["parent"], sent["connection_id"]) == (PARENT, "postgresql-conn")
    assert sent["timeout"] == TIMEOUT
    assert sent["connection"] == Connection(
        description=f"[credential: {VERSIONS}]",
        cloud_sql={
            "instance_id": INSTANCE,
            "database": "venezuelawatch",
            "type_": "POSTGRES",
            "credential": {"username": USER, "password": PASSWORD},
        },
    )


def test_observe__absent(google: Google, spec: ConnectionSpec) -> None:
    google.connections.get_connection.side_effect = google_error(404, "Not found: Connection")
    assert spec.observe(google) is None


def test_observe__found_with_a_timeout(google: Google, spec: ConnectionSpec) -> None:
    google.connections.get_connection.return_value = make_connection()
    assert spec.observe(google) == make_connection()
    assert google.connections.get_connection.call_args.kwargs["name"] == NAME
    assert google.connections.get_connection.call_args.kwargs["timeout"] == TIMEOUT


# Equal


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"friendly_name": "Source"},
        {"description": f"Ask Ana first. [credential: {VERSIONS}] (see wiki)"},
    ],
)
def test_connection__equal_is_left_alone(spec: ConnectionSpec, fields: dict[str, Any]) -> None:
    expected = Plan(kind="connection", name=NAME, action=Action.UNCHANGED)
    assert spec.plan(make_connection(**fields)) == expected


# Differs: repaired in place, always with the credential


@pytest.mark.trap("credential")
@pytest.mark.parametrize(
    ("properties", "field", "value", "path"),
    [
        ({"instance_id": "other:us-central1:x"}, "instance", INSTANCE, "cloud_sql.instance_id"),
        ({"database": "other"}, "database", "venezuelawatch", "cloud_sql.database"),
    ],
)
def test_property__is_repaired_and_the_credential_sent_with_it(
    google: Google,
    spec: ConnectionSpec,
    properties: dict[str, str],
    field: str,
    value: str,
    path: str,
) -> None:
    found = make_connection(cloud_sql=properties)
    assert changes_of(spec.plan(found)) == {field: (next(iter(properties.values())), value)}
    sent = update(google, spec, found)
    assert list(sent["update_mask"].paths) == [path, *ALWAYS]
    assert sent["connection"].cloud_sql.credential.password == PASSWORD
    assert sent["connection"].cloud_sql.credential.username == USER
    assert sent["timeout"] == TIMEOUT


@pytest.mark.parametrize(
    ("fields", "before"),
    [
        ({"description": f"[credential: {ROTATED}]"}, ROTATED),
        ({"description": ""}, "none"),
        ({"description": "made by hand"}, "none"),
        ({"has_credential": False}, "none"),
    ],
)
def test_credential__new_versions_or_none_are_the_only_thing_that_is_sent(
    google: Google, spec: ConnectionSpec, fields: dict[str, Any], before: str
) -> None:
    found = make_connection(**fields)
    plan = spec.plan(found)
    assert (plan.action, changes_of(plan)) == (Action.UPDATE, {"credential": (before, VERSIONS)})
    assert list(update(google, spec, found)["update_mask"].paths) == ALWAYS


@pytest.mark.parametrize(
    ("found", "sent"),
    [
        ("", f"[credential: {VERSIONS}]"),
        ("Ask Ana first.", f"Ask Ana first. [credential: {VERSIONS}]"),
        (f"Ana. [credential: {ROTATED}] Wiki.", f"Ana. [credential: {VERSIONS}] Wiki."),
        (f"[credential: {ROTATED}] [credential: 1]", f"[credential: {VERSIONS}] [credential: 1]"),
    ],
)
def test_description__keeps_the_operators_words(
    google: Google, spec: ConnectionSpec, found: str, sent: str
) -> None:
    message = update(google, spec, make_connection(description=found, has_credential=False))
    assert message["connection"].description == sent


def test_update__of_everything_at_once(google: Google, spec: ConnectionSpec) -> None:
    """Half-made: by hand for another instance and database, without a credential."""
    elsewhere = {"instance_id": "other:us-central1:x", "database": "other"}
    found = make_connection(cloud_sql=elsewhere, has_credential=False, description="")
    assert spec.plan(found).fields == {"instance", "database", "credential"}
    sent = update(google, spec, found)
    assert list(sent["update_mask"].paths) == [
        "cloud_sql.instance_id",
        "cloud_sql.database",
        *ALWAYS,
    ]
    assert sent["name"] == NAME


# Conflicts


@pytest.mark.parametrize(("fields", "kind"), OTHER_KINDS)
def test_connection__of_another_kind_is_a_conflict(
    spec: ConnectionSpec, fields: dict[str, Any], kind: str
) -> None:
    found = other_kind(fields)
    plan = spec.plan(found)
    assert connection_kind(found) == kind
    assert plan.action is Action.CONFLICT
    assert changes_of(plan) == {"type": (kind, "Cloud SQL for PostgreSQL")}
    assert "FORECASTING_CONNECTION_ID" in plan.remedy


# Secrets


@pytest.mark.trap("credential")
def test_versions__are_none_where_google_wiped_the_credential() -> None:
    assert recorded_versions(make_connection()) == VERSIONS
    assert recorded_versions(make_connection(has_credential=False)) == "none"


def test_spec__and_its_plans_show_no_secret(spec: ConnectionSpec) -> None:
    shown = f"{spec!r} {spec.plan(None)!r} {spec.plan(make_connection(description=''))!r}"
    assert USER not in shown
    assert PASSWORD not in shown


def test_write__over_rest_sends_the_credential_and_logs_nothing_of_it(
    spec: ConnectionSpec, log: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = RestConnections(PROJECT, "us-central1", anonymous(), "http://127.0.0.1:1")
    found = make_connection(has_credential=False)
    spec.create(clients)
    spec.update(clients, found, spec.plan(found))
    for method in ("post", "patch"):
        credential = clients.sent(method)["cloudSql"]["credential"]
        assert credential == {"username": USER, "password": PASSWORD}
    assert_no_secret(log())
    # The same request without our guard: Google's clients do log what they send.
    monkeypatch.setattr(logging.getLogger(rest.__name__), "filters", [])
    clients.connections.create_connection(
        parent=PARENT, connection_id="c", connection=spec._message("")
    )
    assert USER in log()
