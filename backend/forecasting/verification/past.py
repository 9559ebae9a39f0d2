"""The training table as the last good run left it, read by BigQuery's time travel.

What somebody else has changed since then is told from what PostgreSQL has changed. One query, and
only where days differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast

from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import bigquery
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig, TransferRun, TransferState

from ..conf import Config
from ..errors import ForecastingError, UnreachableError
from ..google.clients import Clients
from ..google.errors import reading
from ..google.replies import text_of
from ..loading.backfill_mark import Mark, read_mark
from ..loading.day_sums import NO_ROWS, DaySums, sum_up_table

_LONGEST_HOURS = 168
"""How far back a table can be read where its dataset does not say less."""


@dataclass(frozen=True, kw_only=True)
class Past:
    """The days as the run that ended at `moment` left them; `backfill` may have loaded some since.

    `unknown` is why they cannot be told; empty where they can.
    """

    moment: datetime | None = None
    days: Mapping[date, DaySums] | None = None
    backfill: Mark | None = None
    unknown: str = ""

    def of(self, day: date) -> DaySums | None:
        """None where it cannot be told who has changed the day."""
        if self.days is None or self.moment is None:
            return None
        if self.backfill and self.backfill.covers(day, self.moment):
            return None
        return self.days.get(day, NO_ROWS)


@dataclass(frozen=True, kw_only=True)
class Loads:
    """What is known of the table, and of the runs that load it."""

    dataset: bigquery.Dataset | None
    table: bigquery.Table
    schedules: Sequence[TransferConfig]
    runs: Sequence[TransferRun]
    now: datetime


def read_past(config: Config, clients: Clients, loads: Loads, days: Sequence[date]) -> Past:
    """The differing days as the last good run left them, or why they cannot be told."""
    moment, unknown = _last_end(loads)
    if moment is None or unknown:
        return Past(unknown=unknown)
    first, end = min(days), max(days) + timedelta(days=1)
    try:
        with reading("Reading the table as the last good run left it", clients):
            try:
                found, _ = sum_up_table(config, clients, first, end, as_of=moment)
            except (BadRequest, NotFound) as error:
                return Past(unknown=_why_not_shown(loads.table, moment, text_of(error)))
    except UnreachableError:
        raise
    except ForecastingError as error:
        return Past(unknown=f"the table as it was then could not be read ({error})")
    return Past(moment=moment, days=found, backfill=read_mark(loads.table))


def _why_not_shown(table: bigquery.Table, moment: datetime, text: str) -> str:
    """A table that was dropped and made anew has no past; one that was replaced keeps it."""
    if table.created and table.created > moment:
        return "the table was made after the last good run"
    return f"BigQuery does not show the table as it was then ({text})"


def _last_end(loads: Loads) -> tuple[datetime | None, str]:
    """When the last good run ended; or why that says nothing of who has changed the table since."""
    good = [_end(run) for run in loads.runs if run.state == TransferState.SUCCEEDED]
    known = [end for end in good if end]
    if not known:
        return None, "no good run says when it ended"
    last = max(known)
    hours = _travel_hours(loads.dataset)
    if len(loads.schedules) > 1:
        return None, "several scheduled queries load the table"
    if len(known) < len(good):
        return None, "a good run does not say when it ended"
    if any(_may_have_loaded(run, last) for run in loads.runs):
        return (
            None,
            "since the last good run one is under way, was stopped, or is in a state unknown here",
        )
    if loads.now - last > timedelta(hours=hours):
        return None, f"the last good run is longer ago than BigQuery looks back, {hours} hours"
    return last, ""


_LOADED_NOTHING = (TransferState.PENDING, TransferState.FAILED)


def _may_have_loaded(run: TransferRun, since: datetime) -> bool:
    """A state that this client does not know may be any."""
    if run.state == TransferState.SUCCEEDED or run.state in _LOADED_NOTHING:
        return False
    ended = _end(run)
    return run.state == TransferState.RUNNING or ended is None or ended > since


def _end(run: TransferRun) -> datetime | None:
    return cast(datetime, run.end_time) if "end_time" in run else None


def _travel_hours(dataset: bigquery.Dataset | None) -> int:
    """How far back the dataset's tables can be read."""
    said = dataset.max_time_travel_hours if dataset is not None else None
    return int(said) if said else _LONGEST_HOURS
