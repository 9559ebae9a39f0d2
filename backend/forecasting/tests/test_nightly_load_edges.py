"""The nightly load at its edges: which days it reads, replaces, keeps and refuses.

The script runs on the stand-in with rows of the test's own in the place of PostgreSQL's.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from backend.forecasting.conf import Config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.provisioning.datasets import DatasetSpec
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.sql.queries import render_nightly_load
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.loading import day_before as day
from backend.forecasting.tests.support.loading import midnight, today

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.untraced

WINDOW, REFRESH = 30, 7

Scores = dict[int, float]
"""Scores of one entity by the age of the day."""


class Load:
    """The training table, and a load whose source holds what a test gives it."""

    def __init__(self, cloud: "LocalCloud") -> None:
        self.cloud = cloud
        self.config = replace(
            make_config(window_days=f"{WINDOW}", refresh_days=f"{REFRESH}"),
            api_endpoint=cloud.endpoint,
        )
        self.clients = make_clients(self.config)
        DatasetSpec.from_config(self.config).create(self.clients)
        self.source = replace(self.config, table="source_rows")
        for config in (self.config, self.source):
            TableSpec.from_config(config).create(self.clients)

    def fill(self, ages: Scores) -> None:
        self._put(self.config, [("a", midnight(day(age)), score) for age, score in ages.items()])

    def run(
        self,
        source: Scores,
        *,
        end: int = 0,
        wrong: Sequence[datetime] = (),
        spoiled: str = "",
        **settings: Any,
    ) -> Scores:
        """What the table holds by age after a load for the day `end` days ago.

        Of `source` it is given the days that it asks for, and the moments `wrong` in any case.
        `spoiled` replaces columns by something else, as in SELECT * REPLACE (...).
        """
        rows = [("a", midnight(day(age)), score) for age, score in source.items()]
        self._put(self.source, [*rows, *(("wrong", moment, 2.0) for moment in wrong)])
        config = replace(self.config, **settings)
        script = re.sub(
            r"EXTERNAL_QUERY\(.*?r'''.*?'''\)",
            lambda _: f"({self._query(spoiled)})",
            render_nightly_load(config),
            flags=re.DOTALL,
        )
        assert "EXTERNAL_QUERY(" not in script
        run_time = bigquery.ScalarQueryParameter("run_time", "TIMESTAMP", midnight(day(end)))
        job_config = bigquery.QueryJobConfig(query_parameters=[run_time])
        self.clients.bigquery.query_and_wait(script, job_config=job_config)
        return self.rows()

    def _query(self, spoiled: str) -> str:
        replaced = f" REPLACE ({spoiled})" if spoiled else ""
        return (
            f"SELECT *{replaced} FROM `{self.source.table_id}` WHERE entity_id = 'wrong' OR "
            "DATE(mentioned_at, 'UTC') >= '@first_day' AND DATE(mentioned_at, 'UTC') < '@end_day'"
        )

    def _put(self, config: Config, rows: Sequence[tuple[str, datetime, float]]) -> None:
        project, dataset, name = config.table_id.split(".")
        table, run = f'"{project}__{dataset}"."{name}"', self.cloud.bigquery.emulator.rows
        run(f"DELETE FROM {table}")
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            kinds = ("VARCHAR[]", "TIMESTAMPTZ[]", "DOUBLE[]")
            values = ", ".join(f"unnest(?::{kind})" for kind in kinds)
            run(f"INSERT INTO {table} SELECT {values}, NULL, NULL, NULL, NULL", columns)

    def rows(self) -> Scores:
        found = self.cloud.query(f"SELECT mentioned_at, risk_score FROM `{self.config.table_id}`")
        rows = {(today() - row["mentioned_at"].date()).days: row["risk_score"] for row in found}
        assert len(rows) == len(found), "a day is there twice"
        return rows


@pytest.fixture(scope="module")
def load(cloud_server: "LocalCloud") -> Iterator[Load]:
    cloud_server.reset()
    yield Load(cloud_server)
    cloud_server.reset()


def days(first: int, last: int, score: float = 1) -> Scores:
    """Scores of the days from one age down to another."""
    return dict.fromkeys(range(first, last - 1, -1), score)


# Which days are read ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "reads"),
    [
        ({}, WINDOW),
        (days(60, WINDOW + 1), WINDOW),
        ({WINDOW: 1}, REFRESH),
        ({REFRESH + 1: 1}, REFRESH),
        (days(REFRESH, 1), WINDOW),
    ],
    ids=["nothing", "only older rows", "its first day", "the day before", "only refreshed days"],
)
def test_load__reads_the_whole_window_where_the_table_has_nothing_of_it(
    load: Load, held: Scores, reads: int
) -> None:
    load.fill(held)
    found = load.run(days(90, 0, 2), keep_history=True)
    assert max(age for age, score in found.items() if score == 2) == reads
    assert min(found) == 1


@pytest.mark.parametrize("keep", [True, False])
def test_load__refreshes_its_days_and_keeps_those_before_and_after(load: Load, keep: bool) -> None:
    load.fill(days(60, 1))
    found = load.run({5: 2, 10: 2, 11: 2, 4: 2}, end=4, keep_history=keep, min_rows_ratio=0.0)
    refreshed = {age: score for age, score in found.items() if 4 < age <= 4 + REFRESH}
    assert refreshed == {5: 2, 10: 2, 11: 2}
    assert {age for age in found if age <= 4} == {1, 2, 3, 4}, "later than the run's days"
    assert max(found) == (60 if keep else 4 + WINDOW)
    assert {score for age, score in found.items() if age > 4 + REFRESH} == {1}


def test_load__for_a_day_to_come_ends_with_yesterday(load: Load) -> None:
    load.fill({})
    assert sorted(load.run(days(9, -3), end=-2)) == list(range(1, 10))


# What is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_load__takes_exactly_the_share_that_has_to_be_there(
    load: Load, ratio: float, lost: int
) -> None:
    load.fill(days(10, 1))
    source = days(round(10 * ratio) - lost, 1, 2)
    settings: dict[str, Any] = {"min_rows_ratio": ratio, "refresh_days": WINDOW}
    if lost:
        with pytest.raises(BadRequest, match=f" {len(source)} instead of 10, "):
            load.run(source, **settings)
        assert load.rows() == days(10, 1)
    else:
        assert load.run(source, **settings) == source


def test_load__compares_the_days_that_it_reads_alone(load: Load) -> None:
    """Many rows before them, and those that are later, count for nothing."""
    load.fill(days(WINDOW, 1))
    with pytest.raises(BadRequest, match=" 1 instead of 7, "):
        load.run({9: 2}, end=8, min_rows_ratio=0.25)
    assert load.run({9: 2, 10: 2}, end=8, min_rows_ratio=0.25)[9] == 2


@pytest.mark.parametrize("held", [True, False])
def test_load__day_outside_of_those_it_reads_is_refused(load: Load, held: bool) -> None:
    load.fill({WINDOW: 1} if held else {})
    first = midnight(day(REFRESH if held else WINDOW))
    day_before, end = first - timedelta(days=1), midnight(today())
    for moment in (day_before, end, midnight(day(2)) + timedelta(microseconds=1)):
        with pytest.raises(BadRequest, match="outside the refreshed days, or no midnight"):
            load.run({1: 2}, wrong=[moment], min_rows_ratio=0.0)
    assert load.rows() == ({WINDOW: 1} if held else {})
    assert load.run({2: 2}, wrong=[first, midnight(day(1))], min_rows_ratio=0.0)[1] == 2


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("risk_score", "CAST('NaN' AS FLOAT64)", "NaN or an infinite number"),
        ("risk_score", "CAST('-inf' AS FLOAT64)", "NaN or an infinite number"),
        ("supply_chain_risk", "CAST('NaN' AS FLOAT64)", "NaN or an infinite number"),
        ("supply_chain_risk", "CAST('+inf' AS FLOAT64)", "NaN or an infinite number"),
        ("entity_id", "CAST(NULL AS STRING)", "without entity, day or score"),
        ("mentioned_at", "CAST(NULL AS TIMESTAMP)", "without entity, day or score"),
        ("risk_score", "CAST(NULL AS FLOAT64)", "without entity, day or score"),
        ("entity_id", "'a'", "an entity and day twice"),
    ],
)
def test_load__row_that_is_none_is_refused(
    load: Load, column: str, value: str, message: str
) -> None:
    load.fill({})
    with pytest.raises(BadRequest, match=message):
        load.run({1: 2}, wrong=[midnight(day(1))], spoiled=f"{value} AS {column}")
    assert load.rows() == {}
