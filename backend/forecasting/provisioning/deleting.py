"""What training data the next run deletes, and whether that is no more than an ordinary night's."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import cast

from google.cloud.bigquery_datatransfer_v1.types import (
    ListTransferRunsRequest,
    TransferConfig,
    TransferState,
)

from ..google.clients import Clients
from ..sql.script_head import StoredScript
from .partitions import rows_by_day
from .plan import Deletes

ORDINARY_DAYS = 7
"""Days that have left the window within a week go without a word: a night's one, and those of the
nights before that failed. What is older than that somebody may have kept on purpose."""


def as_ordinary(deletes: Deletes) -> Deletes:
    """The same, marked as what goes without a word where it has left the window lately."""
    ordinary = deletes.first >= deletes.before - timedelta(days=ORDINARY_DAYS)
    return replace(deletes, ordinary=ordinary)


def deleted_days(
    clients: Clients, table_id: str, wanted: StoredScript, stored: StoredScript, next_run: date
) -> Deletes | None:
    """What the next run deletes with the one script and keeps with the other; None for nothing.

    Nothing is asked of BigQuery where the two keep the same days.
    """
    if not wanted.keeps_less_than(stored):
        return None
    before = next_run - timedelta(days=cast(int, wanted.kept_days))
    first = next_run - timedelta(days=stored.kept_days) if stored.kept_days else date.min
    gone = {day: rows for day, rows in rows_by_day(clients, table_id) if first <= day < before}
    if not gone:
        return None
    return Deletes(rows=sum(gone.values()), days=len(gone), first=min(gone), before=before)


def day_of_next_run(scheduled: TransferConfig, now: datetime) -> date:
    """The day up to which the next scheduled run loads."""
    following = cast(datetime, scheduled.next_run_time) if "next_run_time" in scheduled else now
    return following.date() if following > now else now.date() + timedelta(days=1)


def is_behind(clients: Clients, scheduled: TransferConfig) -> bool:
    """Whether no run has succeeded for longer than the days of a week leave the window.

    What is to go was known when the scheduled query was last changed, so that counts as a run. The
    runs are asked for only where the last one did not succeed.
    """
    if scheduled.state in (TransferState.SUCCEEDED, TransferState.TRANSFER_STATE_UNSPECIFIED):
        return False
    since = clients.clock.now() - timedelta(days=ORDINARY_DAYS)
    if "update_time" not in scheduled or cast(datetime, scheduled.update_time) > since:
        return False
    request = ListTransferRunsRequest(
        parent=scheduled.name, states=[TransferState.SUCCEEDED], page_size=200
    )
    runs = clients.surely(
        lambda: tuple(clients.transfers.list_transfer_runs(request, **clients.repeating))
    )
    ends = [cast(datetime, run.end_time) for run in runs if "end_time" in run]
    return not any(end > since for end in ends)
