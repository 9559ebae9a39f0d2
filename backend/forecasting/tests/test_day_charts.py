"""The charts of the days as a whole, drawn from values."""

import re
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from backend.forecasting.output.day_charts import draw_rows_per_day, draw_shares
from backend.forecasting.output.report_data import DayRows
from backend.forecasting.output.svg import BAND, with_full_names
from backend.forecasting.tests.support.snapshots import make_days
from backend.forecasting.verification.volume_checks import usual_rows

FIRST = date(2026, 1, 5)
BAND_TEXT = "The band: what the same weekday had in the 3 or 4 weeks before."


def day_rows(rows: Sequence[int]) -> list[DayRows]:
    return [DayRows(day=FIRST + timedelta(days=n), rows=count) for n, count in enumerate(rows)]


def test_usual_rows__are_those_of_the_same_weekday_in_three_or_four_weeks_before() -> None:
    rows = [10 * week + weekday for week in range(6) for weekday in range(7)]
    usual = usual_rows(rows)
    assert usual[:21] == [None] * 21
    assert usual[21] == (0, 20)
    assert usual[28 + 6] == (6, 36)
    assert usual[35] == (10, 40)


@pytest.mark.parametrize(("days", "banded"), [(21, False), (22, True)])
def test_rows__have_a_band_where_there_is_something_to_compare(days: int, banded: bool) -> None:
    chart = draw_rows_per_day(day_rows([5] * days))
    assert (BAND_TEXT in chart.text) is banded
    for drawing in (chart.wide, chart.narrow):
        assert (f'fill="{BAND}"' in drawing) is banded


def test_rows__days_before_the_tables_first_are_no_days_without_rows() -> None:
    """The window is longer than the table: what is not there yet is not the usual."""
    assert BAND_TEXT not in draw_rows_per_day(day_rows([0] * 70 + [5] * 20)).text


def test_shares__are_of_all_days_and_of_the_last_seven() -> None:
    chart = draw_shares(make_days(last=7, share=0.2))
    assert "sanctions 20%" not in chart.text
    assert re.search(r"political 9\d%, 20% of late", chart.text)


def test_shares__of_days_without_rows_are_no_shares() -> None:
    chart = draw_shares(make_days(last=7, rows=0))
    assert "political 100%, no rows of late" in chart.text


def test_full_names__are_said_of_what_was_cut_and_escaped() -> None:
    drawing = "<svg><text>a…&amp;</text><text>whole</text></svg>"
    shown = with_full_names(drawing, {"1": "a…&", "2": "whole"}, {"1": "a <b> &", "2": "whole"})
    assert shown == (
        "<svg><text>a…&amp;<title>a &lt;b&gt; &amp;</title></text><text>whole</text></svg>"
    )
