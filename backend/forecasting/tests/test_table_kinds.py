"""What is really there under the table's name, and what makes every load into it fail."""

from dataclasses import replace
from typing import Any

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.provisioning.datasets import DatasetSpec
from backend.forecasting.provisioning.plan import Action
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.tests.support.commands import Run
from backend.forecasting.tests.support.factories import (
    Google,
    change,
    changes_of,
    column_reprs,
    lose_everything,
    make_dataset,
    make_table,
)
from backend.forecasting.tests.support.snapshots import findings_of, make_snapshot

BASE = {"projectId": "p", "datasetId": "d", "tableId": "t"}
CLONE = {"baseTableReference": BASE, "cloneTime": "2026-03-01T00:00:00.000Z"}


@pytest.fixture
def spec(config: Config) -> TableSpec:
    return TableSpec.from_config(config)


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        ({"type": "VIEW", "timePartitioning": None}, "view"),
        ({"type": "MATERIALIZED_VIEW"}, "materialized view"),
        ({"type": "SNAPSHOT"}, "snapshot"),
        ({"type": "EXTERNAL"}, "external table"),
        ({"cloneDefinition": CLONE}, "clone"),
    ],
)
def test_kind__that_is_no_table_is_named(
    spec: TableSpec, resource: dict[str, Any], kind: str
) -> None:
    plan = spec.plan(make_table(**resource))
    assert plan.action is Action.CONFLICT
    assert plan.changes == (change("kind", kind, "table"),)
    assert f"kind is {kind}, not table" in plan.refusal


def test_columns__are_compared_without_regard_to_case(spec: TableSpec) -> None:
    fields = [{**field, "name": field["name"].title()} for field in column_reprs()]
    by_day = {"type": "DAY", "field": "Mentioned_At"}
    table = make_table(schema={"fields": fields}, timePartitioning=by_day)
    assert spec.plan(table).action is Action.UNCHANGED


def test_columns__required_one_of_somebody_elses_is_a_conflict(spec: TableSpec) -> None:
    extra = {"name": "tenant", "type": "STRING", "mode": "REQUIRED"}
    plan = spec.plan(make_table(schema={"fields": [*column_reprs(), extra]}))
    assert plan.action is Action.CONFLICT
    assert changes_of(plan) == {"columns.tenant": ("STRING REQUIRED", "NULLABLE, or a default")}


@pytest.mark.parametrize(
    "extra", [{"mode": "NULLABLE"}, {"mode": "REQUIRED", "defaultValueExpression": "'a'"}]
)
def test_columns__that_need_no_value_are_left_alone(spec: TableSpec, extra: Any) -> None:
    field = {"name": "tenant", "type": "STRING", **extra}
    table = make_table(schema={"fields": [*column_reprs(), field]})
    assert spec.plan(table).action is Action.UNCHANGED


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"maxLength": "35"}, "STRING(35) REQUIRED"),
        ({"generatedColumn": {"generatedExpressionInfo": {}}}, "STRING REQUIRED GENERATED"),
    ],
)
def test_columns__that_take_no_key_are_a_conflict(
    spec: TableSpec, changed: dict[str, Any], found: str
) -> None:
    """The sample's keys are UUIDs: 36 characters."""
    plan = spec.plan(make_table(schema={"fields": column_reprs(entity_id=changed)}))
    assert changes_of(plan) == {"columns.entity_id": (found, "STRING REQUIRED")}
    assert ("SET DATA TYPE STRING" in plan.remedy) is ("(35)" in found)


@pytest.mark.parametrize(("limit", "longest", "fits"), [("36", 36, True), ("500", None, False)])
def test_columns__with_room_for_each_key_are_left_alone(
    spec: TableSpec, limit: str, longest: int | None, fits: bool
) -> None:
    table = make_table(schema={"fields": column_reprs(entity_id={"maxLength": limit})})
    plan = replace(spec, longest_key=longest).plan(table)
    assert (plan.action is Action.UNCHANGED) is fits


def test_columns__required_ones_have_a_remedy_that_loses_nothing(spec: TableSpec) -> None:
    extra = {"name": "tenant", "type": "STRING", "mode": "REQUIRED"}
    null = {**extra, "name": "zone", "defaultValueExpression": "NULL"}
    plan = spec.plan(make_table(schema={"fields": [*column_reprs(), extra, null]}))
    assert plan.fields == {"columns.tenant", "columns.zone"}
    assert "ALTER COLUMN `tenant` DROP NOT NULL; ALTER TABLE" in plan.remedy
    assert "bq rm" not in plan.remedy


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("days", "flags", "status"),
    [(90, (), 1), (91, (), 0), (800, ("--keep-history",), 1)],
)
def test_etl__does_not_load_what_bigquery_would_delete_by_itself(
    run: Run, provisioned: Google, days: int, flags: tuple[str, ...], status: int
) -> None:
    expiring = {"type": "DAY", "field": "mentioned_at", "expirationMs": f"{days * 86_400_000}"}
    provisioned.bigquery.get_table.return_value = make_table(timePartitioning=expiring)
    result = run("bq_setup_etl", *flags, "--dry-run")
    assert result.status == status
    assert status == 0 or f"loses each day {days} days after it" in result.error


@pytest.mark.django_db
def test_etl__does_not_load_a_table_that_is_to_expire(run: Run, provisioned: Google) -> None:
    provisioned.bigquery.get_table.return_value = make_table(expirationTime="1900000000000")
    result = run("bq_setup_etl")
    assert (result.status, provisioned.writes) == (1, [])
    assert "at 2030-03-17 17:46 UTC (expirationTime): run bq_setup first" in result.error


@pytest.mark.django_db
def test_etl__schedules_nothing_for_a_linked_dataset(run: Run, provisioned: Google) -> None:
    lose_everything(provisioned)
    provisioned.bigquery.get_dataset.side_effect = None
    provisioned.bigquery.get_dataset.return_value = make_dataset(type="LINKED")
    result = run("bq_setup_etl")
    assert (result.status, provisioned.writes) == (1, [])
    assert "kind is linked dataset, not dataset" in result.error


def test_dataset__whose_defaults_expire_is_named(config: Config) -> None:
    defaults = make_dataset(defaultPartitionExpirationMs="5184000000")
    found = findings_of(make_snapshot(config, dataset=defaults))["dataset.exists"]
    assert found.status == "warn"
    assert "defaultPartitionExpirationMs 5184000000 ms" in found.message


@pytest.mark.django_db
@pytest.mark.parametrize("resource", [{"description": None}, {"entity_id": {"description": None}}])
def test_description__that_is_missing_does_not_block_the_load(
    run: Run, provisioned: Google, resource: dict[str, Any]
) -> None:
    columns = {name: value for name, value in resource.items() if name != "description"}
    table = {} if columns else resource
    provisioned.bigquery.get_table.return_value = make_table(
        schema={"fields": column_reprs(**columns)}, **table
    )
    assert run("bq_setup_etl").status == 0


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        ({"type": "LINKED"}, "linked dataset"),
        ({"type": "EXTERNAL"}, "external dataset"),
        ({"linkedDatasetSource": {"sourceDataset": BASE}}, "linked dataset"),
        ({"externalDatasetReference": {"connection": "c"}}, "external dataset"),
    ],
)
def test_dataset__of_another_kind_is_named(
    config: Config, resource: dict[str, Any], kind: str
) -> None:
    dataset = make_dataset(**resource)
    plan = DatasetSpec.from_config(config).plan(dataset)
    assert plan.action is Action.CONFLICT
    assert f"kind is {kind}, not dataset. No table can be made in it" in plan.refusal
    found = findings_of(make_snapshot(config, dataset=dataset))["dataset.exists"]
    assert (found.status, kind in found.message) == ("fail", True)


def test_dataset__of_the_usual_kind_is_none(config: Config) -> None:
    plan = DatasetSpec.from_config(config).plan(make_dataset(type="DEFAULT"))
    assert plan.action is Action.UNCHANGED


def test_table__of_another_kind_does_not_exist_as_one(config: Config) -> None:
    findings = findings_of(make_snapshot(config, table=make_table(type="SNAPSHOT")))
    assert findings["table.exists"].status == "fail"
    assert "is one of another kind: snapshot" in findings["table.exists"].message
    seen = findings["table.exists"]
    assert (seen.expected, seen.observed) == ("table", "snapshot")
    others = ("table.schema", "table.partitioning", "table.description")
    assert [findings[other].status for other in others] == ["skipped"] * 3
