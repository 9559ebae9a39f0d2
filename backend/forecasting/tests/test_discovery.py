"""What the product sends and what the stand-in answers, held against Google's own documents."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from google.api_core.exceptions import Conflict
from google.cloud import bigquery
from pytest_django import Settings

from backend.conftest import PASSWORDS, READER
from backend.entities.models import Entity
from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import Clients, make_clients
from backend.forecasting.provisioning.scheduled_queries import ScheduledQuerySpec
from backend.forecasting.tests.oracles.discovery import Exchange, method_of, problems
from backend.forecasting.tests.support.factories import SERVICE_ACCOUNT, TOPIC
from backend.forecasting.tests.support.loading import TABLE, day_before, mention
from backend.forecasting.tests.support.recording import record_exchanges

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.untraced]

CONFIGS = "bigquerydatatransfer.projects.locations.transferConfigs"
CONNECTIONS = "bigqueryconnection.projects.locations.connections"
ACCESS = "secretmanager.projects.secrets.versions.access"


@pytest.fixture
def pipeline(pipeline: "LocalCloud", settings: Settings) -> "LocalCloud":
    """All of it over REST, which is what the documents describe."""
    settings.FORECASTING_GRPC_ENDPOINT = ""
    return pipeline


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    return record_exchanges(monkeypatch)


@pytest.fixture
def ready(pipeline: "LocalCloud", exchanges: list[Exchange]) -> "LocalCloud":
    """The stand-in with everything provisioned, one entity and day to load, nothing loaded."""
    mention(Entity.objects.create(name="Acme", entity_type="company"), day_before(1), 40.0)
    run("bq_setup")
    run("bq_setup_etl")
    exchanges.clear()
    return pipeline


def run(command: str, **options: Any) -> None:
    call_command(command, stdout=StringIO(), stderr=StringIO(), **options)


def clients() -> Clients:
    return make_clients(load_config())


def assert_as_described(exchanges: Iterable[Exchange], *ids: str) -> None:
    """Nothing is at odds with the documents, and each of these methods was called."""
    found = list(exchanges)
    assert [problem for exchange in found for problem in problems(exchange)] == []
    called = {method.id for method in map(method_of, found) if method}
    assert set(ids) <= called


# What the commands send and get


def test_setup__first_and_second(pipeline: "LocalCloud", exchanges: list[Exchange]) -> None:
    run("bq_setup")
    run("bq_setup")
    wanted = ("bigquery.datasets.get", "bigquery.datasets.insert")
    assert_as_described(exchanges, *wanted, "bigquery.tables.get", "bigquery.tables.insert")


def test_setup__updates_each_owned_field(ready: "LocalCloud", exchanges: list[Exchange]) -> None:
    client = clients().bigquery
    dataset = client.get_dataset("intelligence")
    dataset.default_table_expiration_ms = dataset.default_partition_expiration_ms = 86_400_000 * 90
    client.update_dataset(
        dataset, ["default_table_expiration_ms", "default_partition_expiration_ms"]
    )
    table = client.get_table(TABLE)
    table.description, table.expires = "another", datetime(2099, 1, 1, tzinfo=UTC)
    table.time_partitioning = bigquery.TimePartitioning(
        field="mentioned_at", expiration_ms=86_400_000 * 90
    )
    client.update_table(table, ["description", "expires", "time_partitioning"])
    exchanges.clear()
    run("bq_setup")
    assert_as_described(exchanges, "bigquery.datasets.patch", "bigquery.tables.patch")
    bodies = [exchange.body for exchange in exchanges if exchange.method == "PATCH"]
    assert {name for body in bodies for name in body} >= {
        "defaultTableExpirationMs",
        "defaultPartitionExpirationMs",
        "description",
        "expirationTime",
        "timePartitioning",
    }


def test_setup__updates_the_columns(ready: "LocalCloud", exchanges: list[Exchange]) -> None:
    client = clients().bigquery
    table = client.get_table(TABLE)
    table.schema = [bigquery.SchemaField(f.name, f.field_type, mode=f.mode) for f in table.schema]
    client.update_table(table, ["schema"])
    exchanges.clear()
    run("bq_setup")
    assert_as_described(exchanges, "bigquery.tables.patch")


def test_setup_etl__first_run_and_second(pipeline: "LocalCloud", exchanges: list[Exchange]) -> None:
    mention(Entity.objects.create(name="Acme", entity_type="company"), day_before(1), 40.0)
    run("bq_setup")
    run("bq_setup_etl", run_now=True)
    run("bq_setup_etl")
    created = (f"{CONNECTIONS}.create", f"{CONFIGS}.create", f"{CONFIGS}.startManualRuns")
    read = (f"{CONNECTIONS}.get", f"{CONFIGS}.list", f"{CONFIGS}.runs.get", ACCESS)
    assert_as_described(exchanges, *created, *read)


def _change_schedule(transfer: Any) -> None:
    transfer.resource |= {"schedule": "every 6 hours", "disabled": True}


def _change_params(transfer: Any) -> None:
    transfer.resource["params"] |= {"query": "SELECT 1", "write_disposition": "WRITE_APPEND"}
    transfer.resource["displayName"] = "Nightly load of " + TABLE


def _change_destination(transfer: Any) -> None:
    transfer.resource["destinationDatasetId"] = "intelligence"


def _change_options(transfer: Any) -> None:
    times = {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-02-01T00:00:00Z"}
    transfer.resource["scheduleOptions"] = {"disableAutoScheduling": True, **times}


@pytest.mark.parametrize(
    "tamper", [_change_schedule, _change_params, _change_destination, _change_options]
)
def test_setup_etl__updates_the_scheduled_query(
    ready: "LocalCloud", exchanges: list[Exchange], tamper: Callable[[Any], None]
) -> None:
    (transfer,) = ready.transfers.items.values()
    tamper(transfer)
    run("bq_setup_etl")
    assert_as_described(exchanges, f"{CONFIGS}.get", f"{CONFIGS}.patch")


def test_setup_etl__sets_account_and_topic(ready: "LocalCloud", exchanges: list[Exchange]) -> None:
    run("bq_setup_etl", service_account=SERVICE_ACCOUNT, notification_topic=TOPIC)
    assert_as_described(exchanges, f"{CONFIGS}.patch")
    (patch,) = (exchange for exchange in exchanges if exchange.method == "PATCH")
    assert ("serviceAccountName", SERVICE_ACCOUNT) in patch.query


def test_setup_etl__updates_the_connection(ready: "LocalCloud", exchanges: list[Exchange]) -> None:
    (connection,) = ready.connections.items.values()
    connection.resource["cloudSql"] |= {
        "database": "other",
        "instanceId": "demo-project:us-central1:other",
    }
    run("bq_setup_etl")
    assert_as_described(exchanges, f"{CONNECTIONS}.patch")


def test_setup_etl__rotates_the_credential(ready: "LocalCloud", exchanges: list[Exchange]) -> None:
    ready.add_secret_version("POSTGRES_PASSWORD", PASSWORDS[READER])
    run("bq_setup_etl")
    assert_as_described(exchanges, f"{CONNECTIONS}.patch", ACCESS)


def test_setup_etl__deletes_its_own_duplicate(
    ready: "LocalCloud", exchanges: list[Exchange]
) -> None:
    with pytest.raises(Conflict):
        ScheduledQuerySpec.from_config(load_config()).create(clients())
    assert_as_described(exchanges, f"{CONFIGS}.create", f"{CONFIGS}.delete")
    assert len(ready.transfers.items) == 1


def test_setup_etl__backfills(ready: "LocalCloud", exchanges: list[Exchange]) -> None:
    run("bq_setup_etl", backfill_days="3")
    assert_as_described(exchanges, "bigquery.jobs.query")


def test_verify__with_all_that_it_can_read(
    ready: "LocalCloud", exchanges: list[Exchange], tmp_path: Path
) -> None:
    run("bq_setup_etl", run_now=True)
    exchanges.clear()
    with pytest.raises(CommandError):  # One entity and day are no training data.
        run("bq_verify", reconcile=True, report=tmp_path / "report.html")
    assert_as_described(exchanges, f"{CONFIGS}.runs.list", "bigquery.jobs.query")


def test_refusals__look_as_googles(pipeline: "LocalCloud", exchanges: list[Exchange]) -> None:
    for service in ("bigquery", "bigqueryconnection", "bigquerydatatransfer", "secretmanager"):
        pipeline.disable_api(f"{service}.googleapis.com")
    with pytest.raises(CommandError, match="Enable"):
        run("bq_setup_etl")
    assert_as_described(exchanges)
    assert {exchange.status for exchange in exchanges} == {403}
