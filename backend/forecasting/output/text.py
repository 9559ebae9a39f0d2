"""What the commands did and found as lines of text: plans that read like a diff, runs, findings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from django.core.management.color import Style

from ..conf import Config
from ..counting import count_things
from ..errors import printable
from ..provisioning.plan import Action, Change, Plan
from ..setup.outcome import Mode, count
from ..verification.findings import Finding, FindingStatus, count_findings

if TYPE_CHECKING:
    from ..loading.backfill import SliceOutcome
    from ..loading.runs import RunResult


class _Words(NamedTuple):
    """How one kind of result is marked, coloured (a role of Django's `Style`) and counted."""

    mark: str
    role: str
    counted: str


_ACTIONS = {
    Action.CREATE: _Words("+", "SUCCESS", "to create"),
    Action.UPDATE: _Words("~", "WARNING", "to update"),
    Action.UNCHANGED: _Words("=", "", "unchanged"),
    Action.CONFLICT: _Words("!", "ERROR", "in conflict"),
}
_DELETES = _Words("-", "ERROR", "")
_STATUSES = {
    FindingStatus.PASSED: _Words("pass", "SUCCESS", "passed"),
    FindingStatus.WARNED: _Words("WARN", "WARNING", "warned"),
    FindingStatus.FAILED: _Words("FAIL", "ERROR", "failed"),
    FindingStatus.SKIPPED: _Words("skip", "NOTICE", "skipped"),
}


def describe_plans(plans: Sequence[Plan], mode: Mode, style: Style) -> list[str]:
    """The lines of the plan, the last of them its summary."""
    lines = []
    for plan in plans:
        words = _ACTIONS[plan.action]
        lines.append(_paint(style, words, f"{words.mark} {plan.kind} {plan.name}"))
        described = (line for change in plan.changes for line in _describe(change, plan.kind))
        lines += [f"    {printable(line)}" for line in described]
        if plan.deletes:
            lines.append(_paint(style, _DELETES, f"    The next run deletes {plan.deletes}."))
    return [*lines, _summary(plans, mode)]


def describe_applied(plans: Sequence[Plan]) -> str:
    """One line on what was written."""
    return (
        f"Done: {count(plans, Action.CREATE)} created, {count(plans, Action.UPDATE)} updated, "
        f"{count(plans, Action.UNCHANGED)} left as they were."
    )


def describe_run(run: RunResult) -> str:
    """One line on how the run ended, or where it stands when it was not waited for any longer."""
    if run.state == "SUCCEEDED":
        took = "" if run.seconds is None else f" in {run.seconds:g} s"
        return f"Run succeeded{took}: {_count_rows(run)}."
    if run.failed:
        return f"Run {short_name(run.name)} {run.state.lower()}."
    return (
        f"Run {short_name(run.name)} is {run.state} and was not waited for: `python manage.py "
        "bq_verify` tells how it ended."
    )


def _count_rows(run: RunResult) -> str:
    rows = "an unknown number of rows" if run.rows is None else count_things(run.rows, "row")
    if run.rows is None or not run.rows_before or run.rows == run.rows_before:
        return f"the training table holds {rows}"
    change = (run.rows - run.rows_before) / run.rows_before
    return f"{run.rows_before:,} -> {rows} in the window, {change:+.0%}".replace("%", " %")


def describe_backfill(run: RunResult) -> str:
    """One line on a backfill as a whole."""
    return f"The {run.name} loaded {count_things(run.rows or 0, 'row')} in {run.seconds:g} s."


def describe_slice(outcome: SliceOutcome) -> str:
    """One line on a slice of a backfill."""
    part = outcome.slice
    days = f"{part.first_day} to {part.end_day - timedelta(days=1)}"
    before = f"{outcome.rows_before:,} -> " if outcome.rows_before != outcome.rows else ""
    rows = count_things(outcome.rows, "row")
    return f"[{part.number}/{part.count}] {days}: {before}{rows}, {outcome.result}"


def short_name(run_name: str) -> str:
    """A run's own id, without the path of the scheduled query before it."""
    return run_name.rpartition("/")[2]


def describe_findings(
    findings: Sequence[Finding], style: Style, seconds: Mapping[str, float] | None = None
) -> list[str]:
    """One line for each finding, what to do under those that are not fine, and a summary.

    What failed is last, where it is read. `seconds` are those that each look took, by what it was.
    """
    width = max(len(finding.id) for finding in findings)
    lines = []
    for finding in sorted(findings, key=lambda finding: _ORDER.index(finding.status)):
        took = _took(finding.id, seconds or {})
        lines.append(f"{describe_finding(finding, style, width)}{took}")
        if finding.hint and finding.status is not FindingStatus.PASSED:
            lines.append(f"{'':<{width + 8}}{printable(finding.hint)}")
    return [*lines, _name_failures(findings)]


def describe_finding(finding: Finding, style: Style, width: int = 0) -> str:
    """What was found, on one line."""
    words = _STATUSES[finding.status]
    message = printable(" ".join(finding.message.split()))
    return f"{_paint(style, words, words.mark)}  {finding.id:<{width}}  {message}"


_ORDER = (FindingStatus.PASSED, FindingStatus.SKIPPED, FindingStatus.WARNED, FindingStatus.FAILED)


_LOOKS = {
    "dataset": "Looking at the dataset",
    "table": "Looking at the table",
    "connection": "Looking at the connection",
    "connection.usable": "Querying through the connection",
    "schedule": "Looking at the scheduled queries",
    "run": "Looking at the runs",
    "data": "Reading the training table",
    "data.volume": "Counting the days of the training table",
    "data.orphans": "Querying through the connection",
    "source": "Comparing with the source database",
    "vertex": "Reading the training table",
    "vertex.columns": "Looking at the table",
    "vertex.baseline": "Computing the baseline",
    "views": "Looking at the views",
}
"""What each check rests on: its own look, or that of all whose ids begin alike."""


def _took(check: str, seconds: Mapping[str, float]) -> str:
    """How long the look took that a check rests on; nothing where it is not known."""
    look = _LOOKS.get(check) or _LOOKS.get(check.partition(".")[0], "")
    return f" [{seconds[look]:.2f} s]" if look in seconds else ""


def _name_failures(findings: Sequence[Finding]) -> str:
    summary = summarize_findings(findings)
    failed = [finding.id for finding in findings if finding.status is FindingStatus.FAILED]
    return f"{summary} Failed: {', '.join(failed)}." if failed else summary


def summarize_findings(findings: Sequence[Finding]) -> str:
    """How many checks there were, and how many of them ended how."""
    numbers = {words: count_findings(findings, status) for status, words in _STATUSES.items()}
    return f"{count_things(len(findings), 'check')}: {_say(numbers)}."


def summarize_plan(plan: Plan) -> str:
    """One line on what is to be done to a resource, and why."""
    if plan.refusal:
        return plan.refusal
    fields = ", ".join(change.field for change in plan.changes)
    deletes = f"; the next run deletes {plan.deletes}" if plan.deletes else ""
    said = f"{plan.action} {plan.kind} {plan.name}"
    return f"{said}{f': {fields}' if fields else ''}{deletes}"


def console_link(run_name: str, config: Config) -> str:
    """Where Google's console shows the runs of a scheduled query; none for the stand-in's."""
    found = _CONFIG.search(run_name)
    if config.api_endpoint or not found:
        return ""
    where = f"locations/{found.group(1)}/configs/{found.group(2)}/runs?project={config.project}"
    return f"https://console.cloud.google.com/bigquery/scheduled-queries/{where}"


_CONFIG = re.compile(r"locations/([\w-]+)/transferConfigs/([\w-]+)/")


def describe_baseline(baseline: object) -> list[str]:
    """A small table of the methods, the best one marked; nothing where there is none to show."""
    from ..verification.baseline import Baseline

    if not isinstance(baseline, Baseline) or not baseline.best:
        return []
    days, rows = count_things(baseline.horizon_days, "day"), count_things(baseline.rows, "row")
    lines = [f"Baseline: {days} from {baseline.cutoff} on, {rows} of {baseline.series:,} series."]
    lines.append(f"{'':<9}{'MAE':>8}{'WAPE':>8}{'MASE':>8}")
    for name, errors in baseline.methods.items():
        mark = "*" if name == baseline.best else " "
        numbers = zip((errors.mae, errors.wape, errors.mase), (2, 3, 3), strict=True)
        lines.append(f"{mark} {name:<7}" + "".join(_number(*number) for number in numbers))
    return lines


def _number(value: float | None, digits: int) -> str:
    return f"{'-' if value is None else f'{value:.{digits}f}':>8}"


def _describe(change: Change, kind: str) -> Iterable[str]:
    before, after = change.before, change.after
    if "\n" in f"{before}{after}":
        where = " (--print-sql shows them)" if kind == "scheduled_query" else ""
        yield from _describe_text(f"{change.field}:", before or "", after or "", where)
    elif before is None:
        yield f"{change.field}: {after}"
    else:
        yield f"{change.field}: {before} -> {'none' if after is None else after}"


def _describe_text(field: str, before: str, after: str, where: str) -> Iterable[str]:
    """A text of many lines: how long it is, or the lines that differ."""
    if not before:
        yield f"{field} {count_things(len(after.splitlines()), 'line')}{where}"
        return
    yield field
    changed = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    # The first two lines name files; a removed SQL comment begins with "---" as well.
    yield from (f"  {line}" for line in islice(changed, 2, None) if not line.startswith("@@"))


def _summary(plans: Sequence[Plan], mode: Mode) -> str:
    numbers = {words: count(plans, action) for action, words in _ACTIONS.items()}
    return f"Plan: {_say(numbers)}." + ("" if mode is Mode.APPLY else " Nothing was changed.")


def _say(numbers: Mapping[_Words, int]) -> str:
    return ", ".join(f"{number} {words.counted}" for words, number in numbers.items() if number)


def _paint(style: Style, words: _Words, text: str) -> str:
    """The text in its colour; no other sequence of characters moves or hides what is shown."""
    paint: Callable[[str], str] = getattr(style, words.role) if words.role else str
    return paint(printable(text))
