"""Charts as SVG that a page takes in: without scripts, in the colours of the page.

Colours are CSS variables, which `forecasting/chart_colours.css` sets for light and dark.
"""

from collections.abc import Mapping
from typing import Any, Final

import altair
import vl_convert
from django.utils.html import escape
from django.utils.safestring import SafeString

from ..errors import printable
from .labels import JOINERS
from .page import Chart

INK, GRID, EMPTY = "var(--chart-ink)", "var(--chart-grid)", "var(--chart-empty)"
BAR, LINE, SIDE_LINE = "var(--chart-bar)", "var(--chart-line)", "var(--chart-side-line)"
HEAT = tuple(f"var(--chart-heat-{step})" for step in range(1, 6))
BAND = HEAT[0]
DAY: Final = "utcyearmonthdate"

_FONT_SIZE = 11


def drawn(title: str, text: str, chart: Any, narrow: Any = None) -> Chart:
    """The chart with its title and what it says in words, which screen readers are told."""
    label = f"{title}. {text}"
    small = "" if narrow is None else to_svg(narrow, label)
    return Chart(title=title, text=text, wide=to_svg(chart, label), narrow=small)


def with_full_names(
    svg: SafeString | str, labels: Mapping[str, str], names: Mapping[str, str]
) -> SafeString:
    """The drawing with the name that a label stands for where a pointer rests on it."""
    text = str(svg)
    for key, label in labels.items():
        if label != names[key]:
            end = f">{escape(label)}</text>"
            text = text.replace(end, f">{escape(label)}<title>{escape(names[key])}</title></text>")
    # What is put in is escaped.
    return SafeString(text)  # nosec


def day_scale(count: int = 5, **more: Any) -> Any:
    """The field `day` from left to right, with about so many labels."""
    axis = altair.Axis(
        format="%b %d", tickCount=count, grid=False, labelOverlap=True, labelFlush=True
    )
    return altair.X("day:T", timeUnit=DAY, title="day (UTC)", axis=axis, **more)


def score_scale(values: list[dict[str, Any]], title: str | None, **axis: Any) -> Any:
    """The field `value` from bottom to top: 0 to 100, and on to the values that are beyond.

    Nothing keeps a mark in its plot, which is drawn as high as its farthest mark is.
    """
    known = [shown["value"] for shown in values if shown["value"] is not None]
    low, high = min([0, *known]), max([100, *known])
    return altair.Y(
        "value:Q",
        title=title,
        scale=altair.Scale(domain=[low, high], nice=False),
        axis=altair.Axis(values=[low, (low + high) / 2, high], format=",.3~r", **axis),
    )


def small_rows(field: str, title: str, names: list[str]) -> Any:
    """A small plot for each of the names, one above the other."""
    header = altair.Header(labelOrient="top", labelAnchor="start", labelPadding=3)
    return altair.Row(f"{field}:N", title=title, sort=names, spacing=4, header=header)


def to_svg(chart: altair.TopLevelMixin, label: str) -> SafeString:
    """The chart as an `svg` element that screen readers announce as `label`.

    Its text is escaped by Vega's serialiser, and has to be `printable`: the converter ends the
    process on control characters.
    """
    version = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    svg = vl_convert.vegalite_to_svg(_themed(chart).to_dict(), vl_version=version)
    head = f'<svg role="img" aria-label="{escape(printable(label, kept=JOINERS))}" '
    # The label in it is escaped above.
    return SafeString(svg.replace("<svg ", head, 1))  # nosec


def _themed(chart: Any) -> Any:
    """The chart in the page's colours; Vega takes them as they are, into the attributes."""
    labels = {"labelColor": INK, "titleColor": INK, "labelFontSize": _FONT_SIZE}
    labels |= {"titleFontSize": _FONT_SIZE, "titleFontWeight": "normal"}
    lines = {"domainColor": GRID, "tickColor": GRID, "gridColor": GRID}
    return (
        chart.configure(aria=False, background="transparent", padding=2)
        .configure_axis(**labels, **lines)
        .configure_legend(**labels)
        .configure_header(**labels)
        .configure_view(stroke=None)
    )
