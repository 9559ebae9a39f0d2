"""How PostgreSQL goes about the source query where there is a long history to read."""

import re
from collections.abc import Iterator
from datetime import date
from uuid import UUID

import pytest
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

from backend.entities.models import Entity
from backend.forecasting.tests.support.plans import explain

pytestmark = [pytest.mark.untraced, pytest.mark.usefixtures("long_history")]

DAY = date(2026, 3, 1)


@pytest.fixture(scope="module")
def transactional_db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database with a long history, in a transaction around all of the module's tests.

    In the place of pytest-django's fixture, by whose name it knows that a database is needed.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        # How large the tables of the tests before were is known to PostgreSQL, too.
        execute("TRUNCATE events_event, entities_entitymention")
        make_long_history(Entity.objects.create(name="entity", entity_type="company"))
        yield
        transaction.set_rollback(True)


def make_long_history(entity: Entity) -> None:
    """An event each ten minutes of 139 days up to noon of the day, each with one mention."""
    execute(
        "INSERT INTO events_event (id, occurred_at, source, title)"
        " SELECT gen_random_uuid(), %s::timestamptz - i * interval '10 minutes', 's',"
        " repeat('t', 500) FROM generate_series(1, 20000) i",
        f"{DAY}T12:00Z",
    )
    execute(
        "INSERT INTO entities_entitymention (id, entity_id, event_id, mentioned_at)"
        " SELECT gen_random_uuid(), %s, id, occurred_at FROM events_event",
        entity.pk,
    )
    execute("ANALYZE events_event, entities_entitymention")


def execute(statement: str, *parameters: str | UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


@pytest.fixture
def long_history(transactional_db: None) -> Iterator[None]:
    """The history, in which nothing stays that a test does to it."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("days", [1, 7, 20])
def test_query__reads_few_days_of_a_long_history_through_indexes(days: int) -> None:
    plan = explain(DAY, days, refresh=True)
    assert "entities_mention_window" in plan
    assert "events_event_pkey" in plan
    assert "Seq Scan" not in plan


def test_query__sorts_the_events_of_a_few_days_and_not_their_mentions() -> None:
    """Though by the statistics each mention is of an event of its own, as of a long history."""
    plan = explain(DAY, 7, refresh=True)
    assert re.search(r"Sort .*\n.*Sort Key: .*event_id\n.*HashAggregate", plan)


def test_query__reads_all_events_once_where_no_index_finds_them() -> None:
    execute("ALTER TABLE events_event DROP CONSTRAINT events_event_pkey")
    plan = explain(DAY, 7, refresh=True, options="(ANALYZE)")
    assert re.search(r"Seq Scan on events_event .*rows=20000.* loops=1\)", plan)


def test_query__whole_window_is_shared_by_several_processes() -> None:
    # As with a window that is worth sharing: PostgreSQL decides by these for any size.
    execute("SET LOCAL parallel_setup_cost = 0")
    execute("SET LOCAL parallel_tuple_cost = 0")
    execute("SET LOCAL min_parallel_table_scan_size = 0")
    plan = explain(DAY, 139, refresh=False)
    assert re.search(r"Gather Merge.*Sort .*Parallel Hash Full Join.*Parallel Seq Scan", plan, re.S)
