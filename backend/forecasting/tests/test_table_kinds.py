"""What is really there under the table's name, and what makes every load into it fail."""

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
    assert findings["table.schema"].status == "skipped"
