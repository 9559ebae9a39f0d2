"""Checks of the runs and of what they loaded: pure functions from a snapshot to findings."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from ..counting import agree, count_bytes, count_things
from ..google.causes import likely_cause
from ..loading.reach import Probe
from ..loading.runs import message_of, state_of
from .findings import Finding, failed, no_rows, passed, skipped, warned
from .script_check import stored_script
from .snapshot import Snapshot, Unseen

_RUN_NOW = "run `python manage.py bq_setup_etl --run-now`"

Judge = Callable[[str, Snapshot, dict[str, Any]], Finding]
"""From the id of a check, the snapshot and its figures of the table to what is found."""


def check_runs(snapshot: Snapshot) -> Iterator[Finding]:
    runs = snapshot.runs
    if isinstance(runs, Unseen):
        why = f"could not look at the runs: {runs.reason}"
        yield from (skipped(f"run.{name}", why) for name in ("succeeded", "fresh"))
        return
    yield _check_last_run(snapshot)
    yield _check_freshness(snapshot)


def check_data(snapshot: Snapshot) -> Iterator[Finding]:
    data = snapshot.data
    for check, judge in _JUDGES.items():
        if isinstance(data, dict):
            yield judge(check, snapshot, data)
        else:
            yield skipped(check, snapshot.why_no_data)


def _none(number: str, fine: str, what: str) -> Judge:
    """Judges by a number of rows that has to be 0; of an empty table that would say nothing."""

    def judge(check: str, snapshot: Snapshot, data: dict[str, Any]) -> Finding:
        if not data["row_count"]:
            return failed(check, "the table is empty", how_to_fill(snapshot), "at least 1 row", "0")
        again = f"load the days again: {_RUN_NOW}{_and_older_days(snapshot)}"
        return no_rows(check, data[number], fine, what, again)

    return judge


def _check_range(check: str, snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    return no_rows(
        check,
        data["rows_out_of_range"],
        "every score is from 0 to 100",
        "with a score below 0 or above 100",
        "correct the scores in PostgreSQL (FORECASTING_SCORE_FIELD), then "
        f"{_RUN_NOW}{_and_older_days(snapshot)}",
    )


def _and_older_days(snapshot: Snapshot) -> str:
    """What loads the days that no run reads again, where the table has such days."""
    config = snapshot.config
    if config.refresh_days == config.window_days and not config.keep_history:
        return ""
    return (
        f"; a run reads the last {count_things(config.refresh_days, 'day')}, and `python manage.py "
        "bq_setup_etl --backfill-days N` those of N days"
    )


def check_orphans(snapshot: Snapshot) -> Iterator[Finding]:
    check, probe = "data.orphans", snapshot.probe
    if not isinstance(probe, Probe) or probe.error:
        yield skipped(check, "no usable connection to count mentions through")
    elif probe.orphans:
        yield warned(
            check,
            f"{count_things(probe.orphans, 'mention')} of the window "
            f"{agree(probe.orphans, 'names', 'name')} an event that is gone: the load leaves "
            f"{agree(probe.orphans, 'it', 'them')} out",
            "bring the events back, or delete such mentions with their event; where events are "
            "kept for a shorter time than FORECASTING_WINDOW_DAYS, every night has fewer",
            "0",
            str(probe.orphans),
        )
    else:
        yield passed(check, "every mention of the window has its event", "0")


def _check_last_run(snapshot: Snapshot) -> Finding:
    last = snapshot.last_ended
    if last is None:
        return failed("run.succeeded", "no run has ended yet", _RUN_NOW)
    state = state_of(last)
    day = f"{last.run_time:%Y-%m-%d}" if "run_time" in last else "an unknown day"
    if state == "SUCCEEDED":
        return passed("run.succeeded", f"the last run, for {day}, succeeded", state)
    message = message_of(last)
    return failed(
        "run.succeeded",
        f"the last run, for {day}, ended {state}: {message}",
        likely_cause(message) or _RUN_NOW,
        "SUCCEEDED",
        state,
    )


def _check_freshness(snapshot: Snapshot) -> Finding:
    allowed, age = snapshot.config.max_age_hours, snapshot.hours_since_good_run
    if age is None:
        return failed("run.fresh", "no run has succeeded yet", how_to_fill(snapshot))
    message = f"the last good run ended {age:.1f} hours ago"
    if age <= allowed:
        return passed("run.fresh", message, f"{age:.1f} hours")
    hint = _why_not_since(snapshot) or (
        "see why no run has succeeded since (bq ls --transfer_run), then " + _RUN_NOW
    )
    return failed(
        "run.fresh", message, hint, f"at most {count_things(allowed, 'hour')}", f"{age:.1f} hours"
    )


def _why_not_since(snapshot: Snapshot) -> str:
    """The cure of the last run, where that has failed; a new run would fail likewise."""
    last = snapshot.last_ended
    return likely_cause(message_of(last)) if last is not None else ""


def how_to_fill(snapshot: Snapshot) -> str:
    """What brings rows where there are none: a run, or the cure of the one that failed."""
    return _why_not_since(snapshot) or _RUN_NOW


def _check_rows(check: str, snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    window, rows = snapshot.window, data["rows_in_window"]
    days = f"{window.start} to {window.end - timedelta(days=1)}"
    if rows:
        series, held = data["series_in_window"], data["row_count"]
        of = f" of the window; {held:,} in the whole table" if held > rows else ""
        cost = count_bytes(snapshot.bytes_processed)
        entities = count_things(series, "entity", "entities")
        message = f"{count_things(rows, 'row')} of {entities}, {days}{of}{cost}"
        return passed(check, message, str(rows))
    return failed(check, f"no rows, {days}", how_to_fill(snapshot), "at least 1", "0")


def _check_window(check: str, snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    """Rows of days that should not be there, or that are not midnight UTC of their day."""
    window, kept = snapshot.window, _kept_days(snapshot)
    # `rows_before_window` counts from the window of the settings here.
    too_old = kept is not None and kept <= window.days
    outside = {
        f"before {window.start}": data["rows_before_window"] if too_old else 0,
        f"of {window.end} or later": data["rows_after_window"],
        "off midnight UTC": data["rows_off_midnight"],
    }
    found = [f"{count_things(rows, 'row')} {where}" for where, rows in outside.items() if rows]
    wrong = ", ".join(found)
    if not wrong:
        return passed(check, "complete days only, all in the window")
    expected = f"complete days from {window.start if too_old else 'any day'} to before {window.end}"
    hint = _OLDER_ROWS if outside[f"before {window.start}"] else _later_hint(snapshot, data)
    return failed(check, wrong, hint, expected, wrong)


def _later_hint(snapshot: Snapshot, data: dict[str, Any]) -> str:
    """A run replaces days up to its own: for days to come there is no command."""
    to_come = data["rows_after_window"] and data["last_day"] > snapshot.now.date()
    return _DAYS_TO_COME if to_come else f"{_LATER_ROWS}{_and_older_days(snapshot)}"


def _kept_days(snapshot: Snapshot) -> int | None:
    """How many days the runs keep, by what is stored; None where they remove none."""
    stored, config = stored_script(snapshot), snapshot.config
    if stored.known:
        return stored.kept_days
    return None if config.keep_history else config.window_days


_OLDER_ROWS = (
    "the next run removes the rows before the window: to keep them, set "
    "FORECASTING_KEEP_HISTORY=on and run `python manage.py bq_setup_etl` before it"
)
_LATER_ROWS = (
    f"load the days again: {_RUN_NOW}; rows of a day that is not over are replaced by the run "
    "after it"
)
FIND_WRITERS = "find out who writes to the table besides the load (bq ls -j -a)"
_DAYS_TO_COME = (
    "the last of these days are still to come, and no run replaces them before their day is over: "
    f"{FIND_WRITERS}, and have them taken out there"
)


def _check_coverage(check: str, snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    found, expected = data["days_in_window"], snapshot.window.days
    days, have = count_things(expected, "day"), agree(found, "has", "have")
    message = f"{found:,} of the window's {days} {have} rows"
    if found >= expected:
        return passed(check, message, str(found))
    hint = (
        "days without any mention that has a score teach a model nothing: check that PostgreSQL "
        "holds the mentions and scores of the whole window, or set FORECASTING_WINDOW_DAYS to what "
        "it holds"
    )
    return warned(check, message, hint, str(expected), str(found))


_JUDGES: dict[str, Judge] = {
    "data.rows": _check_rows,
    "data.grain": _none(
        "repeated_rows", "one row for each entity and day", "repeating an entity and day"
    ),
    "data.nulls": _none(
        "rows_with_null", "every row has entity, day and score", "without entity, day or score"
    ),
    "data.finite": _none(
        "rows_not_finite", "every number is finite", "with NaN or an infinite number"
    ),
    "data.range": _check_range,
    "data.window": _check_window,
    "data.coverage": _check_coverage,
}
"""The checks of the table's figures; they are skipped where there are none."""
