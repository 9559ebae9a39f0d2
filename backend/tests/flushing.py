"""A flush of the test database that empties what has been written to, and no more.

Django's empties every table, and makes each app's content types and permissions anew: of the time
of a test that writes to three tables it takes most.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.db import connection
from django.test import TransactionTestCase

_MADE_BY_MIGRATING = ("auth_permission", "django_content_type")

# A table that nobody has touched is as TRUNCATE leaves one: without a page and without statistics.
# A row that is gone, or never came to be, has left its page behind. Those that refer to a table
# have to be named beside it.
_TOUCHED = """
WITH RECURSIVE known AS (
  SELECT oid, relname, relkind = 'p' OR reltuples >= 0 OR pg_relation_size(oid) > 0 AS touched
  FROM pg_class
  WHERE relname = ANY(%s) AND relkind IN ('r', 'p') AND pg_table_is_visible(oid)
), emptied AS (
  SELECT oid, relname FROM known WHERE touched
  UNION
  SELECT known.oid, known.relname
  FROM emptied
  JOIN pg_constraint ON confrelid = emptied.oid AND contype = 'f'
  JOIN known ON known.oid = conrelid
)
SELECT relname FROM emptied
"""


@contextmanager
def flushing_what_was_touched() -> Iterator[None]:
    """Within, so ends each test without a transaction around it; the database is migrated."""
    flush_all: Any = vars(TransactionTestCase)["_fixture_teardown"]
    made = _made_by_migrating()

    def flush(case: TransactionTestCase) -> None:
        nonlocal made
        if _made_by_migrating() == made:
            _empty(_touched_tables())
        else:
            flush_all(case)
            made = _made_by_migrating()

    with patch.object(TransactionTestCase, "_fixture_teardown", flush):
        yield


def _made_by_migrating() -> list[str]:
    """What a flush would make anew, each row as text."""
    rows = " UNION ALL ".join(f"SELECT t::text FROM {name} t" for name in _MADE_BY_MIGRATING)
    with connection.cursor() as cursor:
        cursor.execute(f"{rows} ORDER BY 1")
        return [row for (row,) in cursor.fetchall()]


def _touched_tables() -> list[str]:
    """The models' tables that are not as they were made, and those that refer to them."""
    names = set(connection.introspection.django_table_names()) - set(_MADE_BY_MIGRATING)
    with connection.cursor() as cursor:
        cursor.execute(_TOUCHED, [list(names)])
        return [name for (name,) in cursor.fetchall()]


def _empty(tables: list[str]) -> None:
    if not tables:
        return
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(map(connection.ops.quote_name, tables))}")
