"""Tables and partitions that go when their time is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import NotFound
from google.cloud.bigquery import Table

from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import GoogleClients, Query

COUNT = "SELECT COUNT(*) AS n FROM intelligence.short"
DAYS = "(DATE '2026-03-01'), (DATE '2026-03-02'), (NULL)"
SECOND = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def short(cloud: LocalCloud, query: Query, table: Table) -> None:
    """A table with two days that each stay for one, and a row of no day."""
    cloud.clock.set(SECOND - timedelta(microseconds=1))
    query(
        "CREATE TABLE intelligence.short (day DATE) PARTITION BY day "
        "OPTIONS (partition_expiration_days = 1)"
    )
    query(f"INSERT INTO intelligence.short VALUES {DAYS}")


def test_partition__goes_when_its_time_is_over(
    cloud: LocalCloud, google: GoogleClients, query: Query, short: None
) -> None:
    assert query(COUNT) == [{"n": 3}]
    cloud.clock.set(SECOND)
    assert google.bigquery.get_table("intelligence.short").num_rows == 2
    assert query(f"SELECT 1; {COUNT}") == [{"n": 2}]
    cloud.clock.set(SECOND + timedelta(days=9))
    assert [row.day for row in google.bigquery.list_rows("intelligence.short")] == [None]


def test_partition__written_too_late_is_gone_at_once(
    cloud: LocalCloud, query: Query, short: None
) -> None:
    query("INSERT INTO intelligence.short VALUES (DATE '2026-02-01')")
    assert query(COUNT) == [{"n": 3}]


def test_table__goes_when_its_time_is_over(
    cloud: LocalCloud, google: GoogleClients, query: Query, table: Table
) -> None:
    now = datetime.now(UTC)
    table.expires = now + timedelta(hours=1)
    google.bigquery.update_table(table, ["expires"])
    assert query("SELECT COUNT(*) AS n FROM intelligence.risk") == [{"n": 0}]
    cloud.clock.set(now + timedelta(hours=2))
    assert list(google.bigquery.list_tables("intelligence")) == []
    with pytest.raises(NotFound):
        google.bigquery.get_table(table)
    with pytest.raises(NotFound):
        query("SELECT * FROM intelligence.risk")
