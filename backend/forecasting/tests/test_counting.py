"""Numbers in words: one of anything is said as one, wherever it is said."""

import re
from datetime import date
from unittest.mock import Mock

import pytest
from django.template.loader import render_to_string

from backend.forecasting.counting import agree, count_bytes, count_things, timeout_over
from backend.forecasting.errors import SettingError
from backend.forecasting.google.waiting import Deadline, GivenUpError
from backend.forecasting.loading.backfill import refuse_unkept_backfill
from backend.forecasting.loading.day_sums import DaySums, Forgotten
from backend.forecasting.loading.runs import RunResult
from backend.forecasting.management.commands.bq_setup_etl import Command
from backend.forecasting.output import charts, day_charts
from backend.forecasting.output.report_data import DayRows, ScoreStep
from backend.forecasting.output.text import describe_backfill, describe_run
from backend.forecasting.setup.etl import RunOptions
from backend.forecasting.tests.support.clock import FastClock
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.snapshots import BASELINE, NO_ERRORS

DAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        *((0, "0 days"), (1, "1 day"), (1.0, "1 day"), (2, "2 days"), (1234567, "1,234,567 days")),
        *((0.5, "0.5 days"), (900.0, "900 days"), (-1, "-1 days")),
        *((12.4771, "12.48 days"), (0.9999, "1 day"), (26.25, "26.25 days"), (0.001, "0.001 days")),
        *((1e6, "1,000,000 days"), (1234.5, "1,234.5 days"), (float("inf"), "inf days")),
    ],
)
def test_count__goes_with_its_noun(number: float, said: str) -> None:
    assert count_things(number, "day") == said
    assert count_things(number, "entity", "entities") == said.replace("days", "entities").replace(
        "day", "entity"
    )


def test_verb__goes_with_its_number() -> None:
    assert [agree(number, "has", "have") for number in (0, 1, 1.0, 2)] == [
        *("have", "has", "has", "have")
    ]
    assert [count_bytes(n) for n in (None, 0, 1)] == ["", " (0 bytes read)", " (1 byte read)"]
    assert timeout_over(1.0) == "the 1 second of --timeout is over"
    assert timeout_over(1.5) == "the 1.5 seconds of --timeout are over"


def test_run__of_one_row_says_so() -> None:
    run = RunResult(name="backfill of 1 day", state="SUCCEEDED", rows=1, seconds=2.0)
    assert describe_run(run) == "Run succeeded in 2 s: the training table holds 1 row."
    assert describe_backfill(run) == "The backfill of 1 day loaded 1 row in 2 s."
    assert f"{DaySums(rows=1, keys=1, scores=1.0, columns={})}".startswith("1 row, scores ")
    forgotten = Forgotten(days=1, rows_before=1, rows=0, before=DAY)
    assert f"{forgotten}".startswith("of the 1 row that the table has of days before 2026-03-01, ")


def test_backfill__of_one_day_says_so() -> None:
    with pytest.raises(SettingError, match=r"more than the window of 1 day, and the next run"):
        refuse_unkept_backfill(make_config(window_days="1"), 2)
    command = Command(stdout=Mock(), stderr=Mock())
    command.say = Mock()  # type: ignore[method-assign]
    options = RunOptions(start=False, wait=False, backfill_days=1, allow_deleting=False, timeout=1)
    command._show_what_would_follow(options)
    command.say.assert_called_once_with("Then the last 1 complete day would be loaded directly.")


def test_deadline__of_one_second_says_so(fast_clock: FastClock) -> None:
    deadline = Deadline()
    deadline.start(60)
    inner = deadline.within(1)
    fast_clock.sleep(2)
    with pytest.raises(GivenUpError, match=r"^it took longer than 1 second$"):
        inner.cap(1)


def test_charts__of_one_say_so() -> None:
    scores = charts._describe_scores([ScoreStep(low=5, rows=1)])
    assert scores.startswith("1 row, 100% of them below 50; ")
    days = day_charts._describe_days([DayRows(day=DAY, rows=1)], has_band=False)
    assert days.startswith("1 row on 1 of 1 day; ")


def test_days__of_a_long_history_are_said_alike_in_one_sentence() -> None:
    filled, empty = [DayRows(day=DAY, rows=2)] * 1100, [DayRows(day=DAY, rows=0)] * 100
    said = day_charts._describe_days(filled + empty, has_band=False)
    assert said.startswith("2,200 rows on 1,100 of 1,200 days; ")


@pytest.mark.parametrize(
    ("number", "days", "rows"), [(1, "day,", "row of"), (2, "days,", "rows of")]
)
def test_baseline__of_one_says_so(number: int, days: str, rows: str) -> None:
    baseline = {**vars(BASELINE), "horizon_days": number, "rows": number}
    page = render_to_string("forecasting/baseline.html", {"baseline": baseline, "charts": ()})
    assert f"The last {number} complete {days}" in page
    assert f"{number} {rows} 60 series" in page


def test_baseline__shows_its_errors_as_its_charts_do() -> None:
    baseline = {**vars(BASELINE), "methods": {"last": BASELINE.methods["last"], "none": NO_ERRORS}}
    page = render_to_string("forecasting/baseline.html", {"baseline": baseline, "charts": ()})
    shown = ["12.50", "0.313", "1.250", "", *["\N{EN DASH}"] * 2]
    assert re.findall("<td>(.*?)</td>", page) == shown
