"""Runs of the nightly load: start one or adopt one, wait for its end, and say what came of it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from google.cloud.bigquery_datatransfer_v1.types import (
    ListTransferRunsRequest,
    StartManualTransferRunsRequest,
    TransferRun,
    TransferState,
)

from backend.forecasting.conf import Config
from backend.forecasting.gcp import RETRY, TIMEOUT, Clients, is_transient
from backend.forecasting.google_errors import GOOGLE_ERRORS, google_errors, without_login

UNDER_WAY = (TransferState.PENDING, TransferState.RUNNING)

# Likely causes by a stable fragment of Google's text, which may be reworded at any time
# (procedural-language, @@error.message). First match wins.
_CAUSES = (
    (
        "password authentication failed",
        "the connection's user or password is wrong: put the right ones into Secret Manager and "
        "run bq_setup_etl again",
    ),
    (
        "Missing credentials",
        "the connection has lost its credential: run bq_setup_etl again",
    ),
    (
        "Connect to PostgreSQL server failed",
        "BigQuery cannot reach the instance: grant roles/cloudsql.client to the connection's "
        "service account, check the instance's name and that it runs, and with private IP enable "
        "its private path for Google Cloud services",
    ),
    (
        "connections.use",
        "the account that the load runs as lacks roles/bigquery.connectionUser on the connection",
    ),
    (
        "permission denied for",
        "the connection's PostgreSQL user may not read a table of the source query: grant it "
        "SELECT",
    ),
    (
        "OID =",
        "the source query returns a PostgreSQL type that BigQuery refuses: cast the column in "
        "source_query.sql",
    ),
    (
        "prepare statement failed",
        "the source query does not fit the source database: run `python manage.py migrate` there "
        "and check FORECASTING_SOURCE_DATABASE",
    ),
    (
        "is not consistent with Destination dataset",
        "a destination dataset was set on the scheduled query: run bq_setup_etl again to clear it",
    ),
    (
        "Not found: Connection",
        "the connection is missing or in another location: run bq_setup_etl again",
    ),
    (
        "Not found: Table",
        "the training table is missing: run bq_setup, then this again",
    ),
    (
        "User Id not found",
        "the user who owned the scheduled query is gone: set FORECASTING_SERVICE_ACCOUNT and run "
        "bq_setup_etl again",
    ),
    (
        "getAccessToken",
        "Google's transfer agent may not act as the service account: grant it "
        "roles/iam.serviceAccountTokenCreator on that account",
    ),
    (
        "Could not serialize access",
        "another job changed the training table at the same time: run it again",
    ),
    (
        "Access Denied",
        "the account that the load runs as lacks a permission: it needs roles/bigquery.jobUser, "
        "roles/bigquery.dataEditor on the dataset and roles/bigquery.connectionUser on the "
        "connection",
    ),
)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended, or, for one that was not waited for, where it stands."""

    name: str
    state: str
    rows: int | None
    seconds: float | None
    error: str = ""

    @property
    def failed(self) -> bool:
        return self.state in ("FAILED", "CANCELLED")


def start_or_adopt_run(clients: Clients, config_name: str) -> TransferRun:
    """A run that is already pending or running, else a new one for now.

    A start whose reply is lost is looked for before another one is started.
    """
    with google_errors("Starting a run", clients):
        found = _run_under_way(clients, config_name)
        if found is not None:
            return found
        try:
            return _start(clients, config_name)
        except GOOGLE_ERRORS as error:
            found = _run_under_way(clients, config_name) if is_transient(error) else None
            if found is None:
                raise
            return found


def list_runs(clients: Clients, config_name: str) -> list[TransferRun]:
    """The runs that Google remembers (90 days), newest first."""
    request = ListTransferRunsRequest(parent=config_name, page_size=200)
    runs: Iterable[TransferRun] = clients.transfers.list_transfer_runs(
        request, retry=RETRY, timeout=TIMEOUT
    )
    return sorted(runs, key=lambda run: (run.schedule_time, run.run_time), reverse=True)


def wait_for_run(
    clients: Clients,
    run: TransferRun,
    *,
    timeout: float,
    on_look: Callable[[TransferRun], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> TransferRun:
    """The run when it has ended, or as it is after `timeout` seconds.

    `on_look` is called with the run each time it is looked at.
    """
    deadline, pause = clock() + timeout, 0.25
    while True:
        on_look(run)
        if run.state not in UNDER_WAY or clock() >= deadline:
            return run
        sleep(min(pause, max(deadline - clock(), 0)))
        pause = min(pause * 1.5, 5.0)
        with google_errors(f"Looking at run {run.name}", clients):
            run = clients.transfers.get_transfer_run(name=run.name, retry=RETRY, timeout=TIMEOUT)


def result_of(clients: Clients, config: Config, run: TransferRun) -> RunResult:
    """What came of the run; the rows are those in the training table after a run that succeeded."""
    rows = None
    if run.state == TransferState.SUCCEEDED:
        with google_errors(f"Counting the rows of {config.table_id}", clients):
            table = clients.bigquery.get_table(config.table_id, retry=RETRY, timeout=TIMEOUT)
            rows = table.num_rows
    return RunResult(
        name=run.name,
        state=state_of(run),
        rows=rows,
        seconds=seconds_of(run),
        error=message_of(run) if state_of(run) in ("FAILED", "CANCELLED") else "",
    )


def state_of(run: TransferRun) -> str:
    """The state's name, or its number where this version of the client knows no name for it."""
    return str(getattr(run.state, "name", run.state))


def seconds_of(run: TransferRun) -> float | None:
    """How long a run took; None while it has not ended."""
    if "start_time" not in run or "end_time" not in run:
        return None
    # The stubs say Timestamp; proto-plus gives datetimes.
    start, end = cast(datetime, run.start_time), cast(datetime, run.end_time)
    return round((end - start).total_seconds(), 1)


def message_of(run: TransferRun) -> str:
    """Google's own words on how the run ended; empty for a run that did not fail."""
    return without_login(run.error_status.message)


def likely_cause(message: str) -> str:
    """What usually stands behind such a failure and what to do; empty for an unknown one."""
    return next((cause for fragment, cause in _CAUSES if fragment in message), "")


def _run_under_way(clients: Clients, config_name: str) -> TransferRun | None:
    request = ListTransferRunsRequest(parent=config_name, states=list(UNDER_WAY), page_size=10)
    runs: Any = clients.transfers.list_transfer_runs(request, retry=RETRY, timeout=TIMEOUT)
    return next(iter(runs), None)


def _start(clients: Clients, config_name: str) -> TransferRun:
    request = StartManualTransferRunsRequest(
        parent=config_name, requested_run_time=datetime.now(UTC)
    )
    reply = clients.transfers.start_manual_transfer_runs(request, retry=None, timeout=TIMEOUT)
    return reply.runs[0]
