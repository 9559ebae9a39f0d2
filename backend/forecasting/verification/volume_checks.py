"""The check of how many rows the last days have: a pure function from a snapshot to findings.

The last days are compared with the same weekdays of the weeks before them, so a weekly rhythm makes
no difference, and the median of those weeks is little moved by a holiday among them. How the shares
below were chosen is in docs/verification.md. More rows than before are no trouble.
"""

from collections.abc import Iterator, Sequence
from statistics import median

from ..counting import count_things
from .day_checks import judge_days
from .day_counts import DayCounts, count_rows
from .findings import Finding, FindingStatus, passed, warned
from .snapshot import Snapshot

CHECK = "data.volume"
LEAST_SHARES = {3: 1 / 3, 7: 1 / 2}
"""By how many of the last days: the share of the earlier rows below which it warns."""

WEEKS, LEAST_WEEKS = 4, 3
LEAST_ROWS = 30
"""Of fewer rows than these a few more or less say nothing."""

_HINT = (
    "find out which mentions of these days PostgreSQL has lost, or never got, or which have lost "
    "their scores, and bring them back: the next run that reads the days loads them"
)


def check_volume(snapshot: Snapshot) -> Iterator[Finding]:
    yield from judge_days(snapshot, CHECK, _judge)


def _judge(days: Sequence[DayCounts]) -> Finding:
    compared = [found for length in LEAST_SHARES if (found := _compare(days, length))]
    if not compared:
        return passed(CHECK, "too few days or rows to compare the last")
    return next((f for f in compared if f.status is not FindingStatus.PASSED), compared[-1])


def usual_rows(rows: Sequence[int]) -> list[tuple[int, int] | None]:
    """For each day the least and the most rows of the same weekday in the weeks before it.

    None where there are too few weeks to tell.
    """
    found: list[tuple[int, int] | None] = []
    for at in range(len(rows)):
        before = [rows[at - 7 * week] for week in range(1, WEEKS + 1) if at >= 7 * week]
        found.append((min(before), max(before)) if len(before) >= LEAST_WEEKS else None)
    return found


def _compare(days: Sequence[DayCounts], length: int) -> Finding | None:
    """The last `length` days against those before; None where there is too little to compare."""
    ends = [len(days) - 7 * week for week in range(1, WEEKS + 1)]
    before = [count_rows(days[end - length : end]) for end in ends if end >= length]
    usual = median(before) if len(before) >= LEAST_WEEKS else 0
    if usual < LEAST_ROWS:
        return None
    rows, least = count_rows(days[-length:]), LEAST_SHARES[length] * usual
    message = (
        f"{count_things(rows, 'row')} of the last {length} days, {usual:,.0f} of the same weekdays "
        f"in the {len(before)} weeks before ({rows / usual - 1:+.0%})".replace("%", " %")
    )
    if rows >= least:
        return passed(CHECK, message, f"{rows}")
    return warned(CHECK, message, _HINT, f"at least {least:,.0f}", f"{rows}")
