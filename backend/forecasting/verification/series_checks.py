"""Checks of the series that a model would learn from: pure functions from a snapshot to findings.

What a usable series is says sql/usable_series.sql. How many of them Google advises, how much
context and what split: vertex-ai/docs/tabular-data/forecasting/prepare-data, data-splits and
forecasting-parameters.
"""

from collections.abc import Iterator
from typing import Any

from ..counting import agree, count_bytes, count_things
from ..sql.series import CONTEXT_HORIZONS, RECENT_DAYS
from ..training_table import TARGET_COLUMN, TIME_COLUMN
from .baseline import Baseline
from .dimension_checks import mapped_dimensions
from .findings import Finding, failed, passed, skipped, warned
from .snapshot import Snapshot, Unseen

SERIES_A_COLUMN = 10
Split = tuple[int, int, int]
"""How many percent of the days are trained on, validated with and tested on, in this order."""
DEFAULT_SPLIT: Split = (80, 10, 10)
EVEN_SPLIT: Split = (60, 20, 20)
"""What leaves whole horizons in half as many days."""

NO_HORIZON = "FORECASTING_HORIZON_DAYS is not set"


def check_series(snapshot: Snapshot, data: dict[str, Any]) -> Iterator[Finding]:
    yield _check_usable(snapshot, data)
    for check, look in (("vertex.context", _check_context), ("vertex.split", _check_split)):
        if not snapshot.config.horizon_days:
            yield passed(check, f"nothing to compare with: {NO_HORIZON}")
        elif not data["usable_count"]:
            yield skipped(check, "no usable series")
        else:
            yield look(snapshot, data)


def check_baseline(snapshot: Snapshot) -> Iterator[Finding]:
    """Nothing where the baseline was not asked for and there is none to show."""
    check, baseline = "vertex.baseline", snapshot.baseline
    if isinstance(baseline, Baseline) and baseline.best:
        yield passed(check, _describe_baseline(baseline), baseline.best)
    elif snapshot.baseline_asked:
        hint = more_history(snapshot) if isinstance(baseline, Baseline) else ""
        yield skipped(check, _why_no_baseline(snapshot), hint)


def tested_days(days: int, split: Split) -> int:
    """How many whole days are in the last part of a split."""
    return days * split[2] // 100


def split_for(days: int, horizon: int) -> Split:
    """The split to train with: Google's where its parts hold the horizon, else a more even one."""
    return DEFAULT_SPLIT if tested_days(days, DEFAULT_SPLIT) >= horizon else EVEN_SPLIT


def context_for(data: dict[str, Any], horizon: int) -> int:
    """The context to begin with: all that the view shows, if most series are long enough."""
    most = 2 * (data["long_usable_count"] or 0) >= data["usable_count"]
    return CONTEXT_HORIZONS * horizon if most else horizon


def training_days(data: dict[str, Any]) -> int:
    """The days from the first to the last of all usable series, both counted."""
    return span_days(data["usable_first_day"], data["usable_last_day"])


def span_days(first: Any, last: Any) -> int:
    """The days from one to another, both counted; 0 where there are none."""
    return (last - first).days + 1 if first else 0


def _check_usable(snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    check, usable = "vertex.series_usable", data["usable_count"] or 0
    trained_on = (TIME_COLUMN, TARGET_COLUMN, *mapped_dimensions(snapshot.config))
    advised = SERIES_A_COLUMN * len(trained_on)
    message = f"{usable:,} of {data['judged_count'] or 0:,} series"
    if not snapshot.config.horizon_days:
        dense = f"{_have_rows(usable, _share(snapshot))}, and of the last {RECENT_DAYS} days"
        return passed(check, f"{message} {dense}; {NO_HORIZON}", str(usable))
    message += f" {agree(usable, 'is', 'are')} usable"
    if usable:
        message += f", {count_things(data['usable_rows'], 'row')} to train on"
    if usable >= advised:
        return passed(check, message, str(usable))
    finding = warned if usable else failed
    return finding(
        check,
        f"{message}: {_misses(snapshot, data)}",
        f"Google advises {SERIES_A_COLUMN} series for each of the {len(trained_on)} columns that "
        "are trained on: keep more history, forecast less far (--horizon-days), or take sparser "
        "series (FORECASTING_SERIES_MIN_SHARE)",
        f"at least {advised}",
        str(usable),
    )


def _misses(snapshot: Snapshot, data: dict[str, Any]) -> str:
    """How many series fail each condition; one may fail several."""
    days = CONTEXT_HORIZONS * snapshot.config.horizon_days + 1
    short, sparse, old = (data[f"{kind}_count"] or 0 for kind in ("short", "sparse", "old"))
    return (
        f"{short:,} {agree(short, 'spans', 'span')} less than {days} days, "
        f"{sparse:,} {_have_rows(sparse, f'less than {_share(snapshot)}')}, "
        f"{old:,} {agree(old, 'has', 'have')} none of the last {RECENT_DAYS} days"
    )


def _have_rows(series: int, share: str) -> str:
    have, their = agree(series, "has", "have"), agree(series, "its", "their")
    return f"{have} rows on {share} of {their} days"


def _share(snapshot: Snapshot) -> str:
    return f"{snapshot.config.series_min_share:.3g}"


def _check_context(snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    check, horizon = "vertex.context", snapshot.config.horizon_days
    context = CONTEXT_HORIZONS * horizon
    long, usable = data["long_usable_count"] or 0, data["usable_count"]
    message = (
        f"{long:,} of {usable:,} usable series {agree(long, 'spans', 'span')} {context + horizon} "
        f"days or more, a context of {context} and a horizon of {count_things(horizon, 'day')}"
    )
    if 2 * long >= usable:
        return passed(check, message, str(long))
    return warned(
        check,
        message,
        f"begin with a context of {count_things(horizon, 'day')} (Google advises 1 to 10 "
        "horizons), or keep more history",
        f"at least half of {usable}",
        str(long),
    )


def _check_split(snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    """Whether the last part of Google's default split, by date, holds a whole horizon."""
    check, horizon, days = "vertex.split", snapshot.config.horizon_days, training_days(data)
    tested = tested_days(days, DEFAULT_SPLIT)
    observed, even = count_things(tested, "day"), tested_days(days, EVEN_SPLIT)
    all_of_them = count_things(days, "day")
    message = f"the default split tests on the last tenth of {all_of_them}, which is {observed}"
    if tested >= horizon:
        return passed(check, f"{message} and holds the horizon", observed)
    another = (
        f"split {'/'.join(map(str, EVEN_SPLIT))} in the training, which tests on "
        f"{count_things(even, 'day')}, or "
        if even >= horizon
        else ""
    )
    return warned(
        check,
        f"{message} and less than the horizon of {horizon}",
        f"{another}{more_history(snapshot)}, or forecast less far (--horizon-days)",
        f"at least {count_things(horizon, 'day')}",
        observed,
    )


def _describe_baseline(baseline: Baseline) -> str:
    best = baseline.methods[str(baseline.best)]
    wape = "" if best.wape is None else f", WAPE {best.wape:.3f}"
    return (
        f"a model has to beat `{baseline.best}`, with a MAE of {best.mae:.2f}{wape} over "
        f"{count_things(baseline.rows, 'row')} since {baseline.cutoff} of {baseline.series:,} "
        f"series{count_bytes(baseline.bytes_processed)}"
    )


def _why_no_baseline(snapshot: Snapshot) -> str:
    baseline = snapshot.baseline
    if isinstance(baseline, Unseen):
        return f"could not compute it: {baseline.reason}"
    if baseline is None:
        return snapshot.why_no_data
    if not baseline.series:
        return f"too little data: no series was usable before {baseline.cutoff}"
    what = "has a row" if not baseline.rows else "has a number"
    return f"too little data: none of {baseline.series:,} series {what} since {baseline.cutoff}"


def more_history(snapshot: Snapshot) -> str:
    """How the table comes to hold more days."""
    load = "load older days (`python manage.py bq_setup_etl --backfill-days N`)"
    if snapshot.config.keep_history:
        return f"wait for more days, or {load}"
    return f"keep the days that leave the window (FORECASTING_KEEP_HISTORY=on) and {load}"
