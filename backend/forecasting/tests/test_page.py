"""The first line of the report and the status page, from findings made by hand."""

from typing import Any

import pytest

from backend.forecasting.output.page import Page, make_page
from backend.forecasting.tests.support.factories import make_config, make_run
from backend.forecasting.tests.support.snapshots import UNSEEN, make_snapshot
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
