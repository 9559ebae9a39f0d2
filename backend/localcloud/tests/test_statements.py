"""Scripts and statements, through BigQuery's own client."""

from __future__ import annotations

import datetime
import threading
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest
from google.api_core.exceptions import BadRequest, Conflict, MethodNotImplemented, NotFound
from google.cloud.bigquery import Dataset, ScalarQueryParameter, Table

from backend.localcloud.bqemulator.engine import without_nested_loop
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PROJECT, GoogleClients, Query

INSERT = "INSERT INTO intelligence.risk (id, day, score) VALUES ('a', TIMESTAMP '2026-01-01', 1)"
COUNT = "SELECT COUNT(*) AS n FROM intelligence.risk"


@pytest.mark.parametrize(
    "sql",
    [
        "ASSERT 1 = 2 AS 'it is so'",
        "ASSERT CAST(NULL AS BOOL) AS 'it is so'",
        "SELECT 1; ASSERT FALSE AS 'it is so'",
        "DECLARE n INT64 DEFAULT 3; ASSERT n = 4 AS 'it is so'",
        "IF TRUE THEN ASSERT FALSE AS 'it is so'; END IF",
        "BEGIN ASSERT (SELECT COUNT(*) FROM UNNEST([1])) > 1 AS 'it is so'; END",
        "CREATE TEMP TABLE t AS SELECT 1 AS a; ASSERT EXISTS(SELECT 1 FROM t WHERE a = 2) "
        "AS '''it is so'''",
    ],
)
def test_assert__false_or_null_fails_the_job(query: Query, sql: str) -> None:
    with pytest.raises(BadRequest, match="Assertion failed: it is so") as raised:
        query(sql)
    assert raised.value.errors[0]["reason"] == "invalidQuery"


def test_assert__without_a_description(query: Query) -> None:
    with pytest.raises(BadRequest, match="Assertion failed"):
        query("ASSERT FALSE")


def test_assert__true_goes_on_and_yields_nothing(query: Query) -> None:
    assert query("ASSERT TRUE AS 'no'; SELECT 1 AS a") == [{"a": 1}]
    assert query("SELECT 1 AS a; ASSERT TRUE AS 'no'") == []


def test_assert__the_description_has_to_be_a_literal(query: Query) -> None:
    with pytest.raises(BadRequest, match="Expected string literal"):
        query("DECLARE m STRING DEFAULT 'x'; ASSERT TRUE AS m")


def test_assert__stops_the_script_before_what_follows(query: Query, table: Table) -> None:
    with pytest.raises(BadRequest):
        query(f"ASSERT FALSE AS 'no'; {INSERT}")
    assert query(COUNT) == [{"n": 0}]


def test_raise__fails_the_job_with_its_message(query: Query) -> None:
    with pytest.raises(BadRequest, match="so it ends"):
        query("RAISE USING MESSAGE = CONCAT('so it', ' ends')")


def test_error__keeps_its_message(query: Query) -> None:
    with pytest.raises(BadRequest, match=r"^400 boo;"):
        query("SELECT ERROR('boo')")


def test_exception__catches_and_knows_the_message(query: Query) -> None:
    sql = "BEGIN {} EXCEPTION WHEN ERROR THEN SELECT @@error.message AS m; END"
    assert query(sql.format("SELECT ERROR('boo');")) == [{"m": "boo"}]
    assert query(sql.format("ASSERT FALSE AS 'x';")) == [{"m": "Assertion failed: x"}]


def test_parameters__in_scripts_keep_their_types(query: Query) -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    parameters = [
        ScalarQueryParameter("run_time", "TIMESTAMP", moment),
        ScalarQueryParameter("run_date", "DATE", moment.date()),
        ScalarQueryParameter("name", "STRING", "it's @run_date"),
    ]
    rows = query(
        "DECLARE day DATE DEFAULT DATE_SUB(@run_date, INTERVAL 1 DAY); "
        "SELECT @run_time AS t, day, @name AS name, '@run_date' AS text -- @nope",
        query_parameters=parameters,
    )
    assert rows == [
        {
            "t": moment,
            "day": datetime.date(2026, 1, 1),
            "name": "it's @run_date",
            "text": "@run_date",
        }
    ]


def test_parameters__missing_are_refused(query: Query) -> None:
    with pytest.raises(BadRequest, match=r"Query parameter 'nope' not found at \[1:8\]"):
        query("SELECT @nope")


@pytest.mark.parametrize("text", ["'SELECT @run_date'", "CONCAT('SELECT @', 'run_date')"])
def test_parameters__are_invisible_in_dynamic_sql(query: Query, text: str) -> None:
    parameters = [ScalarQueryParameter("run_date", "DATE", datetime.date(2026, 1, 1))]
    with pytest.raises(BadRequest, match="Query parameter 'run_date' not found"):
        query(f"SELECT 1; EXECUTE IMMEDIATE {text}", query_parameters=parameters)


def test_variables__are_invisible_in_dynamic_sql(query: Query) -> None:
    with pytest.raises(BadRequest, match="Unrecognized name: n"):
        query("DECLARE n INT64 DEFAULT 1; EXECUTE IMMEDIATE 'SELECT n'")


def test_execute_immediate__using_and_into(query: Query) -> None:
    rows = query(
        "DECLARE n INT64 DEFAULT 5; DECLARE r INT64; "
        "EXECUTE IMMEDIATE 'SELECT @a * 10 + ?' INTO r USING n AS a, n + 1; SELECT n, r"
    )
    assert rows == [{"n": 5, "r": 56}]


def test_execute_immediate__takes_one_statement(query: Query) -> None:
    with pytest.raises(BadRequest, match="one statement"):
        query("EXECUTE IMMEDIATE 'SELECT 1; SELECT 2'")


def test_row_count__of_the_last_dml(query: Query, table: Table) -> None:
    assert query(f"{INSERT}; SELECT @@row_count AS n") == [{"n": 1}]


def test_temp_table__ends_with_its_job(query: Query) -> None:
    for _ in range(2):
        assert query("CREATE TEMP TABLE t AS SELECT 1 AS a; SELECT * FROM t") == [{"a": 1}]
        query("CREATE OR REPLACE TEMP TABLE t AS SELECT 1 AS a; SELECT * FROM t")
    with pytest.raises(NotFound, match="Table t was not found"):
        query("SELECT * FROM t")


def test_temp_table__is_not_seen_by_another_running_script(query: Query) -> None:
    meet = threading.Barrier(4)

    def run(n: int) -> int:
        meet.wait(60)
        rows = query(
            f"CREATE OR REPLACE TEMP TABLE t AS SELECT {n} AS a; "
            "CREATE OR REPLACE TEMP TABLE u AS SELECT a + 100 AS a FROM t; SELECT * FROM u"
        )
        return int(rows[0]["a"])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == [100, 101, 102, 103]


def test_merge__a_failing_one_leaves_the_table_as_it_was(query: Query, table: Table) -> None:
    query(INSERT)
    with pytest.raises(BadRequest, match="Required field id cannot be null"):
        query("""
            MERGE intelligence.risk T
            USING (SELECT 'b' AS id UNION ALL SELECT NULL) S ON FALSE
            WHEN NOT MATCHED BY SOURCE THEN DELETE
            WHEN NOT MATCHED THEN INSERT (id, day) VALUES (id, TIMESTAMP '2026-01-01')
        """)
    assert query("SELECT id FROM intelligence.risk") == [{"id": "a"}]


def test_merge__on_false_replaces_all_rows_that_it_deletes(query: Query, table: Table) -> None:
    query(INSERT)
    query("""
        CREATE TEMP TABLE staged AS SELECT * FROM intelligence.risk;
        MERGE intelligence.risk AS target USING staged AS source ON FALSE
        WHEN NOT MATCHED BY SOURCE THEN DELETE
        WHEN NOT MATCHED THEN INSERT (id, day) VALUES (CONCAT(id, 'b'), day)
    """)
    assert query("SELECT id FROM intelligence.risk") == [{"id": "ab"}]


def test_merge__on_false_does_not_compare_all_rows_with_all() -> None:
    merge = (
        "MERGE INTO t AS target USING staged AS source ON FALSE"
        " WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN NOT MATCHED THEN INSERT (a) VALUES (a)"
    )
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (a INT); CREATE TEMP TABLE staged (a INT)")
        ((_, slow),) = connection.execute(f"EXPLAIN {merge}").fetchall()
        ((_, quick),) = connection.execute(f"EXPLAIN {without_nested_loop(merge)}").fetchall()
    assert "NL_JOIN" in slow or "NESTED_LOOP" in slow
    assert "HASH_JOIN" in quick


def test_script__statements_before_a_failure_stay(query: Query, table: Table) -> None:
    with pytest.raises(BadRequest):
        query(f"{INSERT}; SELECT ERROR('no')")
    assert query(COUNT) == [{"n": 1}]


def test_transaction__is_rolled_back_by_an_error(query: Query, table: Table) -> None:
    with pytest.raises(BadRequest):
        query(f"BEGIN TRANSACTION; {INSERT}; SELECT ERROR('no'); COMMIT TRANSACTION")
    assert query(COUNT) == [{"n": 0}]


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("CREATE TABLE intelligence.t (a INT64)", False),
        ("DROP TABLE intelligence.risk", False),
        ("CREATE TEMP TABLE t AS SELECT 1 AS a", True),
        ("CREATE TEMP TABLE t AS SELECT 1 AS a; DROP TABLE t", True),
    ],
)
def test_transaction__holds_temporary_ddl_only(
    query: Query, table: Table, statement: str, allowed: bool
) -> None:
    script = f"BEGIN TRANSACTION; {statement}; COMMIT TRANSACTION; SELECT 1 AS a"
    if allowed:
        assert query(script) == [{"a": 1}]
    else:
        with pytest.raises(BadRequest, match="not supported in a transaction"):
            query(script)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO intelligence.risk (id) VALUES ('b')",
        "INSERT INTO intelligence.risk (id, day) VALUES ('b', NULL)",
        "INSERT INTO intelligence.risk (id, day) SELECT 'b', CAST(NULL AS TIMESTAMP)",
        "UPDATE intelligence.risk SET day = NULL WHERE TRUE",
    ],
)
def test_required__refuses_null(query: Query, table: Table, sql: str) -> None:
    query(INSERT)
    with pytest.raises(BadRequest, match="Required field day cannot be null"):
        query(sql)


def test_unknown_column__is_named_as_google_names_it(query: Query, table: Table) -> None:
    with pytest.raises(BadRequest, match=r"Unrecognized name: nope at \[1:8\]"):
        query("SELECT nope FROM intelligence.risk")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM intelligence.nope", f"Not found: Table {PROJECT}:intelligence.nope"),
        ("SELECT * FROM nope.risk", f"Not found: Dataset {PROJECT}:nope was not found in location"),
        ("INSERT INTO nope.risk (id) VALUES ('a')", f"Not found: Dataset {PROJECT}:nope"),
    ],
)
def test_missing_table__is_not_found(query: Query, table: Table, sql: str, message: str) -> None:
    with pytest.raises(NotFound, match=message):
        query(sql)


def test_create__keeps_modes_partitioning_and_descriptions(
    google: GoogleClients, query: Query, dataset: Dataset
) -> None:
    query(
        "CREATE TABLE intelligence.made (id STRING NOT NULL OPTIONS (description = 'key'), "
        "day TIMESTAMP) PARTITION BY DATE(day) "
        "OPTIONS (description = 'made by hand', partition_expiration_days = 2)"
    )
    made = google.bigquery.get_table("intelligence.made")
    assert [(c.name, c.field_type, c.mode, c.description) for c in made.schema] == [
        ("id", "STRING", "REQUIRED", "key"),
        ("day", "TIMESTAMP", "NULLABLE", None),
    ]
    assert (made.description, made.time_partitioning.field) == ("made by hand", "day")
    assert made.time_partitioning.expiration_ms == 2 * 24 * 3600 * 1000
    with pytest.raises(BadRequest, match="Required field id cannot be null"):
        query("INSERT INTO intelligence.made (day) VALUES (CURRENT_TIMESTAMP())")


def test_create__as_select_is_nullable_and_unpartitioned(
    google: GoogleClients, query: Query, table: Table
) -> None:
    query("CREATE TABLE intelligence.copy AS SELECT * FROM intelligence.risk")
    copy = google.bigquery.get_table("intelligence.copy")
    assert {column.mode for column in copy.schema} == {"NULLABLE"}
    assert copy.time_partitioning is None


def test_create__as_select_keeps_the_modes_that_it_lists(query: Query, dataset: Dataset) -> None:
    query("CREATE TABLE intelligence.made (id STRING NOT NULL) AS SELECT 'a' AS id")
    with pytest.raises(BadRequest, match="Required field id cannot be null"):
        query("INSERT INTO intelligence.made (id) VALUES (NULL)")


@pytest.mark.parametrize("clause", ["", "PARTITION BY TIMESTAMP_TRUNC(day, MONTH)"])
def test_create_or_replace__refuses_another_partitioning(
    google: GoogleClients, query: Query, table: Table, clause: str
) -> None:
    query(INSERT)
    new = "none" if not clause else r"interval\(type:month,field:day\)"
    message = (
        "Cannot replace a table with a different partitioning spec. .* New partitioning spec is "
        rf"{new} and existing spec is interval\(type:day,field:day\)"
    )
    with pytest.raises(BadRequest, match=message):
        query(
            f"CREATE OR REPLACE TABLE intelligence.risk {clause} AS SELECT * FROM intelligence.risk"
        )
    assert query(COUNT) == [{"n": 1}]


def test_create_or_replace__loses_what_it_does_not_say(
    google: GoogleClients, query: Query, table: Table
) -> None:
    query(
        "CREATE OR REPLACE TABLE intelligence.risk PARTITION BY DATE(day) AS "
        "SELECT 'a' AS id, TIMESTAMP '2026-01-01' AS day"
    )
    replaced = google.bigquery.get_table(table)
    assert {column.mode for column in replaced.schema} == {"NULLABLE"}
    assert (replaced.description, replaced.time_partitioning.field) == (None, "day")


def test_create__if_not_exists_changes_nothing(
    google: GoogleClients, query: Query, table: Table
) -> None:
    query("CREATE TABLE IF NOT EXISTS intelligence.risk (other INT64)")
    same = google.bigquery.get_table(table)
    assert (same.schema, same.description) == (table.schema, table.description)


def test_create__twice_is_a_conflict(query: Query, table: Table) -> None:
    with pytest.raises(Conflict, match=f"Already Exists: Table {PROJECT}:intelligence.risk"):
        query("CREATE TABLE intelligence.risk (id STRING)")


def test_alter__columns_are_read_again(google: GoogleClients, query: Query, table: Table) -> None:
    query("ALTER TABLE intelligence.risk ADD COLUMN more STRING")
    names = [(c.name, c.mode) for c in google.bigquery.get_table(table).schema]
    assert names == [
        ("id", "REQUIRED"),
        ("day", "REQUIRED"),
        ("score", "NULLABLE"),
        ("more", "NULLABLE"),
    ]


def test_create_schema__is_where_the_job_runs(google: GoogleClients, query: Query) -> None:
    query("CREATE SCHEMA here")
    query("CREATE SCHEMA there OPTIONS (location = 'EU')", location="EU")
    places = {name: google.bigquery.get_dataset(name).location for name in ("here", "there")}
    assert places == {"here": "us-central1", "there": "EU"}


def test_partitions__are_counted_by_day(query: Query, table: Table) -> None:
    query(INSERT)
    query(INSERT.replace("01-01", "01-02"))
    rows = query(
        "SELECT partition_id, total_rows FROM intelligence.INFORMATION_SCHEMA.PARTITIONS "
        "WHERE table_name = 'risk' ORDER BY partition_id"
    )
    assert rows == [
        {"partition_id": "20260101", "total_rows": 1},
        {"partition_id": "20260102", "total_rows": 1},
    ]


def test_dml__of_several_jobs_at_once_queues(query: Query, table: Table) -> None:
    query(INSERT)
    update = "UPDATE intelligence.risk SET score = score + 1 WHERE id = 'a'"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(query, [update] * 12))
    assert query("SELECT score FROM intelligence.risk") == [{"score": 13.0}]


def test_query__of_the_tests_answers_plain_values(cloud: LocalCloud, table: Table) -> None:
    assert cloud.query("SELECT 1 AS a, 'b' AS b") == [{"a": 1, "b": "b"}]
    assert cloud.query(COUNT, PROJECT) == [{"n": 0}]


def test_alter__that_the_catalog_would_not_follow_changes_nothing(
    google: GoogleClients, query: Query, table: Table
) -> None:
    with pytest.raises(MethodNotImplemented, match="does not do ALTER TABLE RENAME TO"):
        query("ALTER TABLE intelligence.risk RENAME TO other")
    assert [t.table_id for t in google.bigquery.list_tables("intelligence")] == ["risk"]
    query("ALTER TABLE intelligence.risk RENAME COLUMN score TO points")
    assert [c.name for c in google.bigquery.get_table(table).schema] == ["id", "day", "points"]
