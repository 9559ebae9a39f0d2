"""A run of the nightly load as it goes on, and its end, as text."""

import time
from datetime import timedelta
from types import TracebackType

from django.core.management.base import OutputWrapper
from google.cloud.bigquery_datatransfer_v1.types import TransferRun
from rich.console import Console
from rich.status import Status

from ..loading.backfill import SliceOutcome
from ..loading.runs import ENDED, RunResult, state_of


class RunProgress:
    """Shows a run's state: a spinner on a terminal, one line for each new state elsewhere."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._state = ""
        self._started = time.monotonic()
        self._status: Status | None = None

    def __enter__(self) -> "RunProgress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status:
            self._status.stop()
            self._status = None

    def show(self, run: TransferRun) -> None:
        state = state_of(run)
        if self._out.isatty():
            self._spin(state, over=run.state in ENDED)
        elif state != self._state:
            self._out.write(f"Run {_short(run.name)}: {state}", style_func=str)
        self._state = state

    def _spin(self, state: str, *, over: bool) -> None:
        if self._status is None:
            self._started = time.monotonic()
            self._status = Console(file=self._out).status("")  # type: ignore[arg-type]
            self._status.start()
        self._status.update(f"Run {state}, {time.monotonic() - self._started:.0f} s")
        if over:
            self.__exit__(None, None, None)


def describe_backfill(run: RunResult) -> str:
    """One line on a backfill as a whole."""
    return f"The {run.name} loaded {run.rows:,} rows in {run.seconds:g} s."


def describe_slice(outcome: SliceOutcome) -> str:
    """One line on a slice of a backfill."""
    part = outcome.slice
    days = f"{part.first_day} to {part.end_day - timedelta(days=1)}"
    return f"[{part.number}/{part.count}] {days}: {outcome.rows:,} rows, {outcome.result}"


def _short(name: str) -> str:
    """A run's own id, without the path of the scheduled query before it."""
    return name.rsplit("/", 1)[-1]


def describe_run(run: RunResult) -> str:
    """One line on how the run ended, or where it stands when it was not waited for any longer."""
    if run.state == "SUCCEEDED":
        took = "" if run.seconds is None else f" in {run.seconds:g} s"
        rows = "an unknown number of" if run.rows is None else f"{run.rows:,}"
        return f"Run succeeded{took}: the training table holds {rows} rows."
    if run.failed:
        return f"Run {_short(run.name)} {run.state.lower()}."
    return (
        f"Run {_short(run.name)} is {run.state} and was not waited for: `python manage.py "
        "bq_verify` tells how it ended."
    )
