"""What SQL reaches of the machine: nothing but the tables, whatever kind of statement it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from google.api_core.exceptions import BadRequest, GoogleAPICallError
from google.cloud.bigquery import Dataset

from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PROJECT, Query, Send

JOBS, QUERIES = f"/bigquery/v2/projects/{PROJECT}/jobs", f"/bigquery/v2/projects/{PROJECT}/queries"
# What DuckDB has for reading and writing files today; more would be found by the same test.
KNOWN = {"read_text", "read_blob", "read_csv", "read_json", "read_parquet", "glob", "sniff_csv"}
KNOWN |= {"parquet_metadata", "read_duckdb", "st_read", "st_read_meta", "st_readshp", "st_readosm"}
KNOWN |= {"shapefile_meta", "query", "query_table", "json_execute_serialized_sql", "which_secret"}
KNOWN |= {"pandas_scan", "arrow_scan", "python_map_function", "pragma_storage_info"}
# Harmless ones, whose names GoogleSQL has for other things.
NAMESAKES = {"range", "repeat"}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    file = tmp_path / "canary.csv"
    file.write_text("name\nCANARY\n")
    return file


def duckdb_rows(cloud: LocalCloud, sql: str) -> list[tuple[object, ...]]:
    """What DuckDB itself answers, past every check of the stand-in's own."""
    connection = cloud.bigquery.emulator.engine._connection
    assert connection is not None
    return connection.cursor().execute(sql).fetchall()


def table_functions(cloud: LocalCloud) -> list[str]:
    rows = duckdb_rows(
        cloud,
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type "
        "IN ('table', 'table_macro', 'pragma') AND lower(function_name) <> 'unnest' ORDER BY 1",
    )
    return [str(name) for (name,) in rows]


def test_functions__that_yield_tables_are_not_googles(
    cloud: LocalCloud, send: Send, canary: Path
) -> None:
    functions = set(table_functions(cloud)) - NAMESAKES
    assert functions > KNOWN
    for function in functions:
        body = {"query": f"SELECT * FROM {function}('{canary}')", "useLegacySql": False}
        answer = send("POST", QUERIES, json=body)
        assert answer.status_code == 400, function
        assert "CANARY" not in answer.text


@pytest.mark.parametrize(
    "call",
    ["read_text('/etc/passwd')", "READ_CSV ('x')", "`read_blob`('x')", "system.main.glob('/*')"],
)
def test_functions__are_refused_in_googles_words(query: Query, call: str) -> None:
    name = call.partition("(")[0].replace("`", "").strip()
    with pytest.raises(BadRequest, match=f"400 Function not found: {name} at "):
        query(f"SELECT 1;\nSELECT * FROM {call}")


@pytest.mark.parametrize(
    "call",
    [
        "current_setting('temp_directory')",
        "st_transform(NULL, '+nadgrids=/etc/passwd', 'EPSG:4326')",
        "damerau_levenshtein('a', 'b')",  # Its memory grows with the product of the lengths.
        "reservoir_quantile(0.0, -1)",  # DuckDB does nothing at all after it.
        "pg_sleep(9)",
        "explode([1])",  # Not DuckDB's: sqlglot translates it.
    ],
)
def test_scalar_functions__of_duckdb_alone_are_not_found(query: Query, call: str) -> None:
    with pytest.raises(BadRequest, match="Function not found"):
        query(f"SELECT {call}")


@pytest.mark.parametrize("name", ["median", "query", "list"])
def test_names__of_duckdbs_functions_are_free_for_tables_and_columns(
    query: Query, dataset: Dataset, name: str
) -> None:
    query(f"CREATE TABLE intelligence.{name} (a INT64)")
    query(f"INSERT INTO intelligence.{name} (a) VALUES (1)")
    assert query(f"SELECT {name}.a AS {name} FROM intelligence.{name}") == [{name: 1}]
    query(f"CREATE FUNCTION intelligence.{name}_of(x INT64) AS (x + 1)")
    assert query(f"SELECT intelligence.{name}_of(a) AS v FROM intelligence.{name}") == [{"v": 2}]


STATEMENTS = [
    "COPY (SELECT 1) TO '{new}'",
    "COPY intelligence.t FROM '{canary}'",
    "ATTACH '{new}' AS other",
    "DETACH other",
    "EXPORT DATABASE '{new}'",
    "IMPORT DATABASE '{canary}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "SET enable_external_access = true",
    "SET threads = 1",
    "USE memory",
    "CHECKPOINT",
    "VACUUM",
    "CREATE SECRET s (TYPE S3)",
    "CREATE MACRO f(x) AS x",
    "CREATE SEQUENCE s",
    "CREATE TYPE t AS ENUM ('a')",
    "CALL pragma_version()",
    "PREPARE p AS SELECT 1",
    "DESCRIBE intelligence.t",
    "SUMMARIZE intelligence.t",
    "EXPLAIN SELECT 1",
    "SHOW TABLES",
    "SELECT * FROM '{canary}'",
    "SELECT * FROM `{canary}`",
    "SELECT * FROM 'https://127.0.0.1:1/a.csv'",
    "EXPORT DATA OPTIONS (uri = 'gs://b/{new}', format = 'CSV') AS SELECT 1",
    "LOAD DATA INTO intelligence.t FROM FILES (format = 'CSV', uris = ['{canary}'])",
    "CREATE EXTERNAL TABLE intelligence.e OPTIONS (format = 'CSV', uris = ['{canary}'])",
    "CREATE FUNCTION intelligence.f(x STRING) AS ((SELECT content FROM read_text(x)))",
    "CREATE VIEW intelligence.v AS SELECT * FROM read_text('{canary}')",
    "CREATE TABLE intelligence.n AS SELECT * FROM read_text('{canary}')",
    "CREATE PROCEDURE intelligence.p() BEGIN SELECT * FROM read_text('{canary}'); END",
]
WRAPPERS = {
    "alone": "{}",
    "script": "SELECT 1; {}",
    "if": "IF TRUE THEN {}; END IF",
    "handler": "BEGIN SELECT 1 / 0; EXCEPTION WHEN ERROR THEN {}; END",
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_statements__reach_no_file(
    query: Query, dataset: Dataset, canary: Path, wrapper: str
) -> None:
    query("CREATE TABLE intelligence.t (name STRING)")
    before = sorted(canary.parent.iterdir())
    for template in STATEMENTS:
        statement = template.format(canary=canary, new=canary.parent / "new")
        with pytest.raises(GoogleAPICallError) as raised:
            query(WRAPPERS[wrapper].format(statement))
        assert "CANARY" not in str(raised.value), statement
    assert sorted(canary.parent.iterdir()) == before


def test_dynamic_sql__reaches_no_file(query: Query, dataset: Dataset, canary: Path) -> None:
    query("CREATE TABLE intelligence.t (name STRING)")
    for template in [*STATEMENTS, "SELECT * FROM read_text('{canary}')"]:
        statement = template.format(canary=canary, new=canary.parent / "new")
        with pytest.raises(GoogleAPICallError) as raised:
            query(f"EXECUTE IMMEDIATE {json.dumps(statement)}")
        assert "CANARY" not in str(raised.value), statement
    assert sorted(canary.parent.iterdir()) == [canary]


def test_dry_run__reaches_no_file(query: Query, dataset: Dataset, canary: Path) -> None:
    for sql in (f"SELECT * FROM read_text('{canary}')", "SELECT * FROM pandas_scan(1)"):
        for statement in (sql, f"CREATE TABLE intelligence.n AS {sql}"):
            with pytest.raises(BadRequest, match="Function not found"):
                query(statement, dry_run=True)


def test_duckdb__has_no_files_and_no_network_itself(cloud: LocalCloud, canary: Path) -> None:
    for sql in (
        f"FROM read_text('{canary}')",
        f"FROM read_csv('{canary}')",
        f"FROM st_read('{canary}')",
        f"COPY (SELECT 1) TO '{canary.parent / 'new'}'",
        f"ATTACH '{canary.parent / 'new'}' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET GLOBAL temp_directory = '/tmp'",
        "FROM canary",  # A variable of this test: DuckDB looks for those, too.
    ):
        with pytest.raises(duckdb.Error):
            duckdb_rows(cloud, sql)
    settings = "SELECT current_setting('TimeZone'), current_setting('temp_directory')"
    assert duckdb_rows(cloud, settings) == [("UTC", "")]
    assert sorted(canary.parent.iterdir()) == [canary]


def test_engine__runs_no_table_function_whoever_sends_it(cloud: LocalCloud) -> None:
    rows = cloud.bigquery.emulator.rows
    assert rows("SELECT 'read_text(1)', \"range\" FROM range(1)") == [("read_text(1)", 0)]
    for sql in (
        "FROM pandas_scan(1)",
        'FROM "READ_text" /* a comment */ (1)',
        "FROM system.main.query('SELECT 1')",
        "COPY (SELECT 1) TO '/tmp/x'",
        "SELECT 1; SELECT 2",
        "CALL pragma_version()",
    ):
        with pytest.raises(Exception, match="The local stand-in does not do"):
            rows(sql)


@pytest.mark.parametrize("kind", ["load", "extract"])
def test_jobs__that_read_or_write_files_are_not_done(
    send: Send, dataset: Dataset, canary: Path, kind: str
) -> None:
    table = {"projectId": PROJECT, "datasetId": "intelligence", "tableId": "t"}
    job = {
        "load": {"sourceUris": [f"file://{canary}"], "destinationTable": table},
        "extract": {"destinationUris": [f"file://{canary}.new"], "sourceTable": table},
    }[kind]
    answer = send("POST", JOBS, json={"configuration": {kind: job}})
    assert (answer.status_code, kind in answer.json()["error"]["message"]) == (501, True)
    assert list(canary.parent.iterdir()) == [canary]


CRASHES = [
    "SELECT * FROM pandas_scan(NULL)",
    "SELECT reservoir_quantile(0.0, -1)",
    "SELECT ST_GEOGFROMWKB(FROM_HEX(REPEAT('010700000001000000', 100000)))",
    "SELECT " + "(" * 2000 + "1" + ")" * 2000,
    "SELECT " + "1 + " * 2000 + "1",
]
CHILD = """
import sys
from backend.localcloud.http.errors import CloudError
from backend.localcloud.server import LocalCloud
with LocalCloud() as cloud:
    for sql in sys.stdin.read().split(chr(0)):
        try:
            cloud.query(sql)
        except CloudError:
            pass
        assert cloud.query("SELECT 1 AS a") == [{"a": 1}], sql[:99]
print("alive")
"""


def test_queries__do_not_end_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input="\0".join(CRASHES),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-500:]


@pytest.mark.parametrize(
    "sql",
    ["(" * 2000 + "1" + ")" * 2000, "1 + " * 2000 + "1", "STRUCT(" * 90 + "1" + ")" * 90],
    ids=["parentheses", "sums", "structs"],
)
def test_queries__nested_too_deeply_are_refused_as_googles_are(query: Query, sql: str) -> None:
    with pytest.raises(BadRequest, match="too many subqueries or query is too complex"):
        query(f"SELECT {sql}")
