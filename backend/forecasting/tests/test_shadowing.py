"""The source query's own parts beside tables of the same names."""

import pytest

from backend.forecasting.database.lookups import Table
from backend.forecasting.sql.shadowing import keep_apart

QUERY = """\
WITH mention AS (SELECT mention.event, 'event' FROM "event" AS event), -- event
SELECT "mention", daily_event FROM mention, event, counted, daily"""


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ([], QUERY),
        ([Table("news", "event"), Table("", "events")], QUERY),
        (
            [Table("", "event")],
            """\
WITH mention AS (SELECT mention.event, 'event' FROM "event" AS event_read), -- event
SELECT "mention", daily_event FROM mention, event_read, counted, daily""",
        ),
        (
            [Table("", "mention"), Table("", "event"), Table("", "event_read")],
            """\
WITH mention_read AS (SELECT mention_read.event, 'event' FROM "event" AS event_read_read), -- event
SELECT "mention", daily_event FROM mention_read, event_read_read, counted, daily""",
        ),
        (
            [Table("", "counted"), Table("", "daily")],
            QUERY.replace("counted, daily", "counted_read, daily_read"),
        ),
    ],
)
def test_parts__are_called_otherwise_than_the_tables_that_are_read(
    tables: list[Table], expected: str
) -> None:
    assert keep_apart(QUERY, tables) == expected
