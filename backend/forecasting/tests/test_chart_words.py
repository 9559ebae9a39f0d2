"""What the charts of the report show and say, from values: nothing is drawn."""

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.counting import count_bytes
from backend.forecasting.output import charts, report_data
from backend.forecasting.output.report_data import EntityHistory, ReportData, ScoreStep
from backend.forecasting.training_table import DIMENSIONS, SERIES_COLUMN, TARGET_COLUMN
from backend.forecasting.verification.snapshot import Window

FIRST = date(2026, 1, 1)
WINDOW = Window(start=FIRST, end=FIRST + timedelta(days=10))


def history(name: str, **scores: float | None) -> EntityHistory:
    """An entity with these scores on the days d0, d1, ... of the window."""
    days: dict[date, dict[str, float | None]] = {
        FIRST + timedelta(days=int(day[1:])): {TARGET_COLUMN: score}
        for day, score in scores.items()
    }
    return EntityHistory(key=name, name=name, days=days)


def data_of(*entities: EntityHistory) -> ReportData:
    return ReportData(
        window=WINDOW,
        entities_from=FIRST + timedelta(days=6),
        days=[],
        scores=[],
        entities=list(entities),
        bytes_processed=None,
    )


def test_scores__below_50_are_those_of_the_steps_that_end_there() -> None:
    steps = [ScoreStep(low=low, rows=rows) for low, rows in ((40, 1), (45, 3), (50, 5), (95, 1))]
    assert charts._describe_scores(steps) == (
        "10 rows, 40% of them below 50; the most frequent scores are from 50 to 55 (50%)."
    )
    assert charts._describe_scores([]) == "No rows."


def test_coverage__is_of_the_days_shown_and_all_entities() -> None:
    data = data_of(history("A", d6=1, d7=1, d8=1), history("B", d9=1))
    assert charts._describe_coverage(data) == (
        "The 2 entities with most days, most first, over 4 days: 50% of these have a score. "
        "The first has 3 days, the last 1. Blank means not mentioned."
    )
    assert charts._describe_coverage(data_of()) == "No entities."


def test_history__tells_range_mean_and_last_of_what_are_numbers() -> None:
    entity = history("A", d6=40, d9=math.nan, d8=20, d7=90)
    assert charts._describe_history(entity) == (
        "3 days with a risk score, from 20 to 90, 50 on average; 20 on 2026-01-09."
    )
    nothing = history("A", d6=None, d7=math.inf)
    assert charts._describe_history(nothing) == "No scores in the days shown."


def test_history__has_a_gap_for_each_day_without_a_number() -> None:
    entity = history("A", d6=40, d7=math.nan, d9=90)
    values = [v for v in charts._history_values(entity, data_of()) if v["measure"] == "risk score"]
    assert [(value["day"], value["value"]) for value in values] == [
        ("2026-01-07", 40),
        ("2026-01-08", None),
        ("2026-01-09", None),
        ("2026-01-10", 90),
    ]


def test_data__has_every_day_each_step_in_order_and_the_fullest_entities_first(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entity(key: str, day: int, count: int) -> dict[str, Any]:
        numbers = {TARGET_COLUMN: 5.0, **{column.name: None for column in DIMENSIONS}}
        return {
            **{"kind": "entity", SERIES_COLUMN: key, "day_count": count},
            **{"day": FIRST + timedelta(days=day), **numbers},
        }

    rows = [
        {"kind": "day", "day": FIRST + timedelta(days=9), "row_count": 7},
        *({"kind": "score", TARGET_COLUMN: low, "row_count": 1} for low in (50, math.nan, 5)),
        *(entity("9", 1, 1), entity("10", 2, 1), entity("7", 3, 2), entity("7", 0, 2)),
    ]
    asked = Mock(return_value=Mock(rows=rows, bytes_processed=11))
    monkeypatch.setattr(report_data, "run_query", asked)
    monkeypatch.setattr(report_data, "read_names", lambda config, keys: {"10": "Ten", "9": ""})
    data = report_data._read(config, Mock(), WINDOW)
    assert [day.rows for day in data.days] == [0] * 9 + [7]
    assert [step.low for step in data.scores] == [5, 50]
    assert [(e.key, e.name) for e in data.entities] == [("7", "7"), ("10", "Ten"), ("9", "9")]
    assert list(data.entities[0].days) == [FIRST, FIRST + timedelta(days=3)]
    assert (data.bytes_processed, data.entities_from) == (11, FIRST)


@pytest.mark.parametrize(("days", "shown"), [(119, 119), (120, 120), (121, 120)])
def test_data__shows_entities_for_120_days_at_most(
    config: Config, monkeypatch: pytest.MonkeyPatch, days: int, shown: int
) -> None:
    asked = Mock(return_value=Mock(rows=[], bytes_processed=0))
    monkeypatch.setattr(report_data, "run_query", asked)
    monkeypatch.setattr(report_data, "read_names", lambda config, keys: {})
    window = Window(start=FIRST, end=FIRST + timedelta(days=days))
    data = report_data._read(config, Mock(), window)
    assert (window.end - data.entities_from).days == shown
    parameters = asked.call_args.kwargs
    assert parameters == {
        **{"window_start": window.start, "end_day": window.end},
        **{"entities_from": data.entities_from, "entities": 40},
    }


def test_report__draws_the_first_six_histories_and_says_what_they_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("draw_rows_per_day", "draw_scores", "draw_coverage", "draw_model"):
        monkeypatch.setattr(charts, name, Mock())
    monkeypatch.setattr(charts, "draw_history", lambda entity, data: entity.name)
    data = data_of(*(history(letter, d6=1) for letter in "ABCDEFGH"))
    drawn = charts.draw_report(replace(data, bytes_processed=12_000_000))
    assert [str(name) for name in drawn.histories] == list("ABCDEF")
    assert drawn.cost == count_bytes(12_000_000) != ""
