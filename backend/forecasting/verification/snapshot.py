"""All that the checks look at, read once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from google.cloud import bigquery
from google.cloud.bigquery_connection_v1.types import Connection
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig, TransferRun, TransferState

from ..conf import Config
from ..errors import ForecastingError, UnreachableError
from ..google.clients import Clients
from ..google.errors import reading
from ..google.queries import Answer, run_query
from ..loading.day_sums import BothSides, sum_up_both_sides
from ..loading.reach import Probe, probe_connection
from ..loading.runs import ENDED, list_runs
from ..provisioning.connections import observe_connection
from ..provisioning.datasets import DatasetSpec
from ..provisioning.tables import TableSpec, by_name
from ..provisioning.transfer_configs import list_scheduled_queries, other_writers, ours
from ..provisioning.views import ViewSpec, view_specs
from ..sql.queries import load_name, render_data_summary
from ..sql.series import CONTEXT_HORIZONS
from ..training_table import COLUMNS
from .baseline import Baseline, read_baseline
from .day_counts import DayCounts, count_days
from .past import Loads, Past, read_past

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """What could not be looked at, and why; not the same as what is not there."""

    reason: str


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
    """The pipeline as it is. None: not there, or not asked for.

    `writers` are scheduled queries of somebody else that write to the table.
    `views` are those that the settings ask for, each with what has its name. `data` is the row of
    `data_summary.sql`, for which `bytes_processed` were read. `sides` are the days of the source
    database and of the table where `reconcile` asks for them, `past` those that differ as the last
    good run left them. The `baseline` may be there to be shown, without having been asked for.
    """

    config: Config
    now: datetime
    dataset: bigquery.Dataset | Unseen | None
    table: bigquery.Table | Unseen | None
    connection: Connection | Unseen | None
    schedules: Sequence[TransferConfig] | Unseen
    runs: Sequence[TransferRun] | Unseen
    window: Window
    writers: Sequence[TransferConfig] = ()
    views: Sequence[tuple[ViewSpec, bigquery.Table | Unseen | None]] = ()
    probe: Probe | Unseen | None = None
    data: dict[str, Any] | Unseen | None = None
    bytes_processed: int | None = None
    days: Sequence[DayCounts] | Unseen | None = None
    reconcile: bool = False
    sides: BothSides | Unseen | None = None
    past: Past | None = None
    baseline_asked: bool = False
    baseline: Baseline | Unseen | None = None

    @property
    def readable(self) -> bool:
        """Whether there is a table with all the columns that the queries name."""
        if not isinstance(self.table, bigquery.Table):
            return False
        return {column.name for column in COLUMNS} <= by_name(self.table.schema).keys()

    @property
    def why_no_data(self) -> str:
        if isinstance(self.data, Unseen):
            return f"could not read the table: {self.data.reason}"
        if isinstance(self.table, bigquery.Table) and not self.readable:
            return "the table lacks columns to read"
        return "no table to read"

    @property
    def why_no_days(self) -> str:
        if isinstance(self.days, Unseen):
            return f"could not read the table: {self.days.reason}"
        return self.why_no_data

    @property
    def hours_since_good_run(self) -> float | None:
        """None where no run has succeeded; 0 where this machine's clock is behind."""
        ends = [cast(datetime, run.end_time) for run in succeeded_runs(self.runs)]
        return max((self.now - max(ends)) / timedelta(hours=1), 0.0) if ends else None

    @property
    def last_ended(self) -> TransferRun | None:
        """The latest run that has ended; None too where the runs could not be looked at."""
        runs = () if isinstance(self.runs, Unseen) else self.runs
        return next((run for run in runs if run.state in ENDED), None)

    @property
    def scheduled(self) -> TransferConfig | None:
        """The scheduled query; the first of several."""
        return None if isinstance(self.schedules, Unseen) else next(iter(self.schedules), None)

    @property
    def next_run(self) -> datetime | None:
        """None where nothing is scheduled, or Google does not say when."""
        config = self.scheduled
        if config is None or config.disabled or "next_run_time" not in config:
            return None
        return cast(datetime, config.next_run_time)

    @property
    def unseen(self) -> list[Unseen]:
        parts = (
            self.dataset,
            self.table,
            self.connection,
            self.schedules,
            self.runs,
            self.probe,
            self.data,
            self.days,
            self.sides,
            self.baseline if self.baseline_asked else None,
            *(view for _, view in self.views),
        )
        return [part for part in parts if isinstance(part, Unseen)]


def take_snapshot(
    config: Config,
    clients: Clients,
    *,
    reconcile: bool = False,
    baseline: bool = False,
    show_baseline: bool = False,
) -> Snapshot:
    """Everything that the checks need, read in as few requests as possible.

    `show_baseline` looks for it without a word where there is none. Raises UnreachableError where
    nothing can be asked at all.
    """
    seen = look_at_resources(config, clients)
    with reading("Reading what Google answered", clients):
        answer = _see_data(seen, clients)
        comparing = "Comparing with the source database"
        sides = _see_window(seen, clients, comparing, sum_up_both_sides) if reconcile else None
        return replace(
            seen,
            probe=_see_probe(seen, clients),
            data=answer.rows[0] if isinstance(answer, Answer) else answer,
            bytes_processed=answer.bytes_processed if isinstance(answer, Answer) else None,
            days=_see_window(seen, clients, "Counting the days of the training table", count_days),
            reconcile=reconcile,
            sides=sides,
            past=_see_past(seen, sides, clients),
            baseline_asked=baseline,
            baseline=_see_baseline(seen, clients) if baseline or show_baseline else None,
        )


def look_at_resources(config: Config, clients: Clients) -> Snapshot:
    """The part of the snapshot that needs no query and so costs nothing: resources and runs."""
    name = load_name(config.table_id)
    wanted = DatasetSpec.from_config(config), TableSpec.from_config(config)
    dataset = see(clients, "Looking at the dataset", partial(wanted[0].observe, clients))
    table = see(clients, "Looking at the table", partial(wanted[1].observe, clients))
    now = clients.clock.now()  # BigQuery's answers have said what time it is.
    connection = partial(observe_connection, clients, config.connection_name)
    listed = see(
        clients,
        "Looking at the scheduled queries",
        partial(list_scheduled_queries, clients, config.parent),
    )
    schedules = listed if isinstance(listed, Unseen) else ours(listed, name)
    runs = _see_runs(clients, schedules)
    with reading("Reading what Google answered", clients):
        window = expected_window(config, runs, now)
    return Snapshot(
        config=config,
        now=now,
        dataset=dataset,
        table=table,
        connection=see(clients, "Looking at the connection", connection),
        schedules=schedules,
        writers=(
            () if isinstance(listed, Unseen) else other_writers(listed, config.table_id, name)
        ),
        runs=runs,
        window=window,
        views=[
            (spec, see(clients, "Looking at the views", partial(spec.observe, clients)))
            for spec in view_specs(config)
        ],
    )


def expected_window(config: Config, runs: Sequence[TransferRun] | Unseen, now: datetime) -> Window:
    """The window of the last good run: until the next one, yesterday's is what should be there."""
    days = [cast(datetime, run.run_time).date() for run in succeeded_runs(runs)]
    end = min(max(days, default=now.date()), now.date())
    return Window(start=end - timedelta(days=config.window_days), end=end)


def succeeded_runs(runs: Sequence[TransferRun] | Unseen) -> list[TransferRun]:
    """The good runs; one that does not say for which day, or when it ended, is none to count on."""
    if isinstance(runs, Unseen):
        return []
    good = [run for run in runs if run.state == TransferState.SUCCEEDED]
    return [run for run in good if "run_time" in run and "end_time" in run]


def see(clients: Clients, doing: str, look: Callable[[], T]) -> T | Unseen:
    """What a look finds, or why it found nothing. Raises UnreachableError as take_snapshot does."""
    try:
        with reading(doing, clients):
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
    return see(clients, "Looking at the runs", partial(list_runs, clients, name))


def _see_probe(seen: Snapshot, clients: Clients) -> Probe | Unseen | None:
    if not isinstance(seen.connection, Connection) or not seen.connection.has_credential:
        return None
    window = (seen.window.start, seen.window.end)
    look = partial(probe_connection, seen.config, clients, window)
    return see(clients, "Querying through the connection", look)


def _see_data(seen: Snapshot, clients: Clients) -> Answer | Unseen | None:
    if not seen.readable:
        return None
    horizon = seen.config.horizon_days
    look = partial(
        run_query,
        clients,
        render_data_summary(seen.config),
        window_start=seen.window.start,
        end_day=seen.window.end,
        today=seen.now.date(),
        short_days=short_days(horizon),
        model_days=(CONTEXT_HORIZONS + 1) * horizon,
    )
    return see(clients, "Reading the training table", look)


def _see_window(
    seen: Snapshot, clients: Clients, doing: str, read: Callable[[Config, Clients, date, date], T]
) -> T | Unseen | None:
    """What is read of the days of the window; None where there is no table to read."""
    if not seen.readable:
        return None
    look = partial(read, seen.config, clients, seen.window.start, seen.window.end)
    return see(clients, doing, look)


def _see_past(seen: Snapshot, sides: BothSides | Unseen | None, clients: Clients) -> Past | None:
    if not isinstance(sides, BothSides) or not sides.differing:
        return None
    if isinstance(seen.schedules, Unseen) or isinstance(seen.runs, Unseen):
        return Past(unknown="the runs could not be looked at")
    loads = Loads(
        dataset=seen.dataset if isinstance(seen.dataset, bigquery.Dataset) else None,
        table=cast(bigquery.Table, seen.table),
        schedules=seen.schedules,
        runs=seen.runs,
        now=seen.now,
    )
    return read_past(seen.config, clients, loads, sides.differing)


def _see_baseline(seen: Snapshot, clients: Clients) -> Baseline | Unseen | None:
    if not seen.readable or not seen.config.horizon_days:
        return None
    look = partial(read_baseline, seen.config, clients, seen.now.date())
    return see(clients, "Computing the baseline", look)


def short_days(horizon_days: int) -> int:
    """How long a series has to be to be learned from: one context window and one horizon.

    Without a horizon, 0, no series is short.
    Google suggests a context of 1 to 10 times the horizon (forecasting-parameters).
    """
    return 2 * horizon_days
