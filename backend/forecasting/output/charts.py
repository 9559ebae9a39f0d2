"""The charts of the report and of the status page: from figures to SVG, each with words for it.

Days are UTC days, whatever zone the machine is in, hence `utc` in the time unit.
A chart is one expression, however long: that is how Vega-Lite describes one. This module is
imported when a chart is drawn: what it needs is optional, and takes a moment.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import altair as alt

from ..counting import count_bytes, count_things
from ..training_table import DIMENSIONS, NUMBERS, TARGET_COLUMN
from .day_charts import draw_rows_per_day, draw_shares
from .labels import label_names
from .model_charts import draw_model
from .page import Chart, Charts
from .report_data import EntityHistory, ReportData, ScoreStep
from .svg import (
    BAR,
    EMPTY,
    HEAT,
    LINE,
    SIDE_LINE,
    day_scale,
    drawn,
    score_scale,
    small_rows,
    with_full_names,
)

HISTORIES = 6
_STEP = 5


def draw_report(data: ReportData) -> Charts:
    """The charts of the report."""
    return Charts(
        rows=draw_rows_per_day(data.days),
        overviews=(draw_scores(data.scores), *_shares(data)),
        coverage=draw_coverage(data),
        histories=tuple(draw_history(entity, data) for entity in data.entities[:HISTORIES]),
        model=draw_model(data.baseline, data.names),
        cost=count_bytes(data.bytes_processed),
    )


def draw_overview(data: ReportData) -> Charts:
    """Those that the status page has room for."""
    return Charts(
        rows=draw_rows_per_day(data.days),
        overviews=_shares(data),
        coverage=draw_coverage(data),
        model=draw_model(data.baseline, data.names),
    )


def _shares(data: ReportData) -> tuple[Chart, ...]:
    return (draw_shares(data.counts),) if data.counts else ()


def draw_scores(steps: Sequence[ScoreStep]) -> Chart:
    values = [{"low": s.low, "high": s.low + _STEP, "rows": s.rows} for s in steps]
    ends = [min([0.0, *(s.low for s in steps)]), max([100.0, *(s.low + _STEP for s in steps)])]
    bars = alt.Chart(alt.InlineData(values=values), width=400, height=170).mark_bar(color=BAR)
    chart = bars.encode(
        x=alt.X(
            "low:Q",
            bin="binned",
            title="mean risk score of the day (0 to 100)",
            scale=alt.Scale(domain=ends, nice=False),
            axis=alt.Axis(values=list(range(0, 101, 20)), grid=False),
        ),
        x2="high:Q",
        y=alt.Y("rows:Q", title="rows", axis=alt.Axis(tickCount=4)),
    )
    return drawn("Distribution of risk scores", _describe_scores(steps), chart)


def draw_coverage(data: ReportData) -> Chart:
    names = {entity.key: entity.name for entity in data.entities}
    wide, narrow = label_names(names, 28), label_names(names, 16)
    chart = drawn(
        "Which entities have a score on which days",
        _describe_coverage(data),
        _coverage(data, wide, width=820, label_width=212),
        _coverage(data, narrow, width=225, label_width=125),
    )
    return replace(
        chart,
        wide=with_full_names(chart.wide, wide, names),
        narrow=with_full_names(chart.narrow, narrow, names),
        names=tuple(names.values()),
    )


def draw_history(entity: EntityHistory, data: ReportData) -> Chart:
    order = [column.label for column in NUMBERS]
    values = _history_values(entity, data)
    chart = (
        alt.Chart(alt.InlineData(values=values), width=290, height=38)
        # With round caps a day between two gaps is a dot: no marks of their own are needed.
        .mark_line(strokeCap="round", strokeJoin="round", strokeWidth=1.75)
        .encode(
            x=day_scale(),
            y=score_scale(values, None, labelOverlap=True, tickSize=0),
            row=small_rows("measure", "mean of the day (0 to 100)", order),
            color=alt.Color(
                "measure:N",
                legend=None,
                scale=alt.Scale(domain=order, range=[LINE, *[SIDE_LINE] * len(DIMENSIONS)]),
            ),
        )
    )
    return drawn(entity.name, _describe_history(entity), chart)


def _coverage(data: ReportData, labels: Mapping[str, str], *, width: int, label_width: int) -> Any:
    values = [
        {"day": f"{day}", "entity": labels[entity.key], "score": numbers[TARGET_COLUMN]}
        for entity in data.entities
        for day, numbers in entity.days.items()
    ]
    return (
        alt.Chart(
            alt.InlineData(values=values),
            width=width,
            height=alt.Step(14),
            view=alt.ViewBackground(fill=EMPTY, strokeOpacity=0),
        )
        .mark_rect()
        .encode(
            x=day_scale(
                width // 70, scale=alt.Scale(domain=[f"{data.entities_from}", f"{data.window.end}"])
            ),
            y=alt.Y(
                "entity:N",
                title=None,
                sort=list(labels.values()),
                # The page's font may be wider than the one that the converter measures with.
                axis=alt.Axis(
                    labelLimit=label_width, minExtent=label_width, ticks=False, labelPadding=6
                ),
            ),
            color=alt.Color(
                "score:Q",
                title="risk score",
                scale=alt.Scale(type="threshold", domain=[20, 40, 60, 80], range=list(HEAT)),
                legend=alt.Legend(orient="top", columns=5, titleOrient="top"),
            ),
        )
    )


def _history_values(entity: EntityHistory, data: ReportData) -> list[dict[str, Any]]:
    """Every day and measure; a day without a row is null, which breaks the line."""
    days = (data.window.end - data.entities_from).days
    return [
        {
            "day": f"{day}",
            "measure": column.label,
            "value": _finite(entity.days.get(day, {}).get(column.name)),
        }
        for day in (data.entities_from + timedelta(days=number) for number in range(days))
        for column in NUMBERS
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _describe_scores(steps: Sequence[ScoreStep]) -> str:
    total = sum(step.rows for step in steps)
    if not total:
        return "No rows."
    top = max(steps, key=lambda step: step.rows)
    low = sum(step.rows for step in steps if step.low < 50)
    return (
        f"{count_things(total, 'row')}, {low / total:.0%} of them below 50; the most frequent "
        f"scores are from {top.low:g} to {top.low + _STEP:g} ({top.rows / total:.0%})."
    )


def _describe_coverage(data: ReportData) -> str:
    if not data.entities:
        return "No entities."
    days = (data.window.end - data.entities_from).days
    cells = sum(len(entity.days) for entity in data.entities)
    first, last = data.entities[0], data.entities[-1]
    entities = count_things(len(data.entities), "entity", "entities")
    return (
        f"The {entities} with most days, most first, over {count_things(days, 'day')}: "
        f"{cells / (days * len(data.entities)):.0%} of these have a score. The first has "
        f"{count_things(len(first.days), 'day')}, the last {len(last.days):,}. "
        "Blank means not mentioned."
    )


def _describe_history(entity: EntityHistory) -> str:
    scores = {
        day: score
        for day, numbers in entity.days.items()
        if (score := _finite(numbers[TARGET_COLUMN])) is not None
    }
    if not scores:
        return "No scores in the days shown."
    last = max(scores)
    return (
        f"{count_things(len(scores), 'day')} with a risk score, from {min(scores.values()):.0f} to "
        f"{max(scores.values()):.0f}, {sum(scores.values()) / len(scores):.0f} on average; "
        f"{scores[last]:.0f} on {last}."
    )
