import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from django.db import ProgrammingError, connection, connections, transaction

from backend.forecasting.activity import telling
from backend.forecasting.conf import Config
from backend.forecasting.database import lock
from backend.forecasting.database.hypertables import missing_lookback
from backend.forecasting.database.lock import provisioning_lock
from backend.forecasting.database.source import (
    milliseconds,
    prepare_source_query,
    read_source,
    why_out_of_reach,
)
from backend.forecasting.errors import (
    ForecastingError,
    SourceDatabaseError,
    SourceOutOfReachError,
)
from backend.forecasting.sql.queries import render_trial_query
from backend.forecasting.tests.support.factories import make_config

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def config(db: None) -> Config:
    """Whose source database is the one that Django uses."""
    return make_config(source_database=connection.settings_dict["NAME"])


@pytest.fixture
def other_session(config: Config) -> Iterator[Callable[[str], Any]]:
    """Another run's session: a function that executes a statement there."""
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    with closing(psycopg2.connect(**parameters)) as session, session.cursor() as cursor:

        def execute(statement: str) -> Any:
            cursor.execute(statement)
            return cursor.fetchone()

        yield execute


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Django's database does not answer."""
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "HOST", "/nowhere")
    yield
    connection.close()


def prepare(config: Config) -> str:
    return prepare_source_query(config, render_trial_query(config))


def told_of(work: Callable[[], Any]) -> list[str]:
    told: list[str] = []
    with telling(lambda what, *_: told.append(what)):
        work()
    return told


def try_lock(config: Config) -> str:
    return f"SELECT pg_try_advisory_xact_lock({zlib.crc32(config.table_id.encode())})"


def statements(config: Config) -> list[str]:
    """What the session was asked, the commands around transactions left out."""
    asked: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        prepare(config)
    return [sql for sql in asked if "SAVEPOINT" not in sql]


# The source query


def test_database__is_the_one_of_a_service_where_the_settings_name_none(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.ensure_connection()
    monkeypatch.setitem(connection.settings_dict, "NAME", "")
    assert why_out_of_reach(config) == ""
    elsewhere = replace(config, source_database="elsewhere")
    told = f"Django's database is {config.source_database}, not elsewhere"
    assert why_out_of_reach(elsewhere) == told
    monkeypatch.setattr(f"{why_out_of_reach.__module__}.why_unreachable", lambda _: "no service")
    assert why_out_of_reach(elsewhere) == "no service"


@pytest.mark.parametrize("score_source", ["event", "entity"])
def test_prepare__accepts_the_source_query(config: Config, score_source: str) -> None:
    options = {"source_database": config.source_database, "score_source": score_source}
    assert prepare(make_config(**options)) == ""


def test_prepare__leaves_nothing_behind_and_reads_nothing(config: Config) -> None:
    limit, first, last = statements(config)
    assert limit.startswith("SET LOCAL lock_timeout = ")
    assert first.startswith("PREPARE forecasting_source_query AS ")
    assert last == "DEALLOCATE forecasting_source_query"
    assert prepare(config) == ""


def test_database__is_told_of_whenever_it_is_asked(config: Config) -> None:
    reaching, trying = told_of(lambda: prepare(config))
    assert reaching == "Reaching Django's database"
    assert trying == "Trying the source query in Django's database"
    assert told_of(lambda: read_source(config, "SELECT 1"))[-1] == "Reading Django's database"


def test_prepare__table_that_is_missing_says_what_to_do(config: Config) -> None:
    @transaction.atomic  # What it raises puts the table back.
    def prepare_without_a_table() -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE events_event RENAME TO events_elsewhere")
        prepare(config)

    with pytest.raises(SourceDatabaseError) as raised:
        prepare_without_a_table()
    message = str(raised.value)
    assert f"in database {config.source_database}: " in message
    assert 'relation "events_event" does not exist' in message
    assert "run `python manage.py migrate` there" in message
    assert "\n" not in message


class OtherLanguage(Exception):
    """What psycopg 3 raises, of a PostgreSQL that speaks Spanish."""

    sqlstate = "42P01"


def test_prepare__knows_a_cause_by_its_sqlstate(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise ProgrammingError("no existe la relación «events_event»") from OtherLanguage()

    with (
        connection.execute_wrapper(refuse),
        pytest.raises(SourceDatabaseError, match=r"run `python manage\.py migrate` there"),
    ):
        prepare(config)


def test_prepare__another_database_is_not_tried(config: Config) -> None:
    name = config.source_database
    assert prepare(make_config(source_database="elsewhere")) == (
        f"source query not tried: Django's database is {name}, not elsewhere"
    )


def test_prepare__server_that_does_not_answer_is_not_tried(config: Config, no_server: None) -> None:
    note = prepare(config)
    assert note.startswith("source query not tried: Django's database does not answer (")
    assert "\n" not in note


def test_prepare__another_kind_of_database_is_not_tried(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "vendor", "sqlite")
    assert prepare(config) == (
        "source query not tried: Django's database is sqlite, not PostgreSQL"
    )


# Reading


def test_read__ends_its_session_whether_it_fails_or_not(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[Any] = []
    wrapper_type = type(connections[connection.alias])
    copy = wrapper_type.copy

    def keep(wrapper: Any, *arguments: Any) -> Any:
        sessions.append(copy(wrapper, *arguments))
        return sessions[-1]

    monkeypatch.setattr(wrapper_type, "copy", keep)
    assert read_source(config, "SELECT 1") == [(1,)]
    with pytest.raises(SourceDatabaseError, match=r"relation .* does not exist"):
        read_source(config, "SELECT * FROM nowhere")
    assert [session.connection for session in sessions] == [None, None]


@pytest.mark.parametrize("statement", ["CREATE TABLE made (x int)", "DELETE FROM events_event"])
def test_read__writes_nothing(config: Config, statement: str) -> None:
    with pytest.raises(SourceDatabaseError, match="read-only transaction"):
        read_source(config, statement)


def test_read__sees_one_state_of_all_tables(config: Config) -> None:
    found = read_source(config, "SELECT current_setting('transaction_isolation')")
    assert found == [("repeatable read",)]


@pytest.mark.parametrize(
    ("seconds", "limit"), [(90, "90s"), (1e9, "30min"), (float("inf"), "30min")]
)
def test_read__takes_no_longer_than_it_may(config: Config, seconds: float, limit: str) -> None:
    query = "SELECT current_setting('statement_timeout')"
    assert read_source(config, query, seconds) == [(limit,)]


def test_read__of_another_database_is_refused(config: Config) -> None:
    with pytest.raises(SourceOutOfReachError, match="not elsewhere"):
        read_source(make_config(source_database="elsewhere"), "SELECT 1")


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, 1), (0.0001, 1), (-1, 1), (0.5, 500), (2, 2000)]
)
def test_milliseconds__are_never_0_which_would_be_no_limit(seconds: float, expected: int) -> None:
    assert milliseconds(seconds) == expected


def test_prepare__json_that_nothing_can_be_looked_up_in_is_refused_with_its_cure(
    config: Config,
) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE events_event ALTER COLUMN risk_dimensions TYPE json")
        with pytest.raises(SourceDatabaseError, match=re.escape("make it jsonb (ALTER TABLE")):
            prepare(config)
        transaction.set_rollback(True)


# Hypertables


@contextmanager
def timescaledb(*hypertables: tuple[str, str]) -> Iterator[None]:
    """What is looked at of TimescaleDB, made of plain PostgreSQL and undone."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA timescaledb_information")
            cursor.execute(
                "CREATE TABLE timescaledb_information.hypertables"
                " (hypertable_schema name, hypertable_name name)"
            )
            for names in hypertables:
                cursor.execute(
                    "INSERT INTO timescaledb_information.hypertables VALUES (%s, %s)", names
                )
        yield
        transaction.set_rollback(True)


def test_lookback__is_asked_for_where_the_events_are_a_hypertable(config: Config) -> None:
    with timescaledb(("public", "events_event")):
        hint = missing_lookback(config)
        limited = replace(config, event_lookback_days=30)
        assert missing_lookback(limited) == ""
    assert hint.startswith("events_event is a hypertable and FORECASTING_EVENT_LOOKBACK_DAYS is")
    assert "\n" not in hint


def test_lookback__is_not_asked_for_elsewhere(config: Config) -> None:
    assert missing_lookback(config) == ""
    with timescaledb(("public", "entities_entitymention"), ("elsewhere", "events_event")):
        assert missing_lookback(config) == ""
    assert missing_lookback(replace(config, source_database="elsewhere")) == ""


# The lock


def test_lock__keeps_other_runs_of_the_same_table_out(
    config: Config, other_session: Callable[[str], Any]
) -> None:
    with provisioning_lock(config):
        assert other_session(try_lock(config)) == (False,)
    assert other_session(try_lock(config)) == (True,)


def test_lock__lets_runs_of_another_table_in(
    config: Config, other_session: Callable[[str], Any]
) -> None:
    with provisioning_lock(config):
        assert other_session(try_lock(make_config(table="another"))) == (True,)


def test_lock__ends_with_an_error(config: Config, other_session: Callable[[str], Any]) -> None:
    with pytest.raises(ForecastingError, match="from inside"), provisioning_lock(config):
        raise ForecastingError("from inside")
    assert other_session(try_lock(config)) == (True,)


def test_lock__held_by_another_run_for_too_long_says_so(
    config: Config, other_session: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LOCK_TIMEOUT_SECONDS", 0.01)
    assert other_session(try_lock(config)) == (True,)
    entered = False
    with pytest.raises(ForecastingError) as raised, provisioning_lock(config):
        entered = True
    assert not entered
    assert str(raised.value).startswith(
        f"Another run has been changing the resources of {config.table_id} for 0.01 seconds: "
    )


def test_lock__is_not_waited_for_without_time_left(
    config: Config, other_session: Callable[[str], Any]
) -> None:
    """To PostgreSQL a time of 0 would be no limit at all."""
    assert other_session(try_lock(config)) == (True,)
    with (
        pytest.raises(ForecastingError, match="Another run has been changing"),
        provisioning_lock(config, 0),
    ):
        pytest.fail("entered without the lock")


def test_lock__without_a_database_is_done_without(config: Config, no_server: None) -> None:
    entered = False
    with provisioning_lock(config):
        entered = True
    assert entered


def test_lock__lost_with_the_database_leaves_what_was_done(
    config: Config, other_session: Callable[[str], Any]
) -> None:
    entered = False
    with provisioning_lock(config):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        assert other_session(f"SELECT pg_terminate_backend({pid}, 5000)") == (True,)
        entered = True
    assert entered


def test_lock__an_error_inside_goes_through_though_the_database_went_away(
    config: Config, other_session: Callable[[str], Any]
) -> None:
    def lose_the_database_and_fail() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        other_session(f"SELECT pg_terminate_backend({pid}, 5000)")
        raise ForecastingError("from inside")

    with pytest.raises(ForecastingError, match="from inside"), provisioning_lock(config):
        lose_the_database_and_fail()
