"""Names that differ in case only: two for Google, and one for DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.api_core.exceptions import MethodNotImplemented, NotFound
from google.cloud.bigquery import Client, QueryJobConfig, Table

from backend.localcloud.tests.conftest import GoogleClients, Query

ROWS = "SELECT COUNT(*) FROM intelligence.RISK"
NOT_FOUND = "Not found: Table demo-project:intelligence.RISK was not found in location us-central1"
NO_DATASET = "Not found: Dataset demo-project:Intelligence was not found in location us-central1"
NOT_DONE = "does not do names that differ in case only, as demo-project:"


@pytest.mark.parametrize(
    "sql",
    [
        ROWS,
        "SELECT * FROM `demo-project.intelligence.RISK`",
        f"WITH r AS ({ROWS}) SELECT * FROM r",
        "SELECT a.id FROM intelligence.risk AS a JOIN intelligence.RISK AS b ON a.id = b.id",
        "SELECT * FROM intelligence.RISK FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()",
        "INSERT INTO intelligence.RISK (id) VALUES ('a')",
        "INSERT INTO intelligence.risk (id) SELECT id FROM intelligence.RISK",
        "UPDATE intelligence.RISK SET score = 1 WHERE TRUE",
        "DELETE FROM intelligence.RISK WHERE TRUE",
        "TRUNCATE TABLE intelligence.RISK",
        "MERGE intelligence.RISK USING (SELECT 1) ON FALSE WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "ALTER TABLE intelligence.RISK ADD COLUMN z INT64",
        "DROP TABLE intelligence.RISK",
        "CREATE VIEW intelligence.w AS SELECT * FROM intelligence.RISK",
        "CREATE TABLE IF NOT EXISTS intelligence.w AS SELECT * FROM intelligence.RISK",
        f"DECLARE n INT64 DEFAULT ({ROWS})",
        f"EXECUTE IMMEDIATE '{ROWS}'",
        f"SELECT 1; ASSERT ({ROWS}) = 0",
    ],
)
def test_table__is_found_by_its_own_name(query: Query, table: Table, sql: str) -> None:
    with pytest.raises(NotFound, match=NOT_FOUND):
        query(sql)
    assert query("SELECT COUNT(*) AS n FROM intelligence.risk") == [{"n": 0}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM Intelligence.risk",
        "SELECT * FROM Intelligence.risk WHERE 1 IN (SELECT 1 FROM UNNEST([1]) AS Intelligence)",
        "CREATE TABLE Intelligence.other (a INT64)",
        "DROP SCHEMA Intelligence CASCADE",
        "DROP SCHEMA `demo-project.Intelligence`",
    ],
)
def test_dataset__is_found_by_its_own_name(query: Query, table: Table, sql: str) -> None:
    with pytest.raises(NotFound, match=NO_DATASET):
        query(sql)
    assert query("SELECT COUNT(*) AS n FROM intelligence.risk") == [{"n": 0}]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE intelligence.RISK (a INT64)",
        "CREATE TABLE IF NOT EXISTS intelligence.RISK (a INT64)",
        "CREATE OR REPLACE TABLE intelligence.RISK AS SELECT 1 AS a",
        "CREATE OR REPLACE VIEW intelligence.RISK AS SELECT 1 AS a",
        "DROP TABLE IF EXISTS intelligence.RISK",
        "ALTER TABLE IF EXISTS intelligence.RISK ADD COLUMN z INT64",
        "CREATE SCHEMA Intelligence",
        "CREATE SCHEMA IF NOT EXISTS Intelligence",
        "DROP SCHEMA IF EXISTS Intelligence CASCADE",
    ],
)
def test_namesake__is_neither_made_nor_dropped(query: Query, table: Table, sql: str) -> None:
    with pytest.raises(MethodNotImplemented, match=NOT_DONE):
        query(sql)
    assert query("SELECT COUNT(*) AS n FROM intelligence.risk") == [{"n": 0}]


ASKED: dict[str, tuple[type[Exception], Callable[[Client], Any]]] = {
    "table": (NotFound, lambda client: client.get_table("intelligence.RISK")),
    "its dataset": (NotFound, lambda client: client.get_table("Intelligence.risk")),
    "rows": (NotFound, lambda client: client.insert_rows_json("intelligence.RISK", [{"id": "a"}])),
    "deleted": (NotFound, lambda client: client.delete_table("intelligence.RISK")),
    "dataset": (NotFound, lambda client: client.get_dataset("Intelligence")),
    "copied": (NotFound, lambda client: client.copy_table("intelligence.RISK", "intelligence.w")),
    "a copy": (
        MethodNotImplemented,
        lambda client: client.copy_table("intelligence.risk", "intelligence.RISK"),
    ),
    "a new table": (
        MethodNotImplemented,
        lambda client: client.create_table("demo-project.intelligence.RISK"),
    ),
    "a new dataset": (MethodNotImplemented, lambda client: client.create_dataset("Intelligence")),
    "a default dataset": (
        NotFound,
        lambda client: client.query_and_wait(
            "SELECT * FROM RISK",
            job_config=QueryJobConfig(default_dataset="demo-project.intelligence"),
        ),
    ),
}


@pytest.mark.parametrize("what", ASKED)
def test_api__knows_things_by_their_own_names(
    google: GoogleClients, table: Table, what: str
) -> None:
    kind, ask = ASKED[what]
    with pytest.raises(kind, match=NOT_DONE if kind is MethodNotImplemented else "Not found: "):
        ask(google.bigquery)
    assert [t.table_id for t in google.bigquery.list_tables("intelligence")] == ["risk"]


def test_column_or_alias__in_another_case_is_the_same(query: Query, table: Table) -> None:
    query("INSERT INTO intelligence.risk (ID, day, Score) VALUES ('a', '2026-01-01', 1)")
    rows = "SELECT Id FROM intelligence.risk AS R WHERE r.iD = 'a'"
    assert [list(row.values()) for row in query(f"WITH T AS ({rows}) SELECT * FROM t")] == [["a"]]
