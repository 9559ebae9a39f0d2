"""What the charts hand to the converter: nothing is drawn of a field that the data has not."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from backend.forecasting.output.charts import draw_report, draw_scores
from backend.forecasting.output.report_data import DayRows, EntityHistory, ReportData, ScoreStep
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.snapshots import make_days
from backend.forecasting.tests.test_model_charts import SHOWN
from backend.forecasting.training_table import DIMENSIONS, TARGET_COLUMN
from backend.forecasting.verification.snapshot import Window

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


def test_charts__draw_no_field_that_the_data_has_not(specs: list[dict[str, Any]]) -> None:
    draw_report(report_data())
    encodings = [pair for spec in specs for pair in plots(spec)]
    assert len(specs) == 11
    assert len(encodings) > 20
    for encoding, rows in encodings:
        for channel in encoding.values():
            field = channel.get("field")
            assert field is None or {field} <= set.intersection(*map(set, rows)), encoding


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


def test_charts__are_drawn_as_agreed(specs: list[dict[str, Any]], tmp_path: Path) -> None:
    """Sizes, axes, scales and colours, which no other test looks at one by one."""
    draw_report(report_data())
    configs = [spec.pop("config") for spec in specs]
    assert configs == [configs[0]] * 11
    # The rest of it is the library's own.
    configs[0]["view"] = {"stroke": configs[0]["view"]["stroke"]}
    charts = [_with_data(spec, spec.pop("datasets")) for spec in specs if spec.pop("$schema")]
    shown = {"charts": charts, "config": configs[0]}
    assert_agreed("drawings.json", shown, tmp_path)
