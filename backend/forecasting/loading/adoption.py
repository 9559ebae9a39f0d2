"""Which run under way may be taken for the one that was asked for."""

from datetime import datetime, timedelta
from typing import cast

from google.cloud.bigquery_datatransfer_v1.types import TransferRun, TransferState

_SLACK = timedelta(minutes=5)
"""How far the two clocks may be apart."""


def loads_the_latest_days(run: TransferRun, script: str, now: datetime) -> bool:
    """Whether a pending or running run is due, and ends with yesterday, by this script.

    One for a later day does too, once it runs (`end_day` in nightly_load.sql). An empty `script`
    stands for any. A run that does not say for which day it is, is none to count on.
    """
    if "run_time" not in run or not _is_due(run, now):
        return False
    theirs = str(dict(run.params or {}).get("query", script))
    return cast(datetime, run.run_time).date() >= now.date() and (not script or theirs == script)


def _is_due(run: TransferRun, now: datetime) -> bool:
    if run.state == TransferState.RUNNING:
        return True
    return "schedule_time" in run and cast(datetime, run.schedule_time) <= now + _SLACK
