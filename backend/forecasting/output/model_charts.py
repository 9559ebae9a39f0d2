"""The charts of what a model has to beat: the methods side by side, and a few series.

A module that is imported when a chart is drawn, like `charts`, whose ways these are.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import altair as alt

from ..counting import count_things
from ..verification.baseline import METHODS, Baseline, Example
from .page import Chart
from .svg import BAR, DAY, INK, LINE, SIDE_LINE, day_scale, drawn, score_scale

_MEASURES = {"mae": ("MAE", ",.2f"), "wape": ("WAPE", ",.3f"), "mase": ("MASE", ",.3f")}


def draw_model(baseline: Baseline | None, names: Mapping[str, str]) -> tuple[Chart, ...]:
    """The methods, and after them the series by their `names`; nothing without a baseline."""
    if baseline is None:
        return ()
    examples = (draw_example(e, baseline, names.get(e.key, e.key)) for e in baseline.examples)
    return draw_methods(baseline), *examples


def draw_methods(baseline: Baseline) -> Chart:
    """Each measure on a scale of its own; less is better."""
    measures = [name for name in _MEASURES if any(f is not None for f in _figures(baseline, name))]
    wide = alt.hconcat(*(_bars(baseline, name, width=185) for name in measures), spacing=18)
    narrow = alt.vconcat(*(_bars(baseline, name, width=190) for name in measures), spacing=10)
    return drawn("How far off the simplest forecasts were", _describe(baseline), wide, narrow)


def draw_example(example: Example, baseline: Baseline, name: str) -> Chart:
    """The scores as a line, and on the days of the test what the best method had said."""
    first, best = example.days[0].day, str(baseline.best)
    scored = {shown.day: shown.score for shown in example.days}
    days = [first + timedelta(days=n) for n in range((example.days[-1].day - first).days + 1)]
    scores = [{"day": f"{day}", "value": scored.get(day), "what": "score"} for day in days]
    said = [
        {"day": f"{shown.day}", "value": shown.forecasts[best], "what": f"forecast by {best}"}
        for shown in example.days
        if best in shown.forecasts
    ]
    y = score_scale([*scores, *said], "score of the day")
    layers = (_line(scores, y), _points(said, y), _rule(baseline))
    return drawn(name, _describe_example(example, baseline), alt.layer(*layers))


def _bars(baseline: Baseline, measure: str, width: int) -> Any:
    title, form = _MEASURES[measure]
    values = [
        {"method": _label(baseline, name), "value": value, "best": name == baseline.best}
        for name, value in zip(METHODS, _figures(baseline, measure), strict=True)
        if value is not None
    ]
    base = alt.Chart(alt.InlineData(values=values), width=width, height=alt.Step(24)).encode(
        y=alt.Y(
            "method:N",
            title=None,
            sort=[_label(baseline, name) for name in METHODS],
            axis=alt.Axis(ticks=False, labelPadding=6, minExtent=85),
        ),
        # Room for the figure after the longest bar.
        x=alt.X(
            "value:Q",
            title=title,
            scale=alt.Scale(domainMin=0, padding=0),
            axis=alt.Axis(tickCount=3, grid=False),
        ),
    )
    colour = alt.condition("datum.best", alt.value(LINE), alt.value(BAR))
    figures = base.mark_text(align="left", dx=4, fontSize=11, color=INK)
    return base.mark_bar(size=16).encode(color=colour) + figures.encode(
        text=alt.Text("value:Q", format=form)
    )


def _label(baseline: Baseline, method: str) -> str:
    """Not by colour alone."""
    return f"{method} (best)" if method == baseline.best else method


def _figures(baseline: Baseline, measure: str) -> list[float | None]:
    return [getattr(baseline.methods[name], measure) for name in METHODS]


def _encoded(values: list[dict[str, Any]], y: Any) -> Any:
    plot = alt.Chart(alt.InlineData(values=values), width=400, height=130)
    return plot.encode(x=day_scale(), y=y)


def _line(values: list[dict[str, Any]], y: Any) -> Any:
    return _encoded(values, y).mark_line(strokeCap="round", strokeWidth=1.75, color=LINE)


def _points(values: list[dict[str, Any]], y: Any) -> Any:
    return _encoded(values, y).mark_point(
        shape="diamond", filled=True, size=34, color=SIDE_LINE, opacity=1
    )


def _rule(baseline: Baseline) -> Any:
    """Where the days of the test begin."""
    values = [{"day": f"{baseline.cutoff}"}]
    return (
        alt.Chart(alt.InlineData(values=values))
        .mark_rule(color=INK, strokeDash=[3, 3])
        .encode(x=alt.X("day:T", timeUnit=DAY))
    )


def _describe(baseline: Baseline) -> str:
    best = str(baseline.best)
    others = ", ".join(
        f"{name} {baseline.methods[name].mae:.2f}" for name in METHODS if name != best
    )
    return (
        f"The last {count_things(baseline.horizon_days, 'complete day')} as each method would have "
        f"said them, {count_things(baseline.rows, 'row')} of {baseline.series:,} series. "
        f"The best, {best}, is off by {baseline.methods[best].mae:.2f} on average, {others}."
    )


def _describe_example(example: Example, baseline: Baseline) -> str:
    best = str(baseline.best)
    errors = [abs(d.score - d.forecasts[best]) for d in example.days if best in d.forecasts]
    tested = count_things(len(errors), "day")
    return (
        f"The line is the score of each day, a diamond what {best} had said of it; off by "
        f"{sum(errors) / len(errors):.1f} on average over {tested} from {baseline.cutoff} on."
    )
