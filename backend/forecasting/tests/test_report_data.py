"""What a page with charts is made of: which figures there are, why there are none, and the rest."""

import sys
from dataclasses import replace
from datetime import date
from typing import Any
from unittest.mock import Mock, call

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.output import charts, report, report_data
from backend.forecasting.output.page import Chart, Charts
from backend.forecasting.output.report_data import DayRows, ReportData, read_report_data
from backend.forecasting.tests.support.factories import Google, google_error, make_table
from backend.forecasting.tests.support.snapshots import (
    BASELINE,
    DATA,
    NO_BASELINE,
    UNSEEN,
    make_days,
    make_snapshot,
)
from backend.forecasting.tests.test_model_charts import SHOWN
from backend.forecasting.verification.snapshot import Window
from backend.forecasting.verification.verify import Verification

FIRST = date(2026, 1, 1)
READ = ReportData(
    window=Window(start=FIRST, end=FIRST),
    entities_from=FIRST,
    days=[],
    scores=[],
    entities=[],
    bytes_processed=11,
)
NO_LIBRARY = (
    "altair and vl-convert-python are not both installed: run `pip install -r "
    "requirements-charts.txt` (import of {} halted; None in sys.modules)"
)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """What the query yields, and no names."""
    read = Mock(return_value=READ)
    monkeypatch.setattr(report_data, "_read", read)
    monkeypatch.setattr(report_data, "read_names", lambda config, keys: {"a": "Ana\nBank", "b": ""})
    return read


def test_data__has_what_the_query_and_the_checks_have_read(
    read: Mock, google: Google, config: Config
) -> None:
    snapshot = make_snapshot(config, baseline=SHOWN)
    assert read_report_data(snapshot, google) == replace(
        READ, counts=make_days(), baseline=SHOWN, names={"a": "Ana Bank", "b": "b"}
    )
    assert read.call_args_list == [call(snapshot.config, google, snapshot.window)]


@pytest.mark.parametrize("baseline", [None, UNSEEN, NO_BASELINE])
@pytest.mark.parametrize("days", [None, UNSEEN])
def test_data__without_days_or_a_baseline_is_what_the_query_has_read(
    read: Mock, google: Google, config: Config, days: Any, baseline: Any
) -> None:
    assert read_report_data(make_snapshot(config, days=days, baseline=baseline), google) == READ


def test_data__without_examples_asks_for_no_names(
    read: Mock, google: Google, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_data, "read_names", Mock(side_effect=AssertionError))
    found = read_report_data(make_snapshot(config, days=None), google)
    assert found == replace(READ, baseline=BASELINE)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"data": UNSEEN}, "could not read the table: the network is down"),
        ({"data": None, "table": None}, "no table to read"),
        (
            {"data": None, "table": make_table(schema={"fields": []})},
            "the table lacks columns to read",
        ),
        (
            {"data": {**DATA, "rows_in_window": 0}},
            "the training table holds no rows of these days",
        ),
    ],
)
def test_data__that_there_is_none_of_is_not_asked_for(
    read: Mock, google: Google, config: Config, changes: dict[str, Any], why: str
) -> None:
    assert read_report_data(make_snapshot(config, **changes), google) == why
    assert not read.called


@pytest.mark.parametrize("library", ["altair", "vl_convert"])
def test_data__without_a_library_is_not_asked_for(
    read: Mock, google: Google, config: Config, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    assert read_report_data(make_snapshot(config), google) == NO_LIBRARY.format(library)
    assert not read.called


def test_data__that_google_refuses_is_told_why(read: Mock, google: Google, config: Config) -> None:
    read.side_effect = google_error(400, "odd")
    why = "Reading what the report shows failed: odd (HTTP 400)."
    assert read_report_data(make_snapshot(config), google) == why


# The charts of a page ----------------------------------------------------------------------------

NAMES = ("draw_rows_per_day", "draw_scores", "draw_shares", "draw_coverage", "draw_model")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Each drawing, of what it was made."""
    for name in NAMES:
        monkeypatch.setattr(charts, name, lambda *given, name=name: (name, *given))
    data = replace(READ, days=[DayRows(day=FIRST, rows=1)], counts=make_days(), baseline=BASELINE)
    return {
        "data": replace(data, names={"a": "Ana"}),
        "rows": ("draw_rows_per_day", data.days),
        "coverage": ("draw_coverage", replace(data, names={"a": "Ana"})),
        "model": ("draw_model", BASELINE, {"a": "Ana"}),
    }


def test_overview__has_the_charts_that_the_status_page_has_room_for(
    drawn: dict[str, Any],
) -> None:
    data = drawn.pop("data")
    shares: Any = (("draw_shares", data.counts),)
    assert charts.draw_overview(data) == Charts(**drawn, overviews=shares)


def test_report__has_the_distribution_too_and_shares_where_days_were_counted(
    drawn: dict[str, Any],
) -> None:
    data = drawn.pop("data")
    scores = ("draw_scores", data.scores)
    cost = " (11 bytes read)"
    overviews: Any = (scores, ("draw_shares", data.counts))
    assert charts.draw_report(data) == Charts(**drawn, overviews=overviews, cost=cost)
    uncounted = replace(data, counts=())
    overviews = (scores,)
    assert charts.draw_report(uncounted).overviews == overviews
    assert charts.draw_overview(uncounted).overviews == ()


@pytest.mark.parametrize("data", ["no charts today", READ])
def test_report__is_rendered_with_its_charts_or_why_there_are_none(
    monkeypatch: pytest.MonkeyPatch, google: Google, config: Config, data: Any
) -> None:
    chart = Chart(title="Rows per day", text="none", wide="<svg></svg>")  # type: ignore[arg-type]
    drawn = Charts(rows=chart, overviews=(), coverage=chart)
    read, draw = Mock(return_value=data), Mock(return_value=drawn)
    monkeypatch.setattr(report, "read_report_data", read)
    monkeypatch.setattr(charts, "draw_report", draw)
    snapshot = make_snapshot(config)
    result = Verification(config=config, snapshot=snapshot, findings=(), strict=False)
    page, why = report.render_report(result, google)
    assert read.call_args_list == [call(snapshot, google)]
    assert draw.call_args_list == ([] if data == "no charts today" else [call(READ)])
    assert why == ("no charts today" if data == "no charts today" else "")
    assert ("No charts: no charts today" in page) is (data == "no charts today")
    assert ("<bdi>Rows per day</bdi>" in page) is (data == READ)
