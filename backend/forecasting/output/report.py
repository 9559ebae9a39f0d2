"""The verification as one page to look at: a file that needs nothing else, and no network."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

from django.template.loader import render_to_string
from google.cloud import bigquery
from google.cloud.bigquery_datatransfer_v1.types import TransferRun, TransferState

from ..errors import ForecastingError, shown
from ..google.clients import Clients
from ..loading.runs import UNDER_WAY, message_of, seconds_of, state_of
from ..verification.findings import FindingStatus, count_bytes, count_findings, count_things
from ..verification.snapshot import Snapshot, Unseen, see, succeeded_runs
from ..verification.verify import Verification
from .charts import (
    draw_coverage,
    draw_histories,
    draw_rows_per_day,
    draw_scores,
)
from .report_data import ReportData, read_report_data
from .svg import load_libraries
from .text import summarize_findings

SHOWN_RUNS = 15


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One run in the table of runs; `rows` is None where nobody knows."""

    day: datetime | None
    state: str
    mood: str
    started: datetime | None
    seconds: float | None
    rows: str | None
    message: str


def check_report_path(path: Path) -> None:
    """Raise ForecastingError where the report could not be written or drawn, before any look."""
    load_libraries()
    said, folder = f"--report is {shown(str(path))}", path.absolute().parent
    try:
        if "\0" in path.name:
            raise ForecastingError(f"{said}: a name cannot hold a NUL character.")
        if path.is_dir():
            raise ForecastingError(f"{said}, a directory: name a file to write.")
        if not folder.is_dir():
            raise ForecastingError(f"{said}, and there is no directory {shown(str(folder))}.")
        if not os.access(folder, os.W_OK):
            raise ForecastingError(f"{said}, and {shown(str(folder))} may not be written to.")
    except OSError as error:
        # A name that is too long, for one.
        raise ForecastingError(f"{said}: no such file can be ({error.strerror}).") from error


def write_report(path: Path, result: Verification, clients: Clients) -> str:
    """Write the page, all of it or nothing; returns why it has no charts, or nothing.

    Raises ForecastingError where the file cannot be written.
    """
    data = look_for_charts(result.snapshot, clients)
    page = render_report(result, data)
    try:
        _replace_file(path, page)
    except OSError as error:
        raise ForecastingError(f"The report {path} cannot be written: {error.strerror}.") from error
    return data if isinstance(data, str) else ""


def render_report(result: Verification, data: ReportData | str) -> str:
    """The page; `data` is what the charts show, or why there is none."""
    context = describe_result(result) | describe_runs(result.snapshot)
    context |= {"why_no_charts": data} if isinstance(data, str) else _draw(data)
    return render_to_string("forecasting/report.html", context)


def look_for_charts(snapshot: Snapshot, clients: Clients) -> ReportData | str:
    """What the charts show, or why there is nothing to show."""
    if not isinstance(snapshot.data, dict):
        return snapshot.why_no_data
    if not snapshot.data["rows_in_window"]:
        return "the training table holds no rows of these days"
    look = partial(read_report_data, snapshot.config, clients, snapshot.window)
    data = see(clients, "Reading what the report shows", look)
    return data.reason if isinstance(data, Unseen) else data


def _draw(data: ReportData) -> dict[str, Any]:
    return {
        "charts": [draw_rows_per_day(data.days), draw_scores(data.scores)],
        "coverage": draw_coverage(data),
        "histories": draw_histories(data),
        "cost": count_bytes(data.bytes_processed),
    }


def describe_result(result: Verification) -> dict[str, Any]:
    """The verdict, the figures and the findings, by the names that the templates use."""
    snapshot, findings = result.snapshot, result.findings
    verdict, mood = _judge(result)
    return {
        "verdict": verdict,
        "mood": mood,
        "table": snapshot.config.table_id,
        "now": snapshot.now,
        "window": snapshot.window,
        "last_day": snapshot.window.end - timedelta(days=1),
        "figures": _figures(snapshot),
        "attention": [f for f in findings if f.status is not FindingStatus.PASSED],
        "findings": findings,
        "summary": summarize_findings(findings),
    }


def _judge(result: Verification) -> tuple[str, str]:
    """The page's first line, and how it is to be taken."""
    failures = count_findings(result.findings, FindingStatus.FAILED)
    warnings = count_findings(result.findings, FindingStatus.WARNED)
    if failures:
        return f"{failures} of {len(result.findings)} checks failed", "bad"
    if result.snapshot.unseen:
        return "Not everything could be looked at", "bad"
    if warnings:
        return f"All there and right, with {count_things(warnings, 'warning')}", "warned"
    return "All there and right", "good"


def _figures(snapshot: Snapshot) -> list[tuple[str, str]]:
    """What one wants to know first."""
    figures = []
    if isinstance(snapshot.data, dict):
        figures += [
            ("rows", f"{snapshot.data['row_count']:,}"),
            ("entities", f"{snapshot.data['series_count']:,}"),
            ("days with rows", f"{snapshot.data['days_in_window']} of {snapshot.window.days}"),
        ]
    ends = [cast(datetime, run.end_time) for run in succeeded_runs(snapshot.runs)]
    if ends:
        hours = (snapshot.now - max(ends)) / timedelta(hours=1)
        figures.append(("last good run", f"{hours:.1f} hours ago"))
    return figures


def describe_runs(snapshot: Snapshot) -> dict[str, Any]:
    """The latest runs, or why they could not be seen, by the names that the templates use."""
    if isinstance(snapshot.runs, Unseen):
        return {"why_no_runs": snapshot.runs.reason}
    latest = next(iter(succeeded_runs(snapshot.runs)), None)
    table = snapshot.table
    rows = f"{table.num_rows:,}" if isinstance(table, bigquery.Table) and table.num_rows else None
    lines = [_line(run, rows if run is latest else None) for run in _first(snapshot.runs)]
    return {"runs": lines, "why_no_runs": "No run yet."}


def _first(runs: Sequence[TransferRun]) -> Sequence[TransferRun]:
    return runs[:SHOWN_RUNS]


def _line(run: TransferRun, rows: str | None) -> RunLine:
    good = run.state == TransferState.SUCCEEDED
    mood = "pass" if good else "warn" if run.state in UNDER_WAY else "fail"
    return RunLine(
        # The stubs say Timestamp; proto-plus gives datetimes.
        day=cast(datetime | None, run.run_time),
        state=state_of(run),
        mood=mood,
        started=cast(datetime, run.start_time) if "start_time" in run else None,
        seconds=seconds_of(run),
        rows=rows,
        message="" if good else message_of(run),
    )


def _replace_file(path: Path, text: str) -> None:
    """Put the text in place at once: a reader sees the old page or the new one."""
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    made = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp lets nobody else read; a report is for those whom the umask lets.
        umask = os.umask(0)
        os.umask(umask)
        made.chmod(0o666 & ~umask)
        made.replace(path)
    except BaseException:
        made.unlink()
        raise
