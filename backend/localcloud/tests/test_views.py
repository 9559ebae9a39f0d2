"""Views, through BigQuery's own client and its SQL."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import (
    BadRequest,
    Conflict,
    GoogleAPICallError,
    MethodNotImplemented,
    NotFound,
)
from google.cloud.bigquery import Dataset, QueryJobConfig, SchemaField, Table

from backend.localcloud.tests.conftest import PROJECT, GoogleClients, Query, Send

NAME = f"{PROJECT}.intelligence.by_id"
PATH = f"/bigquery/v2/projects/{PROJECT}/datasets/intelligence/tables"
# With what a parser would not give back: a comment, a capital, a line end, an odd indentation.
TEXT = """\
-- how many
select id, COUNT(*) as n,   max(day) AS last_day
FROM `demo-project.intelligence.risk` WHERE day >= TIMESTAMP('2020-01-01', 'UTC')
GROUP BY id
"""
ROWS = "INSERT INTO intelligence.risk (id, day, score) VALUES ('a', TIMESTAMP '2026-01-01', 1)"


def make_view(text: str = TEXT, **changes: Any) -> Table:
    view = Table(NAME)
    view.view_query = text
    for name, value in changes.items():
        setattr(view, name, value)
    return view


@pytest.fixture
def view(google: GoogleClients, table: Table) -> Table:
    return google.bigquery.create_table(make_view(description="by id"))


def test_insert__keeps_the_text_and_finds_the_columns(google: GoogleClients, view: Table) -> None:
    got = google.bigquery.get_table(NAME)
    assert (got.view_query, got.view_use_legacy_sql) == (TEXT, False)
    assert (got.table_type, got.description, got.location) == ("VIEW", "by id", "us-central1")
    assert [(c.name, c.field_type) for c in got.schema] == [
        ("id", "STRING"),
        ("n", "INTEGER"),
        ("last_day", "TIMESTAMP"),
    ]


def test_view__is_computed_when_it_is_read(query: Query, view: Table) -> None:
    assert query("SELECT n FROM intelligence.by_id") == []
    query(ROWS)
    assert query(f"SELECT n FROM `{NAME}`") == [{"n": 1}]


def test_view__is_read_at_the_cost_of_its_tables(
    google: GoogleClients, query: Query, view: Table
) -> None:
    query(ROWS)
    limited = QueryJobConfig(maximum_bytes_billed=1)
    with pytest.raises(BadRequest, match="Query exceeded limit for bytes billed"):
        google.bigquery.query("SELECT * FROM intelligence.by_id", job_config=limited).result()
    job = google.bigquery.query("SELECT * FROM intelligence.by_id")
    job.result()
    assert job.total_bytes_processed == 3 * 8  # one row of three columns


def test_patch__replaces_the_text_and_keeps_the_rest(
    google: GoogleClients, query: Query, view: Table
) -> None:
    text = "SELECT 1 AS one"
    view.view_query = text
    changed = google.bigquery.update_table(view, ["view_query"])
    assert (changed.view_query, changed.description) == (text, "by id")
    assert [c.name for c in changed.schema] == ["one"]
    assert changed.created == view.created
    assert changed.etag != view.etag
    assert query("SELECT * FROM intelligence.by_id") == [{"one": 1}]


def test_patch__of_the_description_leaves_the_text(google: GoogleClients, view: Table) -> None:
    view.description = "changed"
    changed = google.bigquery.update_table(view, ["description"])
    assert (changed.view_query, changed.description) == (TEXT, "changed")


def test_patch__that_is_refused_changes_nothing(
    google: GoogleClients, query: Query, view: Table
) -> None:
    view.view_query = "SELECT nope FROM intelligence.risk"
    with pytest.raises(BadRequest, match="Unrecognized name: nope"):
        google.bigquery.update_table(view, ["view_query"])
    assert google.bigquery.get_table(NAME).view_query == TEXT
    assert query("SELECT * FROM intelligence.by_id") == []


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("SELECT * FROM intelligence.nope", NotFound, "Not found: Table demo-project:"),
        ("SELECT * FROM elsewhere.t", NotFound, "Not found: Dataset demo-project:elsewhere"),
        ("SELECT nope FROM intelligence.risk", BadRequest, "Unrecognized name: nope"),
        ("SELECT id FROM intelligence.risk WHERE day = @day", BadRequest, "parameter"),
        ("SELECT 1 AS a; SELECT 2 AS a", BadRequest, "one query"),
        ("DELETE FROM intelligence.risk WHERE TRUE", BadRequest, "one query"),
        ("SELECT", BadRequest, "400"),
        ("", BadRequest, "view.query"),
    ],
)
def test_insert__of_what_is_no_view_is_refused(
    google: GoogleClients, table: Table, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        google.bigquery.create_table(make_view(text))
    with pytest.raises(NotFound):
        google.bigquery.get_table(NAME)


def test_insert__of_legacy_sql_is_not_done(send: Send, table: Table) -> None:
    # https://cloud.google.com/bigquery/docs/reference/rest/v2/tables: useLegacySql is true unless
    # it is said to be false.
    body = {"tableReference": {"tableId": "old"}, "view": {"query": "SELECT 1 AS a"}}
    answer = send("POST", PATH, json=body)
    assert (answer.status_code, "legacy SQL" in answer.text) == (501, True)


def test_insert__with_columns_is_refused(google: GoogleClients, table: Table) -> None:
    view = make_view(schema=[SchemaField("id", "STRING")])
    with pytest.raises(BadRequest, match="Schema field shouldn't be used as input with a view"):
        google.bigquery.create_table(view)


def test_insert__of_a_taken_name_is_a_conflict(google: GoogleClients, view: Table) -> None:
    with pytest.raises(Conflict, match="Already Exists: Table demo-project:intelligence"):
        google.bigquery.create_table(make_view("SELECT 1 AS a"))
    assert google.bigquery.get_table(NAME).view_query == TEXT


def test_table__never_becomes_a_view(google: GoogleClients, table: Table) -> None:
    table.view_query = "SELECT 1 AS a"
    with pytest.raises(BadRequest, match="is not a view"):
        google.bigquery.update_table(table, ["view_query"])
    assert google.bigquery.get_table(table).table_type == "TABLE"


def test_view__has_no_rows_to_list(google: GoogleClients, view: Table) -> None:
    with pytest.raises(BadRequest, match="Cannot list a table of type VIEW"):
        list(google.bigquery.list_rows(NAME, selected_fields=view.schema))


def test_view__is_listed_and_deleted(google: GoogleClients, query: Query, view: Table) -> None:
    listed = {t.table_id: t.table_type for t in google.bigquery.list_tables("intelligence")}
    assert listed == {"risk": "TABLE", "by_id": "VIEW"}
    google.bigquery.delete_table(NAME)
    assert [t.table_id for t in google.bigquery.list_tables("intelligence")] == ["risk"]
    with pytest.raises(NotFound):
        query("SELECT * FROM intelligence.by_id")


@pytest.mark.parametrize("script", ["", "SELECT 1; "])
def test_create_view__in_sql_keeps_text_and_description(
    google: GoogleClients, query: Query, table: Table, script: str
) -> None:
    query(
        f"{script}CREATE OR REPLACE VIEW intelligence.by_id (id, n, last_day)"
        f" OPTIONS (description = 'of SQL') AS\n{TEXT}"
    )
    got = google.bigquery.get_table(NAME)
    assert (got.view_query.strip(), got.description) == (TEXT.strip(), "of SQL")


def test_jobs__of_views_are_not_listed(google: GoogleClients, view: Table) -> None:
    assert list(google.bigquery.list_jobs()) == []


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("CREATE OR REPLACE MODEL d.m OPTIONS (model_type = 'ARIMA_PLUS') AS SELECT 1", "MODEL"),
        ("CREATE MODEL IF NOT EXISTS d.m OPTIONS (model_type = 'X') AS SELECT 1 AS a", "MODEL"),
        ("DROP MODEL intelligence.m", "MODEL"),
        ("SELECT * FROM AI.FORECAST(TABLE d.t, data_col => 'y')", r"AI\.FORECAST"),
        ("SELECT * FROM ai . evaluate((SELECT 1), (SELECT 2))", r"AI\.EVALUATE"),
        ("SELECT * FROM ML.FORECAST(MODEL d.m, STRUCT(14 AS horizon))", r"ML\.FORECAST"),
        ("SELECT * FROM GAP_FILL(TABLE d.t, ts_column => 'd')", "GAP_FILL"),
        ("SELECT 1; SELECT * FROM gap_fill(TABLE d.t, ts_column => 'd')", "GAP_FILL"),
    ],
)
def test_forecasting__in_sql_is_not_done_and_says_so(
    google: GoogleClients, table: Table, sql: str, named: str
) -> None:
    message = f"The local stand-in does not do .*{named}"
    for config in (QueryJobConfig(), QueryJobConfig(dry_run=True)):
        with pytest.raises(MethodNotImplemented, match=message):
            google.bigquery.query(sql, job_config=config, job_retry=None).result()


def test_forecasting__names_elsewhere_are_nothing(query: Query, dataset: Dataset) -> None:
    sql = "SELECT ai.forecast, 'GAP_FILL(x)' AS gap_fill FROM (SELECT STRUCT(1 AS forecast) AS ai)"
    assert query(f"{sql} -- AI.FORECAST(x)") == [{"forecast": 1, "gap_fill": "GAP_FILL(x)"}]


def test_view__of_a_forecast_is_not_done(google: GoogleClients, table: Table) -> None:
    with pytest.raises(GoogleAPICallError, match=r"does not do .*AI\.FORECAST"):
        google.bigquery.create_table(make_view("SELECT * FROM AI.FORECAST(TABLE d.t)"))


@pytest.mark.parametrize("read", ["risk", "by_id"])
def test_policy__of_the_rows_that_may_be_read_holds_for_a_view_of_them_too(
    query: Query, view: Table, read: str
) -> None:
    query(ROWS)
    query(ROWS.replace("'a'", "'b'"))
    query(
        "CREATE ROW ACCESS POLICY only_a ON intelligence.risk "
        "GRANT TO ('allUsers') FILTER USING (id = 'a')"
    )
    assert [row["id"] for row in query(f"SELECT id FROM intelligence.{read}")] == ["a"]
