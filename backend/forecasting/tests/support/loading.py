"""What the tests of the load share: rows to load, ways to run a load, and the table it fills."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from google.cloud import bigquery
from google.cloud.bigquery_datatransfer_v1.types import StartManualTransferRunsRequest

from backend.entities.models import Entity, EntityMention
from backend.events.models import Event
from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.provisioning.transfer_configs import observe_scheduled_queries
from backend.forecasting.sql.queries import load_name, render_nightly_load
from backend.forecasting.training_table import COLUMNS

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

TABLE = "demo-project.intelligence.entity_risk_training_data"


def today() -> date:
    """The day of UTC, which is one from a test's beginning to its end: see backend.tests.days."""
    return datetime.now(UTC).date()


def day_before(days: int) -> date:
    return today() - timedelta(days=days)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def mention(entity: Entity, day: date, score: float | None, **dimensions: Any) -> Event:
    """An event at noon of the day that mentions the entity."""
    event = _event(day, score, dimensions)
    event.save(force_insert=True)
    _mention(entity, event).save(force_insert=True)
    return event


def mention_daily(entity: Entity, scores: Mapping[date, float]) -> None:
    """An event like that on each of the days, with its score: all of them at once."""
    events = [_event(day, score, {}) for day, score in scores.items()]
    Event.objects.bulk_create(events)
    EntityMention.objects.bulk_create(_mention(entity, event) for event in events)


def _event(day: date, score: float | None, dimensions: dict[str, Any]) -> Event:
    moment = midnight(day) + timedelta(hours=12)
    return Event(occurred_at=moment, title="event", risk_score=score, risk_dimensions=dimensions)


def _mention(entity: Entity, event: Event) -> EntityMention:
    return EntityMention(entity=entity, event=event, mentioned_at=event.occurred_at)


def table_rows(cloud: "LocalCloud") -> dict[tuple[str, date], tuple[float | None, ...]]:
    """The training table by entity and day."""
    names = ", ".join(column.name for column in COLUMNS)
    rows = [tuple(row.values()) for row in cloud.query(f"SELECT {names} FROM `{TABLE}`")]
    by_key = {(row[0], row[1].date()): row[2:] for row in rows}
    assert len(by_key) == len(rows), "an entity and day has several rows"
    return by_key


def loaded_days(cloud: "LocalCloud") -> list[date]:
    return sorted({day for _, day in table_rows(cloud)})


def start_run(cloud: "LocalCloud", run_time: datetime) -> None:
    """Starts a run of the scheduled query for a time, as `bq mk --transfer_run` does."""
    clients, config = make_clients(load_config()), load_config()
    (scheduled,) = observe_scheduled_queries(clients, config.parent, load_name(config.table_id))
    request = StartManualTransferRunsRequest(parent=scheduled.name, requested_run_time=run_time)
    clients.transfers.start_manual_transfer_runs(request)


def run_script(end_day: date, *edits: tuple[str, str], **options: Any) -> None:
    """Runs the load as a query job for a day, with its text edited.

    Raises what google-cloud-bigquery raises when the job fails.
    """
    config = load_config(options)
    script = render_nightly_load(config)
    for old, new in edits:
        assert old in script
        script = script.replace(old, new)
    run_time = bigquery.ScalarQueryParameter("run_time", "TIMESTAMP", midnight(end_day))
    job_config = bigquery.QueryJobConfig(query_parameters=[run_time])
    make_clients(config).bigquery.query_and_wait(script, job_config=job_config)


def fill_table(
    cloud: "LocalCloud", rows: Mapping[tuple[str, date], tuple[float | None, ...]]
) -> None:
    """Puts rows into the training table, past BigQuery: thousands at once."""
    project, dataset, table = TABLE.split(".")
    columns: list[list[Any]] = [[name for name, _ in rows], [midnight(day) for _, day in rows]]
    columns += [list(column) for column in zip(*rows.values(), strict=True)]
    kinds = ["VARCHAR[]", "TIMESTAMPTZ[]", *["DOUBLE[]"] * (len(columns) - 2)]
    values = ", ".join(f"unnest(?::{kind})" for kind in kinds)
    cloud.bigquery.emulator.rows(
        f'INSERT INTO "{project}__{dataset}"."{table}" SELECT {values}', columns
    )
