"""The charts of what a model has to beat, drawn from values."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta

import pytest

from backend.forecasting.output.model_charts import draw_model
from backend.forecasting.output.page import Chart
from backend.forecasting.tests.support.snapshots import BASELINE
from backend.forecasting.verification.baseline import Errors, Example, ExampleDay

FIRST = BASELINE.cutoff - timedelta(days=3)


def day(number: int, score: float, said: float | None = None) -> ExampleDay:
    forecasts = {} if said is None else dict.fromkeys(("last", "mean", "weekday"), said)
    return ExampleDay(day=FIRST + timedelta(days=number), score=score, forecasts=forecasts)


EXAMPLE = Example(key="a", days=(day(0, 40), day(2, 50), day(3, 60, 45), day(5, 40, 45)))
SHOWN = replace(BASELINE, examples=(EXAMPLE, replace(EXAMPLE, key="b")))


@pytest.fixture(scope="module")
def charts() -> tuple[Chart, ...]:
    return draw_model(SHOWN, {"a": "<b>Ana & Co</b>"})


def texts(drawing: str) -> list[str]:
    # Own output, and well-formed or the test fails.
    return [e.text for e in ET.fromstring(drawing).iter() if e.text]  # noqa: S314


def test_methods__are_side_by_side_in_each_measure_with_the_best_named(
    charts: tuple[Chart, ...],
) -> None:
    for drawing in (charts[0].wide, charts[0].narrow):
        shown = texts(drawing)
        assert shown.count("mean (best)") == shown.count("last") == shown.count("weekday") == 3
        assert {"MAE", "WAPE", "MASE", "12.50", "0.250", "1.050"} <= set(shown)
    assert charts[0].text == (
        "The last 9 complete days as each method would have said them, 400 rows of 60 series. "
        "The best, mean, is off by 10.00 on average, last 12.50, weekday 10.50."
    )


def test_methods__leave_out_a_measure_that_there_is_not() -> None:
    methods = {name: replace(e, wape=None, mase=None) for name, e in SHOWN.methods.items()}
    (chart,) = draw_model(replace(SHOWN, examples=(), methods=methods), {})
    assert "MAE" in texts(chart.wide)
    assert not {"WAPE", "MASE"} & set(texts(chart.wide))


def test_methods__that_were_never_off_are_drawn() -> None:
    exact = dict.fromkeys(SHOWN.methods, Errors(mae=0.0, wape=None, mase=None))
    chart, *_ = draw_model(replace(SHOWN, methods=exact), {})
    assert texts(chart.wide).count("0.00") == 3


def test_examples__say_how_far_off_the_best_method_was(charts: tuple[Chart, ...]) -> None:
    _, named, unnamed = charts
    assert (named.title, unnamed.title) == ("<b>Ana & Co</b>", "b")
    assert named.text == (
        "The line is the score of each day, a diamond what mean had said of it; off by 10.0 on "
        f"average over 2 days from {BASELINE.cutoff} on."
    )
    assert "<b>" not in named.wide
    assert {"day (UTC)", "score of the day"} <= set(texts(named.wide))


def test_examples__break_the_line_where_a_day_has_no_row(charts: tuple[Chart, ...]) -> None:
    (line,) = re.findall(r'<path d="(\S+)" [^>]*stroke-linecap', charts[1].wide)
    assert line.count("M") == 3


def test_examples__beyond_0_to_100_say_how_far() -> None:
    far = replace(EXAMPLE, days=(day(0, -0.9), day(3, 60, 3000)))
    _, chart = draw_model(replace(SHOWN, examples=(far,)), {"a": "Ana"})
    assert {"−0.9", "1,500", "3,000"} <= set(texts(chart.wide))  # noqa: RUF001 - A minus.


def test_model__without_a_baseline_has_no_charts() -> None:
    assert draw_model(None, {}) == ()
