"""What the tests of the verification do to a healthy pipeline, one thing at a time."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from google.cloud import bigquery

from backend.forecasting.tests.support.healthy import Healthy
from backend.forecasting.tests.support.loading import TABLE, day_before
from backend.localcloud.clock import timestamp

ONE_ROW = "entity_id = (SELECT MIN(entity_id) FROM {table}) AND DATE(mentioned_at) = {today} - 1"


def rows(sql: str) -> Callable[[Healthy], None]:
    return lambda healthy: healthy.change_rows(sql)


def columns(change: Callable[[list[Any]], list[Any]]) -> Callable[[Healthy], None]:
    def tamper(healthy: Healthy) -> None:
        def alter(table: bigquery.Table) -> None:
            table.schema = change(list(table.schema))

        healthy.rebuild_table(alter)

    return tamper


def extra_columns(*names: str) -> Callable[[Healthy], None]:
    added = [bigquery.SchemaField(name, "FLOAT64") for name in names]
    return columns(lambda schema: [*schema, *added])


def nullable_target(schema: list[Any]) -> list[Any]:
    return [
        bigquery.SchemaField(f.name, f.field_type, description=f.description)
        if f.name == "risk_score"
        else f
        for f in schema
    ]


def null_target(healthy: Healthy) -> None:
    columns(nullable_target)(healthy)
    healthy.change_rows(f"UPDATE {{table}} SET risk_score = NULL WHERE {ONE_ROW}")


def missing_day(healthy: Healthy) -> None:
    """A day in the middle of the window for which no entity has a row."""
    rows(f"DELETE FROM {{table}} WHERE DATE(mentioned_at) = '{day_before(30)}'")(healthy)


def no_view(healthy: Healthy) -> None:
    healthy.touched = True
    healthy.client.delete_table(f"{TABLE}_forecast")


def table_for_view(healthy: Healthy) -> None:
    no_view(healthy)
    healthy.client.create_table(f"{TABLE}_forecast")


def other_view(healthy: Healthy) -> None:
    healthy.touched = True
    view = healthy.client.get_table(f"{TABLE}_training")
    view.view_query = "SELECT 1 AS one"
    healthy.client.update_table(view, ["view_query"])


def unpartitioned(healthy: Healthy) -> None:
    def change(table: bigquery.Table) -> None:
        table.time_partitioning = None

    healthy.rebuild_table(change)


def undescribed(healthy: Healthy) -> None:
    healthy.touched = True
    table = healthy.client.get_table(TABLE)
    table.description = "mine"
    healthy.client.update_table(table, ["description"])


def no_dataset(healthy: Healthy) -> None:
    healthy.touched = True
    healthy.client.delete_dataset("intelligence", delete_contents=True)


def no_table(healthy: Healthy) -> None:
    healthy.touched = True
    healthy.client.delete_table(TABLE)


def dataset_elsewhere(healthy: Healthy) -> None:
    healthy.touched = True
    healthy.cloud.bigquery.store.place_dataset("demo-project", "intelligence", "EU")


def other_database(healthy: Healthy) -> None:
    healthy.connection.resource["cloudSql"]["database"] = "postgres"


def gone_events(healthy: Healthy) -> None:
    """Yesterday's mentions have lost their events."""
    healthy.change_source(
        "DELETE FROM events_event WHERE id IN (SELECT event_id FROM entities_entitymention "
        f"WHERE mentioned_at >= '{day_before(1)}' AND mentioned_at < '{day_before(0)}')"
    )


def no_credential(healthy: Healthy) -> None:
    healthy.connection.username = healthy.connection.password = None


def wrong_password(healthy: Healthy) -> None:
    healthy.connection.password = "wrong"


def second_schedule(healthy: Healthy) -> None:
    config = copy.deepcopy(healthy.transfer)
    config.id = "second"
    config.runs = {}
    healthy.cloud.transfers.items[config.place, config.id] = config


def resource(**changes: Any) -> Callable[[Healthy], None]:
    return lambda healthy: healthy.transfer.resource.update(changes)


def other_script(healthy: Healthy) -> None:
    healthy.transfer.resource["params"]["query"] += "-- by hand"


def failed_run(healthy: Healthy) -> None:
    message = 'Error: FATAL: password authentication failed for user "bigquery"'
    healthy.last_run.update(state="FAILED", errorStatus={"code": 3, "message": message})


def old_runs(healthy: Healthy) -> None:
    for run in healthy.transfer.runs.values():
        run.resource["endTime"] = timestamp(datetime.now(UTC) - timedelta(hours=27))


def thin_days(healthy: Healthy) -> None:
    healthy.change_rows(
        f"DELETE FROM {{table}} WHERE DATE(mentioned_at) >= '{day_before(3)}' "
        f"AND entity_id != ({_ONE_ENTITY})"
    )


def no_political_risk(healthy: Healthy) -> None:
    healthy.change_rows(
        f"UPDATE {{table}} SET political_risk = NULL WHERE DATE(mentioned_at) >= '{day_before(3)}'"
    )


_ONE_ENTITY = "SELECT MIN(entity_id) FROM {table}"

DATA = ("rows", "grain", "nulls", "finite", "range", "window", "coverage", "volume", "dimensions")
VERTEX_DATA = (
    *("rows", "series_length", "span", "constant_target", "gaps"),
    *("series_usable", "context", "split"),
)
WITHOUT_DATA = dict.fromkeys(
    [*(f"data.{name}" for name in DATA), *(f"vertex.{name}" for name in VERTEX_DATA)], "skipped"
)
WITHOUT_TABLE = WITHOUT_DATA | dict.fromkeys(
    [
        *("table.schema", "table.partitioning", "table.description"),
        *("vertex.columns", "vertex.size", "vertex.names"),
    ],
    "skipped",
)
WITHOUT_VIEWS = {"views.query": "skipped"}
WITHOUT_USABLE = {
    "vertex.series_usable": "fail",
    "vertex.context": "skipped",
    "vertex.split": "skipped",
}
WITHOUT_ROWS = {
    **dict.fromkeys(("data.grain", "data.nulls", "data.finite"), "fail"),
    **dict.fromkeys(("data.volume", "data.dimensions"), "fail"),
    "data.coverage": "warn",
    "vertex.rows": "fail",
    "vertex.span": "warn",
    **WITHOUT_USABLE,
}
WITHOUT_SCHEDULE = {
    **dict.fromkeys(
        ("schedule.unique", "schedule.enabled", "schedule.time", "schedule.query"), "skipped"
    ),
    "schedule.destination": "skipped",
    "run.succeeded": "fail",
    "run.fresh": "fail",
}
WITHOUT_ORPHANS = {"data.orphans": "skipped"}
WITHOUT_CONNECTION = WITHOUT_ORPHANS | {
    f"connection.{name}": "skipped" for name in ("target", "credential", "usable")
}
