"""The commands over gRPC, production's transport: the same requests and words as over REST."""

import re
from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from backend.entities.models import Entity
from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.provisioning.connections import ConnectionSpec
from backend.forecasting.provisioning.credentials import read_credential
from backend.forecasting.tests.support.loading import day_before, mention, table_rows
from backend.localcloud.http.faults import Fault, Kind

if TYPE_CHECKING:
    from backend.localcloud.http.call import Call
    from backend.localcloud.server import LocalCloud

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.untraced]

BIGQUERY = "/bigquery/v2/"
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def source(pipeline: "LocalCloud") -> "LocalCloud":
    """The stand-in, and one entity and day to load."""
    mention(Entity.objects.create(name="Acme", entity_type="company"), day_before(1), 40.0)
    return pipeline


@pytest.fixture
def ready(source: "LocalCloud") -> "LocalCloud":
    """The same with everything provisioned."""
    run("bq_setup")
    run("bq_setup_etl")
    source.requests.clear()
    return source


def run(command: str, **options: Any) -> str:
    """What the command says, then its error with the exit status, if it has one."""
    out = StringIO()
    try:
        call_command(command, stdout=out, stderr=out, **options)
    except CommandError as error:
        out.write(f"{error} [{error.returncode}]")
    return out.getvalue()


def timeless(said: str) -> str:
    """The words without what differs from one run to the next: ids, times and durations.

    How often a run's state is seen depends on time too.
    """
    said = re.sub(r"Run ID: (?:PENDING|RUNNING)\n", "", ID.sub("ID", said))
    return re.sub(r"\d+(?:\.\d+)?( s\b|,? hours| bytes)", r"N\1", said)


def everything() -> list[str]:
    """The words of every command, from nothing to a verified load, and of the second runs."""
    commands: list[tuple[str, dict[str, Any]]] = [
        ("bq_setup", {}),
        ("bq_setup_etl", {"run_now": True}),
        ("bq_setup", {}),
        ("bq_setup_etl", {"check": True}),
        ("bq_setup_etl", {}),
        ("bq_verify", {}),
    ]
    return [timeless(run(name, **options)) for name, options in commands]


def asked(cloud: "LocalCloud") -> dict[str, set[tuple[str, str]]]:
    """What was asked of the three services, by transport; BigQuery knows REST only."""
    found: dict[str, set[tuple[str, str]]] = {}
    for request in cloud.requests:
        if not request.path.startswith(BIGQUERY):
            what = request.method, ID.sub("ID", request.path)
            found.setdefault(request.transport, set()).add(what)
    return found


@pytest.mark.trap("transport")
def test_everything__says_and_asks_the_same_as_over_rest(
    source: "LocalCloud", settings: Settings
) -> None:
    over_grpc, asked_grpc = everything(), asked(source)
    assert len(table_rows(source)) == 1
    assert len(asked_grpc["grpc"]) > 8
    source.reset()
    settings.FORECASTING_GRPC_ENDPOINT = ""
    assert everything() == over_grpc
    assert asked(source) == {"rest": asked_grpc["grpc"]}


def test_secret__that_is_disabled_says_how_to_add_a_version(ready: "LocalCloud") -> None:
    ready.disable_secret_version("POSTGRES_PASSWORD", 1)
    said = run("bq_setup_etl")
    assert "gcloud secrets versions add POSTGRES_PASSWORD" in said
    assert said.endswith(" [1]")
    assert ready.writes == []


def test_refusal__names_the_permission_and_its_role(ready: "LocalCloud") -> None:
    ready.faults.add(Fault(kind=Kind.PERMISSION_DENIED, path=":access"))
    said = run("bq_setup_etl")
    assert "lack secretmanager.versions.access" in said
    assert "--role roles/secretmanager.secretAccessor" in said
    assert ready.writes == []


def test_rotation__updates_the_credential_only_and_logs_none(
    ready: "LocalCloud", log: Callable[[], str]
) -> None:
    ready.add_secret_version("POSTGRES_PASSWORD", "rotated-4711")
    said = run("bq_setup_etl")
    assert "POSTGRES_PASSWORD/versions/1 -> " in said
    assert "Sending request for /google.cloud.bigquery.connection.v1" in log()
    assert not re.search("rotated-4711|cm90YXRlZC00NzEx", said + log())  # Plain or in base64.
    (write,) = ready.writes
    assert (write.transport, write.query["updateMask"]) == (
        "grpc",
        "cloudSql.credential,description",
    )


def test_lost_race__to_create_is_settled(source: "LocalCloud") -> None:
    """Another run creates the connection between the look and the create: ALREADY_EXISTS."""

    def overtake(call: "Call", done: bool) -> None:
        if call.method == "POST" and call.path.endswith("/connections"):
            source.watchers.remove(overtake)
            config = load_config()
            clients = make_clients(config)
            credential = read_credential(clients, config)
            ConnectionSpec.from_config(config, credential).create(clients)

    run("bq_setup")
    source.watchers.append(overtake)
    assert "Done: 2 created" in run("bq_setup_etl")
    assert len(source.connections.items) == len(source.transfers.items) == 1
    assert run("bq_setup_etl").endswith("Plan: 2 unchanged.\n")


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("path", ["/connections$", "/transferConfigs$", ":startManualRuns$"])
def test_empty_reply__is_not_taken_for_a_write_that_was_done(
    source: "LocalCloud", path: str, after_effect: bool
) -> None:
    run("bq_setup")
    source.faults.add(Fault(kind=Kind.EMPTY, method="POST", path=path, after_effect=after_effect))
    assert "SUCCEEDED" in run("bq_setup_etl", run_now=True)
    assert len(source.faults.hits) == 1
    assert len(source.connections.items) == len(source.transfers.items) == 1
    assert len(table_rows(source)) == 1


def test_garbled_reply__leaves_no_traceback_in_the_log(
    ready: "LocalCloud", log: Callable[[], str]
) -> None:
    ready.faults.add(Fault(kind=Kind.GARBLED, path=":access"))
    assert run("bq_setup_etl").endswith("Plan: 2 unchanged.\n")
    assert "Sending request for /google.cloud.secretmanager" in log()
    assert "exc_info': (" not in log()


def test_unreachable__is_said_at_once(source: "LocalCloud", settings: Settings) -> None:
    run("bq_setup")
    settings.FORECASTING_GRPC_ENDPOINT = "127.0.0.1:1"
    said = run("bq_setup_etl")
    assert "nothing usable answers at FORECASTING_GRPC_ENDPOINT 127.0.0.1:1" in said
    assert said.endswith(" [1]")


def test_schedule__in_the_newer_form_that_has_ended_is_put_right(ready: "LocalCloud") -> None:
    (scheduled,) = ready.transfers.items.values()
    timed = {"schedule": scheduled.resource.pop("schedule"), "endTime": "2026-01-01T00:00:00Z"}
    scheduled.resource["scheduleOptionsV2"] = {"timeBasedSchedule": timed}
    assert "ends: 2026-01-01 00:00 UTC -> " in run("bq_setup_etl", check=True)
    assert "schedule.enabled" in run("bq_verify").partition("FAIL")[2]
    assert "Done: 0 created, 1 updated" in run("bq_setup_etl")
    (write,) = ready.writes
    assert write.query["updateMask"] == "scheduleOptionsV2"
    assert "Plan: 2 unchanged." in run("bq_setup_etl", check=True)
