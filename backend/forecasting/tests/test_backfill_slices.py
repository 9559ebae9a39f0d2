"""What a backfill asks BigQuery for, slice by slice: its days, its script, its time, its sum."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from backend.forecasting.errors import ConflictError, SettingError
from backend.forecasting.loading.backfill import SliceOutcome, backfill, refuse_unkept_backfill
from backend.forecasting.loading.runs import RunResult
from backend.forecasting.sql.day_sums import SUMS
from backend.forecasting.sql.script_head import StoredScript, read_script
from backend.forecasting.tests.support.factories import Google, google_error, make_config
from backend.forecasting.tests.support.loading import day_before
from backend.forecasting.training_table import NUMBERS


class BigQuery:
    """Answers the queries of a backfill, and keeps what it was asked.

    `source` and `table` are the rows that each side has of a day, by its age.
    """

    def __init__(self, google: Google, source: dict[int, int], table: dict[int, int]) -> None:
        self.google, self.source, self.table = google, source, table
        self.scripts: list[tuple[str, datetime]] = []
        self.read: list[tuple[date, date]] = []
        self.federated: list[str] = []
        google.bigquery.query_and_wait.side_effect = self

    def __call__(self, sql: str, *, job_config: Any, **_: Any) -> Any:
        values = [parameter.value for parameter in job_config.query_parameters]
        if "MERGE" in sql:
            self.scripts.append((sql, *values))
            return Rows([])
        if "EXTERNAL_QUERY" in sql:
            self.federated.append(sql)
            return Rows(self._of(self.source, *self.read_days(sql)))
        self.read.append((values[0], values[1]))
        return Rows(self._of(self.table, *values))

    @staticmethod
    def read_days(sql: str) -> tuple[date, date]:
        """The days that the source query is given."""
        found = [date.fromisoformat(part[:10]) for part in sql.split("DATE '")[1:3]]
        return found[0], found[1]

    @staticmethod
    def _of(rows: dict[int, int], first: date, end: date) -> list[dict[str, Any]]:
        days = {day_before(age): count for age, count in rows.items()}
        sums = {f"{column.name}_{what}": 1 for column in NUMBERS for what in SUMS}
        return [
            {"day": day, "row_count": n, "key_sum": n, "score_sum": float(n), **sums}
            for day, n in days.items()
            if first <= day < end
        ]

    @property
    def stored(self) -> list[StoredScript]:
        return [read_script(script) for script, _ in self.scripts]


class Rows:
    """As much of google-cloud-bigquery's RowIterator as is used."""

    total_bytes_processed = 0

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)


Fill = Callable[..., tuple[BigQuery, Any, list[SliceOutcome]]]


@pytest.fixture
def fill(provisioned: Google) -> Fill:
    def fill(
        days: int,
        source: dict[int, int],
        table: dict[int, int],
        *,
        allow_deleting: bool = False,
        **settings: Any,
    ) -> tuple[BigQuery, Any, list[SliceOutcome]]:
        asked, outcomes = BigQuery(provisioned, source, table), list[SliceOutcome]()
        result = backfill(
            make_config(**settings),
            provisioned,
            days,
            timeout=60,
            on_slice=outcomes.append,
            allow_deleting=allow_deleting,
        )
        return asked, result, outcomes

    return fill


@pytest.mark.parametrize("settings", [{}, {"keep_history": True}, {"refresh_days": "7"}], ids=str)
def test_slice__is_loaded_by_a_script_that_removes_no_older_day(fill: Fill, settings: Any) -> None:
    """Also where history is not kept: the days before a slice are the window's."""
    asked, _, _ = fill(30, {1: 5}, {}, **settings)
    (stored,) = asked.stored
    assert (stored.sealed, stored.kept_days) == (True, None)
    assert stored.settings["keep_history"] == "on"
    assert (stored.settings["window_days"], stored.settings["refresh_days"]) == ("30", "30")


def test_slices__are_read_and_loaded_from_their_first_day_to_before_their_end(fill: Fill) -> None:
    asked, _, _ = fill(200, {1: 5, 91: 5, 181: 5}, {}, keep_history=True)
    edges = [(90, 0), (180, 90), (200, 180)]
    days = [(day_before(f), day_before(e)) for f, e in edges]
    assert asked.read == days
    assert [asked.read_days(sql) for sql in asked.federated] == days
    assert [stored.settings["window_days"] for stored in asked.stored] == ["90", "90", "20"]
    assert [moment for _, moment in asked.scripts] == [
        datetime(end.year, end.month, end.day, tzinfo=UTC) for _, end in days
    ]


def test_slices__row_on_an_edge_belongs_to_one_of_them(fill: Fill) -> None:
    _, result, outcomes = fill(180, {90: 3, 91: 4}, {}, keep_history=True)
    assert [outcome.rows for outcome in outcomes] == [3, 4]
    assert result.rows == 7


def test_slices__have_the_whole_time_each(google: Google, fill: Fill) -> None:
    started: list[float] = []
    google.deadline.on_start = started.append
    fill(181, {}, {}, keep_history=True)
    assert started == [60, 60, 60]


def test_slice__asks_for_no_more_time_than_it_has(google: Google, fill: Fill) -> None:
    asked, _, _ = fill(1, {1: 5}, {})
    waits = [call.kwargs["wait_timeout"] for call in google.bigquery.query_and_wait.mock_calls]
    assert len(waits) == len(asked.scripts) + 2 == 3
    assert all(0 < wait < 60 for wait in waits)


def test_backfill__sums_up_what_it_loaded_alone(fill: Fill) -> None:
    """Not the slice that was equal, nor the one of which PostgreSQL has nothing."""
    _, result, outcomes = fill(270, {1: 5, 100: 6}, {1: 5, 100: 2, 200: 9}, keep_history=True)
    assert [str(outcome.result) for outcome in outcomes] == [
        "already there",
        "loaded",
        "no rows in PostgreSQL",
    ]
    assert [(o.rows, o.rows_before) for o in outcomes] == [(5, 5), (6, 2), (0, 9)]
    assert replace(result, seconds=0) == RunResult(
        name="backfill of 270 days", state="SUCCEEDED", rows=6, rows_before=2, seconds=0
    )
    assert 0 <= result.seconds == round(result.seconds, 1)


def test_backfill__of_a_day_that_only_the_table_has_beside_one_that_differs(fill: Fill) -> None:
    """A day that PostgreSQL lacks is a difference like any other, where its slice has rows."""
    asked, _, outcomes = fill(2, {1: 5}, {1: 5, 2: 5})
    assert [str(outcome.result) for outcome in outcomes] == ["loaded"]
    assert len(asked.scripts) == 1


FULL = dict.fromkeys(range(1, 31), 10)


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        (dict.fromkeys(range(1, 21), 10), "of 10 of these days none"),
        ({**FULL, 30: 4}, "of 1 of these days none"),
        ({**FULL, **dict.fromkeys(range(8, 31), 8)}, "PostgreSQL has 184"),
        ({**FULL, 30: 9, 29: 5}, ""),
        ({**FULL, 1: 2, 7: 0}, ""),
    ],
    ids=["cut", "a day", "a share of each", "corrections", "what nights read again"],
)
def test_backfill__does_not_lose_what_postgresql_has_forgotten(
    fill: Fill, google: Google, source: dict[int, int], refused: str
) -> None:
    """Less than half of the slice, which the load's own check would let through."""
    asked, _, _ = fill(30, source, FULL, refresh_days="7", allow_deleting=True)
    assert len(asked.scripts) == 1
    if not refused:
        assert fill(30, source, FULL, refresh_days="7")[1].rows_before == 300
        return
    with pytest.raises(ConflictError, match=refused) as caught:
        fill(30, source, FULL, refresh_days="7")
    assert "of the 230 rows that the table has of days before" in str(caught.value)
    assert "--allow-deleting" in str(caught.value)


def test_backfill__first_slice_that_fails_names_its_days(google: Google, fill: Fill) -> None:
    BigQuery(google, {}, {})
    google.bigquery.query_and_wait.side_effect = google_error(400, "ERROR: no such column")
    outcomes: list[SliceOutcome] = []
    last, first = day_before(1), day_before(90)
    with pytest.raises(Exception, match=f"Backfilling {first} to {last} failed: .*no such column"):
        backfill(make_config(), google, 90, timeout=60, on_slice=outcomes.append)
    assert outcomes == []


@pytest.mark.parametrize(("days", "window", "refused"), [(30, 30, False), (31, 30, True)])
def test_backfill__of_exactly_the_window_needs_no_history(
    days: int, window: int, refused: bool
) -> None:
    config = make_config(window_days=f"{window}")
    refuse_unkept_backfill(replace(config, keep_history=True), days)
    if not refused:
        refuse_unkept_backfill(config, days)
        return
    with pytest.raises(SettingError, match="give --keep-history as well"):
        refuse_unkept_backfill(config, days)
