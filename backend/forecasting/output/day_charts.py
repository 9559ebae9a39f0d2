"""The charts of the days as a whole: how many rows each has, and how many of them have a dimension.

A module that is imported when a chart is drawn, like `charts`, whose ways these are.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import dropwhile
from typing import Any

import altair as alt

from ..counting import count_things
from ..training_table import DIMENSIONS
from ..verification.day_counts import DayCounts, count_rows
from ..verification.volume_checks import LEAST_WEEKS, WEEKS, usual_rows
from .page import Chart
from .report_data import DayRows
from .svg import BAND, BAR, SIDE_LINE, day_scale, drawn, small_rows


def draw_rows_per_day(days: Sequence[DayRows]) -> Chart:
    """Bars, and behind them what is usual for the weekday."""
    band = list(_band(days))
    wide, narrow = _rows(days, band, 820, bar=0.5), _rows(days, band, 250, bar=0.8)
    return drawn("Rows per day", _describe_days(days, bool(band)), wide, narrow)


def draw_shares(days: Sequence[DayCounts]) -> Chart:
    """A small plot for each dimension, whether it is mapped or not."""
    values = [
        {
            "day": f"{day.day}",
            "dimension": column.label,
            "share": day.of(column.name).count / day.rows if day.rows else None,
        }
        for day in days
        for column in DIMENSIONS
    ]
    chart = (
        alt.Chart(alt.InlineData(values=values), width=400, height=30)
        .mark_line(strokeCap="round", strokeWidth=1.75, color=SIDE_LINE)
        .encode(
            x=day_scale(),
            y=alt.Y(
                "share:Q",
                title=None,
                scale=alt.Scale(domain=[0, 1], nice=False),
                axis=alt.Axis(values=[0, 1], format="%", tickSize=0),
            ),
            row=small_rows("dimension", "share of the day's rows", [c.label for c in DIMENSIONS]),
        )
    )
    return drawn("How many rows have a dimension", _describe_shares(days), chart)


def _rows(days: Sequence[DayRows], band: list[dict[str, Any]], width: int, *, bar: float) -> Any:
    """A bar takes so much of its day's width: less than all, so that the band is seen between."""
    x = day_scale(max(width // 70, 4))
    y = alt.Y("rows:Q", title="rows (entities with a score)", axis=alt.Axis(tickCount=4))
    values = [{"day": f"{day.day}", "rows": day.rows} for day in days]
    bars = _plot(values, width).mark_bar(color=BAR, width={"band": bar}).encode(x=x, y=y)
    if not band:
        return bars
    area = _plot(band, width).mark_area(interpolate="step-after", color=BAND, stroke=BAND)
    return alt.layer(area.encode(x=x, y=alt.Y("low:Q"), y2="high:Q"), bars)


def _plot(values: list[dict[str, Any]], width: int) -> Any:
    return alt.Chart(alt.InlineData(values=values), width=width, height=150)


def _band(days: Sequence[DayRows]) -> Iterator[dict[str, Any]]:
    """From the first day that can be compared on; one step more, so that the last is as wide."""
    known = list(dropwhile(lambda day: not day.rows, days))
    usual = usual_rows([day.rows for day in known])
    found = [(day.day, span) for day, span in zip(known, usual, strict=True) if span]
    if found:
        last_day, span = found[-1]
        found.append((last_day + timedelta(days=1), span))
    yield from ({"day": f"{day}", "low": low, "high": high} for day, (low, high) in found)


def _describe_days(days: Sequence[DayRows], has_band: bool) -> str:
    filled = [day for day in days if day.rows]
    total = sum(day.rows for day in filled)
    text = f"{count_things(total, 'row')} on {len(filled):,} of {count_things(len(days), 'day')}"
    if not filled:
        return f"{text}."
    most, fewest = max(filled, key=lambda d: d.rows), min(filled, key=lambda d: d.rows)
    band = (
        f" The band: what the same weekday had in the {LEAST_WEEKS} or {WEEKS} weeks before."
        if has_band
        else ""
    )
    return (
        f"{text}; {total / len(filled):,.0f} a day on average, most on {most.day} ({most.rows:,}), "
        f"fewest on {fewest.day} ({fewest.rows:,}).{band}"
    )


def _describe_shares(days: Sequence[DayCounts]) -> str:
    """Each dimension's share over all the days, and over the last seven."""
    shares = (
        f"{column.label} {_share(days, column.name)}, {_share(days[-7:], column.name)} of late"
        for column in DIMENSIONS
    )
    return f"{'; '.join(shares)}. Of late: the last 7 days."


def _share(days: Sequence[DayCounts], column: str) -> str:
    rows = count_rows(days)
    return f"{sum(day.of(column).count for day in days) / rows:.0%}" if rows else "no rows"
