"""The queries that read the training table, at their edges: days, scores, and what a sum tells."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from backend.forecasting.google.clients import Clients, make_clients
from backend.forecasting.google.queries import run_query
from backend.forecasting.loading.day_sums import NO_ROWS, ColumnSums, DaySums
from backend.forecasting.provisioning.datasets import DatasetSpec
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.sql.day_sums import (
    SUMS,
    render_source_by_day,
    render_table_by_day,
)
from backend.forecasting.sql.queries import render_data_summary, render_report_data
from backend.forecasting.sql.template import load, render
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.loading import fill_table, midnight
from backend.forecasting.training_table import COLUMNS, DIMENSIONS
from backend.forecasting.verification.day_counts import count_days
from backend.localcloud.postgres.server import RunningPostgres, admin_cursor

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.untraced

START, END = date(2026, 2, 1), date(2026, 3, 1)
TODAY = END
DAY = timedelta(days=1)

Values = tuple[float | None, ...]
Rows = dict[tuple[str, date], Values]


def values(score: float, *dimensions: float | None) -> Values:
    return (score, *(dimensions or (score,) * len(DIMENSIONS)))


AT_THE_EDGES: Rows = {
    ("a", START - DAY): values(10),
    ("a", START): values(20),
    ("a", END - DAY): values(30),
    ("a", END): values(40),
}


class Table:
    """The training table on the stand-in, with other rows for each test."""

    def __init__(self, cloud: "LocalCloud") -> None:
        self.cloud = cloud
        self.config = replace(make_config(horizon_days="7"), api_endpoint=cloud.endpoint)
        self.clients: Clients = make_clients(self.config)
        DatasetSpec.from_config(self.config).create(self.clients)
        TableSpec.from_config(self.config).create(self.clients)

    def fill(self, rows: Rows) -> None:
        project, dataset, table = self.config.table_id.split(".")
        self.cloud.bigquery.emulator.rows(f'DELETE FROM "{project}__{dataset}"."{table}"')
        fill_table(self.cloud, rows)

    def ask(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        asked = {"window_start": START, "end_day": END, **parameters}
        return run_query(self.clients, query, **asked).rows

    def summary(self, **settings: Any) -> dict[str, Any]:
        config = replace(self.config, **settings)
        horizon = {"short_days": 14, "model_days": 21}
        (row,) = self.ask(render_data_summary(config), today=TODAY, **horizon)
        return row

    def report(self, kind: str, entities: int = 9, entities_from: date = START) -> list[Any]:
        found = self.ask(
            render_report_data(self.config), entities_from=entities_from, entities=entities
        )
        return [row for row in found if row["kind"] == kind]

    def sums(self, first: date = START) -> dict[date, DaySums]:
        found = self.ask(render_table_by_day(self.config), window_start=first)
        rows = (tuple(row.values()) for row in found)
        return {row[0]: DaySums.from_row(row[1:]) for row in rows}


@pytest.fixture(scope="module")
def table(cloud_server: "LocalCloud") -> Iterator[Table]:
    cloud_server.reset()
    yield Table(cloud_server)
    cloud_server.reset()


# Days ------------------------------------------------------------------------------------------


def test_days__are_those_from_the_first_to_before_the_end(table: Table) -> None:
    table.fill(AT_THE_EDGES)
    inside = [START, END - DAY]
    assert sorted(table.sums()) == inside
    counted = count_days(table.config, table.clients, START, END)
    assert [(day.day, day.rows) for day in counted if day.rows] == [(day, 1) for day in inside]
    assert (counted[0].day, counted[-1].day, len(counted)) == (START, END - DAY, 28)
    assert sorted(row["day"] for row in table.report("day")) == inside
    assert sorted(row["day"] for row in table.report("entity")) == inside
    assert sum(row["row_count"] for row in table.report("score")) == len(inside)


def test_days__of_entities_are_those_from_their_own_first_one(table: Table) -> None:
    table.fill(AT_THE_EDGES)
    later = table.report("entity", entities_from=END - DAY)
    assert [row["day"] for row in later] == [END - DAY]
    assert later[0]["day_count"] == 2, "of all days of the window"
    assert table.report("entity", entities_from=END) == []


def test_summary__tells_the_days_before_in_and_after_the_window(table: Table) -> None:
    table.fill({**AT_THE_EDGES, ("b", START): values(1), ("b", END + DAY): values(1)})
    found = table.summary()
    names = ("row_count", "rows_before_window", "rows_in_window", "rows_after_window")
    assert [found[name] for name in names] == [6, 1, 3, 2]
    assert found["days_in_window"] == 2
    assert (found["first_day"], found["last_day"]) == (START - DAY, END + DAY)


def test_summary__tells_what_is_not_midnight(table: Table) -> None:
    table.fill({("a", START): values(10), ("b", START): values(10), ("c", START): values(10)})
    for name, off in (("a", "00:00:00.000001"), ("b", "23:59:59.999999")):
        table.cloud.query(
            f"UPDATE `{table.config.table_id}` SET mentioned_at = TIMESTAMP '{START} {off}+00' "
            f"WHERE entity_id = '{name}'"
        )
    found = table.summary()
    assert (found["rows_off_midnight"], found["rows_in_window"]) == (2, 3)
    assert list(table.sums()) == [START]


# Scores ----------------------------------------------------------------------------------------


def scores(*numbers: float) -> Rows:
    return {("a", START + n * DAY): values(score) for n, score in enumerate(numbers)}


def test_scores__of_exactly_0_and_100_are_in_their_range(table: Table) -> None:
    table.fill(scores(0, 100, -0.001, 100.001, 50, 0, 100))
    assert table.summary()["rows_out_of_range"] == 2


def test_scores__fall_into_steps_that_begin_where_they_say(table: Table) -> None:
    steps: dict[int, list[float]] = {
        -5: [-0.5, -9],
        0: [0, 4.999, 2],
        5: [5],
        90: [94.9],
        95: [95, 99, 100, 100],
    }
    steps[100] = [100.5] * 5
    table.fill(scores(*(number for numbers in steps.values() for number in numbers)))
    found = {row["risk_score"]: row["row_count"] for row in table.report("score")}
    assert found == {step: len(numbers) for step, numbers in steps.items()}


def test_dimensions__are_counted_and_those_off_their_scale_told(table: Table) -> None:
    first, *others = DIMENSIONS
    low, high = first.scale
    numbers = [low, high, low - 0.001, high + 0.001, None]
    rows = {
        (f"{n}", START): (50.0, number, *(50.0 for _ in others)) for n, number in enumerate(numbers)
    }
    table.fill(rows)
    (day, *_) = count_days(table.config, table.clients, START, END)
    counted = day.of(first.name)
    assert (day.rows, counted.count, counted.off_scale) == (5, 4, 2)
    assert (counted.least, counted.greatest) == (low - 0.001, high + 0.001)
    assert {day.of(other.name).off_scale for other in others} == {0}


# Series ----------------------------------------------------------------------------------------


def series(name: str, days: int, *, end: date = END, score: float | None = None) -> Rows:
    """A row on each of so many days before `end`; one score, or another one each day."""
    return {
        (name, end - (n + 1) * DAY): values(float(n) if score is None else score)
        for n in range(days)
    }


def test_series__of_exactly_the_length_are_long_enough(table: Table) -> None:
    """Short is less than 14 days here, and a model needs 21."""
    table.fill({**series("a", 13), **series("b", 14), **series("c", 20), **series("d", 21)})
    found = table.summary()
    assert found["short_series"] == 1
    assert (found["usable_count"], found["long_usable_count"]) == (2, 1)


def test_series__of_one_day_is_not_constant(table: Table) -> None:
    """One score says nothing of whether it changes; two that are the same do."""
    one, two = series("one", 1, score=50), series("two", 2, score=50)
    table.fill({**one, **two, **series("changes", 2)})
    assert table.summary()["constant_series"] == 1


def test_series__steps_repeated_rows_and_gaps_are_those_of_each(table: Table) -> None:
    rows = {**series("a", 4), **series("b", 2), ("c", START): values(1), ("c", END): values(1)}
    table.fill(rows)
    again = f"SELECT * FROM `{table.config.table_id}` WHERE entity_id = 'b'"
    table.cloud.query(f"INSERT INTO `{table.config.table_id}` {again}")
    found = table.summary()
    assert (found["series_count"], found["row_count"]) == (3, 10)
    assert (found["most_steps"], found["repeated_rows"]) == (4, 2)
    # Only c has gaps: 2 of the 29 days from its first to its last.
    assert math.isclose(found["missing_share"], (1 - 2 / 29) / 3)


def test_report__entities_with_most_days_come_first_and_ties_by_their_id(table: Table) -> None:
    table.fill({**series("c", 2), **series("b", 2), **series("d", 2), **series("a", 1)})
    chosen = table.report("entity", entities=2)
    assert {row["entity_id"] for row in chosen} == {"b", "c"}
    assert {row["day_count"] for row in chosen} == {2}


def test_report__entity_that_has_a_day_twice_has_its_mean_there(table: Table) -> None:
    table.fill({("a", START): values(10)})
    other = ", ".join(["'a'", f"TIMESTAMP '{START} 00:00:00+00'", "30.0", *["30.0"] * 4])
    table.cloud.query(f"INSERT INTO `{table.config.table_id}` VALUES ({other})")
    (row,) = table.report("entity")
    assert (row["risk_score"], row["row_count"], row["day_count"]) == (20, 2, 1)
    assert {row[column.name] for column in DIMENSIONS} == {20}


# What the sums of a day tell -------------------------------------------------------------------

ONE, OTHER = values(50, 1, 2, 3, 4), values(60, 5, 6, 7, 8)
NUMBERS = len(ONE)


def changed(row: Values, at: int, number: float | None) -> Values:
    return (*row[:at], number, *row[at + 1 :])


def swapped(row: Values, one: int, other: int) -> Values:
    return changed(changed(row, one, row[other]), other, row[one])


VARIANTS: dict[str, tuple[Values, Values]] = {
    "the same": (ONE, OTHER),
    "entities swapped": (OTHER, ONE),
    **{f"{n} nudged": (changed(ONE, n, (ONE[n] or 0) + 1e-5), OTHER) for n in range(NUMBERS)},
    **{f"{n} is null": (changed(ONE, n, None), OTHER) for n in range(1, NUMBERS)},
    **{f"{n} is 0": (changed(ONE, n, 0), OTHER) for n in range(1, NUMBERS)},
    **{f"{n} and next": (swapped(ONE, n, n + 1), OTHER) for n in range(NUMBERS - 1)},
    **{
        f"{n} of both swapped": (changed(ONE, n, OTHER[n]), changed(OTHER, n, ONE[n]))
        for n in range(NUMBERS)
    },
    "one less, one more": (changed(changed(ONE, 1, 4), 2, 0), OTHER),
    "beside a wild one": (changed(changed(ONE, 3, 1e15), 4, 4 + 1e-5), OTHER),
    "a wild one": (changed(ONE, 3, 1e15), OTHER),
    "all null": (values(50, *[None] * 4), values(60, *[None] * 4)),
    "all 0": (values(50, *[0.0] * 4), values(60, *[0.0] * 4)),
}
FIRST = END - len(VARIANTS) * DAY
OF_DAYS = {name: FIRST + n * DAY for n, name in enumerate(VARIANTS)}


@pytest.fixture(scope="module")
def rows_of_variants() -> Rows:
    pairs = zip(OF_DAYS.values(), VARIANTS.values(), strict=True)
    return {(name, day): row for day, both in pairs for name, row in zip("ab", both, strict=True)}


def test_sums__tell_every_change(table: Table, rows_of_variants: Rows) -> None:
    table.fill(rows_of_variants)
    found = dict(zip(OF_DAYS, table.sums(FIRST).values(), strict=True))
    alike = [name for name, sums in found.items() if sums.same_as(found["the same"])]
    assert alike == ["the same"]
    nulls = ["all null", *(f"{n} is null" for n in range(1, NUMBERS))]
    zeros = [name.replace("null", "0") for name in nulls]
    pairs = [*zip(nulls, zeros, strict=True), ("a wild one", "beside a wild one")]
    assert [null for null, zero in pairs if found[null].same_as(found[zero])] == []


def test_sums__are_the_same_on_both_sides(
    table: Table, rows_of_variants: Rows, postgres: RunningPostgres
) -> None:
    """PostgreSQL sums up the very rows, in another order."""
    table.fill(rows_of_variants)
    names = ", ".join(column.name for column in COLUMNS)
    casts = ["%s::text", "%s::timestamptz", *["%s::float8"] * NUMBERS]
    flat = [
        item
        for (name, day), row in reversed(rows_of_variants.items())
        for item in (name, midnight(day), *row)
    ]
    each = ", ".join(f"({', '.join(casts)})" for _ in rows_of_variants)
    query = sum_of_rows(f"SELECT * FROM (VALUES {each}) AS rows ({names})")
    with admin_cursor(postgres) as cursor:
        cursor.execute(query, flat)
        found = {day: DaySums.from_row(row) for day, *row in cursor.fetchall()}
    expected = table.sums(FIRST)
    assert len(expected) == len(VARIANTS)
    assert found.keys() == expected.keys()
    assert [day for day in expected if not found[day].same_as(expected[day])] == []


def sum_of_rows(source_query: str) -> str:
    """The query that sums up the source query, with other rows in its place."""
    whole, marker = render_source_by_day(make_config()), "        FROM (\n"
    head, _, rest = whole.partition(marker)
    assert rest
    return f"{head}{marker}{source_query}\n        {rest[rest.rindex(') AS source') :]}"


def test_sums__just_above_the_tolerance_are_a_difference() -> None:
    column = ColumnSums(count=3, sum=1e6, excess=1e6)
    below, above = 1e6 * (1 + 5e-10), 1e6 * (1 + 5e-9)
    assert replace(column, sum=below, excess=below).same_as(column)
    others = [replace(column, sum=above), replace(column, excess=above), replace(column, count=4)]
    assert [other for other in others if other.same_as(column)] == []
    day = DaySums(rows=3, keys=7, scores=1e6, columns={"political_risk": column})
    assert replace(day, scores=below).same_as(day)
    changed = [replace(day, scores=above), replace(day, rows=4), replace(day, keys=8)]
    changed += [replace(day, columns={"political_risk": other}) for other in others]
    assert [other for other in changed if other.same_as(day)] == []


def test_sums__of_nothing_are_not_those_of_zeros() -> None:
    """A column without a number is no column of zeros; a sum that is NULL is like no other."""
    none = ColumnSums(count=0, sum=0.0, excess=0.0)
    assert not none.same_as(ColumnSums(count=2, sum=0.0, excess=0.0))
    assert not NO_ROWS.same_as(replace(NO_ROWS, rows=1))
    assert NO_ROWS.same_as(DaySums(rows=0, keys=0, scores=0.0, columns={"political_risk": none}))
    numbers = (0, 0.0, 0.0) * NUMBERS
    assert DaySums.from_row((1, None, 0.0, *numbers)).keys == 0
    unsummed = DaySums.from_row((1, 7, None, *numbers))
    assert not unsummed.same_as(DaySums.from_row((1, 7, 0.0, *numbers)))


def test_sums__of_a_row_with_other_columns_are_refused() -> None:
    row = (1, 2, 3.0, *(0.0,) * len(SUMS) * NUMBERS)
    assert DaySums.from_row(row).rows == 1
    for other in (row[: -len(SUMS)], (*row, 0.0)):
        with pytest.raises(ValueError, match="zip"):
            DaySums.from_row(other)


def test_partitions__are_the_days_that_hold_rows(table: Table) -> None:
    """An emptied partition stays for a while; rows of one may be in several tiers of storage."""
    held = [
        *(("t", "20260101", 2), ("t", "20260101", 3), ("t", "20260102", 0), ("t", "20260103", 1)),
        *(("t", "__NULL__", 4), ("t", "202601", 5), ("other", "20260104", 6)),
    ]
    rows = " UNION ALL ".join(
        f"SELECT '{name}' AS table_name, '{partition}' AS partition_id, {count} AS total_rows"
        for name, partition, count in held
    )
    query = render(load("partitions.sql"), partitions=f"({rows})")
    found = run_query(table.clients, query, table="t").rows
    assert sorted((row["partition_id"], row["row_count"]) for row in found) == [
        ("20260101", 5),
        ("20260103", 1),
    ]
