"""A pipeline on the stand-in that passes every check, for tests to tamper with."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from google.cloud import bigquery

from backend.demo.history import update_statistics
from backend.entities.models import Entity, EntityMention
from backend.events.models import Event
from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.output import report_data
from backend.forecasting.tests.support.loading import TABLE, day_before, midnight, today
from backend.forecasting.tests.support.stand_in import pipeline_settings
from backend.forecasting.training_table import DIMENSIONS
from backend.localcloud.clock import timestamp

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

ENTITIES, DAYS = 60, 92
"""Enough series for Vertex AI, and little enough to load in a second or two."""

SHOWN = 8
"""Of the entities on a page, whose days take longer to read than all that is verified."""

HORIZON = "9"
"""Days ahead for which a window of 90 days is long enough."""

_SOURCE_TABLES = ("entities_entity", "events_event", "entities_entitymention")
# No TRUNCATE: it would wait for whoever has read, such as the test's own transaction.
_EMPTY = tuple(f"DELETE FROM {table}" for table in reversed(_SOURCE_TABLES))
_SAVED = "demo-project.saved.rows"
_DENSE: dict[date, dict[str, str]] = {}
"""The rows of the dense history of a day by table, as COPY has them, once they were made up."""


@dataclass
class Verified:
    """What bq_verify ended with: its exit status, its JSON document, and what it said besides."""

    status: int
    document: dict[str, Any]
    said: str

    @property
    def checks(self) -> dict[str, dict[str, Any]]:
        return {check["id"]: check for check in self.document["checks"]}

    @property
    def troubles(self) -> dict[str, str]:
        """The status of every check that did not pass."""
        return {name: c["status"] for name, c in self.checks.items() if c["status"] != "pass"}


@dataclass
class Healthy:
    """The pipeline; what a test does through it is undone by `restore`."""

    cloud: "LocalCloud"
    connections: dict[Any, Any] = field(init=False)
    transfers: dict[Any, Any] = field(init=False)
    touched: bool = False
    source_touched: bool = False

    def save(self) -> None:
        copies = (f"CREATE TABLE saved_{table} AS TABLE {table}" for table in _SOURCE_TABLES)
        _execute(*copies)
        self.connections = copy.deepcopy(self.cloud.connections.items)
        self.transfers = copy.deepcopy(self.cloud.transfers.items)
        self.client.create_dataset("saved")
        self.cloud.query(f"CREATE TABLE `{_SAVED}` AS SELECT * FROM `{TABLE}`", "demo-project")

    def restore(self) -> None:
        self.cloud.connections.items = copy.deepcopy(self.connections)
        self.cloud.transfers.records.items = copy.deepcopy(self.transfers)
        if self.touched:
            self.client.delete_dataset("intelligence", delete_contents=True, not_found_ok=True)
            call_command("bq_setup", stdout=StringIO())
            self.cloud.query(f"INSERT INTO `{TABLE}` SELECT * FROM `{_SAVED}`", "demo-project")
            self.end_run()
            self.transfers = copy.deepcopy(self.cloud.transfers.items)
            self.touched = False
        if self.source_touched:
            refill = (f"INSERT INTO {table} TABLE saved_{table}" for table in _SOURCE_TABLES)
            _execute(*_EMPTY, *refill, f"ANALYZE {', '.join(_SOURCE_TABLES)}")
            self.source_touched = False
        self.cloud.requests.clear()

    def end_run(self) -> None:
        """The table as it is now is what the last run has left."""
        self.last_run["endTime"] = timestamp(datetime.now(UTC))

    def forget(self) -> None:
        """Leave nothing in the database."""
        drops = (f"DROP TABLE IF EXISTS saved_{table}" for table in _SOURCE_TABLES)
        _execute(*_EMPTY, *drops)

    def verify(self, **options: Any) -> Verified:
        out, err, status = StringIO(), StringIO(), 0
        options = {"format": "json", **options}
        try:
            call_command("bq_verify", stdout=out, stderr=err, **options)
        except CommandError as error:
            status = error.returncode
            err.write(str(error))
        return Verified(status, json.loads(out.getvalue() or "{}"), err.getvalue())

    def change_rows(self, sql: str) -> None:
        """Run DML in which {table} stands for the training table, and {today} for the day."""
        self.touched = True
        names = {"table": f"`{TABLE}`", "today": f"DATE '{today()}'"}
        self.cloud.query(sql.format(**names), "demo-project")

    def change_source(self, sql: str) -> None:
        """Run DML on the source database, and commit it."""
        self.source_touched = True
        _execute(sql)

    def rebuild_table(self, change: Callable[[bigquery.Table], None]) -> None:
        """Make the table anew, changed, with the rows that it had."""
        self.touched = True
        table = self.client.get_table(TABLE)
        before = {column.name for column in table.schema}
        change(table)
        names = ", ".join(column.name for column in table.schema if column.name in before)
        self.client.delete_table(TABLE)
        self.client.create_table(table)
        rows = f"INSERT INTO `{TABLE}` ({names}) SELECT {names} FROM `{_SAVED}`"
        self.cloud.query(rows, "demo-project")

    @property
    def client(self) -> bigquery.Client:
        return make_clients(load_config()).bigquery

    @property
    def connection(self) -> Any:
        """The stored connection."""
        (stored,) = self.cloud.connections.items.values()
        return stored

    @property
    def transfer(self) -> Any:
        """The stored scheduled query."""
        return next(iter(self.cloud.transfers.items.values()))

    @property
    def last_run(self) -> dict[str, Any]:
        """Google's JSON of the newest run."""
        runs = [run.resource for run in self.transfer.runs.values()]
        last: dict[str, Any] = max(runs, key=lambda run: str(run["scheduleTime"]))
        return last


@contextmanager
def provision_healthy(cloud: "LocalCloud") -> Iterator[Healthy]:
    """Loads a history, provisions the pipeline and runs it twice; needs access to the database."""
    # What draws takes half a second to import, which is for those who look at a pipeline.
    from backend.forecasting.tests.support.drawing import drawing_once

    settings = {**pipeline_settings(cloud), "FORECASTING_HORIZON_DAYS": HORIZON}
    shown = patch.object(report_data, "ENTITIES", SHOWN)
    with override_settings(**settings), drawing_once(), shown:
        healthy = Healthy(cloud)
        try:
            write_dense_history()
            call_command("bq_setup", stdout=StringIO())
            for _ in range(2):
                call_command("bq_setup_etl", run_now=True, stdout=StringIO())
            healthy.save()
            cloud.requests.clear()
            yield healthy
        finally:
            healthy.forget()


def write_dense_history() -> None:
    """Every entity on every day up to yesterday, no two of their scores in a row alike.

    They are made up once a day: from then on, the same rows are copied into empty tables.
    """
    if (day := today()) not in _DENSE:
        _make_dense_history()
        _DENSE[day] = {table: _copied(f"{table} TO STDOUT") for table in _SOURCE_TABLES}
    else:
        for table, rows in _DENSE[day].items():
            _copied(f"{table} FROM STDIN", rows)
    update_statistics()


def _copied(what: str, rows: str = "") -> str:
    """What PostgreSQL writes as it copies, or reads of it."""
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {what}", file := StringIO(rows))
    return file.getvalue()


def _make_dense_history() -> None:
    entities = [
        Entity(name=f"Entity {number}", entity_type="company") for number in range(ENTITIES)
    ]
    days = [day_before(age) for age in range(DAYS, 0, -1)]
    events, mentions = [], []
    for number, entity in enumerate(entities):
        for day in days:
            event = _event(day, (number * 7 + day.toordinal() * 13) % 100)
            events.append(event)
            mentions.append(
                EntityMention(entity=entity, event=event, mentioned_at=event.occurred_at)
            )
    Entity.objects.bulk_create(entities)
    Event.objects.bulk_create(events)
    EntityMention.objects.bulk_create(mentions)


def _execute(*statements: str) -> None:
    """Run SQL on the source database outside of the test's transaction."""
    own = connection.copy()
    with closing(own), own.cursor() as cursor:
        cursor.execute("SET lock_timeout = '10s'")
        for statement in statements:
            cursor.execute(statement)


def _event(day: date, score: float) -> Event:
    dimensions = {column.dimension: score / 2 for column in DIMENSIONS}
    moment = midnight(day) + timedelta(hours=12)
    return Event(occurred_at=moment, title="event", risk_score=score, risk_dimensions=dimensions)
