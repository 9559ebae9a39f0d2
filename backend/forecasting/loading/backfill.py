"""Load past days once, in slices, as ordinary query jobs.

A slice is loaded by the very script of the nightly load, for a run time at its end and a window of
its length, so there is no second way into the training table. A slice whose days are already the
same on both sides is not loaded again, which is what makes an interrupted backfill resumable.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from enum import StrEnum

from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from ..conf import Config
from ..counting import count_things
from ..errors import ConflictError, RunFailed, SettingError
from ..google.causes import cause_line
from ..google.clients import Clients
from ..google.errors import google_errors
from ..google.replies import readable, text_of
from ..sql.queries import render_nightly_load
from .backfill_mark import note_backfill
from .day_sums import BothSides, sum_up_through_connection
from .runs import RunResult

SLICE_DAYS = 90
"""Far below the 4,000 partitions that one job may modify (bigquery/quotas), and no more for
PostgreSQL to read at once than a night's default."""


class SliceResult(StrEnum):
    LOADED = "loaded"
    EQUAL = "already there"
    EMPTY = "no rows in PostgreSQL"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """The days [first_day, end_day); `number` of `count` slices, newest first."""

    first_day: date
    end_day: date
    number: int
    count: int


@dataclass(frozen=True, kw_only=True)
class SliceOutcome:
    """What became of a slice, the rows that PostgreSQL has for it, and those that the table had."""

    slice: Slice
    result: SliceResult
    rows: int
    rows_before: int


def refuse_unkept_backfill(config: Config, days: int) -> None:
    """Raise SettingError where the next night would remove what a backfill of `days` loads."""
    if days > config.window_days and not config.keep_history:
        raise SettingError(
            f"--backfill-days is {days}, more than the window of "
            f"{count_things(config.window_days, 'day')}, and the next run would remove the older "
            "days",
            "give --keep-history as well (setting FORECASTING_KEEP_HISTORY), or widen "
            "--window-days",
        )


def slice_days(end_day: date, days: int) -> Iterator[Slice]:
    """The last `days` days before `end_day` in slices, newest first."""
    starts = range(0, days, SLICE_DAYS)
    for number, start in enumerate(starts, start=1):
        yield Slice(
            first_day=end_day - timedelta(days=min(start + SLICE_DAYS, days)),
            end_day=end_day - timedelta(days=start),
            number=number,
            count=len(starts),
        )


def backfill(
    config: Config,
    clients: Clients,
    days: int,
    *,
    timeout: float,
    on_slice: Callable[[SliceOutcome], None],
    allow_deleting: bool = False,
) -> RunResult:
    """Load the last `days` complete days; each slice has `timeout` seconds.

    Raises RunFailed for the first slice that BigQuery fails, and ConflictError, unless
    `allow_deleting`, for the first that would lose what PostgreSQL has forgotten of days that no
    night reads again; the slices before it stay loaded.
    """
    began, done = time.monotonic(), list[SliceOutcome]()
    for part in slice_days(clients.now().date(), days):
        clients.deadline.start(timeout)
        outcome = _fill(config, clients, part, timeout, may_lose=allow_deleting)
        on_slice(outcome)
        done.append(outcome)
    loaded = [outcome for outcome in done if outcome.result is SliceResult.LOADED]
    return RunResult(
        name=f"backfill of {count_things(days, 'day')}",
        state="SUCCEEDED",
        rows=sum(outcome.rows for outcome in loaded),
        rows_before=sum(outcome.rows_before for outcome in loaded),
        seconds=round(time.monotonic() - began, 1),
    )


def _fill(
    config: Config, clients: Clients, part: Slice, timeout: float, *, may_lose: bool
) -> SliceOutcome:
    days = f"{part.first_day} to {part.end_day - timedelta(days=1)}"
    with google_errors(f"Backfilling {days}", clients):
        try:
            with readable():
                sides = sum_up_through_connection(config, clients, part.first_day, part.end_day)
            result = _needed(sides)
            if result is SliceResult.LOADED:
                if not may_lose:
                    _refuse_loss(config, clients, sides, days)
                note_backfill(config, clients, part.first_day, part.end_day, done=False)
                _load(config, clients, part, timeout)
                note_backfill(config, clients, part.first_day, part.end_day, done=True)
        except BadRequest as error:
            text = text_of(error)
            raise RunFailed(f"Backfilling {days} failed: {text}{cause_line(text)}") from error
    rows, rows_before = (
        sum(day.rows for day in side.values()) for side in (sides.source, sides.table)
    )
    return SliceOutcome(slice=part, result=result, rows=rows, rows_before=rows_before)


def _refuse_loss(config: Config, clients: Clients, sides: BothSides, days: str) -> None:
    """Raise ConflictError where the slice would put much less in the place of what is there.

    Not for the days that each night reads again: those it replaces anyway.
    """
    refreshed = clients.now().date() - timedelta(days=config.refresh_days)
    if forgotten := sides.forgotten(refreshed):
        raise ConflictError(
            f"The days {days}, and those before them, were left as they are: {forgotten}. Find out "
            "what PostgreSQL has lost and bring it back, load fewer days (--backfill-days), or let "
            "the rows go with --allow-deleting."
        )


def _needed(sides: BothSides) -> SliceResult:
    if not sides.source:
        return SliceResult.EMPTY
    return SliceResult.LOADED if sides.differing else SliceResult.EQUAL


def _load(config: Config, clients: Clients, part: Slice, timeout: float) -> None:
    days = (part.end_day - part.first_day).days
    script = render_nightly_load(
        replace(config, window_days=days, refresh_days=days, keep_history=True)
    )
    run_time = datetime.combine(part.end_day, time_of_day(), UTC)
    job_config = bigquery.QueryJobConfig(
        query_parameters=[bigquery.ScalarQueryParameter("run_time", "TIMESTAMP", run_time)]
    )
    with readable():
        clients.surely(
            lambda: clients.bigquery.query_and_wait(
                script, job_config=job_config, **clients.querying(timeout)
            )
        )
