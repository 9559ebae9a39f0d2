"""What each check finds: in a snapshot made by hand, and in a pipeline on the stand-in."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.forecasting.loading.reach import Probe
from backend.forecasting.tests.support import tampering
from backend.forecasting.tests.support.factories import column_reprs, make_transfer
from backend.forecasting.tests.support.healthy import Healthy
from backend.forecasting.tests.support.snapshots import (
    NO_BASELINE,
    NOW,
    TODAY,
    WRONG_PASSWORD,
    YESTERDAY,
    Change,
    absent,
    columns,
    connection,
    data,
    dataset,
    days,
    run,
    schedule,
    source,
    table,
    view,
    view_is,
)
from backend.forecasting.tests.support.tampering import ONE_ROW, resource, rows

RUN_SETUP = "run `python manage.py bq_setup`"
RUN_ETL = "run `python manage.py bq_setup_etl`"
RUN_NOW = "run `python manage.py bq_setup_etl --run-now`"
SECRETS = "put the right ones into Secret Manager"
SHORTEN = "shorten the window (FORECASTING_WINDOW_DAYS"


@dataclass(frozen=True)
class Case:
    """Something that is wrong, and the check that finds it.

    `change` makes it so in a snapshot made by hand, where the finding holds `message` and `hint`.
    `tamper` does the like to a pipeline on the stand-in; there the hint is the same, `besides` are
    other checks that then cannot pass or cannot look, and `exit_status` is that of bq_verify.
    """

    check: str
    change: Change
    message: str
    hint: str
    tamper: Callable[[Healthy], None] | None = None
    status: str = field(default="fail", kw_only=True)
    besides: dict[str, str] = field(default_factory=dict, kw_only=True)
    options: dict[str, Any] = field(default_factory=dict, kw_only=True)
    exit_status: int = field(default=2, kw_only=True)

    def __str__(self) -> str:
        return self.check


def nothing(healthy: Healthy) -> None:
    """For what an option alone makes wrong."""


RESOURCES = (
    Case(
        "dataset.exists",
        absent("dataset"),
        "does not exist",
        RUN_SETUP,
        tampering.no_dataset,
        besides={
            **tampering.WITHOUT_TABLE,
            **tampering.WITHOUT_VIEWS,
            "dataset.location": "skipped",
            "table.exists": "fail",
            "views.exist": "fail",
        },
    ),
    Case(
        "dataset.location",
        dataset(location="EU"),
        "location: eu, not us-central1",
        "choose another FORECASTING_DATASET",
        tampering.dataset_elsewhere,
        besides=tampering.WITHOUT_DATA,
        exit_status=1,
    ),
    Case(
        "table.exists",
        absent("table"),
        "does not exist",
        RUN_SETUP,
        tampering.no_table,
        besides=tampering.WITHOUT_TABLE,
    ),
    Case(
        "table.schema",
        columns(risk_score={"mode": "NULLABLE"}),
        "columns.risk_score",
        RUN_SETUP,
        tampering.columns(tampering.nullable_target),
    ),
    Case("table.schema", columns(risk_score={"type": "STRING"}), "columns.risk_score", RUN_SETUP),
    Case("table.schema", columns(entity_id=None), "columns.entity_id", RUN_SETUP),
    Case("table.schema", columns(economic_risk=None), "columns.economic_risk", RUN_SETUP),
    Case(
        "table.schema",
        columns(economic_risk={"mode": "REQUIRED"}),
        "columns.economic_risk",
        RUN_SETUP,
    ),
    Case(
        "table.partitioning",
        table(timePartitioning=None),
        "partitioning",
        RUN_SETUP,
        tampering.unpartitioned,
    ),
    Case("table.partitioning", table(expirationTime="1775001600000"), "expirationTime", RUN_SETUP),
    Case(
        "table.partitioning",
        table(
            timePartitioning={"type": "DAY", "field": "mentioned_at", "expirationMs": "86400000"}
        ),
        "timePartitioning.expirationMs",
        RUN_SETUP,
    ),
    Case(
        "table.description",
        table(description="by hand"),
        "description",
        RUN_SETUP,
        tampering.undescribed,
    ),
    Case(
        "table.description",
        columns(entity_id={"description": "by hand"}),
        "columns.entity_id.description",
        RUN_SETUP,
    ),
    Case(
        "connection.exists",
        absent("connection"),
        "does not exist",
        RUN_ETL,
        lambda healthy: healthy.cloud.connections.items.clear(),
        besides=tampering.WITHOUT_CONNECTION,
    ),
    Case(
        "connection.target",
        connection(cloud_sql={"database": "other"}),
        "database other, not",
        RUN_ETL,
        tampering.other_database,
        besides={"connection.usable": "fail", **tampering.WITHOUT_ORPHANS},
    ),
    Case("connection.target", connection(cloud_sql={"instance_id": "a:b:c"}), "a:b:c", RUN_ETL),
    Case("connection.target", connection(cloud_sql={"type_": "MYSQL"}), "MYSQL", RUN_ETL),
    Case(
        "connection.credential",
        connection(has_credential=False),
        "no user and password",
        RUN_ETL,
        tampering.no_credential,
        besides={"connection.usable": "skipped", **tampering.WITHOUT_ORPHANS},
    ),
    Case(
        "connection.usable",
        lambda _: {"probe": Probe(error=WRONG_PASSWORD)},
        "a query through it",
        SECRETS,
        tampering.wrong_password,
        besides=tampering.WITHOUT_ORPHANS,
    ),
    Case(
        "connection.usable",
        lambda _: {"probe": Probe(error="ERROR: column event.risk_score does not exist")},
        "column event.risk_score does not exist",
        "the source query names what is not there",
    ),
    Case(
        "schedule.exists",
        absent("schedules", ()),
        "does not exist",
        RUN_ETL,
        lambda healthy: healthy.cloud.transfers.items.clear(),
        besides=tampering.WITHOUT_SCHEDULE,
    ),
    Case(
        "schedule.unique",
        lambda config: {"schedules": [make_transfer(config)] * 2},
        "2 scheduled queries load this table",
        "bq rm --transfer_config",
        tampering.second_schedule,
    ),
    Case("schedule.enabled", schedule(disabled=True), "disabled", RUN_ETL, resource(disabled=True)),
    Case(
        "schedule.enabled",
        schedule(schedule_options={"disable_auto_scheduling": True}),
        "automatic",
        RUN_ETL,
    ),
    Case(
        "schedule.enabled",
        schedule(schedule_options={"end_time": datetime(2026, 4, 1, tzinfo=UTC)}),
        "ends",
        RUN_ETL,
    ),
    Case(
        "schedule.time",
        schedule(schedule="every day 03:00"),
        "schedule",
        RUN_ETL,
        resource(schedule="every day 03:00"),
    ),
    Case(
        "schedule.query",
        schedule(params={"query": "SELECT 1"}),
        "query",
        RUN_ETL,
        tampering.other_script,
    ),
    Case(
        "schedule.destination",
        schedule(destination_dataset_id="x"),
        "destination_dataset",
        RUN_ETL,
        resource(destinationDatasetId="intelligence"),
    ),
)

RUNS_AND_DATA = (
    Case(
        "run.succeeded",
        run("FAILED", error_status={"message": WRONG_PASSWORD}),
        "ended FAILED: FATAL: password authentication failed",
        SECRETS,
        tampering.failed_run,
    ),
    Case("run.succeeded", absent("runs", ()), "no run has ended yet", RUN_NOW),
    Case("run.succeeded", run("RUNNING"), "no run has ended yet", RUN_NOW),
    Case(
        "run.succeeded",
        run("FAILED", error_status={"message": "Boom"}),
        "ended FAILED: Boom",
        RUN_NOW,
    ),
    Case("run.succeeded", run("CANCELLED"), "ended CANCELLED", RUN_NOW),
    Case(
        "run.fresh",
        lambda _: {"now": NOW + timedelta(hours=17)},
        "the last good run ended 27.0 hours ago",
        "see why no run has succeeded since",
        tampering.old_runs,
    ),
    Case("run.fresh", absent("runs", ()), "no run has succeeded yet", RUN_NOW),
    Case(
        "data.rows",
        data(rows_in_window=0),
        "no rows, 2025-12-02 to 2026-03-01",
        RUN_NOW,
        rows("DELETE FROM {table} WHERE TRUE"),
        besides=tampering.WITHOUT_ROWS,
    ),
    Case(
        "data.grain",
        data(repeated_rows=2),
        "2 rows repeating an entity and day",
        RUN_NOW,
        rows(f"INSERT INTO {{table}} SELECT * FROM {{table}} WHERE {ONE_ROW}"),
    ),
    Case(
        "data.nulls",
        data(rows_with_null=1),
        "1 row without entity, day or score",
        RUN_NOW,
        tampering.null_target,
        besides={"table.schema": "fail"},
    ),
    Case(
        "data.finite",
        data(rows_not_finite=1),
        "1 row with NaN or an infinite number",
        RUN_NOW,
        rows(f"UPDATE {{table}} SET political_risk = CAST('nan' AS FLOAT64) WHERE {ONE_ROW}"),
    ),
    Case(
        "data.range",
        data(rows_out_of_range=1200),
        "1,200 rows with a score below 0 or above 100",
        "correct the scores in PostgreSQL",
        rows(f"UPDATE {{table}} SET risk_score = 100.5 WHERE {ONE_ROW}"),
    ),
    Case(
        "data.window",
        data(rows_after_window=3),
        "3 rows of 2026-03-02 or later",
        RUN_NOW,
        rows(f"UPDATE {{table}} SET mentioned_at = TIMESTAMP({{today}}) WHERE {ONE_ROW}"),
    ),
    Case(
        "data.window",
        data(rows_after_window=3, last_day=TODAY + timedelta(days=1)),
        "3 rows of 2026-03-02 or later",
        "no run replaces them before their day is over",
    ),
    Case(
        "data.window",
        data(rows_before_window=3),
        "3 rows before 2025-12-02",
        "the next run removes the rows before the window",
    ),
    Case("data.window", data(rows_off_midnight=3), "3 rows off midnight UTC", RUN_NOW),
    Case(
        "data.coverage",
        data(days_in_window=80),
        "80 of the window's 90 days have rows",
        "check that PostgreSQL holds the mentions and scores of the whole window",
        tampering.missing_day,
        status="warn",
    ),
    Case(
        "data.volume",
        days(3, rows=10),
        "30 rows of the last 3 days, 150 of the same weekdays in the 4 weeks before (-80 %)",
        "find out which mentions of these days PostgreSQL has lost",
        tampering.thin_days,
        status="warn",
    ),
    Case(
        "data.dimensions",
        days(3, share=0.1),
        "political_risk in 10 % of the last 3 days' rows, 100 % of those before",
        "a key that was renamed",
        tampering.no_political_risk,
        status="warn",
    ),
    Case(
        "data.orphans",
        lambda _: {"probe": Probe(error="", orphans=1200)},
        "1,200 mentions of the window name an event that is gone",
        "bring the events back",
        tampering.gone_events,
        status="warn",
    ),
    # On the stand-in: test_reconciliation.py.
    Case(
        "source.reconciled",
        source(TODAY - timedelta(days=200), rows=11),
        "11 rows in PostgreSQL and 10 in BigQuery",
        "--backfill-days 200",
    ),
    Case(
        "source.reconciled",
        source(YESTERDAY, rows=9),
        "9 rows in PostgreSQL and 10 in BigQuery",
        RUN_NOW,
    ),
    Case("source.reconciled", source(YESTERDAY, keys=8), "of other entities", RUN_NOW),
    Case(
        "source.reconciled",
        source(YESTERDAY, rows=11),
        "11 rows in PostgreSQL and 10 in BigQuery",
        "the next run reads these days again",
        status="warn",
    ),
    Case(
        "source.reconciled",
        source(YESTERDAY, scores=430.0),
        "430.00 in PostgreSQL and 420.00",
        "the next run reads these days again",
        status="warn",
    ),
)

VERTEX = (
    Case(
        "vertex.rows",
        data(row_count=999),
        "999 rows, Vertex AI takes 1,000 to 100,000,000",
        "load more history",
        rows(
            "DELETE FROM {table} WHERE entity_id NOT IN "
            "(SELECT entity_id FROM {table} GROUP BY entity_id ORDER BY entity_id LIMIT 11)"
        ),
        besides={"vertex.series_usable": "warn"},
    ),
    Case("vertex.rows", data(row_count=100_000_001), "100,000,001 rows", "load more history"),
    Case("vertex.rows", data(usable_rows=1), "1 row to train on, Vertex", "load more history"),
    Case(
        "vertex.columns",
        table(schema={"fields": column_reprs()[:2]}),
        "2 columns",
        "drop columns that nobody trains on",
        tampering.extra_columns(*(f"extra_{number}" for number in range(94))),
    ),
    # On the stand-in: with a smaller limit, in test_verify_pipeline.py.
    Case("vertex.size", table(numBytes=str(10**11 + 1)), "100,000,000,001 bytes", SHORTEN),
    Case(
        "vertex.names",
        table(schema={"fields": [*column_reprs(), {"name": "_x", "type": "STRING"}]}),
        "_x",
        "no underscore in front",
        tampering.extra_columns("_odd"),
    ),
    Case(
        "vertex.series_length", data(most_steps=3001), "3,001 days, Vertex AI takes 3,000", SHORTEN
    ),
    Case(
        "vertex.series_length",
        data(short_series=31),
        "31 of 60 series span less than 18 days",
        "such series hardly teach a model",
        nothing,
        status="warn",
        options={"horizon_days": "46"},
        besides={"vertex.span": "warn", "views.query": "fail", **tampering.WITHOUT_USABLE},
    ),
    Case(
        "vertex.span",
        data(first_day=TODAY - timedelta(days=89)),
        "89 days are short for a horizon of 9 days",
        "FORECASTING_KEEP_HISTORY=on",
        nothing,
        status="warn",
        options={"horizon_days": "10"},
        besides={"views.query": "fail", "vertex.split": "warn"},
    ),
    Case(
        "vertex.constant_target",
        data(constant_series=2),
        "2 of 60 series never change",
        "leave them out of the training",
        rows(
            "UPDATE {table} SET risk_score = 50 "
            "WHERE entity_id = (SELECT MIN(entity_id) FROM {table})"
        ),
        status="warn",
    ),
    Case(
        "vertex.gaps",
        data(missing_share=0.51),
        "misses 51% of the days",
        "training takes gaps, for a poorer model, and inference does not: train on "
        "entity_risk_training_data_training",
        rows(
            "DELETE FROM {table} WHERE DATE(mentioned_at) > {today} - 90 "
            "AND DATE(mentioned_at) < {today} - 1 AND entity_id NOT IN "
            "(SELECT entity_id FROM {table} GROUP BY entity_id ORDER BY entity_id LIMIT 11)"
        ),
        status="warn",
        besides={"vertex.rows": "fail", "vertex.series_usable": "warn"},
    ),
    Case(
        "vertex.series_usable",
        data(usable_count=59, short_count=1),
        "59 of 60 series are usable, 4,000 rows to train on: 1 spans less than 19 days, 0 have",
        "Google advises 10 series for each of the 6 columns",
        rows(
            "DELETE FROM {table} WHERE entity_id = (SELECT MIN(entity_id) FROM {table}) "
            "AND DATE(mentioned_at) < {today} - 18"
        ),
        status="warn",
    ),
    Case(
        "vertex.series_usable",
        data(usable_count=0, usable_rows=None, old_count=60),
        "0 of 60 series are usable: 0 span less than 19 days, 0 have rows on less than 0.5 of "
        "their days, 60 have none of the last 30 days",
        "FORECASTING_SERIES_MIN_SHARE",
    ),
    Case(
        "vertex.context",
        data(long_usable_count=29),
        "29 of 60 usable series span 27 days or more, a context of 18 and a horizon of 9 days",
        "begin with a context of 9 days",
        rows(
            "DELETE FROM {table} WHERE DATE(mentioned_at) < {today} - 20 "
            "AND entity_id > (SELECT MIN(entity_id) FROM {table})"
        ),
        status="warn",
    ),
    Case(
        "vertex.split",
        data(usable_first_day=TODAY - timedelta(days=89)),
        "the last tenth of 89 days, which is 8 days and less than the horizon of 9",
        "split 60/20/20 in the training, which tests on 1",
        nothing,
        status="warn",
        options={"horizon_days": "10"},
        besides={"views.query": "fail", "vertex.span": "warn"},
    ),
    Case(
        "vertex.baseline",
        lambda _: {"baseline": NO_BASELINE},
        "too little data: no series was usable before 2026-02-21",
        "--backfill-days",
        rows("DELETE FROM {table} WHERE DATE(mentioned_at) < {today} - 22"),
        status="skipped",
        options={"baseline": True},
        besides={"data.coverage": "warn", "vertex.span": "warn", "vertex.context": "warn"}
        | {"vertex.split": "warn"},
    ),
    Case(
        "vertex.baseline",
        lambda _: {"baseline": replace(NO_BASELINE, series=3)},
        "too little data: none of 3 series has a row since 2026-02-21",
        "--backfill-days",
        status="skipped",
    ),
)

VIEWS = (
    Case(
        "views.exist",
        view_is(None),
        "_forecast does not exist",
        RUN_SETUP,
        tampering.no_view,
        besides=tampering.WITHOUT_VIEWS,
    ),
    Case(
        "views.exist",
        view(type="TABLE", view=None),
        "type is TABLE, not VIEW",
        RUN_SETUP,
        tampering.table_for_view,
        besides=tampering.WITHOUT_VIEWS,
    ),
    Case(
        "views.query",
        view(view={"query": "SELECT 1", "useLegacySql": False}),
        "entity_risk_training_data_forecast.query",
        RUN_SETUP,
        tampering.other_view,
    ),
    Case(
        "views.query",
        view(description="mine"),
        "entity_risk_training_data_forecast.description",
        RUN_SETUP,
    ),
)

CASES = (*RESOURCES, *RUNS_AND_DATA, *VERTEX, *VIEWS)
