"""All that the checks look at, read once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import bigquery
from google.cloud.bigquery_connection_v1.types import Connection
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig, TransferRun, TransferState

from backend.forecasting.conf import Config
from backend.forecasting.errors import ForecastingError, UnreachableError
from backend.forecasting.gcp import Clients
from backend.forecasting.google_errors import google_errors, text_of
from backend.forecasting.provisioning.connections import observe_connection
from backend.forecasting.provisioning.datasets import DatasetSpec
from backend.forecasting.provisioning.scheduled_queries import observe_scheduled_queries
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.runs import list_runs
from backend.forecasting.sql import load_name, render_connection_probe, render_data_summary
from backend.forecasting.verification.queries import run_query

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """What could not be looked at, and why; not the same as what is not there."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What came of a query through the connection: Google's refusal, or nothing."""

    error: str


@dataclass(frozen=True, kw_only=True)
class Window:
    """The days [start, end) that the table should hold after its last good run."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The pipeline as it is. None: not there. `data` is the row of `data_summary.sql`."""

    config: Config
    horizon_days: int
    now: datetime
    dataset: bigquery.Dataset | Unseen | None
    table: bigquery.Table | Unseen | None
    connection: Connection | Unseen | None
    probe: Probe | Unseen | None
    schedules: Sequence[TransferConfig] | Unseen
    runs: Sequence[TransferRun] | Unseen
    window: Window
    data: dict[str, Any] | Unseen | None

    @property
    def unseen(self) -> list[Unseen]:
        parts = (
            self.dataset,
            self.table,
            self.connection,
            self.probe,
            self.schedules,
            self.runs,
            self.data,
        )
        return [part for part in parts if isinstance(part, Unseen)]


def take_snapshot(config: Config, clients: Clients, now: datetime, horizon_days: int) -> Snapshot:
    """Everything that the checks need, read in as few requests as possible.

    Raises UnreachableError where nothing can be asked at all.
    """
    see = partial(_see, clients)
    name = load_name(config.table_id)
    dataset = see(
        "Looking at the dataset", partial(DatasetSpec.from_config(config).observe, clients)
    )
    table = see("Looking at the table", partial(TableSpec.from_config(config).observe, clients))
    connection = see(
        "Looking at the connection", partial(observe_connection, clients, config.connection_name)
    )
    schedules = see(
        "Looking at the scheduled queries",
        partial(observe_scheduled_queries, clients, config.parent, name),
    )
    runs = _see_runs(clients, schedules)
    window = expected_window(config, runs, now)
    return Snapshot(
        config=config,
        horizon_days=horizon_days,
        now=now,
        dataset=dataset,
        table=table,
        connection=connection,
        probe=_see_probe(config, clients, connection),
        schedules=schedules,
        runs=runs,
        window=window,
        data=_see_data(config, clients, table, window, horizon_days),
    )


def expected_window(config: Config, runs: Sequence[TransferRun] | Unseen, now: datetime) -> Window:
    """The window of the last good run: until the next one, yesterday's is what should be there."""
    days = [cast(datetime, run.run_time).date() for run in succeeded_runs(runs)]
    end = min(max(days, default=now.date()), now.date())
    return Window(start=end - timedelta(days=config.window_days), end=end)


def succeeded_runs(runs: Sequence[TransferRun] | Unseen) -> list[TransferRun]:
    if isinstance(runs, Unseen):
        return []
    return [run for run in runs if run.state == TransferState.SUCCEEDED]


def _see(clients: Clients, doing: str, look: Callable[[], T]) -> T | Unseen:
    try:
        with google_errors(doing, clients):
            return look()
    except UnreachableError:
        raise
    except ForecastingError as error:
        return Unseen(reason=str(error))


def _see_runs(
    clients: Clients, schedules: Sequence[TransferConfig] | Unseen
) -> Sequence[TransferRun] | Unseen:
    if isinstance(schedules, Unseen):
        return schedules
    if not schedules:
        return ()
    name = schedules[0].name
    return _see(clients, "Looking at the runs", partial(list_runs, clients, name))


def _see_probe(
    config: Config, clients: Clients, connection: Connection | Unseen | None
) -> Probe | Unseen | None:
    if not isinstance(connection, Connection) or not connection.has_credential:
        return None
    return _see(clients, "Querying through the connection", partial(_probe, config, clients))


def _probe(config: Config, clients: Clients) -> Probe:
    try:
        run_query(clients, render_connection_probe(config), bounded=False)
    except (BadRequest, NotFound) as error:
        # Google's answer about the connection itself; a missing permission is another matter.
        return Probe(error=text_of(error))
    return Probe(error="")


def _see_data(
    config: Config,
    clients: Clients,
    table: bigquery.Table | Unseen | None,
    window: Window,
    horizon_days: int,
) -> dict[str, Any] | Unseen | None:
    if not isinstance(table, bigquery.Table):
        return None
    parameters = [
        bigquery.ScalarQueryParameter("window_start", "DATE", window.start),
        bigquery.ScalarQueryParameter("end_day", "DATE", window.end),
        bigquery.ScalarQueryParameter("short_days", "INT64", short_days(horizon_days)),
    ]
    sql = render_data_summary(config)
    look = partial(run_query, clients, sql, parameters)
    rows = _see(clients, "Reading the training table", look)
    return rows if isinstance(rows, Unseen) else rows[0]


def short_days(horizon_days: int) -> int:
    """How long a series has to be to be learned from: one context window and one horizon.

    Google suggests a context of 1 to 10 times the horizon (forecasting-parameters).
    """
    return 2 * horizon_days
