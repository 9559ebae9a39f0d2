"""The three commands against the stand-in for Google Cloud, with Google's real client libraries."""

import json
from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from backend.demo.history import write_history
from backend.demo.sample import SampleOptions, generate_history
from backend.entities.models import EntityMention
from backend.events.models import Event
from backend.forecasting.tests.oracles.expected import assert_same_rows, expected_rows
from backend.forecasting.tests.support.loading import TABLE, day_before, midnight, table_rows, today
from backend.forecasting.training_table import COLUMNS, DESCRIPTION

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud


pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.untraced]


@pytest.fixture
def history(request: pytest.FixtureRequest) -> None:
    """A small sample, up to yesterday and with some mentions of today."""
    entities = getattr(request, "param", 12)
    options = SampleOptions(last_day=day_before(1), days=95, entities=entities)
    write_history(generate_history(options))


@pytest.fixture
def loaded(pipeline: "LocalCloud", history: None) -> "LocalCloud":
    """The stand-in after the first load."""
    call_command("bq_setup", stdout=StringIO())
    call_command("bq_setup_etl", run_now=True, stdout=StringIO())
    pipeline.requests.clear()
    return pipeline


def shape_of_table(cloud: "LocalCloud") -> Any:
    """What every run has to leave as it is."""
    from backend.forecasting.conf import load_config
    from backend.forecasting.google.clients import make_clients

    table = make_clients(load_config()).bigquery.get_table(TABLE)
    columns = [(f.name, f.field_type, f.mode, f.description) for f in table.schema]
    return columns, table.time_partitioning, table.description


def test_pipeline__loads_what_postgresql_holds(loaded: "LocalCloud") -> None:
    expected = expected_rows(day_before(90), today())
    rows = table_rows(loaded)
    assert len(rows) > 100
    assert_same_rows(rows, expected)


def test_pipeline__leaves_todays_half_day_out(loaded: "LocalCloud") -> None:
    assert EntityMention.objects.filter(mentioned_at__gte=midnight(today())).exists()
    assert max(day for _, day in table_rows(loaded)) == day_before(1)


@pytest.mark.trap("shape")
def test_pipeline__table_keeps_its_shape_over_two_nights(
    pipeline: "LocalCloud", history: None
) -> None:
    call_command("bq_setup", stdout=StringIO())
    before = shape_of_table(pipeline)
    for _ in range(2):
        call_command("bq_setup_etl", run_now=True, stdout=StringIO())
    columns, partitioning, description = shape_of_table(pipeline)
    assert (columns, partitioning, description) == before
    assert [(name, mode) for name, _, mode, _ in columns] == [(c.name, c.mode) for c in COLUMNS]
    assert (partitioning.type_, partitioning.field) == ("DAY", "mentioned_at")
    assert description == DESCRIPTION


def test_pipeline__second_night_ends_with_the_same_rows(loaded: "LocalCloud") -> None:
    before = table_rows(loaded)
    call_command("bq_setup_etl", run_now=True, stdout=StringIO())
    assert table_rows(loaded) == before


def test_pipeline__late_score_is_picked_up(loaded: "LocalCloud") -> None:
    mention = EntityMention.objects.filter(event__risk_score__isnull=False).latest("event_id")
    Event.objects.filter(pk=mention.event_id).update(risk_score=0.5)
    call_command("bq_setup_etl", run_now=True, stdout=StringIO())
    assert_same_rows(table_rows(loaded), expected_rows(day_before(90), today()))


@pytest.mark.parametrize(("command", "most"), [("bq_setup", 2), ("bq_setup_etl", 8)])
def test_pipeline__second_setup_only_reads(loaded: "LocalCloud", command: str, most: int) -> None:
    out = StringIO()
    call_command(command, stdout=out)
    assert loaded.writes == []
    assert 0 < len(loaded.requests) <= most
    assert out.getvalue().splitlines()[-1] == "Plan: 2 unchanged."


@pytest.mark.parametrize("history", [60], indirect=True)
def test_pipeline__verification_passes(loaded: "LocalCloud") -> None:
    out = StringIO()
    call_command("bq_verify", format="json", stdout=out, stderr=StringIO())
    document = json.loads(out.getvalue())
    statuses = {check["id"]: check["status"] for check in document["checks"]}
    assert document["ok"]
    assert len(statuses) > 30
    assert set(statuses.values()) <= {"pass", "warn"}
    assert not loaded.writes


def test_run_now__reports_rows_as_json(pipeline: "LocalCloud", history: None) -> None:
    call_command("bq_setup", stdout=StringIO())
    out = StringIO()
    call_command("bq_setup_etl", run_now=True, format="json", stdout=out, stderr=StringIO())
    document = json.loads(out.getvalue())
    assert document["status"] == "applied"
    assert [resource["action"] for resource in document["resources"]] == ["create", "create"]
    assert document["run"]["state"] == "SUCCEEDED"
    assert document["run"]["rows"] == len(table_rows(pipeline))


def test_run_now__wrong_password_fails_with_cause(pipeline: "LocalCloud", history: None) -> None:
    pipeline.add_secret_version("POSTGRES_PASSWORD", "not-the-password")
    call_command("bq_setup", stdout=StringIO())
    with pytest.raises(CommandError) as caught:
        call_command("bq_setup_etl", run_now=True, stdout=StringIO())
    assert caught.value.returncode == 2
    assert "password authentication failed" in str(caught.value)
    assert "put the right ones into Secret Manager" in str(caught.value)
    assert "not-the-password" not in str(caught.value)


@pytest.mark.trap("source")
def test_run_now__empty_source_fails_and_leaves_the_table(loaded: "LocalCloud") -> None:
    before = table_rows(loaded)
    EntityMention.objects.all().delete()
    with pytest.raises(CommandError, match="source query returned no rows") as caught:
        call_command("bq_setup_etl", run_now=True, stdout=StringIO())
    assert caught.value.returncode == 2
    assert table_rows(loaded) == before


def test_setup_etl__without_table_writes_nothing(pipeline: "LocalCloud") -> None:
    with pytest.raises(CommandError, match="run bq_setup first") as caught:
        call_command("bq_setup_etl", stdout=StringIO())
    assert caught.value.returncode == 1
    assert pipeline.writes == []


def test_setup_etl__missing_secret_writes_nothing(pipeline: "LocalCloud") -> None:
    call_command("bq_setup", stdout=StringIO())
    pipeline.requests.clear()
    pipeline.disable_secret_version("POSTGRES_PASSWORD", 1)
    with pytest.raises(CommandError, match="gcloud secrets versions add POSTGRES_PASSWORD"):
        call_command("bq_setup_etl", stdout=StringIO())
    assert pipeline.writes == []


def test_setup_etl__names_every_disabled_api_at_once(pipeline: "LocalCloud") -> None:
    call_command("bq_setup", stdout=StringIO())
    for service in ("bigqueryconnection", "bigquerydatatransfer", "secretmanager"):
        pipeline.disable_api(f"{service}.googleapis.com")
    with pytest.raises(CommandError) as caught:
        call_command("bq_setup_etl", stdout=StringIO())
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "Enable Secret Manager API",
        "Enable BigQuery Connection API",
        "Enable BigQuery Data Transfer API",
    ]


def test_setup_etl__source_that_lacks_a_table_writes_nothing(
    pipeline: "LocalCloud", rename_table: Callable[[str, str], None]
) -> None:
    call_command("bq_setup", stdout=StringIO())
    pipeline.requests.clear()
    rename_table("events_event", "events_elsewhere")
    with pytest.raises(CommandError, match=r"manage\.py migrate"):
        call_command("bq_setup_etl", stdout=StringIO())
    assert pipeline.requests == []


def test_setup_etl__password_set_by_hand_is_put_right(loaded: "LocalCloud") -> None:
    (stored,) = loaded.connections.items.values()
    stored.password = "by hand"
    out = StringIO()
    call_command("bq_setup_etl", stdout=out)
    assert len(loaded.writes) == 1
    assert "credential: refused by PostgreSQL -> " in out.getvalue()
    assert "was sent, and PostgreSQL takes it" in out.getvalue()
    loaded.requests.clear()
    call_command("bq_setup_etl", stdout=StringIO())
    assert loaded.writes == []


def test_setup_etl__secret_that_was_made_anew_is_sent_again(loaded: "LocalCloud") -> None:
    (old,) = loaded.secrets.items.pop("POSTGRES_PASSWORD")
    assert loaded.add_secret_version("POSTGRES_PASSWORD", old.value.decode()) == old.number
    out = StringIO()
    call_command("bq_setup_etl", stdout=out)
    (write,) = loaded.writes
    assert write.query["updateMask"] == "cloudSql.credential,description"
    assert f"POSTGRES_PASSWORD/versions/1 of {old.created} -> " in out.getvalue()


def test_setup_etl__rotated_password_updates_the_credential_only(loaded: "LocalCloud") -> None:
    loaded.add_secret_version("POSTGRES_PASSWORD", "rotated")
    out = StringIO()
    call_command("bq_setup_etl", stdout=out)
    (write,) = loaded.writes
    assert write.method == "PATCH"
    assert write.query["updateMask"] == "cloudSql.credential,description"
    assert "POSTGRES_PASSWORD/versions/1 -> " in out.getvalue()
    assert "rotated" not in out.getvalue()


@pytest.fixture
def rename_table() -> Any:
    """Renames a table until the test is over."""
    from django.db import connection

    renamed: list[tuple[str, str]] = []

    def rename(old: str, new: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER TABLE "{old}" RENAME TO "{new}"')
        renamed.append((old, new))

    yield rename
    for old, new in renamed:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER TABLE "{new}" RENAME TO "{old}"')
