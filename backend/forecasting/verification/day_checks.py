"""What the checks of the days have in common: whether there is anything to judge."""

from collections.abc import Callable, Iterator, Sequence

from .data_checks import how_to_fill
from .day_counts import DayCounts, count_rows
from .findings import Finding, failed, skipped
from .snapshot import Snapshot, Unseen


def judge_days(
    snapshot: Snapshot, check: str, judge: Callable[[Sequence[DayCounts]], Finding]
) -> Iterator[Finding]:
    """What `judge` finds in the days of the window; a failure where they have no rows."""
    days = snapshot.days
    if days is None or isinstance(days, Unseen):
        yield skipped(check, snapshot.why_no_days)
    elif not count_rows(days):
        yield failed(check, "no rows", how_to_fill(snapshot))
    else:
        yield judge(days)
