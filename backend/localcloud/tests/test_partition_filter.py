"""Tables that demand a filter on their partitions: which statements have one."""

from __future__ import annotations

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud.bigquery import QueryJobConfig, Table

from backend.localcloud.googlesql.ddl import parse
from backend.localcloud.googlesql.partition_filter import unfiltered, with_views
from backend.localcloud.tests.conftest import GoogleClients, Query

REFUSED = (
    r"Cannot query over table 'demo-project\.intelligence\.risk' without a filter over column\(s\) "
    r"'day' that can be used for partition elimination"
)
DAY = "TIMESTAMP '2026-01-01'"
MERGE = "MERGE d.risk t USING staged s ON {on} WHEN {when} THEN {then}"
DELETE = {"when": "NOT MATCHED BY SOURCE AND t.day < " + DAY, "then": "DELETE"}
INSERT = {"when": "NOT MATCHED BY TARGET", "then": "INSERT (id, day) VALUES (id, day)"}
UPDATE = {"when": "MATCHED", "then": "UPDATE SET score = 1"}


def lacks_filter(sql: str) -> bool:
    """Whether a statement lacks it, where `risk` demands one and `seen` is a view of it."""
    views = {"seen": "SELECT id, day AS at FROM d.risk AS r"}
    tree = parse(sql)
    assert tree is not None
    whole = with_views(tree, lambda table: views.get(table.name, ""))
    return unfiltered(whole, lambda table: ("day",) if table.name == "risk" else ()) is not None


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT COUNT(*) FROM d.risk WHERE day > {DAY}",
        f"SELECT * FROM d.risk AS r WHERE (R.DAY = {DAY} OR r.day < {DAY}) AND score > 1",
        "SELECT * FROM d.risk WHERE DATE(day, 'UTC') BETWEEN '2026-01-01' AND '2026-01-02'",
        f"WITH c AS (SELECT * FROM d.risk) SELECT * FROM c WHERE day IN ({DAY})",
        f"SELECT at, MAX(id) FROM d.seen WHERE at >= {DAY} GROUP BY at",
        f"SELECT * FROM UNNEST([1]) AS n JOIN d.risk AS r ON r.day = {DAY}",
        f"DELETE FROM d.risk WHERE day < {DAY}",
        "INSERT INTO d.risk (id, day) SELECT id, day FROM d.other WHERE id > 'a'",
        MERGE.format(on="FALSE", **DELETE),
        MERGE.format(on="FALSE", **INSERT),
        MERGE.format(on=f"t.id = s.id AND t.day = {DAY}", **UPDATE),
    ],
)
def test_filter__will_do(sql: str) -> None:
    assert not lacks_filter(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM d.risk",
        "SELECT MAX(day) FROM d.risk WHERE id = 'a' AND day > TIMESTAMP(id)",
        f"SELECT * FROM d.risk WHERE day = {DAY} OR id = 'a'",
        "SELECT * FROM d.risk WHERE day > (SELECT CURRENT_TIMESTAMP())",
        f"SELECT * FROM (SELECT *, ROW_NUMBER() OVER () AS n FROM d.risk) WHERE day < {DAY}",
        f"SELECT * FROM (SELECT MAX(day) AS day FROM d.risk) WHERE day < {DAY}",
        f"SELECT * FROM (SELECT * FROM d.risk LIMIT 9) WHERE day < {DAY}",
        f"SELECT 1 FROM d.risk AS a LEFT JOIN d.other AS b ON a.day = {DAY}",
        "SELECT * FROM d.seen WHERE id = 'a'",
        f"SELECT 1 WHERE EXISTS (SELECT 1 FROM d.risk) AND {DAY} < CURRENT_TIMESTAMP()",
        "WITH c AS (SELECT * FROM d.risk) "
        f"SELECT * FROM c WHERE day = {DAY} UNION ALL SELECT * FROM c",
        "DELETE FROM d.risk WHERE TRUE",
        "UPDATE d.risk SET score = 1 WHERE id = 'a'",
        "CREATE TABLE d.copy AS SELECT * FROM d.risk",
        MERGE.format(on="t.id = s.id", **UPDATE),
        MERGE.format(on="t.id = s.id", **INSERT),
        MERGE.format(on="FALSE", when="NOT MATCHED BY SOURCE", then="DELETE"),
    ],
)
def test_no_filter__is_seen(sql: str) -> None:
    assert lacks_filter(sql)


@pytest.fixture
def demanding(google: GoogleClients, table: Table) -> Table:
    table.require_partition_filter = True
    return google.bigquery.update_table(table, ["require_partition_filter"])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM intelligence.risk",
        "SELECT * FROM intelligence.seen",
        "BEGIN IF EXISTS (SELECT 1 FROM intelligence.risk) THEN SELECT 1; END IF; END",
    ],
)
def test_query__without_a_filter_is_refused(query: Query, demanding: Table, sql: str) -> None:
    query("CREATE VIEW intelligence.seen AS SELECT * FROM intelligence.risk")
    with pytest.raises(BadRequest, match=REFUSED):
        query(sql)


def test_query__with_a_filter_by_a_variable_is_run(query: Query, demanding: Table) -> None:
    sql = f"DECLARE d TIMESTAMP DEFAULT {DAY}; SELECT id FROM intelligence.risk WHERE day < d"
    assert query(sql) == []


def test_dry_run__without_a_filter_is_refused(google: GoogleClients, demanding: Table) -> None:
    with pytest.raises(BadRequest, match=REFUSED):
        google.bigquery.query("SELECT * FROM intelligence.risk", QueryJobConfig(dry_run=True))


def test_filter__is_not_demanded_of_the_next_table_of_that_name(
    query: Query, demanding: Table
) -> None:
    query("DROP TABLE intelligence.risk")
    query("CREATE TABLE intelligence.risk (day DATE)")
    assert query("SELECT COUNT(*) AS n FROM intelligence.risk") == [{"n": 0}]
