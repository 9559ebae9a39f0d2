"""What the charts of the report show, read in one query and summed up in BigQuery."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from ..conf import Config
from ..database.names import read_names
from ..errors import ForecastingError
from ..google.clients import Clients
from ..google.errors import reading
from ..google.queries import run_query
from ..sql.queries import render_report_data
from ..training_table import NUMBERS, SERIES_COLUMN, TARGET_COLUMN
from ..verification.baseline import Baseline
from ..verification.day_counts import DayCounts
from ..verification.snapshot import Snapshot, Unseen, Window
from .labels import one_line

ENTITIES = 40
ENTITY_DAYS = 120
"""Days that are shown entity by entity: more would be too narrow to see, and make a heavy page."""


@dataclass(frozen=True, kw_only=True)
class DayRows:
    """One day of the window and its rows."""

    day: date
    rows: int


@dataclass(frozen=True, kw_only=True)
class ScoreStep:
    """The rows whose score is in [low, low + 5); below 0 and above 100 are a step each."""

    low: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class EntityHistory:
    """An entity's last days: what the table holds, by day and by column."""

    key: str
    name: str
    days: dict[date, dict[str, float | None]]


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """`entities` are those with most days first; their days are those from `entities_from`.

    `counts` are the days with what they have of each dimension, from the first that has rows.
    `baseline` is None where it has no figures; `names` are those of its series.
    """

    window: Window
    entities_from: date
    days: list[DayRows]
    scores: list[ScoreStep]
    entities: list[EntityHistory]
    bytes_processed: int | None
    counts: tuple[DayCounts, ...] = ()
    baseline: Baseline | None = None
    names: dict[str, str] = field(default_factory=dict)


def read_report_data(snapshot: Snapshot, clients: Clients) -> ReportData | str:
    """The data of all charts, or why there are none: without them a page is still of use."""
    if missing := _missing_library():
        return missing
    if not isinstance(snapshot.data, dict):
        return snapshot.why_no_data
    if not snapshot.data["rows_in_window"]:
        return "the training table holds no rows of these days"
    try:
        with reading("Reading what the report shows", clients):
            data = _read(snapshot.config, clients, snapshot.window)
        return _with_seen(data, snapshot)
    except ForecastingError as error:
        return str(error)


def _missing_library() -> str:
    try:
        importlib.import_module("altair")
        importlib.import_module("vl_convert")
    except ImportError as error:
        return (
            "altair and vl-convert-python are not both installed: run `pip install -r "
            f"requirements-charts.txt` ({error})"
        )
    return ""


def _read(config: Config, clients: Clients, window: Window) -> ReportData:
    entities_from = max(window.start, window.end - timedelta(days=ENTITY_DAYS))
    answer = run_query(
        clients,
        render_report_data(config),
        window_start=window.start,
        end_day=window.end,
        entities_from=entities_from,
        entities=ENTITIES,
    )
    kinds: dict[str, list[dict[str, Any]]] = {"day": [], "score": [], "entity": []}
    for row in answer.rows:
        kinds[row["kind"]].append(row)
    return ReportData(
        window=window,
        entities_from=entities_from,
        days=_days(window, kinds["day"]),
        scores=_scores(kinds["score"]),
        entities=_entities(config, kinds["entity"]),
        bytes_processed=answer.bytes_processed,
    )


def _with_seen(data: ReportData, snapshot: Snapshot) -> ReportData:
    """The same with what the checks have read already."""
    counts = () if isinstance(snapshot.days, Unseen | None) else tuple(snapshot.days)
    baseline = baseline_of(snapshot)
    keys = [example.key for example in baseline.examples] if baseline else []
    names = entity_names(snapshot.config, keys) if keys else {}
    return replace(data, counts=counts, baseline=baseline, names=names)


def baseline_of(snapshot: Snapshot) -> Baseline | None:
    """The baseline that a page shows: none also where it has no figures."""
    baseline = snapshot.baseline
    return baseline if isinstance(baseline, Baseline) and baseline.best else None


def _days(window: Window, rows: Iterable[dict[str, Any]]) -> list[DayRows]:
    """Every day of the window, those without rows too: a gap has to be seen."""
    found = {row["day"]: row["row_count"] for row in rows}
    days = (window.start + timedelta(days=number) for number in range(window.days))
    return [DayRows(day=day, rows=found.get(day, 0)) for day in days]


def _scores(rows: Iterable[dict[str, Any]]) -> list[ScoreStep]:
    """The steps from low to high; NaN is on no scale."""
    steps = [
        ScoreStep(low=row[TARGET_COLUMN], rows=row["row_count"])
        for row in rows
        if row[TARGET_COLUMN] == row[TARGET_COLUMN]
    ]
    return sorted(steps, key=lambda step: step.low)


def _entities(config: Config, rows: Iterable[dict[str, Any]]) -> list[EntityHistory]:
    """Those with most days first, the days of each in order."""
    ordered = sorted(rows, key=lambda row: (-row["day_count"], row[SERIES_COLUMN], row["day"]))
    days = {
        key: {row["day"]: {column.name: row[column.name] for column in NUMBERS} for row in of_key}
        for key, of_key in groupby(ordered, key=itemgetter(SERIES_COLUMN))
    }
    names = entity_names(config, days)
    return [EntityHistory(key=key, name=names[key], days=days[key]) for key in days]


def entity_names(config: Config, entity_ids: Iterable[str]) -> dict[str, str]:
    """The names that PostgreSQL has for the ids; the id itself where it has none or is away."""
    names = {entity_id: one_line(entity_id) for entity_id in entity_ids}
    known = {key: one_line(name) for key, name in read_names(config, names).items()}
    return {key: known.get(key) or name for key, name in names.items()}
