"""Checks of what Vertex AI Forecasting takes: pure functions from a snapshot to findings.

What Google documents as refused fails (vertex-ai/docs/tabular-data/forecasting/prepare-data).
What makes a poor model, or is inferred where the documentation is silent, warns.
"""

import re
from collections.abc import Iterator
from typing import Any

from google.cloud import bigquery

from ..counting import agree, count_things
from ..database.mapping import load_mapping
from ..database.source_mapping import Owner
from .findings import Finding, failed, passed, skipped, warned
from .series_checks import NO_HORIZON, check_baseline, check_series, more_history, span_days
from .snapshot import Snapshot, Unseen, short_days

ROWS = range(1_000, 100_000_001)
COLUMNS = range(3, 101)
MAX_BYTES = 100 * 10**9
MAX_STEPS = 3_000
TEST_SHARE = 0.1
"""The share of the time that the default split keeps for testing (data-splits)."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")
_TABLE = ("columns", "size", "names")
_DATA = (
    *("rows", "series_length", "span", "constant_target", "gaps"),
    *("series_usable", "context", "split"),
)


def check_vertex(snapshot: Snapshot) -> Iterator[Finding]:
    table, data = snapshot.table, snapshot.data
    if isinstance(data, dict):
        yield _check_rows(snapshot, data)
    if isinstance(table, bigquery.Table):
        yield from _check_table(table)
    if isinstance(data, dict):
        yield from _check_series(snapshot, data)
    if not isinstance(table, bigquery.Table):
        why = f"could not look: {table.reason}" if isinstance(table, Unseen) else "no table to read"
        yield from (skipped(f"vertex.{name}", why) for name in _TABLE)
    if not isinstance(data, dict):
        yield from (skipped(f"vertex.{name}", snapshot.why_no_data) for name in _DATA)
    yield from check_baseline(snapshot)


def _check_rows(snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    """Of the table, and of its usable series without gaps, which are what is trained on."""
    rows, where = data["row_count"], ""
    dense = _of_view(snapshot, data, "usable_rows")
    if rows in ROWS and dense and dense not in ROWS:
        rows, where = dense, " to train on"
    return _within(
        "vertex.rows",
        "row",
        rows,
        ROWS,
        "load more history (FORECASTING_WINDOW_DAYS) or, above the limit, less",
        where,
    )


def _of_view(snapshot: Snapshot, data: dict[str, Any], name: str) -> int:
    """A figure of the view that is trained on; 0 where there is none, or nothing in it."""
    return (snapshot.config.horizon_days and data[name]) or 0


def _check_table(table: bigquery.Table) -> Iterator[Finding]:
    names = [field.name for field in table.schema]
    yield _within(
        "vertex.columns", "column", len(names), COLUMNS, "drop columns that nobody trains on"
    )
    size = table.num_bytes or 0
    yield _within(
        "vertex.size",
        "byte",
        size,
        range(MAX_BYTES + 1),
        "shorten the window (FORECASTING_WINDOW_DAYS) or drop columns",
    )
    if odd := [name for name in names if not _NAME.fullmatch(name)]:
        yield failed(
            "vertex.names",
            f"Vertex AI refuses the column names {', '.join(odd)}",
            "rename them: letters, digits and underscores, no underscore in front",
            "letters, digits, underscores",
            ", ".join(odd),
        )
    else:
        yield passed("vertex.names", "every column name is one that Vertex AI takes")


def _check_series(snapshot: Snapshot, data: dict[str, Any]) -> Iterator[Finding]:
    yield _check_length(snapshot, data)
    yield _check_span(snapshot, data)
    yield _check_constant(snapshot, data)
    yield _check_gaps(snapshot, data)
    yield from check_series(snapshot, data)


def _check_length(snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    check, dense = "vertex.series_length", _of_view(snapshot, data, "usable_steps")
    most = max(dense, data["most_steps"] or 0)
    if most > MAX_STEPS:
        return failed(
            check,
            f"the longest series has {most:,} days, Vertex AI takes {MAX_STEPS:,}",
            "shorten the window (FORECASTING_WINDOW_DAYS, FORECASTING_KEEP_HISTORY)",
            f"at most {MAX_STEPS}",
            str(most),
        )
    short, count = data["short_series"] or 0, data["series_count"] or 0
    if short * 2 > count:
        days = short_days(snapshot.config.horizon_days)
        return warned(
            check,
            f"{short:,} of {count:,} series {agree(short, 'spans', 'span')} less than {days} days",
            "such series hardly teach a model with this horizon (inferred, Google names no "
            "minimum): widen FORECASTING_WINDOW_DAYS or shorten --horizon-days",
            f"at most half below {days} days",
            str(short),
        )
    return passed(check, f"the longest series has {count_things(most, 'day')}", str(most))


def _check_span(snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    """Whether the default split by date leaves whole horizons to validate and test on."""
    check, horizon = "vertex.span", snapshot.config.horizon_days
    span = span_days(data["first_day"], data["last_day"])
    days = count_things(span, "day")
    needed = round(horizon / TEST_SHARE)
    if span >= needed:
        longest = horizon or f"up to {int(span * TEST_SHARE)}; {NO_HORIZON}"
        return passed(check, f"{days}, enough for a horizon of {longest}", str(span))
    return warned(
        check,
        f"{days} {agree(span, 'is', 'are')} short for a horizon of {count_things(horizon, 'day')}",
        f"the default split keeps a tenth of the time for testing, so {needed:,} days are needed "
        f"(inferred): {more_history(snapshot)}, or forecast less far (--horizon-days)",
        f"at least {count_things(needed, 'day')}",
        days,
    )


def _check_constant(snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    check, constant = "vertex.constant_target", data["constant_series"] or 0
    score = load_mapping(snapshot.config).score
    if score.owner is Owner.ENTITY:
        return warned(
            check,
            "the score is the entity's present one, the same for every day",
            "a forecast can learn nothing from it: take an event's, by FORECASTING_SCORE_FIELD or "
            "FORECASTING_SCORE_SOURCE=event",
            "event",
            "entity",
        )
    if constant:
        return warned(
            check,
            f"{constant:,} of {data['series_count']:,} series never "
            f"{agree(constant, 'changes', 'change')}",
            "a forecast can learn nothing from them; leave them out of the training if they matter",
            "0",
            str(constant),
        )
    return passed(check, "no series is constant", "0")


def _check_gaps(snapshot: Snapshot, data: dict[str, Any]) -> Finding:
    check, share = "vertex.gaps", data["missing_share"] or 0.0
    message = f"between its first and last day a series misses {share:.0%} of the days on average"
    if share <= MAX_MISSING_SHARE:
        return passed(check, message, f"{share:.0%}")
    table = snapshot.config.table
    views = (
        f"train on {table}_training and forecast from {table}_forecast, which have the entities "
        "that are mentioned most, and no gaps"
        if snapshot.config.horizon_days
        else "set FORECASTING_HORIZON_DAYS, and bq_setup makes views without gaps of the entities "
        "that are mentioned most"
    )
    return warned(
        check,
        message,
        f"training takes gaps, for a poorer model, and inference does not: {views}",
        f"at most {MAX_MISSING_SHARE:.0%}",
        f"{share:.0%}",
    )


MAX_MISSING_SHARE = 0.5


def _within(
    check: str, what: str, number: int, allowed: range, hint: str, where: str = ""
) -> Finding:
    if number in allowed:
        return passed(check, count_things(number, what), str(number))
    limits = f"{allowed.start:,} to {allowed.stop - 1:,}"
    message = f"{count_things(number, what)}{where}, Vertex AI takes {limits}"
    return failed(check, message, hint, limits, str(number))
