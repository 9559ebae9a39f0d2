"""The plot of what a load costs against how much history there is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.comparisons import REFRESH, REFRESH_DAYS, WINDOW, Stage
from bench.measuring import seconds

_WIDTH, _HEIGHT = 520, 300
_COLOURS = ["#0b6e4f", "#c97b10", "#8a8a8a"]


def draw_history(stages: Sequence[Stage], path: Path) -> None:
    """Writes an SVG."""
    import altair as alt
    import vl_convert

    points = _points(stages)
    chart = (
        alt.Chart(alt.InlineData(values=points), width=_WIDTH, height=_HEIGHT)
        .mark_line(point=True, strokeWidth=2)
        .encode(**_axes(list(dict.fromkeys(str(point["load"]) for point in points))))
        .properties(title="Cost of a load against the length of the history")
        .configure(background="white")
    )
    path.write_text(vl_convert.vegalite_to_svg(chart.to_dict()), "utf-8")


def _axes(names: list[str]) -> dict[str, Any]:
    import altair as alt

    colours = alt.Scale(domain=names, range=_COLOURS)
    return {
        "x": alt.X("days:Q", title="history in PostgreSQL (days)"),
        "y": alt.Y(
            "seconds:Q",
            title="source query (seconds, logarithmic)",
            scale=alt.Scale(type="log", nice=True),
        ),
        "color": alt.Color("load:N", title="what is loaded", scale=colours, sort=names),
    }


def _points(stages: Sequence[Stage]) -> list[dict[str, object]]:
    series = {
        f"the last {REFRESH_DAYS} days": [seconds(s.rounds[REFRESH]).median for s in stages],
        f"the last {stages[0].days} days": [seconds(s.rounds[WINDOW]).median for s in stages],
        "all of the history": [s.everything.seconds for s in stages],
    }
    return [
        {"days": stage.days, "seconds": taken, "load": name}
        for name, values in series.items()
        for stage, taken in zip(stages, values, strict=True)
    ]
