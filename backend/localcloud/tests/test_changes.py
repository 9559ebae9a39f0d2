"""The limits of statements that change rows: one match for each row, 4,000 partitions a job."""

from __future__ import annotations

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud.bigquery import Table

from backend.localcloud.tests.conftest import Query

RISK = "intelligence.risk"
DAY = "TIMESTAMP '2026-01-01'"
SEVERAL = "UPDATE/MERGE must match at most one source row for each target row"
TOO_MANY = "Too many partitions produced by query, allowed 4000, query produces at least 4001 part"
DAYS = "UNNEST(GENERATE_DATE_ARRAY('2000-01-01', '{last}')) AS d"
FITTING, ONE_MORE = DAYS.format(last="2010-12-13"), DAYS.format(last="2010-12-14")
MERGE = f"MERGE {RISK} T USING (SELECT id, n FROM UNNEST(['a', 'A']) AS id, UNNEST([1, 2]) AS n) S "


@pytest.fixture
def rows(query: Query, table: Table) -> None:
    query(f"INSERT INTO {RISK} (id, day, score) VALUES ('a', {DAY}, 1), ('b', {DAY}, 5)")


@pytest.mark.parametrize(
    "sql",
    [
        f"{MERGE} ON T.id = S.id WHEN MATCHED THEN UPDATE SET score = n",
        f"{MERGE} ON LOWER(S.id) = T.id WHEN MATCHED AND n = 1 THEN DELETE",
        f"UPDATE {RISK} AS T SET score = n FROM UNNEST([1, 2]) AS n WHERE T.id = 'a'",
        f"DECLARE wanted STRING DEFAULT 'a'; "
        f"UPDATE {RISK} AS T SET score = n FROM UNNEST([1, 2]) AS n WHERE T.id = wanted",
    ],
)
def test_several_matches__are_refused(query: Query, rows: None, sql: str) -> None:
    with pytest.raises(BadRequest, match=SEVERAL):
        query(sql)
    assert query(f"SELECT SUM(score) AS n FROM {RISK}") == [{"n": 6.0}]


def test_matches__are_counted_where_a_clause_applies(query: Query, rows: None) -> None:
    query(f"{MERGE} ON T.id = S.id WHEN MATCHED AND n = 2 THEN UPDATE SET score = n")
    assert query(f"SELECT SUM(score) AS n FROM {RISK}") == [{"n": 7.0}]


INSERT = f"INSERT INTO {RISK} (id, day) SELECT 'c', TIMESTAMP(d) FROM "


@pytest.mark.parametrize(
    "sql",
    [
        f"{INSERT} {ONE_MORE}",
        f"CREATE TABLE intelligence.made PARTITION BY d AS SELECT d FROM {ONE_MORE}",
        f"MERGE {RISK} USING (SELECT TIMESTAMP(d) AS m FROM {ONE_MORE}) ON FALSE "
        "WHEN NOT MATCHED THEN INSERT (id, day) VALUES ('c', m)",
        f"MERGE {RISK} USING (SELECT TIMESTAMP(d) AS m FROM {FITTING}) ON FALSE "
        "WHEN NOT MATCHED BY SOURCE AND day < TIMESTAMP '2100-01-01' THEN DELETE "
        "WHEN NOT MATCHED THEN INSERT (id, day) VALUES ('c', m)",
    ],
)
def test_4001_partitions__are_refused(query: Query, rows: None, sql: str) -> None:
    with pytest.raises(BadRequest, match=TOO_MANY):
        query(sql)
    assert query("SELECT table_name AS t FROM intelligence.INFORMATION_SCHEMA.TABLES") == [
        {"t": "risk"}
    ]
    assert query(f"SELECT COUNT(*) AS n FROM {RISK}") == [{"n": 2}]


def test_4000_partitions__are_written(query: Query, rows: None) -> None:
    query(f"{INSERT} {FITTING}")
    assert query(f"SELECT COUNT(*) AS n FROM {RISK}") == [{"n": 4002}]
    query(f"INSERT INTO {RISK} (id, day) VALUES ('d', TIMESTAMP '1999-01-01')")
    for change in (f"UPDATE {RISK} SET score = 2 WHERE TRUE", f"DELETE FROM {RISK} WHERE TRUE"):
        with pytest.raises(BadRequest, match="at least 4002 partitions"):
            query(change)
    query(f"DELETE FROM {RISK} WHERE id = 'c'")
    assert query(f"SELECT COUNT(*) AS n FROM {RISK}") == [{"n": 3}]
