"""FOR SYSTEM_TIME AS OF: every state of a table within its dataset's window, or Google's refusal.

https://cloud.google.com/bigquery/docs/access-historical-data
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud.bigquery import Dataset, SchemaField, Table

from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import GoogleClients, Query

START = datetime(2026, 3, 1, tzinfo=UTC)
INSERT = "INSERT INTO intelligence.risk (id, day) VALUES ('a', TIMESTAMP '2026-01-01')"
CLEAR = "DELETE FROM intelligence.risk WHERE TRUE"
COUNT = "SELECT COUNT(*) AS n FROM intelligence.risk"


def at(moment: datetime) -> str:
    return f"{COUNT} FOR SYSTEM_TIME AS OF TIMESTAMP '{moment.isoformat()}'"


def after(cloud: LocalCloud, hours: float) -> datetime:
    """The clock stands still at so many hours after the table was made."""
    moment = START + timedelta(hours=hours)
    cloud.clock.set(moment)
    return moment


@pytest.fixture
def risk(cloud: LocalCloud, dataset: Dataset, google: GoogleClients) -> Table:
    """An empty table, made at START."""
    after(cloud, 0)
    columns = [SchemaField("id", "STRING"), SchemaField("day", "TIMESTAMP")]
    return google.bigquery.create_table(Table("demo-project.intelligence.risk", columns))


@pytest.mark.parametrize(
    "change",
    [
        INSERT,
        f"SELECT 1; {INSERT}",
        f"BEGIN TRANSACTION; {INSERT}; COMMIT TRANSACTION",
        f'EXECUTE IMMEDIATE """{INSERT}"""',
        "MERGE intelligence.risk USING (SELECT 'a' AS id) AS s ON FALSE "
        "WHEN NOT MATCHED THEN INSERT (id) VALUES ('a')",
        "CREATE OR REPLACE TABLE intelligence.risk AS SELECT 'a' AS id, CURRENT_TIMESTAMP() AS day",
    ],
    ids=["statement", "script", "transaction", "dynamic", "merge", "replaced"],
)
def test_time_travel__each_state_is_known(
    cloud: LocalCloud, query: Query, risk: Table, change: str
) -> None:
    after(cloud, 1)
    query(change)
    after(cloud, 2)
    query(f"SELECT 1; {CLEAR}")
    known = [query(at(START + timedelta(hours=h)))[0]["n"] for h in (0, 0.5, 1, 1.5, 2)]
    assert known == [0, 0, 1, 1, 0]


def test_time_travel__streamed_rows_are_known(
    cloud: LocalCloud, query: Query, risk: Table, google: GoogleClients
) -> None:
    after(cloud, 1)
    assert google.bigquery.insert_rows_json(risk, [{"id": "a"}]) == []
    after(cloud, 2)
    query(CLEAR)
    assert query(at(START + timedelta(hours=1.5))) == [{"n": 1}]


def test_time_travel__rolled_back_is_no_state(cloud: LocalCloud, query: Query, risk: Table) -> None:
    after(cloud, 1)
    query(f"BEGIN TRANSACTION; {INSERT}; ROLLBACK TRANSACTION")
    moment = after(cloud, 2)
    assert query(at(moment - timedelta(minutes=30))) == [{"n": 0}]


@pytest.mark.parametrize(("hours", "window"), [(168, None), (48, 48)])
def test_time_travel__ends_with_the_datasets_window(
    cloud: LocalCloud,
    query: Query,
    risk: Table,
    google: GoogleClients,
    hours: int,
    window: int | None,
) -> None:
    if window:
        kept = google.bigquery.get_dataset("intelligence")
        kept._properties["maxTimeTravelHours"] = str(window)
        google.bigquery.update_dataset(kept, ["maxTimeTravelHours"])
    after(cloud, 1)
    query(INSERT)
    now = after(cloud, hours + 2)
    query(CLEAR)
    first = now - timedelta(hours=hours)
    assert query(at(first)) == [{"n": 1}]
    ms = int(first.timestamp() * 1000)
    with pytest.raises(BadRequest) as refused:
        query(at(first - timedelta(milliseconds=1)))
    assert (
        f"Invalid snapshot time {ms - 1} for table demo-project:intelligence.risk@{ms - 1}. "
        f"Cannot read before {ms}."
    ) in str(refused.value)


def test_time_travel__knows_nothing_before_the_table(
    cloud: LocalCloud, query: Query, risk: Table, google: GoogleClients
) -> None:
    with pytest.raises(BadRequest, match="Cannot read before"):
        query(at(START - timedelta(seconds=1)))
    after(cloud, 1)
    google.bigquery.delete_table(risk)
    google.bigquery.create_table(risk)
    with pytest.raises(BadRequest, match="Cannot read before"):
        query(at(START))


def test_time_travel__one_moment_for_each_table(
    cloud: LocalCloud, query: Query, risk: Table
) -> None:
    after(cloud, 1)
    with pytest.raises(BadRequest, match="multiple points in time"):
        query(f"{at(START)} UNION ALL {COUNT}")


def test_time_travel__rows_of_the_past_are_limited(
    cloud: LocalCloud, query: Query, risk: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.localcloud.bqemulator.time_travel.KEPT_ROWS", 4)
    for hour in range(1, 4):
        after(cloud, hour)
        query(INSERT)
    assert query(at(START + timedelta(hours=3))) == [{"n": 3}]
    with pytest.raises(BadRequest, match="Cannot read before"):
        query(at(START + timedelta(hours=2)))
    after(cloud, 4)
    query("; ".join([INSERT] * 2))
    assert query(COUNT) == [{"n": 5}]
    with pytest.raises(BadRequest, match="Cannot read before"):
        query(at(START + timedelta(hours=4)))


def test_time_travel__a_copy_that_is_made_while_others_are_dropped_stays(
    cloud: LocalCloud, risk: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots: Any = cloud.bigquery.emulator.context.snapshots
    look = snapshots._catalog.list_all_snapshots

    def make_one_after_the_look() -> Any:
        found = look()
        snapshots.sizes["made"] = 1
        return found

    monkeypatch.setattr(snapshots._catalog, "list_all_snapshots", make_one_after_the_look)
    snapshots._drop_orphans()
    assert snapshots.sizes.pop("made", 0) == 1
