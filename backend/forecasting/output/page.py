"""A verification as the report and the status page show it: what the templates take, as values."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from django.utils.safestring import SafeString
from google.cloud import bigquery
from google.cloud.bigquery_datatransfer_v1.types import TransferRun, TransferState

from ..counting import count_things
from ..loading.runs import ENDED, UNDER_WAY, message_of, seconds_of, state_of
from ..verification.baseline import Baseline
from ..verification.findings import Finding, FindingStatus, collapse_skipped, count_findings
from ..verification.snapshot import Snapshot, Unseen, Window, succeeded_runs
from ..verification.verify import Verification
from .report_data import ReportData, baseline_of
from .text import summarize_findings

SHOWN_RUNS = 15


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart with its title and what it says in words; `narrow` is for small screens, or empty.

    `names` are those that its labels cut, in full and in the chart's order.
    """

    title: str
    text: str
    wide: SafeString
    narrow: SafeString | str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Charts:
    """The charts of a page, and what it cost to read their data, to go after a message.

    `model`: the methods of the baseline side by side, and then a few series.
    """

    rows: Chart
    overviews: tuple[Chart, ...]
    coverage: Chart
    histories: tuple[Chart, ...] = ()
    model: tuple[Chart, ...] = ()
    cost: str = ""


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


@dataclass(frozen=True, kw_only=True)
class Page:
    """All that a page shows. Without charts, or without runs, it says why there are none."""

    table: str
    now: datetime
    window: Window
    verdict: str
    mood: str
    summary: str
    figures: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    runs: tuple[RunLine, ...]
    ended_runs: tuple[str, ...]
    why_no_runs: str
    next_run: datetime | None
    baseline: Baseline | None
    charts: Charts | None
    why_no_charts: str

    @property
    def last_day(self) -> date:
        return self.window.end - timedelta(days=1)

    @property
    def attention(self) -> list[Finding]:
        return [f for f in self.lines if f.status is not FindingStatus.PASSED]

    @property
    def lines(self) -> list[Finding]:
        """The findings, with those that are skipped for one reason as one."""
        return collapse_skipped(self.findings)


def make_page(
    result: Verification, data: ReportData | str, draw: Callable[[ReportData], Charts]
) -> Page:
    """The page; `data` is what its charts show, or why there are none."""
    snapshot = result.snapshot
    verdict, mood = _judge(result)
    return Page(
        table=snapshot.config.table_id,
        now=snapshot.now,
        window=snapshot.window,
        verdict=verdict,
        mood=mood,
        summary=summarize_findings(result.findings),
        figures=tuple(_figures(snapshot)),
        findings=result.findings,
        runs=tuple(_lines(snapshot)),
        ended_runs=tuple(_ended(snapshot)),
        why_no_runs=snapshot.runs.reason if isinstance(snapshot.runs, Unseen) else "No run yet.",
        next_run=snapshot.next_run,
        baseline=baseline_of(snapshot),
        charts=None if isinstance(data, str) else draw(data),
        why_no_charts=data if isinstance(data, str) else "",
    )


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


def _figures(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """What one wants to know first."""
    if isinstance(snapshot.data, dict):
        held, of_window = snapshot.data["row_count"], snapshot.data["rows_in_window"]
        yield "rows", f"{held:,}"
        if held != of_window:
            yield "rows of the window", f"{of_window:,}"
        yield "entities", f"{snapshot.data['series_count']:,}"
        days = f"{snapshot.data['days_in_window']} of {snapshot.window.days}"
        yield "days of the window with rows" if held != of_window else "days with rows", days
        yield from _figures_of_model(snapshot, snapshot.data)
    if snapshot.hours_since_good_run is not None:
        yield "last good run", f"{snapshot.hours_since_good_run:.1f} hours ago"


def _figures_of_model(snapshot: Snapshot, data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """How far ahead a model will forecast, from how many series, and what it has to beat."""
    if not snapshot.config.horizon_days:
        return
    yield "horizon", count_things(snapshot.config.horizon_days, "day")
    yield "usable series", f"{data['usable_count']:,} of {data['judged_count']:,}"
    if baseline := baseline_of(snapshot):
        error = baseline.methods[str(baseline.best)].mae
        yield "to beat", f"{baseline.best}, MAE {error:.2f}"


def _lines(snapshot: Snapshot) -> Iterator[RunLine]:
    if isinstance(snapshot.runs, Unseen):
        return
    latest = next(iter(succeeded_runs(snapshot.runs)), None)
    table = snapshot.table
    rows = (
        f"{table.num_rows:,}"
        if isinstance(table, bigquery.Table) and table.num_rows is not None
        else None
    )
    for run in snapshot.runs[:SHOWN_RUNS]:
        yield _line(run, rows if run is latest else None)


def _ended(snapshot: Snapshot) -> Iterator[str]:
    """Google's names of the runs that had ended."""
    if not isinstance(snapshot.runs, Unseen):
        yield from (run.name for run in snapshot.runs[:SHOWN_RUNS] if run.state in ENDED)


def _line(run: TransferRun, rows: str | None) -> RunLine:
    good = run.state == TransferState.SUCCEEDED
    return RunLine(
        # The stubs say Timestamp; proto-plus gives datetimes.
        day=cast(datetime | None, run.run_time),
        state=state_of(run),
        mood="pass" if good else "warn" if run.state in UNDER_WAY else "fail",
        started=cast(datetime, run.start_time) if "start_time" in run else None,
        seconds=seconds_of(run),
        rows=rows,
        message="" if good else message_of(run),
    )
