"""`data.volume`: what the last days are compared with, and what it says nothing about."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import pytest

from backend.demo.sample import SampleOptions, generate_history
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.snapshots import make_snapshot
from backend.forecasting.verification.day_counts import DayCounts
from backend.forecasting.verification.findings import Finding
from backend.forecasting.verification.snapshot import Snapshot
from backend.forecasting.verification.volume_checks import check_volume

pytestmark = pytest.mark.untraced

RHYTHM = (1.0, 1.1, 1.1, 1.05, 0.95, 0.55, 0.45)
MONDAY = date(2026, 1, 5)
Series = Callable[[int], float]


def check(counts: Sequence[float]) -> Finding:
    days = [
        DayCounts(day=MONDAY + timedelta(days=n), rows=round(count), dimensions={})
        for n, count in enumerate(counts)
    ]
    (finding,) = check_volume(replace(healthy(), days=tuple(days)))
    return finding


@cache
def healthy() -> Snapshot:
    """The same for all days that are looked at: some tests look at hundreds."""
    return make_snapshot(make_config())


def weekly(level: float, days: int = 90) -> list[float]:
    return [level * RHYTHM[n % 7] for n in range(days)]


def test_volume__weekly_rhythm_is_none_of_its_business() -> None:
    for days in range(84, 91):
        assert check(weekly(70, days)).status == "pass"


@pytest.mark.parametrize(
    ("days", "share"), [(3, 0.05), (4, 0.3), (7, 0.45)], ids=["95 %", "70 %", "55 %"]
)
def test_volume__that_fell_is_told_in_figures(days: int, share: float) -> None:
    counts = weekly(700)
    counts[-days:] = [count * share for count in counts[-days:]]
    finding = check(counts)
    assert finding.status == "warn"
    assert f"of the same weekdays in the 4 weeks before (-{1 - share:.0%}".replace("%", " %") in (
        finding.message
    )


def test_volume__says_the_figures_where_nothing_fell() -> None:
    assert check([10] * 90).message == (
        "70 rows of the last 7 days, 70 of the same weekdays in the 4 weeks before (+0 %)"
    )


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ([5] * 7, "pass"),
        ([5] * 6 + [4], "warn"),
        ([4, 3, 3], "pass"),
        ([3, 3, 3], "warn"),
    ],
    ids=["half a week", "less", "a third of three days", "less than it"],
)
def test_volume__exactly_the_least_share_is_no_fall(last: list[int], status: str) -> None:
    assert check([10] * (90 - len(last)) + last).status == status


@pytest.mark.parametrize("monthly", [2.0, 0.75], ids=["growing", "shrinking"])
def test_volume__trend_is_no_fall(monthly: float) -> None:
    assert check([200 * monthly ** (n / 30) for n in range(90)]).status == "pass"


def test_volume__holidays_are_no_fall_neither_when_they_come_nor_after() -> None:
    counts = weekly(200, 120)
    for day, share in ((80, 0.6), (81, 0.35), (82, 0.45), (83, 0.65), (84, 0.65), (88, 0.35)):
        counts[day] *= share
    assert {check(counts[:end]).status for end in range(60, 120)} == {"pass"}


def test_volume__single_empty_day_is_left_to_the_coverage() -> None:
    assert check([*weekly(100, 89), 0]).status == "pass"


@pytest.mark.parametrize(
    "counts",
    [weekly(100, 20), [*weekly(100, 14), 0, 0, 0], [*[2] * 87, 0, 0, 0]],
    ids=["short table", "two weeks", "few rows"],
)
def test_volume__too_little_to_compare_is_said(counts: list[float]) -> None:
    finding = check(counts)
    assert (finding.status, finding.message) == ("pass", "too few days or rows to compare the last")


def test_volume__days_are_compared_from_thirty_rows_on() -> None:
    assert check([*[10] * 87, 0, 0, 0]).status == "warn"
    assert check([*[9] * 87, 0, 0, 0]).status == "pass"


def test_volume__no_rows_at_all_fail() -> None:
    assert check([]).status == "fail"
    assert check([0] * 90).status == "fail"


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_volume__noise_is_no_fall(noise: float) -> None:
    rng = random.Random(7)
    counts = [count * rng.lognormvariate(0, noise) for count in weekly(70, 365)]
    assert {check(counts[:end][-90:]).status for end in range(60, 366)} == {"pass"}


def test_volume__demos_days_never_warn() -> None:
    history = generate_history(SampleOptions(last_day=date(2026, 3, 31), days=180))
    keys = {(m.entity_id, m.mentioned_at.date()) for m in history.mentions}
    rows = Counter(day for _, day in keys)
    by_day = [rows[date(2026, 3, 31) - timedelta(days=age)] for age in range(179, -1, -1)]
    assert min(by_day) > 0
    assert {check(by_day[:end][-90:]).status for end in range(60, 181)} == {"pass"}
