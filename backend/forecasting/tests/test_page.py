"""What the report and the status page say before their charts, from a snapshot made by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock, call

import pytest

from backend.forecasting.output.page import Page, RunLine, make_page
from backend.forecasting.tests.support.factories import (
    RUN_NAME,
    make_config,
    make_run,
    make_transfer,
)
from backend.forecasting.tests.support.snapshots import (
    BASELINE,
    DATA,
    FIRST_DAY,
    NO_BASELINE,
    NOW,
    TODAY,
    UNSEEN,
    YESTERDAY,
    make_snapshot,
)
from backend.forecasting.verification.findings import Finding, failed, passed, skipped, warned
from backend.forecasting.verification.snapshot import Window
from backend.forecasting.verification.verify import Verification

FINE, WARNED = passed("a.fine", "fine"), warned("b.warned", "hm", "look")
FAILED = failed("c.failed", "no", "do", "1", "2")


def page_of(*findings: Finding, **changes: Any) -> Page:
    snapshot = make_snapshot(make_config(), **changes)
    result = Verification(
        config=snapshot.config, snapshot=snapshot, findings=findings, strict=False
    )
    return make_page(result, "no charts", lambda _: pytest.fail("no data"))


@pytest.mark.parametrize(
    ("findings", "changes", "verdict", "mood"),
    [
        ((FINE,), {}, "All there and right", "good"),
        ((FINE, WARNED), {}, "All there and right, with 1 warning", "warned"),
        ((FINE, WARNED), {"data": UNSEEN}, "Not everything could be looked at", "bad"),
        ((FINE, WARNED, FAILED), {"data": UNSEEN}, "1 of 3 checks failed", "bad"),
    ],
)
def test_page__is_judged_by_the_worst_of_what_was_found(
    findings: tuple[Finding, ...], changes: dict[str, Any], verdict: str, mood: str
) -> None:
    page = page_of(*findings, **changes)
    assert (page.verdict, page.mood) == (verdict, mood)


def test_page__has_a_mark_of_its_own_for_a_run_under_way() -> None:
    states = ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")
    page = page_of(FINE, runs=[make_run(state) for state in states])
    moods = [(line.state, line.mood) for line in page.runs]
    assert moods == list(zip(states, ("warn", "warn", "pass", "fail", "fail"), strict=True))


def test_page__tells_the_figures_of_the_window_where_the_table_holds_more() -> None:
    model = (("horizon", "9 days"), ("usable series", "60 of 60"), ("to beat", "mean, MAE 10.00"))
    last = ("last good run", "10.0 hours ago")
    assert page_of(FINE, data={**DATA, "days_in_window": 80}).figures == (
        *(("rows", "4,200"), ("entities", "60"), ("days with rows", "80 of 90")),
        *(*model, last),
    )
    assert page_of(FINE, data={**DATA, "row_count": 5000}).figures == (
        *(("rows", "5,000"), ("rows of the window", "4,200"), ("entities", "60")),
        *(("days of the window with rows", "90 of 90"), *model, last),
    )


def test_page__tells_of_each_run_when_how_long_and_why() -> None:
    failure = {"error_status": {"code": 3, "message": "boom"}}
    runs = [make_run("FAILED", **failure), make_run("SUCCEEDED"), make_run("PENDING")]
    failed_run, good_run, pending = page_of(FINE, runs=runs).runs
    day = datetime(TODAY.year, TODAY.month, TODAY.day, 2, tzinfo=UTC)
    assert good_run == RunLine(
        day=day,
        state="SUCCEEDED",
        mood="pass",
        started=day.replace(second=5),
        seconds=42.5,
        rows="4,200",
        message="",
    )
    assert (failed_run.rows, failed_run.message) == (None, "boom")
    assert (pending.started, pending.seconds, pending.rows) == (None, None, None)


def test_page__has_all_that_it_shows() -> None:
    snapshot = make_snapshot(make_config())
    findings = (FINE, WARNED, skipped("c.one", "no table"), skipped("d.other", "no table"))
    result = Verification(config=snapshot.config, snapshot=snapshot, findings=findings, strict=True)
    drawn: Any = Mock(return_value="charts")
    page = make_page(result, "no charts", drawn)
    assert page == Page(
        table="demo-project.intelligence.entity_risk_training_data",
        now=NOW,
        window=Window(start=FIRST_DAY, end=TODAY),
        verdict="All there and right, with 1 warning",
        mood="warned",
        summary="4 checks: 1 passed, 1 warned, 2 skipped.",
        figures=page.figures,
        findings=findings,
        runs=page.runs,
        ended_runs=(RUN_NAME,),
        why_no_runs="No run yet.",
        next_run=None,
        baseline=BASELINE,
        charts=None,
        why_no_charts="no charts",
    )
    assert (page.last_day, len(page.runs), drawn.called) == (YESTERDAY, 1, False)
    together = skipped("2 checks", "no table", "c.one, d.other")
    assert (page.lines, page.attention) == ([FINE, WARNED, together], [WARNED, together])
    data: Any = Mock()
    with_charts = make_page(result, data, drawn)
    assert with_charts == replace(page, charts=drawn.return_value, why_no_charts="")
    assert drawn.call_args_list == [call(data)]


def test_page__without_runs_or_figures_says_why_and_shows_what_there_is() -> None:
    page = page_of(FINE, runs=UNSEEN, data=UNSEEN, baseline=NO_BASELINE)
    assert (page.runs, page.ended_runs, page.figures) == ((), (), ())
    assert (page.why_no_runs, page.baseline) == ("the network is down", None)
    assert page_of(FINE, data=None).figures == (("last good run", "10.0 hours ago"),)


def test_page__shows_the_last_fifteen_runs_and_which_of_them_have_ended() -> None:
    states = ("PENDING", "RUNNING", "FAILED", "CANCELLED", *("SUCCEEDED",) * 12)
    runs = [make_run(state, name=f"{number}") for number, state in enumerate(states)]
    page = page_of(FINE, runs=runs)
    assert [line.state for line in page.runs] == list(states[:15])
    assert page.ended_runs == tuple(f"{number}" for number in range(2, 15))
    assert [line.rows for line in page.runs] == [*[None] * 4, "4,200", *[None] * 10]


def test_page__tells_the_next_run_and_how_many_usable_series_of_how_many() -> None:
    at = NOW + timedelta(hours=14)
    schedules = [make_transfer(make_config(), next_run_time=at)]
    data = {**DATA, "usable_count": 1200, "judged_count": 3400, "series_count": 5600}
    page = page_of(FINE, schedules=schedules, data=data)
    figures = dict(page.figures)
    assert page.next_run == at
    assert (figures["usable series"], figures["entities"]) == ("1,200 of 3,400", "5,600")


@pytest.mark.parametrize("table", [None, UNSEEN])
def test_page__of_an_unknown_table_tells_no_rows(table: Any) -> None:
    assert [line.rows for line in page_of(FINE, table=table).runs] == [None]
