"""EXTERNAL_QUERY against a real PostgreSQL, through BigQuery's own client."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, GoogleAPICallError, NotFound
from google.cloud.bigquery import QueryJobConfig, ScalarQueryParameter, Table
from google.cloud.bigquery_connection_v1.types import Connection

from backend.conftest import OWNER, PASSWORDS, READER, SQL_INSTANCE
from backend.localcloud.postgres.server import RunningPostgres
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import (
    LOCATION,
    PROJECT,
    ConnectionFactory,
    GoogleClients,
    Query,
)

NAME = f"projects/{PROJECT}/locations/{LOCATION}/connections/pg"
UTC = datetime.UTC


def external(sql: str, connection: str = NAME) -> str:
    return f"SELECT * FROM EXTERNAL_QUERY('{connection}', r'''{sql}''')"


@pytest.mark.parametrize(
    ("expression", "expected", "kind"),
    [
        ("5::smallint", 5, "INTEGER"),
        ("5::bigint", 5, "INTEGER"),
        ("1.5::real", 1.5, "FLOAT"),
        ("0.1::float8", 0.1, "FLOAT"),
        ("1.25::numeric", Decimal("1.25"), "NUMERIC"),
        ("true", True, "BOOLEAN"),
        ("'a''b'::text", "a'b", "STRING"),
        ("'ab'::char(3)", "ab ", "STRING"),
        ("''::varchar", "", "STRING"),
        ("E'two\\nlines, \"quoted\"'::text", 'two\nlines, "quoted"', "STRING"),
        ("'{\"a\": 1}'::json", '{"a": 1}', "STRING"),
        ("date '2026-02-03'", datetime.date(2026, 2, 3), "DATE"),
        ("time '10:20:30.5'", datetime.time(10, 20, 30, 500000), "TIME"),
        ("timestamp '2026-02-03 04:05:06'", datetime.datetime(2026, 2, 3, 4, 5, 6), "DATETIME"),
        (
            "timestamptz '2026-02-03 04:05:06.789+02'",
            datetime.datetime(2026, 2, 3, 2, 5, 6, 789000, tzinfo=UTC),
            "TIMESTAMP",
        ),
        ("'\\x00ff'::bytea", b"\x00\xff", "BYTES"),
        ("NULL::text", None, "STRING"),
        ("NULL::timestamptz", None, "TIMESTAMP"),
    ],
)
def test_types__arrive_as_google_maps_them(
    google: GoogleClients, connection: Connection, expression: str, expected: Any, kind: str
) -> None:
    rows = google.bigquery.query(external(f"SELECT {expression} AS v")).result()
    assert [row["v"] for row in rows] == [expected]
    assert rows.schema[0].field_type == kind


@pytest.mark.trap("types")
@pytest.mark.parametrize(
    ("expression", "oid"),
    [
        ("gen_random_uuid()", 2950),
        ("'{}'::jsonb", 3802),
        ("1::money", 790),
        ("interval '1 day'", 1186),
        ("ARRAY[1]", 1007),
        ("inet '127.0.0.1'", 869),
        ("now()::timetz", 1266),
        ("'<a/>'::name", 19),
    ],
)
def test_types__others_are_refused_with_their_oid(
    query: Query, connection: Connection, expression: str, oid: int
) -> None:
    with pytest.raises(BadRequest, match=rf"Postgres type \(OID = {oid}\) isn't supported now"):
        query(external(f"SELECT {expression} AS v, 1 AS one"))


def test_types__an_enum_is_refused(query: Query, connection: Connection) -> None:
    with pytest.raises(BadRequest, match=r"isn't supported now"):
        query(external("SELECT 'sad'::mood AS v"))


@pytest.mark.trap("types")
def test_types__an_outer_cast_does_not_rescue_a_refused_column(
    query: Query, connection: Connection
) -> None:
    sql = "SELECT one FROM EXTERNAL_QUERY('us-central1.pg', 'SELECT 1 AS one, ''{}''::jsonb AS v')"
    with pytest.raises(BadRequest, match="OID = 3802"):
        query(sql.replace("''", "\\'"))


@pytest.mark.parametrize("option", ["float64", "numeric", "bignumeric", "string"])
def test_options__decimal_columns(query: Query, connection: Connection, option: str) -> None:
    options = f'{{"default_type_for_decimal_columns": "{option}"}}'
    sql = f"SELECT v FROM EXTERNAL_QUERY('{NAME}', 'SELECT 1.5::numeric AS v', '''{options}''')"
    expected = {"float64": 1.5, "string": "1.5"}.get(option, Decimal("1.5"))
    assert query(sql) == [{"v": expected}]


@pytest.mark.parametrize("options", ['{"unknown": 1}', "no json", "[]"])
def test_options__others_are_refused(query: Query, connection: Connection, options: str) -> None:
    with pytest.raises(BadRequest, match="EXTERNAL_QUERY"):
        query(f"SELECT * FROM EXTERNAL_QUERY('{NAME}', 'SELECT 1 AS a', '{options}')")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 1", r'Invalid field name "\?column\?"'),
        ("SELECT 1 AS a, 2 AS A", "Duplicate column names"),
        ('SELECT 1 AS "a b"', "Invalid field name"),
        ("SELECT 1 AS a -- why", "syntax error at end of input"),
        ("SELECT 1 AS a;", 'syntax error at or near ";"'),
        ("SELECT 1 AS a; SELECT 2 AS a", 'syntax error at or near ";"'),
        ("SELECT 1 AS a) t; COMMIT; SELECT 2 FROM (SELECT 1 AS a", 'syntax error at or near ";"'),
        ("DELETE FROM score RETURNING id", "syntax error"),
        ("SELECT nope FROM score", 'prepare statement failed. Error: ERROR: column "nope"'),
        ("SELECT 1 AS a FROM nope", 'ERROR: relation "nope" does not exist'),
        ("SELECT 1/(v-v) AS a FROM generate_series(1,2) v", "division by zero"),
    ],
)
def test_text__fails_as_it_would_inside_googles_wrapper(
    query: Query, connection: Connection, sql: str, message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        query(external(sql))


def test_text__a_semicolon_in_a_string_is_no_end(query: Query, connection: Connection) -> None:
    assert query(external("SELECT ';' AS a")) == [{"a": ";"}]


def test_session__is_read_only_whatever_the_role_may_do(
    query: Query, make_connection: ConnectionFactory
) -> None:
    credential = {"username": OWNER, "password": PASSWORDS[OWNER]}
    make_connection(credential=credential)
    with pytest.raises(BadRequest, match="read-only transaction"):
        query(external("SELECT nextval('counter') AS a"))


@pytest.mark.parametrize(
    "name", [f"{LOCATION}.pg", f"{PROJECT}.{LOCATION}.pg", NAME, NAME.replace("us-c", "US-C")]
)
def test_connection__is_found_by_each_form_of_its_name(
    query: Query, connection: Connection, name: str
) -> None:
    assert query(external("SELECT 1 AS a", name)) == [{"a": 1}]


@pytest.mark.parametrize("name", [f"{LOCATION}.nope", NAME + "2", f"other.{LOCATION}.pg"])
def test_connection__that_does_not_exist_is_not_found(
    query: Query, connection: Connection, name: str
) -> None:
    with pytest.raises(NotFound, match="Not found: Connection"):
        query(external("SELECT 1 AS a", name))


def test_connection__has_to_be_where_the_query_runs(query: Query, connection: Connection) -> None:
    with pytest.raises(NotFound, match="location"):
        query(external("SELECT 1 AS a"), location="US")


def test_connection__without_a_credential(query: Query, make_connection: ConnectionFactory) -> None:
    make_connection(credential=None)
    with pytest.raises(BadRequest, match="Missing credentials on Cloud SQL connection: projects/"):
        query(external("SELECT 1 AS a"))


def test_connection__to_an_instance_that_is_not_there(
    query: Query, make_connection: ConnectionFactory
) -> None:
    make_connection(instance_id="demo-project:us-central1:other")
    with pytest.raises(BadRequest, match="Connect to PostgreSQL server failed: server closed the"):
        query(external("SELECT 1 AS a"))


def test_connection__to_a_server_that_is_down(
    cloud: LocalCloud, query: Query, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cloud.sql_instances, SQL_INSTANCE, "postgresql://127.0.0.1:1")
    with pytest.raises(BadRequest, match="Connect to PostgreSQL server failed: server closed the"):
        query(external("SELECT 1 AS a"))


def test_connection__never_uses_the_login_in_the_instances_uri(
    cloud: LocalCloud,
    postgres: RunningPostgres,
    query: Query,
    make_connection: ConnectionFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = postgres.uri(user=OWNER, password=PASSWORDS[OWNER], database="postgres")
    monkeypatch.setitem(cloud.sql_instances, SQL_INSTANCE, owner)
    make_connection()
    assert query(external("SELECT current_user::text AS a, current_database()::text AS b")) == [
        {"a": READER, "b": "localcloud_source"}
    ]
    make_connection("wrong", credential={"username": READER, "password": "wrong"})
    with pytest.raises(BadRequest, match="password authentication failed"):
        query(external("SELECT 1 AS a", NAME.replace("pg", "wrong")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"credential": {"username": READER, "password": "wrong"}},
            f'FATAL: password authentication failed for user "{READER}"',
        ),
        ({"database": "nope"}, 'FATAL: database "nope" does not exist'),
    ],
)
def test_connection__that_cannot_log_in(
    query: Query, make_connection: ConnectionFactory, changes: dict[str, Any], message: str
) -> None:
    make_connection(**changes)
    with pytest.raises(BadRequest) as raised:
        query(external("SELECT 1 AS a"))
    assert f"Failed to connect to PostgreSQL database. Error: {message}" in str(raised.value)


@pytest.mark.trap("literals")
@pytest.mark.parametrize(
    "argument",
    ["CONCAT('SELECT 1', ' AS a')", "text", "'SELECT 1' 'AS a'", "b'SELECT 1 AS a'", ""],
)
def test_arguments__have_to_be_literals(
    query: Query, connection: Connection, argument: str
) -> None:
    call = f"EXTERNAL_QUERY('{NAME}', {argument})"
    sql = f"DECLARE text STRING DEFAULT 'SELECT 1 AS a'; SELECT * FROM {call}"
    with pytest.raises(GoogleAPICallError, match=r"EXTERNAL_QUERY|Syntax error"):
        query(sql)


def test_arguments__may_be_query_parameters(query: Query, connection: Connection) -> None:
    parameters = [
        ScalarQueryParameter("connection", "STRING", NAME),
        ScalarQueryParameter("sql", "STRING", "SELECT 'it''s' AS a"),
    ]
    sql = "SELECT * FROM EXTERNAL_QUERY(@connection, @sql)"
    assert query(sql, query_parameters=parameters) == [{"a": "it's"}]


@pytest.mark.parametrize(
    "literal",
    [
        "'SELECT \\'a\\\\\\\\d\\' AS a'",
        "r'''SELECT 'a\\d' AS a'''",
        'r"""SELECT \'a\\d\' AS a"""',
        "\"SELECT 'a\\\\d' AS a\"",
    ],
)
def test_arguments__are_read_as_googlesql_reads_literals(
    query: Query, connection: Connection, literal: str
) -> None:
    rows = query(f"SELECT * FROM EXTERNAL_QUERY('{NAME}', {literal})")
    assert rows[0]["a"].replace("\\\\", "\\") == "a\\d"


def test_arguments__an_unknown_escape_is_an_error(query: Query, connection: Connection) -> None:
    with pytest.raises(BadRequest, match="Illegal escape sequence"):
        query(f"SELECT * FROM EXTERNAL_QUERY('{NAME}', '''SELECT 'a\\d' AS a''')")


def test_place__in_strings_and_comments_is_no_call(query: Query, connection: Connection) -> None:
    sql = "SELECT 'EXTERNAL_QUERY(1)' AS a -- EXTERNAL_QUERY('x', 'y')\n/* EXTERNAL_QUERY() */"
    assert query(sql) == [{"a": "EXTERNAL_QUERY(1)"}]


def test_place__two_calls_can_be_joined(query: Query, connection: Connection) -> None:
    call = f"EXTERNAL_QUERY('{NAME}', 'SELECT n AS v FROM generate_series(1, 3) n')"
    assert query(f"SELECT SUM(l.v) AS s FROM {call} l JOIN {call} AS r ON l.v = r.v") == [{"s": 6}]


def test_place__merge_using(query: Query, connection: Connection, table: Table) -> None:
    call = external("SELECT id, day, value FROM score")
    query(f"""
        MERGE intelligence.risk T USING (SELECT id, TIMESTAMP(day) AS day, value FROM ({call})) S
        ON FALSE WHEN NOT MATCHED THEN INSERT (id, day, score) VALUES (id, day, value)
    """)
    assert query("SELECT COUNT(*) AS n, SUM(score) AS s FROM intelligence.risk") == [
        {"n": 100, "s": 4950.0}
    ]


def test_place__execute_immediate_of_text_built_at_run_time(
    query: Query, connection: Connection
) -> None:
    rows = query(f"""
        DECLARE first_day DATE DEFAULT DATE '2026-01-09';
        EXECUTE IMMEDIATE REPLACE(REPLACE(r\"\"\"
            CREATE OR REPLACE TEMP TABLE staged AS
            SELECT id, TIMESTAMP(day) AS day FROM EXTERNAL_QUERY('{NAME}', r'''
                SELECT id, day FROM score WHERE day >= '@first_day' AND id ~ '^e\\d$' -- all
                ORDER BY @order
            ''')
        \"\"\", '@first_day', CAST(first_day AS STRING)), '@order', 'id');
        SELECT COUNT(*) AS n, MIN(day) AS first FROM staged;
    """)
    assert rows == [{"n": 20, "first": datetime.datetime(2026, 1, 9, tzinfo=UTC)}]


def test_place__create_table_as_select_and_the_rows_stay(
    query: Query, connection: Connection, table: Table
) -> None:
    query(f"CREATE TABLE intelligence.copy AS {external('SELECT id FROM score')}")
    assert query("SELECT COUNT(*) AS n FROM intelligence.copy") == [{"n": 100}]


def test_rows__a_million_arrive(query: Query, connection: Connection) -> None:
    rows = query(
        f"SELECT COUNT(*) AS n, SUM(v) AS s, COUNTIF(t IS NULL) AS missing FROM "
        f"({external('SELECT n AS v, n::text AS t FROM generate_series(1, 1000000) n')})"
    )
    assert rows == [{"n": 1_000_000, "s": 500000500000, "missing": 0}]


def test_rows__none_keep_their_types(google: GoogleClients, connection: Connection) -> None:
    rows = google.bigquery.query(external("SELECT id, day FROM score WHERE false")).result()
    assert list(rows) == []
    assert [column.field_type for column in rows.schema] == ["STRING", "DATE"]


def test_rows__a_single_null_column_is_a_row(query: Query, connection: Connection) -> None:
    rows = query(external("SELECT t AS a FROM (VALUES (NULL), ('')) v(t)"))
    assert sorted(rows, key=str) == [{"a": ""}, {"a": None}]


def test_rows__not_a_number_and_infinity_arrive(query: Query, connection: Connection) -> None:
    sql = external("SELECT 'NaN'::float8 AS a, '-Infinity'::float8 AS b")
    assert query(f"SELECT IS_NAN(a) AS nan, b < 0 AND IS_INF(b) AS inf FROM ({sql})") == [
        {"nan": True, "inf": True}
    ]


def test_dry_run__looks_at_the_columns_only(google: GoogleClients, connection: Connection) -> None:
    config = QueryJobConfig(dry_run=True)
    job = google.bigquery.query(external("SELECT pg_sleep(60)::text AS a"), job_config=config)
    assert [column.name for column in job.schema or []] == ["a"]
    with pytest.raises(BadRequest, match="OID = 2950"):
        google.bigquery.query(external("SELECT gen_random_uuid() AS a"), job_config=config)


def test_external_query__that_reads_too_much_is_refused(
    query: Query, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.localcloud.bigquery.postgres_rows.READ_BYTES", 1_000)
    assert len(query(external("SELECT n FROM generate_series(1, 100) n"))) == 100
    with pytest.raises(BadRequest, match="could not be executed in the allotted memory") as refused:
        query(external("SELECT n FROM generate_series(1, 1000) n"))
    assert refused.value.errors[0]["reason"] == "resourcesExceeded"
