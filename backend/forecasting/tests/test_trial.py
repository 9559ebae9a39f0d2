"""The source query tried through the connection, as its role sees the database."""

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from backend.conftest import PASSWORDS, READER, grant_printed_role
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.healthy import Healthy
from backend.localcloud.postgres.server import RunningPostgres, create_role

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

STRANGER, PASSWORD = "stranger", "knocking"


@pytest.fixture(scope="module")
def stranger(postgres: RunningPostgres) -> str:
    """A role that may log in and read nothing."""
    create_role(postgres, user=STRANGER, password=PASSWORD)
    return STRANGER


@pytest.mark.django_db(transaction=True)
def test_setup_etl__role_that_may_not_read_is_refused_before_anything_is_scheduled(
    pipeline: "LocalCloud", stranger: str, postgres: RunningPostgres
) -> None:
    pipeline.add_secret_version("POSTGRES_USER", stranger)
    pipeline.add_secret_version("POSTGRES_PASSWORD", PASSWORD)
    assert call("bq_setup").status == 0
    result = call("bq_setup_etl", "--run-now")
    assert result.status == 1
    assert "to the role of connection projects/demo-project/locations/us-central1" in result.error
    assert "permission denied for table" in result.error
    assert "run the script of `bq_setup_etl --print-role-sql` again" in result.error
    assert not pipeline.transfers.items
    grant_printed_role(postgres, stranger)
    assert call("bq_setup_etl").status == 0
    assert len(pipeline.transfers.items) == 1


@pytest.mark.django_db(transaction=True)
def test_setup_etl__credential_of_a_new_connection_that_is_refused_fails_with_the_cure(
    pipeline: "LocalCloud",
) -> None:
    """No waiting cures it, and nothing is scheduled that could not log in."""
    pipeline.add_secret_version("POSTGRES_PASSWORD", "wrong")
    assert call("bq_setup").status == 0
    result = call("bq_setup_etl")
    assert result.status == 1
    assert result.error.startswith("PostgreSQL refuses the credential that Secret Manager holds: ")
    assert "put the right ones into Secret Manager" in result.error
    assert not pipeline.transfers.items
    assert call("bq_setup_etl").status == 1
    pipeline.add_secret_version("POSTGRES_PASSWORD", PASSWORDS[READER])
    assert call("bq_setup_etl").status == 0
    assert len(pipeline.transfers.items) == 1


@pytest.mark.django_db(transaction=True)
def test_setup_etl__lost_permission_is_refused_where_nothing_is_to_be_changed(
    pipeline: "LocalCloud", postgres: RunningPostgres
) -> None:
    assert call("bq_setup").status == 0
    assert call("bq_setup_etl").status == 0
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"REVOKE SELECT ON events_event FROM {READER}")
        pipeline.requests.clear()
        result = call("bq_setup_etl")
    finally:
        grant_printed_role(postgres)
    assert (result.status, pipeline.writes) == (1, [])
    assert "permission denied for table" in result.error


@pytest.mark.django_db
def test_verify__renamed_column_shows_at_once(healthy: Healthy) -> None:
    with closing(connection.copy()) as own, own.cursor() as cursor:
        cursor.execute("ALTER TABLE events_event RENAME risk_score TO score")
        try:
            verified = healthy.verify()
        finally:
            cursor.execute("ALTER TABLE events_event RENAME score TO risk_score")
    usable = verified.checks["connection.usable"]
    assert usable["status"] == "fail"
    assert "column event.risk_score does not exist" in usable["message"]
    assert "run `python manage.py migrate` there" in usable["hint"]
    assert verified.checks["data.orphans"]["status"] == "skipped"
