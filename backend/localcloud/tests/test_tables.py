"""Tables, through BigQuery's own client."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed
from google.cloud.bigquery import Dataset, SchemaField, Table, TimePartitioning

from backend.localcloud.tests.conftest import PROJECT, GoogleClients, Query, Send

PATH = f"/bigquery/v2/projects/{PROJECT}/datasets/intelligence/tables"
DAY_MS = 24 * 3600 * 1000


def shape(table: Table) -> list[tuple[str, str, str]]:
    return [(c.name, c.field_type, c.mode) for c in table.schema]


def test_insert__answers_types_as_google_names_them(google: GoogleClients, table: Table) -> None:
    got = google.bigquery.get_table(table)
    assert shape(got) == [
        ("id", "STRING", "REQUIRED"),
        ("day", "TIMESTAMP", "REQUIRED"),
        ("score", "FLOAT", "NULLABLE"),
    ]
    assert (got.description, got.location, got.num_rows) == ("risk by day", "us-central1", 0)
    assert (got.time_partitioning.type_, got.time_partitioning.field) == ("DAY", "day")


@pytest.mark.parametrize(
    ("given", "answered"), [("INT64", "INTEGER"), ("FLOAT64", "FLOAT"), ("BOOL", "BOOLEAN")]
)
def test_insert__standard_names_come_back_as_legacy(
    send: Send, dataset: Dataset, given: str, answered: str
) -> None:
    fields = [{"name": "a", "type": given}]
    body = {"tableReference": {"tableId": "t"}, "schema": {"fields": fields}}
    made = send("POST", PATH, json=body).json()
    assert made["schema"]["fields"] == [{"name": "a", "type": answered, "mode": "NULLABLE"}]


def test_insert__of_a_taken_name_is_a_conflict(google: GoogleClients, table: Table) -> None:
    message = f"Already Exists: Table {PROJECT}:intelligence.risk"
    with pytest.raises(Conflict, match=message) as raised:
        google.bigquery.create_table(table)
    assert raised.value.errors[0]["reason"] == "duplicate"


def test_insert__into_a_missing_dataset_is_not_found(google: GoogleClients) -> None:
    with pytest.raises(NotFound, match=f"Not found: Dataset {PROJECT}:nope"):
        google.bigquery.create_table(Table(f"{PROJECT}.nope.t"))


COLUMN = {"name": "a", "type": "STRING"}


@pytest.mark.parametrize(
    "body",
    [
        {"tableReference": {}},
        {"tableReference": {"tableId": "a.b"}},
        {"unknown": 1},
        {"schema": {"fields": [{"name": "a", "type": "TEXT"}]}},
        {"schema": {"fields": [{"name": "a"}]}},
        {"schema": {"fields": [{"name": "a b", "type": "STRING"}]}},
        {"schema": {"fields": [{**COLUMN, "mode": "OPTIONAL"}]}},
        {"schema": {"fields": [COLUMN, {**COLUMN, "name": "A"}]}},
        {"schema": {"fields": [{**COLUMN, "unknown": 1}]}},
        {"schema": {"fields": {}}},
        {"schema": {"fields": [COLUMN]}, "timePartitioning": {"type": "DAY", "field": "b"}},
        {"schema": {"fields": [COLUMN]}, "timePartitioning": {"type": "DAY", "field": "a"}},
        {"schema": {"fields": [COLUMN]}, "timePartitioning": {"type": "WEEK"}},
        {"labels": {"Big": "a"}},
    ],
)
def test_insert__refuses(send: Send, dataset: Dataset, body: dict[str, Any]) -> None:
    answer = send("POST", PATH, json={"tableReference": {"tableId": "t"}, **body})
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("kind", ["materializedView", "rangePartitioning"])
def test_insert__says_what_it_does_not_do(send: Send, dataset: Dataset, kind: str) -> None:
    assert (
        send("POST", PATH, json={"tableReference": {"tableId": "t"}, kind: {}}).status_code == 501
    )


def test_insert__inherits_the_datasets_expirations(google: GoogleClients, query: Query) -> None:
    wanted = Dataset(f"{PROJECT}.intelligence")
    wanted.location = "us-central1"
    wanted.default_partition_expiration_ms = 5 * DAY_MS
    wanted.default_table_expiration_ms = DAY_MS
    google.bigquery.create_dataset(wanted)
    schema = [SchemaField("day", "DATE")]
    parted = Table(f"{PROJECT}.intelligence.parted", schema=schema)
    parted.time_partitioning = TimePartitioning(field="day")
    made = google.bigquery.create_table(parted)
    assert (made.time_partitioning.expiration_ms, made.expires) == (5 * DAY_MS, None)
    plain = google.bigquery.create_table(Table(f"{PROJECT}.intelligence.plain", schema=schema))
    assert plain.expires is not None
    query("CREATE TABLE intelligence.sql (day DATE) PARTITION BY day")
    by_sql = google.bigquery.get_table("intelligence.sql")
    assert by_sql.time_partitioning.expiration_ms == 5 * DAY_MS


def test_rows__are_counted_after_scripts(google: GoogleClients, query: Query, table: Table) -> None:
    insert = "INSERT INTO intelligence.risk (id, day) VALUES ('a', TIMESTAMP '2026-01-01')"
    query(f"SELECT 1; {insert}; {insert}")
    assert google.bigquery.get_table(table).num_rows == 2
    query("DELETE FROM intelligence.risk WHERE TRUE")
    assert google.bigquery.get_table(table).num_rows == 0


def test_patch__description_and_labels(google: GoogleClients, table: Table) -> None:
    table.description, table.labels = "new", {"a": "b"}
    changed = google.bigquery.update_table(table, ["description", "labels"])
    assert (changed.description, changed.labels) == ("new", {"a": "b"})
    changed.description = None
    cleared = google.bigquery.update_table(changed, ["description"])
    assert (cleared.description, cleared.labels) == (None, {"a": "b"})
    assert shape(cleared) == shape(table)
    assert cleared.time_partitioning.field == "day"


def test_patch__adds_a_nullable_column(google: GoogleClients, query: Query, table: Table) -> None:
    query("INSERT INTO intelligence.risk (id, day) VALUES ('a', TIMESTAMP '2026-01-01')")
    table = google.bigquery.get_table(table)
    table.schema = [*table.schema, SchemaField("more", "FLOAT64", description="later")]
    changed = google.bigquery.update_table(table, ["schema"])
    assert shape(changed)[-1] == ("more", "FLOAT", "NULLABLE")
    assert query("SELECT id, more FROM intelligence.risk") == [{"id": "a", "more": None}]


def test_patch__relaxes_a_required_column(
    google: GoogleClients, query: Query, table: Table
) -> None:
    first, *others = table.schema
    table.schema = [SchemaField("id", "STRING", "NULLABLE"), *others]
    google.bigquery.update_table(table, ["schema"])
    query("INSERT INTO intelligence.risk (id, day) VALUES (NULL, TIMESTAMP '2026-01-01')")
    assert first.mode == "REQUIRED"


ID, TIME = SchemaField("id", "STRING", "REQUIRED"), SchemaField("day", "TIMESTAMP", "REQUIRED")
SCORE = SchemaField("score", "FLOAT64")


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ([ID, TIME], "Field score is missing in new schema"),
        ([ID, TIME, SchemaField("score", "STRING")], "score has changed type from FLOAT to STRING"),
        (
            [ID, TIME, SchemaField("score", "FLOAT64", "REQUIRED")],
            "score has changed mode from NULLABLE to REQUIRED",
        ),
        ([ID, TIME, SCORE, SchemaField("more", "STRING", "REQUIRED")], "Cannot add required"),
    ],
)
def test_patch__refuses_other_schemas(
    google: GoogleClients, table: Table, schema: list[SchemaField], problem: str
) -> None:
    before = shape(google.bigquery.get_table(table))
    table.schema = schema
    message = f"Provided Schema does not match Table {PROJECT}:intelligence.risk. .*{problem}"
    with pytest.raises(BadRequest, match=message):
        google.bigquery.update_table(table, ["schema"])
    assert shape(google.bigquery.get_table(table)) == before


@pytest.mark.parametrize("partitioning", [{"type": "HOUR", "field": "day"}, {"type": "DAY"}, None])
def test_patch__never_changes_the_partitioning(
    send: Send, table: Table, partitioning: dict[str, str] | None
) -> None:
    answer = send("PATCH", f"{PATH}/risk", json={"timePartitioning": partitioning})
    assert answer.status_code == 400


def test_patch__changes_the_partition_expiration(google: GoogleClients, table: Table) -> None:
    table.time_partitioning = TimePartitioning(field="day", expiration_ms=DAY_MS)
    changed = google.bigquery.update_table(table, ["time_partitioning"])
    assert changed.time_partitioning.expiration_ms == DAY_MS
    changed.time_partitioning = TimePartitioning(field="day")
    again = google.bigquery.update_table(changed, ["time_partitioning"])
    assert again.time_partitioning.expiration_ms is None


def test_patch__of_what_has_changed_since_is_refused(google: GoogleClients, table: Table) -> None:
    stale = google.bigquery.get_table(table)
    table.description = "first"
    google.bigquery.update_table(table, ["description"])
    stale.description = "second"
    with pytest.raises(PreconditionFailed) as raised:
        google.bigquery.update_table(stale, ["description"])
    assert raised.value.errors[0]["reason"] == "conditionNotMet"
    assert google.bigquery.get_table(table).description == "first"


def test_list__names_the_partitioning(google: GoogleClients, table: Table) -> None:
    (listed,) = google.bigquery.list_tables("intelligence")
    assert (listed.table_id, listed.time_partitioning.field) == ("risk", "day")
    with pytest.raises(NotFound):
        list(google.bigquery.list_tables("nope"))


def test_delete__once(google: GoogleClients, table: Table) -> None:
    google.bigquery.delete_table(table)
    with pytest.raises(NotFound, match=f"Not found: Table {PROJECT}:intelligence.risk"):
        google.bigquery.delete_table(table)
