"""Google's own clients against the stand-in, and a database that stands for Cloud SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg2
import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery import Client, Dataset, QueryJobConfig, SchemaField, Table
from google.cloud.bigquery import TimePartitioning as Partitioning
from google.cloud.bigquery_connection_v1 import ConnectionServiceClient
from google.cloud.bigquery_connection_v1.types import (
    CloudSqlCredential,
    CloudSqlProperties,
    Connection,
)
from google.cloud.bigquery_datatransfer_v1 import DataTransferServiceClient
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig
from google.cloud.secretmanager_v1 import SecretManagerServiceClient

from backend.conftest import OWNER, PASSWORDS, READER, SQL_INSTANCE
from backend.localcloud.postgres.server import RunningPostgres, create_database
from backend.localcloud.server import LocalCloud

PROJECT = "demo-project"
LOCATION = "us-central1"
PARENT = f"projects/{PROJECT}/locations/{LOCATION}"
DATABASE = "localcloud_source"
SEED = f"""
CREATE TABLE score (id text, day date, value float8);
INSERT INTO score SELECT 'e' || n % 10, date '2026-01-01' + n / 10, n FROM generate_series(0, 99) n;
CREATE TYPE mood AS ENUM ('sad');
CREATE SEQUENCE counter;
GRANT SELECT ON score, counter TO {READER};
"""


@dataclass(frozen=True)
class GoogleClients:
    """The four clients, as the product makes them; BigQuery's knows REST only."""

    bigquery: Client
    connection: ConnectionServiceClient
    transfer: DataTransferServiceClient
    secret: SecretManagerServiceClient


GAPIC: tuple[Any, ...] = (
    ConnectionServiceClient,
    DataTransferServiceClient,
    SecretManagerServiceClient,
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a module's tests once for each of its `TRANSPORTS`, where it names some."""
    transports = getattr(metafunc.module, "TRANSPORTS", None)
    if transports and "transport" in metafunc.fixturenames:
        metafunc.parametrize("transport", transports)


@pytest.fixture
def transport() -> str:
    """How Google's clients speak to the stand-in: `rest` or `grpc`."""
    return "rest"


@pytest.fixture
def google(cloud: LocalCloud, transport: str) -> Iterator[GoogleClients]:
    rest: dict[str, Any] = {
        "credentials": AnonymousCredentials(),
        "client_options": {"api_endpoint": cloud.endpoint},
    }
    with ExitStack() as stack:
        bigquery = stack.enter_context(closing(Client(PROJECT, location=LOCATION, **rest)))
        if transport == "grpc":
            channel = stack.enter_context(open_channel(cloud))
            transports = (kind.get_transport_class("grpc")(channel=channel) for kind in GAPIC)
            made = [kind(transport=t) for kind, t in zip(GAPIC, transports, strict=True)]
        else:
            made = [kind(transport="rest", **rest) for kind in GAPIC]
        for client in made:
            stack.enter_context(closing(client.transport))
        yield GoogleClients(bigquery, *made)


def open_channel(cloud: LocalCloud) -> grpc.Channel:
    """A channel as Google's clients open theirs: replies may be of any size."""
    options = [("grpc.max_receive_message_length", -1)]
    return grpc.insecure_channel(cloud.grpc_endpoint, options)


Query = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def query(google: GoogleClients) -> Query:
    """Run SQL through the client and return its rows; a failed query's error is raised."""

    def run(sql: str, **config: Any) -> list[dict[str, Any]]:
        location = config.pop("location", LOCATION)
        job = google.bigquery.query(sql, location=location, job_config=QueryJobConfig(**config))
        return [dict(row) for row in job.result(timeout=60)]

    return run


@pytest.fixture
def dataset(google: GoogleClients) -> Dataset:
    wanted = Dataset(f"{PROJECT}.intelligence")
    wanted.location = LOCATION
    return google.bigquery.create_dataset(wanted)


@pytest.fixture
def table(google: GoogleClients, dataset: Dataset) -> Table:
    """A partitioned table with a REQUIRED key, day and score."""
    schema = [
        SchemaField("id", "STRING", "REQUIRED"),
        SchemaField("day", "TIMESTAMP", "REQUIRED"),
        SchemaField("score", "FLOAT64"),
    ]
    wanted = Table(dataset.table("risk"), schema=schema)
    wanted.time_partitioning = Partitioning(field="day")
    wanted.description = "risk by day"
    return google.bigquery.create_table(wanted)


@pytest.fixture(scope="session")
def source(postgres: RunningPostgres) -> str:
    """A database with a few scores in it; its name."""
    create_database(postgres, name=DATABASE, owner=OWNER)
    uri = postgres.uri(user=OWNER, password=PASSWORDS[OWNER], database=DATABASE)
    session = psycopg2.connect(uri)
    try:
        with session, session.cursor() as cursor:
            cursor.execute(SEED)
    finally:
        session.close()
    return DATABASE


ConnectionFactory = Callable[..., Connection]


@pytest.fixture
def make_connection(google: GoogleClients, source: str) -> ConnectionFactory:
    """Create a connection to the source database; keywords change what it says."""

    def make(identifier: str = "pg", *, location: str = LOCATION, **changes: Any) -> Connection:
        values = {"instance_id": SQL_INSTANCE, "database": source, "type_": "POSTGRES"}
        credential = CloudSqlCredential(username=READER, password=PASSWORDS[READER])
        properties = CloudSqlProperties(**{**values, "credential": credential, **changes})
        return google.connection.create_connection(
            parent=f"projects/{PROJECT}/locations/{location}",
            connection_id=identifier,
            connection=Connection(cloud_sql=properties),
        )

    return make


@pytest.fixture
def connection(make_connection: ConnectionFactory) -> Connection:
    return make_connection()


ConfigFactory = Callable[..., TransferConfig]


@pytest.fixture
def make_config(google: GoogleClients) -> ConfigFactory:
    """Create a scheduled query, which runs as `account`; keywords change what it says."""

    def make(query: str = "SELECT 1 AS one", account: str = "", **changes: Any) -> TransferConfig:
        values: dict[str, Any] = {"display_name": "nightly", "data_source_id": "scheduled_query"}
        values |= {"schedule": "every day 02:00", "params": {"query": query}}
        config = TransferConfig(**{**values, **changes})
        request = {"parent": PARENT, "transfer_config": config, "service_account_name": account}
        return google.transfer.create_transfer_config(request)

    return make


Send = Callable[..., requests.Response]


@pytest.fixture
def send(cloud: LocalCloud) -> Iterator[Send]:
    """Send a request that no client would: method, path and what requests takes."""
    with requests.Session() as session:

        def request(method: str, path: str, **options: Any) -> requests.Response:
            return session.request(method, cloud.endpoint + path, timeout=30, **options)

        yield request
