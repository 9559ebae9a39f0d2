"""What is counted, summed up and noted of days that are loaded, by mocked clients."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from google.api_core.exceptions import Forbidden, PreconditionFailed

from backend.forecasting.conf import Config
from backend.forecasting.errors import ApiError
from backend.forecasting.google.waiting import Deadline, GoogleClock
from backend.forecasting.loading import day_sums, row_counts
from backend.forecasting.loading.backfill_mark import LABEL, Mark, note_backfill
from backend.forecasting.loading.day_sums import BothSides, ColumnSums, DaySums
from backend.forecasting.loading.row_counts import count_rows
from backend.forecasting.sql.day_sums import (
    render_federated_by_day,
    render_source_by_day,
    render_table_by_day,
)
from backend.forecasting.sql.queries import with_days
from backend.forecasting.tests.support.factories import Google, google_error, make_table

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
FIRST_DAY, END_DAY = date(2026, 2, 1), date(2026, 3, 1)


@pytest.fixture
def dated(google: Google, monkeypatch: pytest.MonkeyPatch) -> Google:
    monkeypatch.setattr(GoogleClock, "now", lambda _: NOW)
    monkeypatch.setattr(Google, "now", lambda _: NOW)
    return google


@pytest.mark.parametrize(
    ("before", "done", "label"),
    [
        (None, False, "20260201_20260301_1772452800_begun"),
        (None, True, "20260201_20260301_1772452801_done"),
        (timedelta(days=1), True, "20251201_20260301_1772452801_done"),
        (timedelta(days=8), True, "20260201_20260301_1772452801_done"),
    ],
)
def test_backfill__is_noted_beside_an_earlier_one_that_counts(
    dated: Google, config: Config, before: timedelta | None, done: bool, label: str
) -> None:
    labels = {"team": "news"}
    if before:
        earlier = Mark(first_day=date(2025, 12, 1), end_day=FIRST_DAY, at=NOW - before, done=True)
        labels[LABEL] = str(earlier)
    dated.bigquery.get_table.return_value = make_table(labels=labels)
    note_backfill(config, dated, FIRST_DAY, END_DAY, done=done)
    (call,) = dated.bigquery.update_table.call_args_list
    noted, fields = call.args
    assert (str(noted.reference), noted.labels) == (config.table_id, {LABEL: label})
    assert fields == ["labels"]
    assert dated.bigquery.get_table.call_args.args == (config.table_id,)


@pytest.mark.parametrize("error", [Forbidden("no"), PreconditionFailed("changed")])
def test_backfill__is_loaded_where_it_may_not_be_noted(
    dated: Google, config: Config, error: Exception
) -> None:
    dated.bigquery.get_table.return_value = make_table()
    dated.bigquery.update_table.side_effect = error
    note_backfill(config, dated, FIRST_DAY, END_DAY, done=True)
    assert dated.bigquery.update_table.called


def test_mark__covers_its_days_and_the_time_of_its_load() -> None:
    done = Mark(first_day=FIRST_DAY, end_day=END_DAY, at=NOW, done=True)
    days = [FIRST_DAY - timedelta(days=1), FIRST_DAY, END_DAY - timedelta(days=1), END_DAY]
    before, second = NOW - timedelta(seconds=1), timedelta(seconds=1)
    assert [done.covers(day, before) for day in days] == [False, True, True, False]
    assert not done.covers(FIRST_DAY, NOW)
    begun, longest = replace(done, done=False), NOW + timedelta(hours=6)
    assert begun.covers(FIRST_DAY, longest - second)
    assert not begun.covers(FIRST_DAY, longest)
    week = replace(done, at=NOW - timedelta(days=7), first_day=date(2026, 1, 1))
    assert done.with_earlier(week).first_day == date(2026, 1, 1)
    assert done.with_earlier(replace(week, at=week.at - second)) == done


def test_rows__are_those_of_the_window(
    dated: Google, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    dated.bigquery.get_table.return_value = make_table(numRows="4200")
    assert count_rows(dated, config) == 4200
    first = NOW.date() - timedelta(days=90)
    days = {first - timedelta(days=1): 1, first: 20, NOW.date(): 300}
    counted = Mock(return_value=iter(days.items()))
    monkeypatch.setattr(row_counts, "rows_by_day", counted)
    assert count_rows(dated, replace(config, keep_history=True)) == 320
    counted.assert_called_once_with(dated, config.table_id)
    dated.bigquery.get_table.side_effect = google_error(403, "no way")
    with pytest.raises(ApiError) as raised:
        count_rows(dated, config)
    assert (
        str(raised.value)
        == f"Counting the rows of {config.table_id} was refused: no way (HTTP 403)."
    )


def test_sums__are_read_column_by_column_and_what_is_no_number_is_unlike_all() -> None:
    sums = [n for number in range(5) for n in (number, number / 2, number * 100.0)]
    read = DaySums.from_row([9, None, 1.5, *sums])
    names = ("risk_score", "sanctions_risk", "political_risk", "economic_risk", "supply_chain_risk")
    assert read == DaySums(
        rows=9,
        keys=0,
        scores=1.5,
        columns={
            name: ColumnSums(count=n, sum=n / 2, excess=n * 100.0) for n, name in enumerate(names)
        },
    )
    unknown = DaySums.from_row([9, 7, None, *[None if n == 1 else 0 for n in range(15)]])
    assert (unknown.keys, math.isnan(unknown.scores)) == (7, True)
    assert math.isnan(unknown.of("risk_score").sum)
    assert unknown.of("nothing") == ColumnSums()
    assert not unknown.same_as(unknown)


@pytest.mark.parametrize(
    "change", [{"rows": 2}, {"keys": 2}, {"scores": 1.1}, {"columns": {"a": ColumnSums(count=1)}}]
)
def test_sums__of_a_day_differ_by_each_of_them(change: dict[str, Any]) -> None:
    day = DaySums(rows=1, keys=1, scores=1.0, columns={})
    other = replace(day, **change)
    assert day.same_as(replace(day, scores=1.0 + 1e-10))
    assert not day.same_as(other)
    assert other.differing_columns(day) == (["a"] if "columns" in change else [])
    sides = BothSides(source={FIRST_DAY: day, END_DAY: day}, table={FIRST_DAY: day, END_DAY: other})
    assert sides.differing == [END_DAY]
    assert BothSides(source={END_DAY: day}, table={FIRST_DAY: day}).differing == [
        FIRST_DAY,
        END_DAY,
    ]


class Rows(list[Any]):
    """As much of google-cloud-bigquery's RowIterator as is used."""

    total_bytes_processed = 1234


def test_sides__are_those_of_the_same_days(
    google: Google, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL's by Django, or through the connection, and the table's, with what it cost."""
    sums = [1] * 15
    read = Mock(return_value=[(FIRST_DAY, 3, 4, 5.0, *sums)])
    monkeypatch.setattr(day_sums, "read_source", read)
    monkeypatch.setattr(Deadline, "left", 60.0)
    counted = {"day": FIRST_DAY, "row_count": 3, "key_sum": 4, "score_sum": 5.0}
    counted |= {f"sum_{number}": each for number, each in enumerate(sums)}
    google.bigquery.query_and_wait.return_value = Rows([counted])
    day = DaySums.from_row([3, 4, 5.0, *sums])
    both = BothSides(source={FIRST_DAY: day}, table={FIRST_DAY: day}, bytes_processed=1234)
    days = (FIRST_DAY, END_DAY)
    assert day_sums.sum_up_both_sides(config, google, *days) == both
    query = with_days(render_source_by_day(config), *days)
    read.assert_called_once_with(config, query, 60.0)
    assert day_sums.sum_up_through_connection(config, google, *days) == both
    calls = google.bigquery.query_and_wait.call_args_list
    table, federated = render_table_by_day(config), render_federated_by_day(config, *days)
    assert [call.args[0] for call in calls] == [table, federated, table]
    then = datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert day_sums.sum_up_table(config, google, *days, as_of=then) == (both.table, 1234)
    assert calls[-1].args[0] == render_table_by_day(config, then)
    for call in (calls[0], calls[2], calls[3]):
        given = [(p.name, p.value) for p in call.kwargs["job_config"].query_parameters]
        assert given == [("window_start", FIRST_DAY), ("end_day", END_DAY)]
