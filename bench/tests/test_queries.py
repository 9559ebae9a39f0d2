"""The queries that are compared answer the same question."""

from typing import Any

import pytest

from bench.comparisons import alike, create_views, race, run_contestant
from bench.contestants.registry import CONTESTANTS, OURS, Contestant
from bench.data import Window, source_query, windowed
from bench.database import Database, let_reader_read_all, open_cursor
from bench.measuring import copy_to_counter


def read_rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with open_cursor(database.reader_uri) as cursor:
        cursor.execute("SET timezone = 'UTC'")
        cursor.execute(query)
        return cursor.fetchall()


def test_first_shape__has_the_same_entities_and_days(database: Database, window: Window) -> None:
    let_reader_read_all(database)
    first = read_rows(database, windowed("first_shape", window))
    ours = read_rows(database, source_query(window))
    scored = {(entity, moment.date()) for entity, moment, score, _ in first if score is not None}
    assert scored == {(row[0], row[1].date()) for row in ours}


def test_without_dimensions__has_the_same_scores(database: Database, window: Window) -> None:
    ours = {row[:2]: row[2] for row in read_rows(database, source_query(window))}
    plain = read_rows(database, source_query(window, dimensions=False))
    assert {row[:2]: row[2] for row in plain} == ours
    assert {value for row in plain for value in row[3:]} == {None}


def test_copy_to_counter__counts_rows_and_bytes(database: Database) -> None:
    sample = copy_to_counter(database.reader_uri, "SELECT n, 'ab' FROM generate_series(1, 9) n")
    assert (sample.rows, sample.bytes) == (9, 9 * len("1\tab\n"))


def test_copy_to_counter__takes_the_processor_time_of_the_query(database: Database) -> None:
    def take(query: str) -> float:
        return copy_to_counter(database.reader_uri, query, database.server).server_seconds

    busy = "SELECT sum(sqrt(n)) FROM generate_series(1, 3000000) AS n"
    if not take(busy):
        pytest.skip("this system does not tell the processor time of other processes")
    assert take(busy) > 10 * min(take("SELECT 1") for _ in range(3))


def test_race__names_what_is_not_installed(
    database: Database, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = Contestant(
        key="absent",
        title="Absent",
        aggregates_first=True,
        fill=lambda job: None,
        needs=("no_such_package",),
    )
    monkeypatch.setattr(
        "bench.comparisons.CONTESTANTS", {OURS: CONTESTANTS[OURS], "absent": absent}
    )
    outcome = race(database, window, 1)
    assert set(outcome.rounds) == {OURS}
    assert outcome.skipped == {"absent": "package no_such_package is not installed"}


@pytest.fixture(scope="module")
def expected(database: Database, window: Window) -> list[float]:
    """The digest of the table that the source query fills through PostgreSQL itself."""
    create_views(database, window)
    let_reader_read_all(database)
    digest: list[float] = run_contestant(CONTESTANTS[OURS], database, window)["digest"]
    return digest


@pytest.mark.parametrize("key", [key for key in CONTESTANTS if key != OURS])
def test_contestant__fills_the_same_table(
    key: str, database: Database, window: Window, expected: list[float]
) -> None:
    missing = CONTESTANTS[key].missing()
    if missing:
        pytest.skip(f"package {missing} is not installed: see requirements-bench.txt")
    assert alike(run_contestant(CONTESTANTS[key], database, window)["digest"], expected)
