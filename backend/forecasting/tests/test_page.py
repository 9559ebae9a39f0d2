"""What the report and the status page say before their charts, from a snapshot made by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest

from backend.forecasting.output.page import Page, RunLine, make_page
from backend.forecasting.tests.support.factories import make_config, make_run
from backend.forecasting.tests.support.snapshots import DATA, TODAY, UNSEEN, make_snapshot
from backend.forecasting.verification.findings import Finding, failed, passed, warned
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
