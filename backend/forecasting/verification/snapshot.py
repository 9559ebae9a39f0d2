"""All that the checks look at, read once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from google.cloud import bigquery
from google.cloud.bigquery_connection_v1.types import Connection
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig, TransferRun, TransferState

from backend.forecasting.conf import Config
from backend.forecasting.errors import ForecastingError, UnreachableError
from backend.forecasting.gcp import RETRY, TIMEOUT, Clients
from backend.forecasting.google_errors import google_errors
from backend.forecasting.provisioning.connections import observe_connection
from backend.forecasting.provisioning.datasets import DatasetSpec
from backend.forecasting.provisioning.scheduled_queries import (
    observe_scheduled_queries,
)
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.runs import list_runs
from backend.forecasting.sql import load_name, render_data_summary

T = TypeVar("T")

MAX_BYTES_BILLED = 200 * 10**9
"""The most that one query of the verification may bill: twice the largest table Vertex takes."""


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """What could not be looked at, and why; not the same as what is not there."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Window:
    """The days [start, end) that the table should hold after its last good run."""

    start: date
    end: date


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The pipeline as it is. None: not there. `data` is a row of `data_summary.sql`."""

    config: Config
    now: datetime
    dataset: bigquery.Dataset | Unseen | None
    table: bigquery.Table | Unseen | None
    connection: Connection | Unseen | None
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
            self.schedules,
            self.runs,
            self.data,
        )
        return [part for part in parts if isinstance(part, Unseen)]


def take_snapshot(config: Config, clients: Clients, now: datetime) -> Snapshot:
    """Everything that the checks need, read in as few requests as possible.

    Raises UnreachableError where nothing can be asked at all.
    """
    see = partial(_see, clients)
    table = see("Looking at the table", partial(TableSpec.from_config(config).observe, clients))
    schedules = see(
        "Looking at the scheduled queries",
        partial(observe_scheduled_queries, clients, config.parent, load_name(config.table_id)),
    )
    runs = _runs(clients, schedules)
    window = expected_window(config, runs, now)
    return Snapshot(
        config=config,
        now=now,
        dataset=see(
            "Looking at the dataset", partial(DatasetSpec.from_config(config).observe, clients)
        ),
        table=table,
        connection=see(
            "Looking at the connection",
            partial(observe_connection, clients, config.connection_name),
        ),
        schedules=schedules,
        runs=runs,
        window=window,
        data=_data(clients, config, window) if isinstance(table, bigquery.Table) else None,
    )


def expected_window(config: Config, runs: Sequence[TransferRun] | Unseen, now: datetime) -> Window:
    """The window of the last good run: until the next one, yesterday's is what should be there."""
    succeeded = [] if isinstance(runs, Unseen) else [r for r in runs if _succeeded(r)]
    days = [cast(datetime, run.run_time).date() for run in succeeded]
    end = min(max(days, default=now.date()), now.date())
    return Window(start=end - timedelta(days=config.window_days), end=end)


def _succeeded(run: TransferRun) -> bool:
    return bool(run.state == TransferState.SUCCEEDED)


def _see(clients: Clients, doing: str, look: Callable[[], T]) -> T | Unseen:
    try:
        with google_errors(doing, clients):
            return look()
    except UnreachableError:
        raise
    except ForecastingError as error:
        return Unseen(reason=str(error))


def _runs(
    clients: Clients, schedules: Sequence[TransferConfig] | Unseen
) -> Sequence[TransferRun] | Unseen:
    if isinstance(schedules, Unseen):
        return schedules
    if not schedules:
        return ()
    name = schedules[0].name
    return _see(clients, "Looking at the runs", partial(list_runs, clients, name))


def _data(clients: Clients, config: Config, window: Window) -> dict[str, Any] | Unseen:
    return _see(
        clients, "Reading the training table", partial(_query_summary, clients, config, window)
    )


def _query_summary(clients: Clients, config: Config, window: Window) -> dict[str, Any]:
    parameters = [
        bigquery.ScalarQueryParameter("window_start", "DATE", window.start),
        bigquery.ScalarQueryParameter("end_day", "DATE", window.end),
    ]
    job_config = bigquery.QueryJobConfig(
        query_parameters=parameters, maximum_bytes_billed=MAX_BYTES_BILLED
    )
    rows = clients.bigquery.query_and_wait(
        render_data_summary(config),
        job_config=job_config,
        retry=RETRY,
        api_timeout=TIMEOUT,
        wait_timeout=QUERY_TIMEOUT,
    )
    return dict(next(iter(rows)).items())


QUERY_TIMEOUT = 300.0
"""Seconds that a query of the verification may take."""
