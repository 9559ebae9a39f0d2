"""What training data a script deletes that another one keeps."""

from datetime import date, datetime, timedelta
from typing import cast

from google.cloud.bigquery_datatransfer_v1.types import TransferConfig

from ..google.clients import Clients
from ..sql.script_head import StoredScript
from .partitions import rows_by_day
from .plan import Deletes


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
    rows = [number for day, number in rows_by_day(clients, table_id) if first <= day < before]
    return Deletes(rows=sum(rows), days=len(rows), before=before) if rows else None


def day_of_next_run(scheduled: TransferConfig, now: datetime) -> date:
    """The day up to which the next scheduled run loads."""
    following = cast(datetime, scheduled.next_run_time) if "next_run_time" in scheduled else now
    return following.date() if following > now else now.date() + timedelta(days=1)
