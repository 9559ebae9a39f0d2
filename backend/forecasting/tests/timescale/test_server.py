"""The server with TimescaleDB keeps its clients apart, though they share one backend."""

from collections.abc import Iterator
from contextlib import closing
from threading import Thread
from typing import Any

import psycopg2
import pytest

from backend.forecasting.tests.timescale.server import Timescale

Cursor = psycopg2.extensions.cursor


@pytest.fixture
def owner(timescale: Timescale) -> Iterator[Cursor]:
    with closing(psycopg2.connect(timescale.uri())) as session:
        session.autocommit = True
        cursor = session.cursor()
        cursor.execute("CREATE ROLE visitor LOGIN")
        yield cursor
        cursor.execute("DROP ROLE visitor")


@pytest.fixture
def visitor(owner: Cursor, timescale: Timescale) -> Iterator[Cursor]:
    """A client of another role, which has a setting of its own."""
    owner.execute("ALTER ROLE visitor SET default_transaction_read_only = on")
    options = "-c statement_timeout=1234"
    with closing(psycopg2.connect(timescale.uri("visitor"), options=options)) as session:
        session.autocommit = True
        yield session.cursor()


def ask(cursor: Cursor, query: str) -> Any:
    cursor.execute(query)
    return cursor.fetchall()[0][0]


def test_server__has_timescaledb(owner: Cursor) -> None:
    found = ask(owner, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    assert found.startswith("2.")


def test_client__has_its_own_user_and_settings(owner: Cursor, visitor: Cursor) -> None:
    owner.execute("SET work_mem = '17MB'")
    for _ in range(2):
        assert ask(visitor, "SELECT current_user") == "visitor"
        assert ask(visitor, "SHOW statement_timeout") == "1234ms"
        assert ask(visitor, "SHOW transaction_read_only") == "on"
        assert ask(owner, "SELECT current_user") == "postgres"
        assert ask(owner, "SHOW work_mem") == "17MB"
        assert ask(owner, "SHOW statement_timeout") == "0"


def test_client__may_not_do_what_its_role_may_not(owner: Cursor, visitor: Cursor) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        visitor.execute("SELECT * FROM pg_authid")
    assert ask(owner, "SELECT count(*) FROM pg_authid") > 1


def test_client__waits_for_the_transaction_of_another(owner: Cursor, visitor: Cursor) -> None:
    seen: list[str] = []

    def visit() -> None:
        ask(visitor, "SELECT 1")
        seen.append("visitor")

    owner.execute("BEGIN")
    waiting = Thread(target=visit)
    waiting.start()
    waiting.join(0.2)
    seen.append("owner")
    owner.execute("COMMIT")
    waiting.join()
    assert seen == ["owner", "visitor"]


def test_client__that_goes_in_a_transaction_leaves_nothing(
    owner: Cursor, timescale: Timescale
) -> None:
    with closing(psycopg2.connect(timescale.uri())) as session:
        session.cursor().execute("CREATE TABLE left_behind ()")
    assert ask(owner, "SELECT to_regclass('left_behind')") is None
