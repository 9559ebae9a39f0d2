"""What the charts hand to the converter: nothing is drawn of a field that the data has not."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import altair
import pytest
import vl_convert
from django.utils.safestring import SafeString

from backend.forecasting.output import svg
from backend.forecasting.output.charts import draw_coverage, draw_report, draw_scores
from backend.forecasting.output.labels import label_names
from backend.forecasting.output.page import Chart, Charts
from backend.forecasting.output.report_data import DayRows, EntityHistory, ReportData, ScoreStep
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.snapshots import make_days
from backend.forecasting.tests.test_model_charts import SHOWN, day
from backend.forecasting.training_table import DIMENSIONS, TARGET_COLUMN
from backend.forecasting.verification.snapshot import Window

pytestmark = pytest.mark.untraced

DAY = timedelta(days=1)
NUMBERS: dict[str, float | None] = {
    TARGET_COLUMN: 5.0,
    **{column.name: 1.0 for column in DIMENSIONS},
}


@pytest.fixture
def specs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The charts as Vega-Lite, in the order in which they are drawn."""
    found: list[dict[str, Any]] = []

    def convert(spec: dict[str, Any], **_: Any) -> str:
        found.append(spec)
        return "<svg ></svg>"

    monkeypatch.setattr(vl_convert, "vegalite_to_svg", convert)
    return found


def report_data() -> ReportData:
    counts = make_days()
    first, end = counts[0].day, counts[-1].day + timedelta(days=1)
    return ReportData(
        window=Window(start=first, end=end),
        entities_from=first,
        days=[DayRows(day=day.day, rows=day.rows) for day in counts],
        scores=[ScoreStep(low=40, rows=3)],
        entities=[EntityHistory(key="a", name="Ana", days={first: NUMBERS})],
        bytes_processed=None,
        counts=counts,
        baseline=SHOWN,
    )


def plots(chart: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Each encoding of a chart with the rows that it is of."""
    yield from _plots(chart, None, chart["datasets"])


def _plots(part: Any, rows: Any, datasets: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """What has data hands them on to all that is within."""
    if isinstance(part, dict):
        rows = datasets[part["data"]["name"]] if "data" in part else rows
        if "encoding" in part:
            yield part["encoding"], rows
    parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for inner in parts:
        yield from _plots(inner, rows, datasets)


@pytest.mark.traced
def test_charts__draw_no_field_that_the_data_has_not(specs: list[dict[str, Any]]) -> None:
    draw_report(report_data())
    encodings = [pair for spec in specs for pair in plots(spec)]
    assert len(specs) == 11
    assert len(encodings) > 20
    for encoding, rows in encodings:
        for channel in encoding.values():
            field = channel.get("field")
            assert field is None or {field} <= set.intersection(*map(set, rows)), encoding


def test_lines__that_leave_the_scale_take_it_along(specs: list[dict[str, Any]]) -> None:
    """What is drawn beside its plot hides what is there, and the page grows as far as it is."""
    data, far = report_data(), {**NUMBERS, TARGET_COLUMN: -20.0, DIMENSIONS[0].name: 1e9}
    history = EntityHistory(key="a", name="Ana", days={data.window.start: far})
    days = (day(0, -7), day(3, 60, 3000))
    baseline = replace(SHOWN, examples=(replace(SHOWN.examples[0], days=days),))
    draw_report(replace(data, entities=[history], baseline=baseline))
    drawn = [
        (encoding["y"]["scale"]["domain"], [row["value"] for row in rows])
        for spec in specs
        for encoding, rows in plots(spec)
        if encoding.get("y", {}).get("field") == "value"
    ]
    assert {tuple(domain) for domain, _ in drawn} == {(-20, 1e9), (-7, 3000)}
    for (low, high), values in drawn:
        assert all(value is None or low <= value <= high for value in values)


def test_scores__are_bars_as_wide_as_their_step(specs: list[dict[str, Any]]) -> None:
    draw_scores([ScoreStep(low=40, rows=3), ScoreStep(low=95, rows=1)])
    ((encoding, rows),) = plots(specs[0])
    assert rows == [
        {"low": 40, "high": 45, "rows": 3},
        {"low": 95, "high": 100, "rows": 1},
    ]
    assert [encoding[channel]["field"] for channel in ("x", "x2", "y")] == ["low", "high", "rows"]


def _with_data(part: Any, datasets: dict[str, Any]) -> Any:
    """A part of a chart with its data in place of their name, which is made of them."""
    if isinstance(part, list):
        return [_with_data(inner, datasets) for inner in part]
    if not isinstance(part, dict):
        return part
    rows = datasets.get(part.get("name", ""))
    if rows is not None:
        return {"rows": len(rows), "first": rows[0], "last": rows[-1]}
    return {name: _with_data(inner, datasets) for name, inner in part.items()}


def odd_data() -> ReportData:
    """Scores off the scale, long names, days without rows, an example of few days, no counts."""
    data = report_data()
    first, end = data.window.start, data.window.end
    missing: dict[str, float | None] = {**NUMBERS, TARGET_COLUMN: math.nan, "political_risk": None}
    entities = [
        EntityHistory(key="a", name="Banco de Venezuela y del Ahorro del Pueblo", days={}),
        EntityHistory(key="b", name="<Ana & Co>", days={first: missing, end - 5 * DAY: NUMBERS}),
    ]
    days = [DayRows(day=first + n * DAY, rows=n) for n in range(20)]
    scores = [ScoreStep(low=low, rows=1200) for low in (-5, 0, 45, 100)]
    return replace(
        data, entities=entities, entities_from=end - 7 * DAY, days=days, scores=scores, counts=()
    )


@pytest.mark.parametrize("name", ["drawings.json", "drawings_of_odd_data.json"])
def test_charts__are_drawn_as_agreed(
    specs: list[dict[str, Any]], tmp_path: Path, name: str
) -> None:
    """Sizes, axes, scales and colours, which no other test looks at one by one."""
    charts = draw_report(report_data() if name == "drawings.json" else odd_data())
    configs = [spec.pop("config") for spec in specs]
    assert configs == [configs[0]] * len(specs)
    # The rest of it is the library's own.
    configs[0]["view"] = {"stroke": configs[0]["view"]["stroke"]}
    drawn = [_with_data(spec, spec.pop("datasets")) for spec in specs if spec.pop("$schema")]
    said = [f"{chart.title}: {chart.text} {chart.names or ''}" for chart in all_of(charts)]
    assert_agreed(name, {"charts": drawn, "config": configs[0], "said": said}, tmp_path)


def all_of(charts: Charts) -> list[Chart]:
    parts = (charts.overviews, (charts.coverage,), charts.histories, charts.model)
    return [charts.rows, *(chart for part in parts for chart in part)]


def test_names__that_are_cut_are_whole_under_a_pointer(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "Banco de Venezuela y del Ahorro"
    labels = (label_names({"a": name}, 28)["a"], label_names({"a": name}, 16)["a"])
    assert len({name, *labels}) == 3
    drawing = "".join(f"<text>{label}</text>" for label in labels)
    monkeypatch.setattr(vl_convert, "vegalite_to_svg", lambda *_, **__: f"<svg >{drawing}</svg>")
    data = replace(odd_data(), entities=[EntityHistory(key="a", name=name, days={})])
    chart = draw_coverage(data)
    for shown, label in zip((chart.wide, chart.narrow), labels, strict=True):
        assert re.findall("<text>([^<]*)<title>(.*?)</title></text>", shown) == [(label, name)]
    assert chart.names == (name,)


def test_svg__is_announced_by_what_it_says_and_made_for_the_librarys_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    convert = Mock(return_value="<svg class='a'><svg class='b'/></svg>")
    monkeypatch.setattr(vl_convert, "vegalite_to_svg", convert)
    chart = altair.Chart(altair.InlineData(values=[])).mark_bar()
    assert svg.drawn("A <b>", "One\x1b. \u200d", chart) == Chart(
        title="A <b>",
        text="One\x1b. \u200d",
        wide=SafeString(
            '<svg role="img" aria-label="A &lt;b&gt;. One . \u200d" class=\'a\'>'
            "<svg class='b'/></svg>"
        ),
    )
    assert re.fullmatch(r"\d+\.\d+", convert.call_args.kwargs["vl_version"])
    assert altair.SCHEMA_VERSION.startswith(f"v{convert.call_args.kwargs['vl_version']}.")
    both = svg.drawn("A", "b", chart, chart)
    assert both.narrow == both.wide
    assert convert.call_count == 3
