"""What commands and pages say of what they did, whole: one sentence for each case."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.management.color import no_style

from backend.forecasting.conf import Config
from backend.forecasting.loading.backfill import Slice, SliceOutcome, SliceResult
from backend.forecasting.loading.runs import RunResult
from backend.forecasting.output.day_charts import _describe_days, _describe_shares
from backend.forecasting.output.report_data import DayRows
from backend.forecasting.output.text import (
    console_link,
    describe_applied,
    describe_backfill,
    describe_finding,
    describe_findings,
    describe_plans,
    describe_slice,
    summarize_plan,
)
from backend.forecasting.provisioning.plan import Action, Deletes, Plan
from backend.forecasting.setup.outcome import Mode
from backend.forecasting.tests.support.factories import change
from backend.forecasting.tests.support.snapshots import make_days
from backend.forecasting.verification.findings import failed, passed, skipped, warned

DELETES = Deletes(rows=1200, days=3, first=date(2025, 1, 1), before=date(2025, 1, 4))
CHANGES = (change("description", "a", "b"), change("columns.x", None, "STRING"))
ACTIONS = (Action.CREATE, *(Action.UPDATE,) * 2, *(Action.UNCHANGED,) * 3, Action.CONFLICT)


def plan(action: Action, **fields: Any) -> Plan:
    return Plan(**{"kind": "table", "name": "p.d.t", "action": action, **fields})


def test_applied__counts_what_was_created_updated_and_left() -> None:
    plans = [plan(action) for action in ACTIONS]
    assert describe_applied(plans) == "Done: 1 created, 2 updated, 3 left as they were."


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (plan(Action.UNCHANGED), "unchanged table p.d.t"),
        (plan(Action.UPDATE, changes=CHANGES), "update table p.d.t: description, columns.x"),
        (
            plan(Action.UPDATE, changes=CHANGES[:1], deletes=DELETES),
            "update table p.d.t: description; the next run deletes 1,200 rows of 3 days before "
            "2025-01-04",
        ),
        (
            plan(Action.CONFLICT, changes=CHANGES, remedy="Choose another."),
            "table p.d.t cannot be changed in place: description is a, not b; columns.x is "
            "missing, not STRING. Choose another.",
        ),
    ],
)
def test_plan__is_summed_up_in_a_line(found: Plan, said: str) -> None:
    assert summarize_plan(found) == said


def test_plan__that_deletes_says_so_under_it() -> None:
    found = plan(Action.UPDATE, changes=CHANGES[:1], deletes=DELETES)
    assert describe_plans([found], Mode.APPLY, no_style()) == [
        "~ table p.d.t",
        "    description: a -> b",
        "    The next run deletes 1,200 rows of 3 days before 2025-01-04.",
        "Plan: 1 to update.",
    ]


def test_backfill__is_told_as_a_whole_and_slice_by_slice() -> None:
    run = RunResult(name="backfill of 90 days", state="SUCCEEDED", rows=4200, seconds=12.5)
    assert describe_backfill(run) == "The backfill of 90 days loaded 4,200 rows in 12.5 s."
    part = Slice(first_day=date(2026, 1, 1), end_day=date(2026, 2, 1), number=2, count=3)
    said = {
        describe_slice(SliceOutcome(slice=part, result=result, rows=1200, rows_before=1100))
        for result in SliceResult
    }
    assert said == {
        f"[2/3] 2026-01-01 to 2026-01-31: 1,100 -> 1,200 rows, {how}"
        for how in ("loaded", "already there", "no rows in PostgreSQL")
    }


def test_link__is_to_the_runs_of_the_scheduled_query(config: Config) -> None:
    run = "projects/1/locations/us-central1/transferConfigs/6f-0e/runs/1a2b"
    assert console_link(run, config) == (
        "https://console.cloud.google.com/bigquery/scheduled-queries/locations/us-central1/configs/"
        f"6f-0e/runs?project={config.project}"
    )


# Findings ----------------------------------------------------------------------------------------


def test_findings__are_in_columns_with_what_failed_last_and_how_long_it_took() -> None:
    findings = [
        failed("data.rows", "no rows\nat all", "load some"),
        skipped("vertex.baseline", "too little data"),
        warned("run.fresh", "late", "run it"),
        passed("table.exists", "is there"),
        failed("odd.one", "no", "do"),
    ]
    seconds = {"Reading the training table": 1.234, "Looking at the table": 0.5}
    assert describe_findings(findings, no_style(), seconds) == [
        "pass  table.exists     is there [0.50 s]",
        "skip  vertex.baseline  too little data",
        "WARN  run.fresh        late",
        f"{'':23}run it",
        "FAIL  data.rows        no rows at all [1.23 s]",
        f"{'':23}load some",
        "FAIL  odd.one          no",
        f"{'':23}do",
        "5 checks: 1 passed, 1 warned, 2 failed, 1 skipped. Failed: data.rows, odd.one.",
    ]
    assert describe_finding(findings[-1], no_style()) == "FAIL  odd.one  no"


# Charts of the days ------------------------------------------------------------------------------

FIRST = date(2026, 1, 5)


@pytest.mark.parametrize(
    ("rows", "band", "said"),
    [
        ([], False, "0 rows on 0 of 0 days."),
        ([0, 0], True, "0 rows on 0 of 2 days."),
        (
            [1000, 0, 3001, 500],
            False,
            "4,501 rows on 3 of 4 days; 1,500 a day on average, most on 2026-01-07 (3,001), fewest "
            "on 2026-01-08 (500).",
        ),
        (
            [7, 7],
            True,
            "14 rows on 2 of 2 days; 7 a day on average, most on 2026-01-05 (7), fewest on "
            "2026-01-05 (7). The band: what the same weekday had in the 3 or 4 weeks before.",
        ),
    ],
)
def test_days__are_told_in_a_sentence(rows: list[int], band: bool, said: str) -> None:
    days = [DayRows(day=FIRST + timedelta(days=n), rows=count) for n, count in enumerate(rows)]
    assert _describe_days(days, band) == said


def test_shares__are_told_of_each_dimension() -> None:
    assert _describe_shares(make_days(7, share=0.2)) == (
        "sanctions 100%, 100% of late; political 94%, 20% of late; economic 100%, 100% of late; "
        "supply chain 100%, 100% of late. Of late: the last 7 days."
    )
    assert _describe_shares(()).startswith("sanctions no rows, no rows of late; ")
