"""What bq_verify says of each thing that may be wrong, word by word."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.color import no_style
from google.cloud.bigquery_connection_v1.types import Connection

from backend.forecasting.conf import Config
from backend.forecasting.loading.reach import Probe
from backend.forecasting.output.text import describe_findings
from backend.forecasting.sql.queries import render_nightly_load
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.check_cases import CASES
from backend.forecasting.tests.support.factories import (
    column_reprs,
    make_config,
    make_dataset,
    make_run,
    make_table,
    make_transfer,
)
from backend.forecasting.tests.support.reconciled_cases import RECONCILED
from backend.forecasting.tests.support.snapshots import (
    BASELINE,
    DATA,
    NO_BASELINE,
    NOW,
    TODAY,
    UNSEEN,
    WRONG_PASSWORD,
    YESTERDAY,
    Change,
    connection,
    data,
    make_days,
    make_snapshot,
    make_views,
    source,
    table,
)
from backend.forecasting.verification.findings import collapse_skipped
from backend.forecasting.verification.reconciliation import check_source
from backend.forecasting.verification.snapshot import Snapshot, Window
from backend.forecasting.verification.verify import check_snapshot

PARTS = (
    *("dataset", "table", "connection", "probe", "schedules", "runs"),
    *("data", "days", "sides", "baseline"),
)


JUDGED = (
    *("judged_count", "short_count", "sparse_count", "old_count", "usable_count"),
    *("long_usable_count", "usable_rows", "usable_steps"),
    *("usable_first_day", "usable_last_day"),
)
"""What SUM and MIN have none of where there is no series; COUNTIF has it of no rows."""


def part(name: str, value: object) -> Change:
    return lambda _: {name: value}


def stored(**options: Any) -> Change:
    """A scheduled query that other settings made."""
    query = render_nightly_load(make_config(**options))
    return lambda config: {"schedules": [make_transfer(config, params={"query": query})]}


def settings(**fields: Any) -> Change:
    return lambda config: {"config": replace(config, horizon_days=9, **fields)}


def both(*changes: Change) -> Change:
    return lambda config: {name: v for change in changes for name, v in change(config).items()}


def no_horizon(config: Config) -> dict[str, Any]:
    return {"config": config, "views": []}


def schedules(**fields: Any) -> Change:
    return lambda config: {"schedules": [make_transfer(config, **fields)]}


COUNTED = [name for name, value in DATA.items() if type(value) is int]
ONE_ROW: dict[str, Any] = {
    **{name: value and 1 for name, value in DATA.items() if type(value) is int},
    **dict.fromkeys(("first_day", "last_day", "usable_first_day", "usable_last_day"), YESTERDAY),
}
PLURAL = re.compile(
    r"(?<![\d.,-])1 (?:(?:more|usable|complete) )?(?:(?!series|spans|has|is)\w+s\b|entities)|"
    r"(?<![\d.,-])1 of [\w,' ]+ (?:have|are|differ|change|span)\b"
)
FAILED = make_run("FAILED", error_status={"message": WRONG_PASSWORD})
REFUSED = part("runs", [FAILED, make_run("SUCCEEDED")])
STOPPED = part("runs", [make_run("CANCELLED"), make_run("SUCCEEDED")])
LATE = part("now", NOW + timedelta(hours=17))
EMPTY = both(data(row_count=0, rows_in_window=0), part("days", ()))
UNKNOWN_SCRIPT = schedules(params={"query": "SELECT 1"})
OLD_ROWS = data(rows_before_window=5)
NO_WAPE = replace(BASELINE.methods["mean"], wape=None)
MORE: dict[str, Change] = {
    "nothing in it": EMPTY,
    "nothing in it since a run failed": both(EMPTY, REFUSED),
    "nothing in it and no run": both(EMPTY, part("runs", [])),
    "nothing in it and runs unseen": both(EMPTY, part("runs", UNSEEN)),
    "late since a run failed": both(LATE, REFUSED),
    "late since a run was stopped": both(LATE, STOPPED),
    "a run of an unknown day": part("runs", [make_run("FAILED", run_time=None)]),
    "a run without an end": part("runs", [make_run("SUCCEEDED", end_time=None)]),
    "rows of several wrong days": data(
        rows_before_window=3, rows_after_window=2, rows_off_midnight=1
    ),
    "repeated rows, few refreshed days": both(settings(refresh_days=7), data(repeated_rows=2)),
    "repeated rows, kept history": both(settings(keep_history=True), data(repeated_rows=2)),
    "rows of today, few refreshed days": both(
        settings(refresh_days=7), data(rows_after_window=2, last_day=TODAY)
    ),
    "high scores, few refreshed days": both(settings(refresh_days=7), data(rows_out_of_range=1)),
    "rows off midnight and a day to come": data(
        rows_off_midnight=1, last_day=TODAY + timedelta(days=1)
    ),
    "old rows that the stored script keeps": both(stored(keep_history="on"), OLD_ROWS),
    "old rows that the stored window holds": both(stored(window_days="91"), OLD_ROWS),
    "old rows and a narrower stored window": both(stored(window_days="89"), OLD_ROWS),
    "old rows, unknown script": both(UNKNOWN_SCRIPT, OLD_ROWS),
    "old rows, unknown script, kept here": both(
        UNKNOWN_SCRIPT, settings(keep_history=True), OLD_ROWS
    ),
    "old rows, no schedule": both(part("schedules", []), OLD_ROWS),
    "more rows than the window's": both(
        data(row_count=5000, series_in_window=50), part("bytes_processed", 0)
    ),
    "score of the entity": settings(score_field="entity__risk_score"),
    "gaps, no horizon": both(no_horizon, data(missing_share=0.51)),
    "short series, no number of them": data(short_series=2, series_count=None),
    "no series": data(series_count=None, short_series=None),
    "most series short": data(short_series=2000, series_count=3000),
    "constant series": data(constant_series=2000, series_count=3000),
    "no first day": data(
        first_day=None, last_day=None, usable_first_day=None, usable_last_day=None
    ),
    "no first day, no horizon": both(no_horizon, data(first_day=None, last_day=None)),
    "a short span, kept history": both(
        settings(keep_history=True),
        data(first_day=TODAY - timedelta(days=5), usable_first_day=TODAY - timedelta(days=5)),
    ),
    "a span of half the split": data(usable_first_day=TODAY - timedelta(days=44)),
    "few usable of many": data(
        **{"judged_count": 3000, "usable_count": 2000, "usable_rows": 1, "long_usable_count": 999},
        **{"short_count": 1000, "sparse_count": 1001, "old_count": 1002},
    ),
    "a sparse share": settings(series_min_share=0.12345),
    "a sparse share, no horizon": both(
        no_horizon, lambda config: {"config": replace(config, series_min_share=0.12345)}
    ),
    "odd names": table(
        schema={"fields": [{"name": name, "type": "STRING"} for name in ("_x", "é", "a b", "0a")]}
    ),
    "one column": table(schema={"fields": column_reprs()[:1]}),
    "an unknown size": table(numBytes=None),
    "one row": data(row_count=1),
    "a baseline without WAPE": part(
        "baseline", replace(BASELINE, methods={**BASELINE.methods, "mean": NO_WAPE})
    ),
    "what the baseline cost": part(
        "baseline", replace(BASELINE, bytes_processed=1234567, rows=1, series=1000)
    ),
    "no baseline, kept history": both(
        settings(keep_history=True), part("baseline", replace(NO_BASELINE, series=1000))
    ),
    "no numbers to forecast": part("baseline", replace(NO_BASELINE, series=3, rows=5)),
    "no baseline, nothing asked": both(
        part("baseline", NO_BASELINE), part("baseline_asked", False)
    ),
    "no baseline of no data": both(part("baseline", None), part("data", UNSEEN)),
    "a query that fails for an unknown reason": part("probe", Probe(error="odd")),
    "one orphan": part("probe", Probe(error="", orphans=1)),
    "two more writers": lambda c: {
        "writers": [make_transfer(c, display_name=f"Load {n}", name=f"n/{n}") for n in "12"]
    },
    "both views absent": lambda c: {"views": [(spec, None) for spec, _ in make_views(c)]},
    "both views unseen": lambda c: {"views": [(spec, UNSEEN) for spec, _ in make_views(c)]},
    "one view absent, the other unseen": lambda c: {
        "views": [
            (spec, seen) for (spec, _), seen in zip(make_views(c), (None, UNSEEN), strict=True)
        ]
    },
    "a dataset that lets things expire": part(
        "dataset",
        make_dataset(defaultTableExpirationMs="86400000", defaultPartitionExpirationMs="3600000"),
    ),
    "a dataset in capitals": part("dataset", make_dataset(location="US-CENTRAL1")),
    "a table elsewhere and described by hand": table(location="EU", description="by hand"),
    "all but the description gone": table(
        schema={"fields": column_reprs()[:3]}, timePartitioning=None, description=None
    ),
    "no table and no horizon": both(no_horizon, part("table", None)),
    "a table without columns to read": both(
        table(schema={"fields": column_reprs()[:3]}),
        lambda _: dict.fromkeys(("data", "days", "sides", "baseline")),
    ),
    "data and days unseen": lambda _: dict.fromkeys(("data", "days"), UNSEEN),
    "a day without rows": part("days", make_days(1, rows=0)),
    "days without rows": part("days", make_days(90, rows=0)),
    "few rows of three days": part("days", make_days(3, rows=16)),
    "a dimension fell and went off its scale": part(
        "days", make_days(7, share=0.3, off_scale=1000, least=-5.0, greatest=1e9)
    ),
    "another connection": connection(cloud_sql={"type_": "MYSQL", "database": "other"}),
    "a connection of no Cloud SQL": part("connection", Connection(name="x", spark={})),
    "scheduled otherwise in each way": schedules(
        disabled=True,
        schedule="every day 03:00",
        destination_dataset_id="x",
        params={"query": "SELECT 1", "write_disposition": "WRITE_TRUNCATE"},
    ),
}
OTHERS: dict[str, Change] = {
    **{f"unseen {name}": part(name, UNSEEN) for name in PARTS},
    **{f"no {name}": part(name, None) for name in PARTS if name not in ("schedules", "runs")},
    "no schedule": part("schedules", []),
    "no run": part("runs", []),
    "not asked": lambda _: {"reconcile": False, "sides": None, "baseline_asked": False},
    "no horizon": no_horizon,
    "kept history": settings(keep_history=True),
    "few refreshed days": settings(refresh_days=7),
    "cost": part("bytes_processed", 1234567),
    "run under way": lambda _: {"runs": [make_run("RUNNING"), make_run("SUCCEEDED")]},
    "two schedules": lambda c: {"schedules": [make_transfer(c), make_transfer(c)]},
    "our clock behind": part("now", NOW - timedelta(days=1)),
    "half an hour ago": part("now", datetime(2026, 3, 2, 2, 30, 47, tzinfo=UTC)),
    "another writer": lambda c: {"writers": [make_transfer(c)]},
    "two and a writer": lambda c: {
        "schedules": [make_transfer(c)] * 2,
        "writers": [make_transfer(c)],
    },
    "one of all that is wrong": lambda config: {
        "config": replace(config, horizon_days=1, window_days=1, refresh_days=1, keep_history=True),
        "window": Window(start=YESTERDAY, end=TODAY),
        **data(**{**dict.fromkeys(COUNTED, 1), "row_count": 2})(config),
        "probe": Probe(error="", orphans=1),
        "days": make_days(3, rows=0)[:-1] + make_days(1, rows=1)[-1:],
    },
    "one of all series and days": lambda config: {
        "config": replace(config, horizon_days=1, window_days=1, refresh_days=1, keep_history=True),
        "window": Window(start=YESTERDAY, end=TODAY),
        **data(**{**ONE_ROW, "days_in_window": 0, "long_usable_count": 0})(config),
        "baseline": replace(BASELINE, horizon_days=1, series=1, rows=1),
    },
    "one series of a day, no horizon": both(no_horizon, data(**ONE_ROW)),
    "one day": lambda _: {"days": make_days(1, rows=1), **data(row_count=1)(make_config())},
    "two series": data(judged_count=2, usable_count=1, long_usable_count=0, usable_rows=1),
    "nothing judged": data(**dict.fromkeys(JUDGED)),
    "nothing judged, no horizon": both(data(**dict.fromkeys(JUDGED)), no_horizon),
    "no share of missing days": data(
        **dict.fromkeys(("missing_share", "most_steps", "usable_steps"))
    ),
    "rows of today": data(row_count=5000, rows_after_window=2, last_day=TODAY),
    "old rows": data(rows_before_window=1200),
    "a snapshot of a table": part("table", make_table(type="SNAPSHOT")),
    "a linked dataset": part("dataset", make_dataset(type="LINKED")),
    "a dimension fell": part("days", make_days(3, share=0.0)),
    "a dimension off its scale": part("days", make_days(1, off_scale=2, least=-5.0)),
    "fewer rows of late": part("days", make_days(7, rows=20)),
    "no more than a few days": part("days", make_days()[-3:]),
    "a day that was lost": source(YESTERDAY, rows=8, keys=6),
    "rows that came late": source(YESTERDAY, rows=12, scores=430.0),
    "an old day that changed": source(TODAY - timedelta(days=95), rows=12),
    "stored with a wider window": stored(window_days="365", refresh_days="90"),
    "stored with another share": stored(min_rows_ratio="0.25"),
    **MORE,
}


def said(snapshot: Snapshot, usual: frozenset[str] = frozenset()) -> list[str]:
    """What is said then and is not as usual, and what each finding compared."""
    findings = collapse_skipped(check_snapshot(snapshot))
    lines = describe_findings(findings, no_style())
    compared = [f"{f.id}: {f.expected} | {f.observed}" for f in findings]
    return [line.strip() for line in (*lines, *compared) if line.strip() not in usual]


def test_findings__are_said_as_agreed(config: Config, tmp_path: Path) -> None:
    healthy = make_snapshot(config)
    usual = said(healthy)
    changes = {f"{case}: {case.message}": case.change for case in CASES} | OTHERS
    assert len(changes) > 150
    shown = {
        name: said(replace(healthy, **change(config)), frozenset(usual))
        for name, change in changes.items()
    }
    assert_agreed("findings.json", {"usual": usual, **shown}, tmp_path)
    assert PLURAL.findall("\n".join(line for lines in shown.values() for line in lines)) == []


def test_reconciliation__is_said_as_agreed(config: Config, tmp_path: Path) -> None:
    shown = {}
    assert len(RECONCILED) > 40
    for name, change in RECONCILED.items():
        (finding,) = check_source(make_snapshot(config, **change(config)))
        shown[name] = {part: value for part, value in finding.as_json().items() if part != "id"}
    assert_agreed("reconciliation.json", shown, tmp_path)
    assert PLURAL.findall(f"{shown}") == []
