from typing import Any

import pytest
from google.cloud import bigquery

from backend.forecasting.conf import Config
from backend.forecasting.google.waiting import TIMEOUT
from backend.forecasting.provisioning.plan import Action, Plan
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.tests.support.factories import (
    PROJECT,
    Google,
    changes_of,
    column_reprs,
    google_error,
    make_table,
    make_wire,
)
from backend.forecasting.training_table import COLUMNS, DESCRIPTION, canonical_type

NAME = f"{PROJECT}.intelligence.entity_risk_training_data"
PATH = f"/projects/{PROJECT}/datasets/intelligence/tables/entity_risk_training_data"
NULLABLE = [column.name for column in COLUMNS if not column.required]
REQUIRED = [column.name for column in COLUMNS if column.required]
BY_DAY = {"type": "DAY", "field": "mentioned_at"}


@pytest.fixture
def spec(config: Config) -> TableSpec:
    return TableSpec.from_config(config)


def table_with(**changes: Any) -> bigquery.Table:
    """The training table with these columns changed, or left out where they are None."""
    return make_table(schema={"fields": column_reprs(**changes)})


def update(spec: TableSpec, found: bigquery.Table) -> Any:
    """The body of the PATCH that repairs `found`."""
    wire = make_wire(make_table().to_api_repr())
    spec.update(wire.clients, found, spec.plan(found))
    method, path, body = wire.sent
    assert (method, path) == ("PATCH", PATH)
    assert wire.headers["If-Match"] == "table-etag"
    return body


# Absent


def test_table__absent_is_planned_with_all_that_is_declared(spec: TableSpec) -> None:
    plan = spec.plan(None)
    assert (plan.kind, plan.name, plan.action) == ("table", NAME, Action.CREATE)
    assert changes_of(plan) == {
        "description": (None, DESCRIPTION),
        "partitioning": (None, "DAY on mentioned_at"),
        "columns.entity_id": (None, "STRING REQUIRED"),
        "columns.mentioned_at": (None, "TIMESTAMP REQUIRED"),
        "columns.risk_score": (None, "FLOAT64 REQUIRED"),
        "columns.sanctions_risk": (None, "FLOAT64 NULLABLE"),
        "columns.political_risk": (None, "FLOAT64 NULLABLE"),
        "columns.economic_risk": (None, "FLOAT64 NULLABLE"),
        "columns.supply_chain_risk": (None, "FLOAT64 NULLABLE"),
    }


def test_create__sends_schema_partitioning_and_description(spec: TableSpec) -> None:
    wire = make_wire(make_table().to_api_repr())
    spec.create(wire.clients)
    method, path, body = wire.sent
    assert (method, path) == ("POST", f"/projects/{PROJECT}/datasets/intelligence/tables")
    assert body["schema"]["fields"] == [
        {
            "name": column.name,
            "type": column.type,
            "mode": column.mode,
            "description": column.description,
        }
        for column in COLUMNS
    ]
    assert body["timePartitioning"] == BY_DAY
    assert body["description"] == DESCRIPTION
    assert body["tableReference"]["tableId"] == "entity_risk_training_data"
    assert not {"expirationTime", "requirePartitionFilter", "clustering"} & set(body)


def test_observe__absent(google: Google, spec: TableSpec) -> None:
    google.bigquery.get_table.side_effect = google_error(404, "Not found: Table")
    assert spec.observe(google) is None


def test_observe__found_with_a_timeout(google: Google, spec: TableSpec) -> None:
    google.bigquery.get_table.return_value = make_table()
    assert spec.observe(google) is google.bigquery.get_table.return_value
    assert google.bigquery.get_table.call_args.args == (NAME,)
    assert google.bigquery.get_table.call_args.kwargs["timeout"] == TIMEOUT


# Equal


def test_table__equal_is_left_alone(spec: TableSpec) -> None:
    assert spec.plan(make_table()) == Plan(kind="table", name=NAME, action=Action.UNCHANGED)


@pytest.mark.trap("shape")
@pytest.mark.parametrize("alias", ["FLOAT", "FLOAT64", "float64"])
def test_table__type_aliases_are_no_difference(spec: TableSpec, alias: str) -> None:
    floats = {c.name: {"type": alias} for c in COLUMNS if c.type == "FLOAT64"}
    assert spec.plan(table_with(**floats)).action is Action.UNCHANGED


@pytest.mark.parametrize(
    ("spelled", "name"),
    [("INTEGER", "INT64"), ("float", "FLOAT64"), ("Boolean", "BOOL"), ("RECORD", "STRUCT")],
)
def test_type__has_one_name_however_bigquery_spells_it(spelled: str, name: str) -> None:
    assert canonical_type(spelled) == canonical_type(name) == name


def test_table__column_without_a_mode_is_nullable(spec: TableSpec) -> None:
    fields = column_reprs()
    del fields[-1]["mode"]
    assert spec.plan(make_table(schema={"fields": fields})).action is Action.UNCHANGED


def test_table__what_we_do_not_own_is_no_difference(spec: TableSpec) -> None:
    extra = {"name": "note", "type": "STRING", "mode": "NULLABLE"}
    tagged = {"policyTags": {"names": ["projects/p/locations/l/taxonomies/1/policyTags/2"]}}
    found = make_table(
        schema={"fields": [extra, *reversed(column_reprs(risk_score=tagged))]},
        labels={"team": "data"},
        friendlyName="Training data",
        requirePartitionFilter=True,
        clustering={"fields": ["entity_id"]},
    )
    assert spec.plan(found).action is Action.UNCHANGED


# Differs: repaired in place


@pytest.mark.parametrize("found", ["", None, "by hand"])
def test_description__is_repaired(spec: TableSpec, found: str | None) -> None:
    table = make_table(description=found)
    assert changes_of(spec.plan(table)) == {"description": (found, DESCRIPTION)}
    assert update(spec, table) == {"description": DESCRIPTION}


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_column_description__is_repaired(spec: TableSpec, column: Any) -> None:
    table = table_with(**{column.name: {"description": "by hand"}})
    plan = spec.plan(table)
    assert plan.action is Action.UPDATE
    name = f"columns.{column.name}.description"
    assert changes_of(plan) == {name: ("by hand", column.description)}
    assert update(spec, table) == {"schema": {"fields": column_reprs()}}


@pytest.mark.parametrize("name", NULLABLE)
def test_column__missing_and_nullable_is_added(spec: TableSpec, name: str) -> None:
    table = table_with(**{name: None})
    plan = spec.plan(table)
    assert plan.action is Action.UPDATE
    assert changes_of(plan) == {f"columns.{name}": (None, "FLOAT64 NULLABLE")}
    fields = update(spec, table)["schema"]["fields"]
    assert sorted(fields, key=str) == sorted(column_reprs(), key=str)
    assert fields[-1]["name"] == name


@pytest.mark.parametrize("name", NULLABLE)
def test_column__stricter_than_declared_is_relaxed(spec: TableSpec, name: str) -> None:
    table = table_with(**{name: {"mode": "REQUIRED"}})
    plan = spec.plan(table)
    assert plan.action is Action.UPDATE
    assert changes_of(plan) == {f"columns.{name}": ("FLOAT64 REQUIRED", "FLOAT64 NULLABLE")}
    assert update(spec, table) == {"schema": {"fields": column_reprs()}}


def test_table_expiration__is_taken_away(spec: TableSpec) -> None:
    table = make_table(expirationTime="1775001600000")
    plan = spec.plan(table)
    assert changes_of(plan) == {"expirationTime": ("2026-04-01 00:00 UTC", None)}
    assert update(spec, table) == {"expirationTime": None}


def test_partition_expiration__is_taken_away_and_the_partitioning_kept(spec: TableSpec) -> None:
    table = make_table(timePartitioning={**BY_DAY, "expirationMs": "5184000000"})
    plan = spec.plan(table)
    assert changes_of(plan) == {"timePartitioning.expirationMs": ("5184000000 ms", None)}
    assert update(spec, table) == {"timePartitioning": {**BY_DAY, "expirationMs": None}}


def test_update__sends_their_columns_and_policy_tags_back(spec: TableSpec) -> None:
    """A patch replaces the whole column list, so what is not sent is lost."""
    extra = {"name": "note", "type": "STRING", "mode": "NULLABLE", "description": "theirs"}
    tags = {"policyTags": {"names": ["projects/p/locations/l/taxonomies/1/policyTags/2"]}}
    ours = column_reprs(risk_score={**tags, "description": "theirs"}, political_risk=None)
    table = make_table(schema={"fields": [extra, *ours]})
    fields = update(spec, table)["schema"]["fields"]
    assert fields[0] == extra
    score = next(field for field in fields if field["name"] == "risk_score")
    assert score["policyTags"] == tags["policyTags"]
    assert score["description"] != "theirs"


def test_update__sends_all_that_differs_at_once(spec: TableSpec) -> None:
    """Half-made: by hand, without description, with a column short and an expiration."""
    table = make_table(
        description=None,
        schema={"fields": column_reprs(economic_risk=None, entity_id={"description": ""})},
        timePartitioning={**BY_DAY, "expirationMs": "1000"},
        labels={"team": "data"},
    )
    assert set(update(spec, table)) == {"description", "schema", "timePartitioning"}


# Conflicts


@pytest.mark.parametrize(
    ("resource", "found"),
    [
        ({"timePartitioning": None}, "none"),
        ({"timePartitioning": {"type": "DAY"}}, "DAY on ingestion time"),
        ({"timePartitioning": {**BY_DAY, "type": "HOUR"}}, "HOUR on mentioned_at"),
        ({"timePartitioning": {**BY_DAY, "type": "MONTH"}}, "MONTH on mentioned_at"),
        ({"timePartitioning": {"type": "DAY", "field": "other"}}, "DAY on other"),
        (
            {
                "timePartitioning": None,
                "rangePartitioning": {
                    "field": "bucket",
                    "range": {"start": "0", "end": "9", "interval": "1"},
                },
            },
            "RANGE on bucket",
        ),
    ],
)
def test_partitioning__other_is_a_conflict(
    spec: TableSpec, resource: dict[str, Any], found: str
) -> None:
    plan = spec.plan(make_table(**resource))
    assert plan.action is Action.CONFLICT
    assert changes_of(plan) == {"partitioning": (found, "DAY on mentioned_at")}


@pytest.mark.trap("region")
def test_location__other_is_a_conflict(spec: TableSpec) -> None:
    plan = spec.plan(make_table(location="US"))
    assert plan.action is Action.CONFLICT
    assert changes_of(plan) == {"location": ("us", "us-central1")}


@pytest.mark.parametrize(
    ("name", "type_", "found"),
    [
        ("entity_id", "INTEGER", "INT64 REQUIRED"),
        ("mentioned_at", "DATE", "DATE REQUIRED"),
        ("risk_score", "NUMERIC", "NUMERIC REQUIRED"),
        ("political_risk", "STRING", "STRING NULLABLE"),
    ],
)
def test_column__of_another_type_is_a_conflict(
    spec: TableSpec, name: str, type_: str, found: str
) -> None:
    plan = spec.plan(table_with(**{name: {"type": type_}}))
    assert plan.action is Action.CONFLICT
    assert changes_of(plan)[f"columns.{name}"][0] == found


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("mode", ["NULLABLE", "REPEATED"])
def test_column__required_and_laxer_is_a_conflict(spec: TableSpec, name: str, mode: str) -> None:
    plan = spec.plan(table_with(**{name: {"mode": mode}}))
    assert plan.action is Action.CONFLICT
    (before, after) = changes_of(plan)[f"columns.{name}"]
    assert before is not None
    assert before.endswith(mode)
    assert after is not None
    assert after.endswith("REQUIRED")


@pytest.mark.parametrize("name", REQUIRED)
def test_column__required_and_missing_is_a_conflict(spec: TableSpec, name: str) -> None:
    """BigQuery adds no REQUIRED column to a table that exists."""
    plan = spec.plan(table_with(**{name: None}))
    assert plan.action is Action.CONFLICT
    assert changes_of(plan)[f"columns.{name}"][0] is None


def test_conflict__lists_every_obstacle_and_the_ways_out(spec: TableSpec) -> None:
    table = make_table(
        timePartitioning=None,
        description="by hand",
        schema={"fields": column_reprs(risk_score={"type": "STRING"})},
    )
    plan = spec.plan(table)
    assert plan.fields == {"partitioning", "columns.risk_score"}
    assert "FORECASTING_TABLE" in plan.remedy
    aside = "demo-project:intelligence.entity_risk_training_data"
    # In this order: what is removed first cannot be copied.
    steps = f"(bq cp {aside} {aside}_old, then bq rm {aside}) and run bq_setup again."
    assert plan.remedy.endswith(steps)
