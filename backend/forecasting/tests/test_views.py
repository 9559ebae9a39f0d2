"""The two views as a resource: from four starts with mocked clients, and on the stand-in."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from google.cloud import bigquery

from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.provisioning.plan import Action
from backend.forecasting.provisioning.views import ViewSpec, view_specs
from backend.forecasting.sql.series import render_forecast_view, render_training_view
from backend.forecasting.tests.support.commands import ABSENT, Run, call
from backend.forecasting.tests.support.factories import (
    PROJECT,
    Google,
    changes_of,
    make_config,
    make_table,
    make_view,
    make_wire,
)
from backend.forecasting.tests.support.loading import TABLE

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.django_db

HORIZON = {"horizon_days": "14"}
TRAINING, FORECAST = f"{TABLE}_training", f"{TABLE}_forecast"
PATH = f"/projects/{PROJECT}/datasets/intelligence/tables"
OTHER_TEXT = {"view": {"query": "SELECT 1 AS one", "useLegacySql": False}}


@pytest.fixture(params=[0, 1], ids=["training", "forecast"])
def spec(request: pytest.FixtureRequest) -> ViewSpec:
    specs = view_specs(make_config(**HORIZON))
    return specs[int(request.param)]


def test_specs__two_beside_the_table_with_a_horizon_and_none_without() -> None:
    assert [s.name for s in view_specs(make_config(**HORIZON))] == [TRAINING, FORECAST]
    assert view_specs(make_config()) == []


def test_view__absent_is_planned_with_text_and_description(spec: ViewSpec) -> None:
    plan = spec.plan(None)
    assert (plan.kind, plan.name, plan.action) == ("view", spec.name, Action.CREATE)
    assert changes_of(plan) == {
        "description": (None, spec.description),
        "query": (None, spec.query),
    }


def test_create__sends_the_text_as_googlesql(spec: ViewSpec) -> None:
    wire = make_wire(make_view(spec).to_api_repr())
    spec.create(wire.clients)
    method, path, body = wire.sent
    assert (method, path) == ("POST", PATH)
    assert body["view"] == {"query": spec.query, "useLegacySql": False}
    assert body["description"] == spec.description
    assert not {"schema", "expirationTime", "timePartitioning"} & set(body)


def test_view__equal_is_unchanged_whatever_else_it_has(spec: ViewSpec) -> None:
    fields = [{"name": "entity_id", "type": "STRING"}]
    found = make_view(spec, labels={"team": "risk"}, schema={"fields": fields})
    assert spec.plan(found).action is Action.UNCHANGED


def test_view__whose_text_lost_its_last_line_end_is_equal(spec: ViewSpec) -> None:
    text = {"query": spec.query.rstrip(), "useLegacySql": False}
    assert spec.plan(make_view(spec, view=text)).action is Action.UNCHANGED


@pytest.mark.parametrize(
    ("resource", "fields", "sent"),
    [
        ({"description": "by hand"}, {"description"}, {"description"}),
        ({"description": None}, {"description"}, {"description"}),
        (OTHER_TEXT, {"query"}, {"view"}),
        ({"view": {"query": "SELECT 1"}}, {"query", "dialect"}, {"view"}),
        ({"view": {"query": "SELECT 1", "useLegacySql": True}}, {"query", "dialect"}, {"view"}),
        ({"expirationTime": "1775001600000"}, {"expirationTime"}, {"expirationTime"}),
        ({**OTHER_TEXT, "description": "x"}, {"query", "description"}, {"view", "description"}),
    ],
)
def test_view__what_differs_is_repaired_and_nothing_else(
    spec: ViewSpec, resource: dict[str, Any], fields: set[str], sent: set[str]
) -> None:
    found = make_view(spec, **resource)
    plan = spec.plan(found)
    assert (plan.action, plan.fields) == (Action.UPDATE, fields)
    wire = make_wire(make_view(spec).to_api_repr())
    spec.update(wire.clients, found, plan)
    method, path, body = wire.sent
    assert (method, path) == ("PATCH", f"{PATH}/{spec.name.rsplit('.', 1)[1]}")
    assert wire.headers["If-Match"] == "view-etag"
    assert set(body) == sent
    view = {"query": spec.query, "useLegacySql": False}
    assert body.get("view", view) == view
    assert body.get("description", spec.description) == spec.description
    assert body.get("expirationTime", None) is None


@pytest.mark.parametrize("kind", ["TABLE", "MATERIALIZED_VIEW", "EXTERNAL", "SNAPSHOT"])
def test_view__name_taken_by_another_kind_is_a_conflict(spec: ViewSpec, kind: str) -> None:
    plan = spec.plan(make_view(spec, type=kind, view=None))
    assert changes_of(plan) == {"type": (kind, "VIEW")}
    assert plan.refusal.startswith(
        f"view {spec.name} cannot be changed in place: type is {kind}, not VIEW. The name is taken:"
    )
    assert "FORECASTING_TABLE" in plan.refusal
    # `bq cp` copies tables only; and what is removed first cannot be copied.
    name = spec.name.replace(".", ":", 1)
    steps = f"(bq cp {name} {name}_old, then bq rm {name}) and run bq_setup again."
    assert plan.refusal.endswith(steps) is (kind == "TABLE")
    assert "bq rm" not in plan.refusal.removesuffix(steps)


# bq_setup, with mocked clients -----------------------------------------------------------------


def answer(google: Google, **views: bigquery.Table | None) -> None:
    """Let the training table be there, and the views be as they are said to be."""
    specs = view_specs(make_config(**HORIZON))
    found: dict[str, bigquery.Table | None] = {TABLE: make_table()}
    found |= {s.name: make_view(s) for s in specs}
    found |= {f"{TABLE}_{name}": view for name, view in views.items()}

    def get_table(name: str, **_: Any) -> bigquery.Table:
        table = found[name]
        if table is None:
            raise ABSENT
        return table

    google.bigquery.get_table.side_effect = get_table
    google.bigquery.update_table.side_effect = lambda table, fields, **_: table


def test_setup__second_run_reads_each_once_and_writes_nothing(
    run: Run, provisioned: Google
) -> None:
    answer(provisioned)
    result = run("bq_setup", **HORIZON)
    assert provisioned.calls == ["get_dataset", *["get_table"] * 3]
    assert result.out.splitlines()[-3:] == [
        f"= view {TRAINING}",
        f"= view {FORECAST}",
        "Plan: 4 unchanged.",
    ]


def test_setup__half_made_is_finished(run: Run, provisioned: Google) -> None:
    answer(provisioned, forecast=None)
    result = run("bq_setup", **HORIZON)
    assert result.status == 0
    assert provisioned.writes == ["create_table"]
    lines = result.out.splitlines()
    at = lines.index(f"+ view {FORECAST}")
    assert lines[at + 1].startswith("    description: ")
    assert lines[at + 2].startswith("    query: ")
    assert lines[at + 2].endswith(" lines")


def test_setup__taken_name_changes_nothing_at_all(run: Run, provisioned: Google) -> None:
    spec, _ = view_specs(make_config(**HORIZON))
    answer(provisioned, training=make_view(spec, type="TABLE", view=None), forecast=None)
    result = run("bq_setup", "--format=json", **HORIZON)
    assert (result.status, provisioned.writes) == (1, [])
    assert "view demo-project.intelligence.entity_risk_training_data_training" in result.error
    actions = [(r["kind"], r["action"]) for r in result.document["resources"]]
    assert actions[2:] == [("view", "conflict"), ("view", "create")]


@pytest.mark.parametrize("value", ["0", "-14", "91"])
def test_setup__impossible_horizon_is_one_sentence_before_anything_is_asked(
    run: Run, provisioned: Google, value: str
) -> None:
    result = run("bq_setup", horizon_days=value)
    assert (result.status, result.error.count(". "), provisioned.calls) == (1, 0, [])
    assert value in result.error


# On the stand-in -------------------------------------------------------------------------------


def views_of(pipeline: "LocalCloud") -> dict[str, bigquery.Table]:
    client = make_clients(load_config()).bigquery
    listed = [t for t in client.list_tables("intelligence") if t.table_type == "VIEW"]
    return {table.table_id: client.get_table(table) for table in listed}


def writes_of(pipeline: "LocalCloud") -> list[str]:
    return [request.method for request in pipeline.requests if request.method != "GET"]


def test_setup__makes_the_views_and_a_second_run_has_nothing_to_do(pipeline: "LocalCloud") -> None:
    call_command("bq_setup", **HORIZON)
    assert {name: view.view_query for name, view in views_of(pipeline).items()} == {
        "entity_risk_training_data_training": render_training_view(load_config(HORIZON)),
        "entity_risk_training_data_forecast": render_forecast_view(load_config(HORIZON)),
    }
    pipeline.requests.clear()
    assert call("bq_setup", "--check", **HORIZON).status == 0
    assert writes_of(pipeline) == []
    for name in (TRAINING, FORECAST):
        assert pipeline.query(f"SELECT COUNT(*) AS n FROM `{name}`") == [{"n": 0}]


@pytest.mark.parametrize(
    "options",
    [
        {"horizon_days": "7"},
        {"window_days": "30"},
        {"keep_history": True},
    ],
)
def test_setup__another_setting_is_another_text(
    pipeline: "LocalCloud", options: dict[str, Any]
) -> None:
    call_command("bq_setup", **HORIZON)
    result = call("bq_setup", "--check", "--format=json", **{**HORIZON, **options})
    assert result.status == 2
    changed = {r["name"] for r in result.document["resources"] if r["action"] == "update"}
    assert changed == {TRAINING, FORECAST}
    assert call("bq_setup", **{**HORIZON, **options}).status == 0
    assert call("bq_setup", "--check", **{**HORIZON, **options}).status == 0


def test_setup__without_a_horizon_leaves_the_views_as_they_are(pipeline: "LocalCloud") -> None:
    call_command("bq_setup", **HORIZON)
    before = {name: view.etag for name, view in views_of(pipeline).items()}
    result = call("bq_setup", "--format=json")
    assert [r["kind"] for r in result.document["resources"]] == ["dataset", "table"]
    assert {name: view.etag for name, view in views_of(pipeline).items()} == before
    assert len(before) == 2


def test_setup__repairs_what_somebody_changed(pipeline: "LocalCloud") -> None:
    call_command("bq_setup", **HORIZON)
    client = make_clients(load_config()).bigquery
    view = client.get_table(TRAINING)
    view.view_query, view.description = "SELECT 1 AS one", "mine"
    client.update_table(view, ["view_query", "description"])
    result = call("bq_setup", "--format=json", **HORIZON)
    (changed,) = [r for r in result.document["resources"] if r["action"] == "update"]
    assert {c["field"]: c["from"] for c in changed["changes"]} == {
        "description": "mine",
        "query": "SELECT 1 AS one",
    }
    assert call("bq_setup", "--check", **HORIZON).status == 0


def test_setup__name_taken_by_a_table_is_refused_and_nothing_written(
    pipeline: "LocalCloud",
) -> None:
    call_command("bq_setup")
    pipeline.query(f"CREATE TABLE `{FORECAST}` (a INT64)", PROJECT)
    pipeline.requests.clear()
    result = call("bq_setup", **HORIZON)
    assert result.status == 1
    assert f"{FORECAST} cannot be changed in place: type is TABLE, not VIEW" in result.error
    assert writes_of(pipeline) == []
    assert json.loads(call("bq_setup", "--format=json").out)["status"] == "unchanged"
