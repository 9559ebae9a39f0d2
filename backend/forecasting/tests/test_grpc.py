"""The commands over gRPC, production's transport: the same ends, the same words as over REST."""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from backend.entities.models import Entity
from backend.forecasting.conf import Config, load_config
from backend.forecasting.google.clients import Clients, make_clients
from backend.forecasting.management.commands import _pipeline
from backend.forecasting.provisioning.connections import ConnectionSpec
from backend.forecasting.provisioning.credentials import read_credential
from backend.forecasting.tests.oracles.grpc_services import (
    GrpcClients,
    GrpcServer,
    refusal,
    serve_grpc,
)
from backend.forecasting.tests.support.loading import day_before, mention, table_rows

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.django_db(transaction=True)

WRITES = ("Create", "Update", "Delete", "Start", "Set")


@pytest.fixture
def grpc_server(pipeline: "LocalCloud", monkeypatch: pytest.MonkeyPatch) -> Iterator[GrpcServer]:
    """Leads the commands to the three services over gRPC, one entity and day to load."""
    mention(Entity.objects.create(name="Acme", entity_type="company"), day_before(1), 40.0)
    with serve_grpc(pipeline.endpoint) as server:

        def make(config: Config) -> Clients:
            rest = make_clients(config)
            return GrpcClients(
                rest.project, rest.location, rest.credentials, rest.endpoint, server.address
            )

        monkeypatch.setattr(_pipeline, "make_clients", make)
        yield server


@pytest.fixture
def ready(grpc_server: GrpcServer) -> GrpcServer:
    """The same with everything provisioned over gRPC."""
    run("bq_setup")
    run("bq_setup_etl")
    grpc_server.calls.clear()
    return grpc_server


def run(command: str, **options: Any) -> str:
    """What the command says, then its error with the exit status, if it has one."""
    out = StringIO()
    try:
        call_command(command, stdout=out, stderr=out, **options)
    except CommandError as error:
        out.write(f"{error} [{error.returncode}]")
    return out.getvalue()


def writes(server: GrpcServer) -> list[str]:
    return [method for method in server.calls if method.startswith(WRITES)]


def timeless(said: str) -> str:
    """The words without what differs from one run to the next: ids, times and durations.

    How often a run's state is seen depends on time too.
    """
    said = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", said)
    said = re.sub(r"Run ID: (?:PENDING|RUNNING)\n", "", said)
    return re.sub(r"\d+(?:\.\d+)?( s\b|,? hours| bytes)", r"N\1", said)


def everything() -> list[str]:
    """The words of every command, from nothing to a verified load, and of the second runs."""
    commands: list[tuple[str, dict[str, Any]]] = [
        ("bq_setup", {}),
        ("bq_setup_etl", {"run_now": True}),
        ("bq_setup", {}),
        ("bq_setup_etl", {"mode": "check"}),
        ("bq_setup_etl", {}),
        ("bq_verify", {}),
    ]
    return [timeless(run(name, **options)) for name, options in commands]


@pytest.mark.trap("transport")
def test_everything__says_the_same_as_over_rest(
    pipeline: "LocalCloud", grpc_server: GrpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    over_grpc = everything()
    assert len(table_rows(pipeline)) == 1
    assert {"AccessSecretVersion", "CreateConnection", "CreateTransferConfig"} <= set(
        grpc_server.calls
    )
    pipeline.reset()
    grpc_server.calls.clear()
    monkeypatch.setattr(_pipeline, "make_clients", make_clients)
    assert everything() == over_grpc
    assert grpc_server.calls == []


def test_second_setup__only_reads(pipeline: "LocalCloud", ready: GrpcServer) -> None:
    assert run("bq_setup_etl").endswith("Plan: 2 unchanged.\n")
    assert ready.calls
    assert writes(ready) == []


def test_run_now__waits_and_counts(ready: GrpcServer) -> None:
    said = run("bq_setup_etl", run_now=True, format="json")
    document = json.loads(said[said.index("{") :])
    assert (document["run"]["state"], document["run"]["rows"]) == ("SUCCEEDED", 1)


def test_run_now__failed_run_has_googles_words(pipeline: "LocalCloud", ready: GrpcServer) -> None:
    pipeline.add_secret_version("POSTGRES_PASSWORD", "wrong-4711")
    said = run("bq_setup_etl", run_now=True)
    assert "password authentication failed" in said
    assert said.endswith("run bq_setup_etl again. [2]")
    assert "wrong-4711" not in said


def test_disabled_apis__are_named_all_at_once(pipeline: "LocalCloud", ready: GrpcServer) -> None:
    for service in ("bigqueryconnection", "bigquerydatatransfer", "secretmanager"):
        pipeline.disable_api(f"{service}.googleapis.com")
    said = run("bq_setup_etl")
    assert re.findall(r"Enable .+ API: gcloud services enable (\w+)", said) == [
        "secretmanager",
        "bigqueryconnection",
        "bigquerydatatransfer",
    ]
    assert said.endswith(" [1]")


@pytest.mark.parametrize("lost", [True, False])
def test_secret__that_cannot_be_read_says_how_to_add_it(
    pipeline: "LocalCloud", ready: GrpcServer, lost: bool
) -> None:
    if lost:
        del pipeline.secrets.items["POSTGRES_PASSWORD"]
    else:
        pipeline.disable_secret_version("POSTGRES_PASSWORD", 1)
    said = run("bq_setup_etl")
    assert "gcloud secrets versions add POSTGRES_PASSWORD" in said
    assert ("not found" in said) is lost
    assert said.endswith(" [1]")
    assert writes(ready) == []


def test_refusal__names_the_permission_and_its_role(ready: GrpcServer) -> None:
    ready.before["AccessSecretVersion"] = partial(
        raise_error,
        refusal(
            "PERMISSION_DENIED",
            "Permission 'secretmanager.versions.access' denied on resource (or it may not exist).",
            "IAM_PERMISSION_DENIED",
            permission="secretmanager.versions.access",
        ),
    )
    said = run("bq_setup_etl")
    assert "lack secretmanager.versions.access" in said
    assert "--role roles/secretmanager.secretAccessor" in said
    assert writes(ready) == []


def test_rotation__updates_the_credential_only(
    pipeline: "LocalCloud", ready: GrpcServer, log: Callable[[], str]
) -> None:
    pipeline.add_secret_version("POSTGRES_PASSWORD", "rotated-4711")
    pipeline.requests.clear()
    said = run("bq_setup_etl")
    assert "POSTGRES_PASSWORD/versions/1 -> " in said
    assert "Sending request for /google.cloud.bigquery.connection.v1" in log()
    assert not re.search("rotated-4711|cm90YXRlZC00NzEx", said + log())  # Plain or in base64.
    (write,) = pipeline.writes
    assert write.query["updateMask"] == "cloudSql.credential,description"


def test_lost_race__to_create_is_settled(pipeline: "LocalCloud", grpc_server: GrpcServer) -> None:
    """Another run creates the connection between the look and the create: ALREADY_EXISTS."""
    run("bq_setup")

    def overtake() -> None:
        config = load_config()
        rest = make_clients(config)
        credential = read_credential(rest, config)
        ConnectionSpec.from_config(config, credential).create(rest)

    grpc_server.before["CreateConnection"] = overtake
    said = run("bq_setup_etl")
    assert "Done: 2 created" in said
    assert writes(grpc_server) == ["CreateConnection", "CreateTransferConfig"]
    assert len(pipeline.connections.items) == len(pipeline.transfers.items) == 1
    assert run("bq_setup_etl").endswith("Plan: 2 unchanged.\n")


@pytest.mark.parametrize("method", ["GetConnection", "ListTransferConfigs", "AccessSecretVersion"])
def test_unavailable__read_is_survived(ready: GrpcServer, method: str) -> None:
    unavailable = refusal("UNAVAILABLE", "The service is currently unavailable.")
    ready.before[method] = partial(raise_error, unavailable)
    assert run("bq_setup_etl").endswith("Plan: 2 unchanged.\n")
    assert ready.calls.count(method) >= 2


def raise_error(error: Exception) -> None:
    raise error
