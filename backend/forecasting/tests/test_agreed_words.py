"""What bq_verify says of each thing that may be wrong, word by word."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.color import no_style

from backend.forecasting.conf import Config
from backend.forecasting.output.text import describe_findings
from backend.forecasting.sql.queries import render_nightly_load
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.check_cases import CASES
from backend.forecasting.tests.support.factories import (
    make_config,
    make_dataset,
    make_run,
    make_table,
    make_transfer,
)
from backend.forecasting.tests.support.snapshots import (
    NOW,
    TODAY,
    UNSEEN,
    YESTERDAY,
    Change,
    data,
    make_days,
    make_snapshot,
    source,
)
from backend.forecasting.verification.findings import collapse_skipped
from backend.forecasting.verification.snapshot import Snapshot
from backend.forecasting.verification.verify import check_snapshot

PARTS = (
    *("dataset", "table", "connection", "probe", "schedules", "runs"),
    *("data", "days", "sides", "baseline"),
)


JUDGED = (
    *("judged_count", "short_count", "sparse_count", "old_count", "usable_count"),
    *("long_usable_count", "usable_rows", "usable_first_day", "usable_last_day"),
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


OTHERS: dict[str, Change] = {
    **{f"unseen {name}": part(name, UNSEEN) for name in PARTS},
    **{f"no {name}": part(name, None) for name in PARTS if name not in ("schedules", "runs")},
    "no schedule": part("schedules", []),
    "no run": part("runs", []),
    "not asked": lambda _: {"reconcile": False, "sides": None, "baseline_asked": False},
    "no horizon": lambda config: {"config": config, "views": []},
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
    "one day": lambda _: {"days": make_days(1, rows=1), **data(row_count=1)(make_config())},
    "two series": data(judged_count=2, usable_count=1, long_usable_count=0, usable_rows=1),
    "nothing judged": data(**dict.fromkeys(JUDGED)),
    "nothing judged, no horizon": lambda config: {
        **data(**dict.fromkeys(JUDGED))(config),
        **{"config": config, "views": []},
    },
    "no share of missing days": data(missing_share=None, most_steps=None),
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
    assert len(changes) > 90
    shown = {
        name: said(replace(healthy, **change(config)), frozenset(usual))
        for name, change in changes.items()
    }
    assert_agreed("findings.json", {"usual": usual, **shown}, tmp_path)
