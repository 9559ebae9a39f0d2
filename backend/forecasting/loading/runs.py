"""Runs of the nightly load: start one or adopt one, wait for its end, and say what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from google.cloud.bigquery_datatransfer_v1.types import (
    ListTransferRunsRequest,
    StartManualTransferRunsRequest,
    TransferRun,
    TransferState,
)

from ..conf import Config
from ..google.clients import Clients
from ..google.errors import google_errors, reading
from ..google.replies import GOOGLE_ERRORS, UnreadableReplyError, named, readable, without_login
from ..google.retrying import LIST_LOOKS, WRITE_TRIES, tries_after
from ..google.waiting import rounds
from .adoption import loads_the_latest_days
from .row_counts import count_rows

UNDER_WAY = (TransferState.PENDING, TransferState.RUNNING)
ENDED = (TransferState.SUCCEEDED, TransferState.FAILED, TransferState.CANCELLED)
"""A state that is neither is one that this client does not know: it is waited for, too."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended, or, for one that was not waited for, where it stands."""

    name: str
    state: str
    rows: int | None
    seconds: float | None
    rows_before: int | None = None
    error: str = ""
    waited: bool = False

    @property
    def failed(self) -> bool:
        return self.state in ("FAILED", "CANCELLED")

    @property
    def outlasted(self) -> bool:
        """Whether the run was waited for and has not ended."""
        return self.waited and not self.failed and self.state != "SUCCEEDED"


def start_or_adopt_run(
    clients: Clients,
    config_name: str,
    *,
    script: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[TransferRun, bool]:
    """A run under way that loads the latest days (then True), else a new one for now.

    `script` is what it has to run; `tell` is told of each other run that is under way.
    """
    with google_errors("Starting a run", clients):
        for run in _runs_under_way(clients, config_name):
            if loads_the_latest_days(run, script, clients.now()):
                return run, True
            tell(f"{_name(run)}: it does not load the latest days, or by another script.")
        return _start(clients, config_name, script), False


def _name(run: TransferRun) -> str:
    day = f" for {run.run_time:%Y-%m-%d}" if "run_time" in run else ""
    return f"Run {run.name.rpartition('/')[2]}{day} is {state_of(run)} and not waited for"


def list_runs(clients: Clients, config_name: str) -> list[TransferRun]:
    """The runs that Google remembers (90 days), newest first."""
    request = ListTransferRunsRequest(parent=config_name, page_size=200)
    with readable():
        runs = clients.surely(lambda: _list(clients, request))
        return sorted(runs, key=_when, reverse=True)


def _list(clients: Clients, request: ListTransferRunsRequest) -> list[TransferRun]:
    runs: Any = clients.transfers.list_transfer_runs(request, **clients.repeating)
    return list(runs)


def _when(run: TransferRun) -> tuple[float, float]:
    """When a run was scheduled and for which time, as seconds; 0 where Google does not say."""
    times = (run.schedule_time, run.run_time)
    return tuple(t.timestamp() if t else 0.0 for t in cast(Any, times))  # type: ignore[return-value]


def wait_for_run(
    clients: Clients,
    run: TransferRun,
    *,
    timeout: float,
    on_observed: Callable[[TransferRun], None],
) -> TransferRun:
    """The run when it has ended, or as it is after `timeout` seconds.

    `on_observed` is called with the run as it is, each time.
    """
    for number in rounds(timeout, clients.pace.run_pause):
        if number > 1:
            run = observe_run(clients, run.name)
        on_observed(run)
        if run.state in ENDED:
            break
    return run


def observe_run(clients: Clients, name: str) -> TransferRun:
    with reading(f"Looking at run {name}", clients):
        return clients.surely(
            lambda: clients.transfers.get_transfer_run(name=name, **clients.repeating)
        )


def result_of(clients: Clients, config: Config, run: TransferRun) -> RunResult:
    """What came of the run; the rows are those of the window after a run that succeeded."""
    return RunResult(
        name=run.name,
        state=state_of(run),
        rows=count_rows(clients, config) if run.state == TransferState.SUCCEEDED else None,
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
    # Two of Google's machines may have noted them.
    return max(round((end - start).total_seconds(), 1), 0.0)


def message_of(run: TransferRun) -> str:
    """Google's own words on how the run ended; empty for a run that did not fail."""
    return without_login(run.error_status.message)


def _runs_under_way(clients: Clients, config_name: str) -> list[TransferRun]:
    request = ListTransferRunsRequest(parent=config_name, states=list(UNDER_WAY), page_size=10)
    with readable():
        # An iterator: that there is none is to be expected, and not asked about again.
        return list(clients.surely(lambda: iter(_list(clients, request))))


def _start(clients: Clients, config_name: str, script: str) -> TransferRun:
    """A new run for now. One whose reply is lost is looked for before another one is started.

    Should it come to be all the same, two runs end with the same rows.
    """
    now = clients.now()
    request = StartManualTransferRunsRequest(parent=config_name, requested_run_time=now)
    left = WRITE_TRIES
    for attempt in clients.attempts(WRITE_TRIES):
        found = _run_started_for(clients, config_name, now, script) if attempt > 1 else None
        if found is not None:
            return found
        try:
            with readable():
                reply = clients.transfers.start_manual_transfer_runs(request, **clients.once)
                return named(reply.runs[0])
        except (*GOOGLE_ERRORS, UnreadableReplyError) as error:
            left = min(left - 1, tries_after(error))
            if not left:
                raise
    raise AssertionError  # The last attempt returns or raises.


def _run_started_for(
    clients: Clients, config_name: str, moment: datetime, script: str
) -> TransferRun | None:
    """The run for a moment of ours, whatever became of it, or another that is as good."""
    for _ in clients.attempts(LIST_LOOKS):
        for run in list_runs(clients, config_name):
            under_way = run.state in UNDER_WAY and loads_the_latest_days(run, script, moment)
            if _is_for(run, moment) or under_way:
                return run
    return None


def _is_for(run: TransferRun, moment: datetime) -> bool:
    """Whether it was asked for with this time, of which Google may keep fewer digits."""
    if "run_time" not in run:
        return False
    kept = cast(datetime, run.run_time)
    digit = timedelta(milliseconds=1) if kept.microsecond else timedelta(seconds=1)
    return kept <= moment < kept + digit
