"""The made-up data: of the size that was asked for, and the same each time."""

from collections.abc import Iterator

import pytest

from bench.data import Sizes, lengthen_history, make_data, read_contents
from bench.database import Database, open_cursor, running_database

_FINGERPRINTS = (
    "SELECT md5(string_agg(row::text, ',' ORDER BY id)) FROM entities_entity AS row",
    "SELECT md5(string_agg(row::text, ',' ORDER BY id)) FROM events_event AS row "
    "WHERE occurred_at >= %(first_day)s",
    "SELECT md5(string_agg(row::text, ',' ORDER BY row.id)) FROM entities_entitymention AS row "
    "JOIN events_event AS event ON event.id = event_id WHERE occurred_at >= %(first_day)s",
)


@pytest.fixture(scope="module")
def another(sizes: Sizes) -> Iterator[Database]:
    """A database with the same data, to be lengthened."""
    with running_database() as running:
        make_data(running, sizes)
        yield running


def read_fingerprints(database: Database, sizes: Sizes) -> list[str]:
    """What sums up the rows of the window, by table."""
    with open_cursor(database.owner_uri) as cursor:
        cursor.execute("SET timezone = 'UTC'")
        found = []
        for query in _FINGERPRINTS:
            cursor.execute(query, {"first_day": sizes.first_day()})
            found.append(str((cursor.fetchone() or ("",))[0]))
    return found


def read_indexes(database: Database) -> list[tuple[str, ...]]:
    with open_cursor(database.owner_uri) as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
        return cursor.fetchall()


def test_data__is_of_the_asked_size(database: Database, sizes: Sizes) -> None:
    with open_cursor(database.owner_uri) as cursor:
        contents = read_contents(cursor)
    assert (contents.entities, contents.mentions) == (sizes.entities, sizes.mentions)
    assert contents.events == sizes.events
    assert 0 < contents.entity_days <= sizes.entities * sizes.days
    assert 150 <= contents.json_bytes <= 250


def test_data__lies_in_the_window(database: Database, sizes: Sizes) -> None:
    with open_cursor(database.owner_uri) as cursor:
        cursor.execute(
            "SELECT (min(mentioned_at) AT TIME ZONE 'UTC')::date, "
            "max(mentioned_at) < %s::timestamptz FROM entities_entitymention",
            [f"{sizes.end_day} 00:00Z"],
        )
        assert cursor.fetchone() == (sizes.first_day(), True)


def test_data__is_the_same_each_time(database: Database, another: Database, sizes: Sizes) -> None:
    assert read_fingerprints(another, sizes) == read_fingerprints(database, sizes)


def test_longer_history__adds_older_rows_and_changes_none(
    database: Database, another: Database, sizes: Sizes
) -> None:
    lengthen_history(another, sizes, 1, 3)
    with open_cursor(another.owner_uri) as cursor:
        assert read_contents(cursor).mentions == 3 * sizes.mentions
    assert read_fingerprints(another, sizes) == read_fingerprints(database, sizes)
    assert read_indexes(another) == read_indexes(database)
