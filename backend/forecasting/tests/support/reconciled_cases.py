"""Days that differ between PostgreSQL and BigQuery in each way, for what is said of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from backend.forecasting.conf import Config
from backend.forecasting.loading.backfill_mark import Mark
from backend.forecasting.loading.day_sums import BothSides, ColumnSums, DaySums
from backend.forecasting.tests.support.factories import make_run, make_transfer
from backend.forecasting.tests.support.snapshots import NOW, TODAY, UNSEEN, Change
from backend.forecasting.verification.past import Past

ENDED = datetime(2026, 3, 2, 2, 1, tzinfo=UTC)
SCORES, POLITICAL = ColumnSums(count=3, sum=130.0), ColumnSums(count=2, sum=60.0)
ROWS = DaySums(
    rows=1200, keys=10, scores=1234.5, columns={"risk_score": SCORES, "political_risk": POLITICAL}
)
MORE_ROWS, FEWER_ROWS = replace(ROWS, rows=1201, keys=11), replace(ROWS, rows=1199, keys=9)
OTHER_KEYS, OTHER_SCORES = replace(ROWS, keys=11), replace(ROWS, scores=2234.5)
HALF_GONE = replace(ROWS, rows=500, keys=5)
OTHER_SUM = replace(ROWS, columns={"risk_score": SCORES, "political_risk": ColumnSums(count=2)})
NO_POLITICAL = replace(ROWS, columns={"risk_score": SCORES})
NO_COLUMNS = replace(ROWS, columns={})

Ages = dict[int, DaySums]


def by_day(ages: Ages) -> dict[date, DaySums]:
    return {TODAY - timedelta(days=age): day for age, day in ages.items()}


def left(ages: Ages, **options: Any) -> Past:
    """The table as the last good run left it."""
    return Past(moment=ENDED, days=by_day(ages), **options)


def differ(source: Ages, table: Ages, past: Past | None = None, **changes: Any) -> Change:
    """These days by their age, of which each run reads the last seven."""

    def change(config: Config) -> dict[str, Any]:
        keep = changes.get("keep_history", False)
        config = replace(config, horizon_days=9, refresh_days=7, keep_history=keep)
        following = changes.get("next_run", datetime(2026, 3, 3, 2, tzinfo=UTC))
        disabled = changes.get("disabled", False)
        schedule = make_transfer(config, next_run_time=following, disabled=disabled)
        sides = BothSides(
            source=by_day(source), table=by_day(table), bytes_processed=changes.get("cost")
        )
        runs = changes.get("runs", [make_run("SUCCEEDED")])
        found = {"config": config, "schedules": [schedule], "runs": runs}
        return {**found, "sides": sides, "past": past}

    return change


MARK = Mark(
    first_day=TODAY - timedelta(days=3), end_day=TODAY, at=ENDED + timedelta(hours=1), done=True
)
MANY, SAME_MANY = dict.fromkeys(range(1, 6), MORE_ROWS), dict.fromkeys(range(1, 6), ROWS)
ONE: Ages = {1: ROWS}

RECONCILED: dict[str, Change] = {
    "the same": differ({1: ROWS, 20: ROWS}, {1: ROWS, 20: ROWS}, cost=1234567),
    "the same, kept history": differ(ONE, ONE, keep_history=True),
    "late rows": differ({1: MORE_ROWS}, ONE),
    "late rows, kept history": differ({1: MORE_ROWS}, ONE, keep_history=True),
    "late rows of a day that is left as it was": differ({1: MORE_ROWS}, ONE, left(ONE)),
    "late rows, backfilled since": differ({1: MORE_ROWS}, ONE, left(ONE, backfill=MARK)),
    "late rows, backfilled since and not that day": differ(
        {4: MORE_ROWS}, {4: ROWS}, left({4: ROWS}, backfill=MARK)
    ),
    "late rows, past unknown": differ({1: MORE_ROWS}, ONE, Past(unknown="nobody knows")),
    "late rows, no good run": differ({1: MORE_ROWS}, ONE, runs=[make_run("FAILED")]),
    "late rows, runs unseen": differ({1: MORE_ROWS}, ONE, runs=UNSEEN),
    "late rows, switched off": differ({1: MORE_ROWS}, ONE, disabled=True),
    "late rows of the first day that is read again": differ({6: MORE_ROWS}, {6: ROWS}),
    "late rows of the last day that is not": differ({7: MORE_ROWS}, {7: ROWS}),
    "late rows of a day before": differ({8: MORE_ROWS}, {8: ROWS}),
    "late rows, next run unknown": differ({6: MORE_ROWS}, {6: ROWS}, next_run=None),
    "late rows before that, next run unknown": differ({7: MORE_ROWS}, {7: ROWS}, next_run=None),
    "late rows, next run today": differ({7: MORE_ROWS}, {7: ROWS}, next_run=NOW),
    "late rows of many days": differ(MANY, SAME_MANY),
    "late rows of three days": differ(
        dict.fromkeys((1, 2, 3), MORE_ROWS), dict.fromkeys((1, 2, 3), ROWS)
    ),
    "late rows of old days": differ({20: MORE_ROWS, 9: MORE_ROWS}, {20: ROWS, 9: ROWS}),
    "a new day": differ(ONE, {}),
    "a day that is gone": differ({}, ONE),
    "fewer rows": differ({1: FEWER_ROWS}, ONE),
    "fewer rows of a day that is left as it was": differ({1: FEWER_ROWS}, ONE, left(ONE)),
    "many rows fewer": differ({1: HALF_GONE}, ONE, left(ONE)),
    "many rows fewer, old": differ({20: HALF_GONE}, {20: ROWS}),
    "a fifth fewer": differ({20: replace(ROWS, rows=960)}, {20: ROWS}),
    "more than a fifth fewer": differ({20: replace(ROWS, rows=959)}, {20: ROWS}),
    "other entities": differ({1: OTHER_KEYS}, ONE),
    "other scores": differ({1: OTHER_SCORES}, ONE),
    "other values of a dimension": differ({1: OTHER_SUM}, ONE),
    "no values of a dimension": differ({1: NO_POLITICAL}, ONE),
    "no values at all": differ({1: NO_COLUMNS}, ONE),
    "deleted since": differ(ONE, {1: FEWER_ROWS}, left(ONE)),
    "deleted wholly since": differ(ONE, {}, left(ONE)),
    "other entities since": differ(ONE, {1: OTHER_KEYS}, left(ONE)),
    "other values since": differ(ONE, {1: NO_COLUMNS}, left(ONE)),
    "inserted since": differ({}, ONE, left({})),
    "tampered with and late": differ(
        {1: ROWS, 2: MORE_ROWS}, {1: FEWER_ROWS, 2: ROWS}, left({1: ROWS, 2: ROWS})
    ),
    "tampered with, an old day": differ({20: ROWS}, {20: FEWER_ROWS}, left({20: ROWS})),
    "tampered with, many days": differ(
        SAME_MANY, dict.fromkeys(range(1, 6), FEWER_ROWS), left(SAME_MANY)
    ),
    "tampered with, three days": differ(
        dict.fromkeys((1, 2, 3), ROWS),
        dict.fromkeys((1, 2, 3), FEWER_ROWS),
        left(dict.fromkeys((1, 2, 3), ROWS)),
    ),
    "tampered with and lost": differ({}, {1: FEWER_ROWS}, left(ONE)),
}
