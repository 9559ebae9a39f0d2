"""Resources that somebody else made, by the console, bq or Terraform: taken over as they are."""

import json
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from google.cloud import bigquery
from google.cloud.bigquery_connection_v1.types import (
    CloudSqlCredential,
    CloudSqlProperties,
    Connection,
)
from google.cloud.bigquery_datatransfer_v1.types import (
    CreateTransferConfigRequest,
    TransferConfig,
)

from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import Clients, make_clients
from backend.forecasting.sql.queries import load_name
from backend.forecasting.training_table import COLUMNS

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

DATASET = "demo-project.intelligence"
TABLE = f"{DATASET}.entity_risk_training_data"
PARENT = "projects/demo-project/locations/us-central1"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.untraced]


@pytest.fixture
def clients(pipeline: "LocalCloud") -> Clients:
    return make_clients(load_config())


def run(command: str, **options: Any) -> dict[str, Any]:
    out = StringIO()
    call_command(command, format="json", stdout=out, stderr=StringIO(), **options)
    document: dict[str, Any] = json.loads(out.getvalue())
    return document


def changes(document: dict[str, Any]) -> list[str]:
    return [c["field"] for resource in document["resources"] for c in resource["changes"]]


def make_dataset(clients: Clients, **properties: Any) -> bigquery.Dataset:
    dataset = bigquery.Dataset(DATASET)
    dataset.location = "us-central1"
    for name, value in properties.items():
        setattr(dataset, name, value)
    return clients.bigquery.create_dataset(dataset)


def make_table(
    clients: Clients, *extra: bigquery.SchemaField, partition_by: str | None = "DAY"
) -> bigquery.Table:
    fields = [bigquery.SchemaField(c.name, c.type, mode=c.mode) for c in COLUMNS]
    table = bigquery.Table(TABLE, schema=[*fields, *extra])
    table.labels = {"team": "risk"}
    if partition_by:
        table.time_partitioning = bigquery.TimePartitioning(partition_by, field="mentioned_at")
    return clients.bigquery.create_table(table)


def make_connection(clients: Clients, **properties: Any) -> Connection:
    properties.setdefault("instance_id", "demo-project:us-central1:main")
    properties.setdefault("database", "elsewhere")
    connection = Connection(
        friendly_name="Reporting",
        description="Asked for by the risk team.",
        cloud_sql=CloudSqlProperties(
            type_=properties.pop("type_", CloudSqlProperties.DatabaseType.POSTGRES),
            credential=CloudSqlCredential(username="old", password="old"),
            **properties,
        ),
    )
    return clients.connections.create_connection(
        parent=PARENT, connection_id="postgresql-conn", connection=connection
    )


def make_scheduled_query(clients: Clients, **properties: Any) -> TransferConfig:
    config = TransferConfig(
        display_name=load_name(TABLE), data_source_id="scheduled_query", **properties
    )
    return clients.transfers.create_transfer_config(
        CreateTransferConfigRequest(parent=PARENT, transfer_config=config)
    )


def test_setup__keeps_what_it_does_not_own(clients: Clients) -> None:
    make_dataset(clients, labels={"team": "risk"}, friendly_name="Intelligence")
    make_table(clients, bigquery.SchemaField("note", "STRING", description="theirs"))
    document = run("bq_setup")
    assert document["status"] == "applied"
    dataset = clients.bigquery.get_dataset(DATASET)
    table = clients.bigquery.get_table(TABLE)
    assert (dataset.labels, dataset.friendly_name) == ({"team": "risk"}, "Intelligence")
    assert table.labels == {"team": "risk"}
    assert table.schema[-1].to_api_repr()["description"] == "theirs"
    assert run("bq_setup")["status"] == "unchanged"


def test_setup__lets_no_history_expire(clients: Clients) -> None:
    make_dataset(clients, default_partition_expiration_ms=30 * 86_400_000)
    make_table(clients)
    assert "defaultPartitionExpirationMs" in changes(run("bq_setup"))
    assert clients.bigquery.get_dataset(DATASET).default_partition_expiration_ms is None
    assert clients.bigquery.get_table(TABLE).time_partitioning.expiration_ms is None
    assert run("bq_setup")["status"] == "unchanged"


def test_setup__adds_a_missing_nullable_column(clients: Clients) -> None:
    make_dataset(clients)
    fields = [bigquery.SchemaField(c.name, c.type, mode=c.mode) for c in COLUMNS[:-1]]
    table = bigquery.Table(TABLE, schema=fields)
    table.time_partitioning = bigquery.TimePartitioning("DAY", field="mentioned_at")
    clients.bigquery.create_table(table)
    assert f"columns.{COLUMNS[-1].name}" in changes(run("bq_setup"))
    names = [field.name for field in clients.bigquery.get_table(TABLE).schema]
    assert names == [column.name for column in COLUMNS]


@pytest.mark.parametrize("partition_by", [None, "HOUR"])
def test_setup__conflict_changes_nothing(
    clients: Clients, pipeline: "LocalCloud", partition_by: str | None
) -> None:
    make_dataset(clients, default_table_expiration_ms=86_400_000)
    make_table(clients, partition_by=partition_by)
    pipeline.requests.clear()
    with pytest.raises(CommandError, match="Nothing was changed") as caught:
        run("bq_setup")
    assert caught.value.returncode == 1
    assert "not DAY on mentioned_at" in str(caught.value)
    assert pipeline.writes == []


@pytest.mark.trap("region")
def test_setup__dataset_elsewhere_is_a_conflict(clients: Clients, pipeline: "LocalCloud") -> None:
    make_dataset(clients, location="europe-west1")
    pipeline.requests.clear()
    with pytest.raises(CommandError, match="location is europe-west1, not us-central1"):
        run("bq_setup")
    assert pipeline.writes == []


def test_setup_etl__takes_over_a_connection(clients: Clients) -> None:
    run("bq_setup")
    make_connection(clients)
    assert {"database", "credential"} <= set(changes(run("bq_setup_etl", run_now=False)))
    connection = clients.connections.get_connection(name=f"{PARENT}/connections/postgresql-conn")
    assert connection.friendly_name == "Reporting"
    assert connection.description.startswith("Asked for by the risk team. [credential: ")
    assert connection.has_credential
    assert run("bq_setup_etl")["status"] == "unchanged"


def test_setup_etl__takes_over_a_scheduled_query(clients: Clients) -> None:
    run("bq_setup")
    made = make_scheduled_query(
        clients,
        params={"query": "SELECT 1 AS x", "write_disposition": "WRITE_TRUNCATE"},
        schedule="every 24 hours",
        destination_dataset_id="intelligence",
        disabled=True,
    )
    expected = {"query", "params.write_disposition", "schedule", "disabled", "destination_dataset"}
    assert expected <= set(changes(run("bq_setup_etl")))
    found = clients.transfers.get_transfer_config(name=made.name)
    assert dict(found.params).keys() == {"query"}
    assert (found.destination_dataset_id, found.disabled) == ("", False)
    assert run("bq_setup_etl")["status"] == "unchanged"


def test_setup_etl__refuses_a_connection_of_another_kind(
    clients: Clients, pipeline: "LocalCloud"
) -> None:
    run("bq_setup")
    make_connection(clients, type_=CloudSqlProperties.DatabaseType.MYSQL)
    pipeline.requests.clear()
    with pytest.raises(CommandError, match="is Cloud SQL for MYSQL, not Cloud SQL for PostgreSQL"):
        run("bq_setup_etl")
    assert pipeline.writes == []


def test_setup_etl__refuses_a_table_that_no_load_fits(
    clients: Clients, pipeline: "LocalCloud"
) -> None:
    make_dataset(clients)
    make_table(clients, partition_by=None)
    pipeline.requests.clear()
    with pytest.raises(CommandError, match="partitioning is none"):
        run("bq_setup_etl")
    assert pipeline.writes == []


def test_setup__never_asks_google_to_delete(clients: Clients, pipeline: "LocalCloud") -> None:
    make_dataset(clients, default_table_expiration_ms=86_400_000)
    make_table(clients)
    make_connection(clients)
    run("bq_setup")
    run("bq_setup_etl", run_now=True, no_wait=True)
    methods = {request.method for request in pipeline.requests}
    assert methods >= {"GET", "POST"}
    assert "DELETE" not in methods
