"""Checks of the runs and of what they loaded: pure functions from a snapshot to findings."""

from collections.abc import Iterator
from typing import Any

from backend.forecasting.runs import UNDER_WAY, likely_cause, state_of
from backend.forecasting.verification.findings import Finding, failed, passed, skipped
from backend.forecasting.verification.snapshot import Snapshot, Unseen

_RUN_NOW = "run `python manage.py bq_setup_etl --run-now`"


def check_runs(snapshot: Snapshot) -> Iterator[Finding]:
    runs = snapshot.runs
    if isinstance(runs, Unseen):
        yield skipped("run.succeeded", f"could not look at the runs: {runs.reason}")
        return
    ended = [run for run in runs if run.state not in UNDER_WAY]
    if not ended:
        yield failed("run.succeeded", "no run has ended yet", _RUN_NOW)
        return
    last, state = ended[0], state_of(ended[0])
    if state == "SUCCEEDED":
        yield passed("run.succeeded", f"the last run, for {last.run_time:%Y-%m-%d}, succeeded")
        return
    message = last.error_status.message
    yield failed(
        "run.succeeded",
        f"the last run, for {last.run_time:%Y-%m-%d}, ended {state}: {message}",
        likely_cause(message) or _RUN_NOW,
        "SUCCEEDED",
        state,
    )


def check_data(snapshot: Snapshot) -> Iterator[Finding]:
    data = snapshot.data
    if data is None or isinstance(data, Unseen):
        why = "no table to read" if data is None else f"could not read the table: {data.reason}"
        yield from (skipped(f"data.{name}", why) for name in ("rows", "grain", "nulls", "window"))
        return
    yield _check_rows(snapshot, data)
    yield _none_of(
        "data.grain",
        "one row for each entity and day",
        data["repeated_keys"],
        "entities and days that have several rows",
        "load the days again: " + _RUN_NOW,
    )
    yield _none_of(
        "data.nulls",
        "every row has entity, day and score",
        data["rows_with_null"],
        "rows without entity, day or score",
        "load the days again: " + _RUN_NOW,
    )
    yield _check_window(snapshot, data)


def _check_rows(snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    window, rows = snapshot.window, data["rows_in_window"]
    days = f"{window.start} to {window.end} (excluded)"
    if rows:
        series = data["series_count"]
        return passed("data.rows", f"{rows:,} rows of {series:,} entities from {days}", str(rows))
    return failed("data.rows", f"no rows from {days}", _RUN_NOW, "at least 1", "0")


def _check_window(snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    """Rows of days that should not be there, or that are not midnight UTC of their day."""
    window, kept = snapshot.window, snapshot.config.keep_history
    outside = {
        f"rows before {window.start}": 0 if kept else data["rows_before_window"],
        f"rows of {window.end} or later": data["rows_after_window"],
        "rows off midnight UTC": data["rows_off_midnight"],
    }
    wrong = ", ".join(f"{number:,} {what}" for what, number in outside.items() if number)
    if not wrong:
        span = f"{data['first_day']} to {data['last_day']}"
        return passed("data.window", f"all days complete and in the window: {span}", span)
    expected = f"complete days from {'any day' if kept else window.start} to before {window.end}"
    return failed("data.window", wrong, "load again: " + _RUN_NOW, expected, wrong)


def _none_of(check: str, fine: str, number: int, what: str, hint: str) -> Finding:
    if not number:
        return passed(check, fine, "0")
    return failed(check, f"{number:,} {what}", hint, "0", str(number))
