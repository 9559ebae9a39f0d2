"""The comparisons, each taken in turns: on the data of one window, and with ever more history."""

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.contestants.job import EVENTS_VIEW, MENTIONS_VIEW, SOURCE_VIEW
from bench.contestants.registry import CONTESTANTS, OURS, Contestant
from bench.data import Sizes, Window, lengthen_history, source_query, window_of, windowed
from bench.database import Database, let_reader_read_all, open_cursor
from bench.measuring import Rounds, Sample, alternate, copy_to_counter, read_in_fresh_process
from bench.processes import FreshProcessError, run_python, watched

OUR_QUERY, FIRST_SHAPE = "source query", "first shape"
COUNT, WITHOUT_DIMENSIONS = "COUNT(*)", "without dimensions"
REFRESH_DAYS = 7
REFRESH, WINDOW = "refresh", "window"
# So many that one contestant takes seconds, and all of them together no longer than the rest.
MOST_MENTIONS_OF_A_RACE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Race:
    """What came of the contestants: samples of those that ran, reasons of those that did not."""

    rounds: Rounds
    skipped: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A length of history, and what loading some of it and all of it took."""

    days: int
    mentions: int
    rounds: Rounds
    everything: Sample
    server_peak: int


def compare_shapes(database: Database, window: Window, repetitions: int) -> Rounds:
    """The source query, what it replaced, and the floor, by COPY to a counter."""
    let_reader_read_all(database)
    queries = {
        OUR_QUERY: source_query(window),
        FIRST_SHAPE: windowed("first_shape", window),
        COUNT: windowed("mention_count", window),
        WITHOUT_DIMENSIONS: source_query(window, dimensions=False),
    }
    copy = partial(copy_to_counter, database.reader_uri, server=database.server)
    return alternate({name: partial(copy, query) for name, query in queries.items()}, repetitions)


def explain(database: Database, window: Window, *, refresh: bool = False) -> str:
    """The plan of the source query with times and buffers, from a run after one that warmed up."""
    query = source_query(window, refresh=refresh)
    with open_cursor(database.reader_uri) as cursor:
        for _ in range(2):
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {query}")
            lines = [line for (line,) in cursor.fetchall()]
    return "\n".join(lines)


def race_days(sizes: Sizes) -> int:
    """How many of the window's days the contestants read: at most so many mentions."""
    return max(1, min(sizes.days, sizes.days * MOST_MENTIONS_OF_A_RACE // sizes.mentions))


def race(database: Database, window: Window, repetitions: int) -> Race:
    """All contestants that can run here, each run in a fresh process that fills a fresh file."""
    create_views(database, window)
    let_reader_read_all(database)
    expected = run_contestant(CONTESTANTS[OURS], database, window)
    skipped, able = {}, []
    for contestant in CONTESTANTS.values():
        reason = _why_not(contestant, database, window, expected["digest"])
        if reason:
            skipped[contestant.key] = reason
        else:
            able.append(contestant)
    runs = {c.key: partial(_sample, c, database, window) for c in able}
    return Race(rounds=alternate(runs, repetitions, warm=False), skipped=skipped)


def create_views(database: Database, window: Window) -> None:
    """What the contestants read that take only tables and views."""
    with open_cursor(database.owner_uri) as cursor:
        cursor.execute(f"CREATE OR REPLACE VIEW {SOURCE_VIEW} AS {source_query(window)}")
        for view in (MENTIONS_VIEW, EVENTS_VIEW):
            cursor.execute(f"CREATE OR REPLACE VIEW {view} AS {windowed(view, window)}")


def _why_not(contestant: Contestant, database: Database, window: Window, expected: Any) -> str:
    """Why a contestant takes no part; empty for one that fills the table as ours does."""
    missing = contestant.missing()
    if missing:
        return f"package {missing} is not installed"
    try:
        found = run_contestant(contestant, database, window)
    except FreshProcessError as error:
        return f"failed: {error}"
    if not alike(expected, found["digest"]):
        return "filled the table with other numbers"
    return ""


def _sample(contestant: Contestant, database: Database, window: Window) -> Sample:
    report = run_contestant(contestant, database, window)
    return Sample(
        seconds=report["seconds"], rows=int(report["digest"][0]), peak_bytes=report["peak_bytes"]
    )


def run_contestant(contestant: Contestant, database: Database, window: Window) -> dict[str, Any]:
    """Seconds, peak memory and digest of one run. Raises FreshProcessError."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        request = {
            "contestant": contestant.key,
            "uri": database.reader_uri,
            "first_day": window.first_day.isoformat(),
            "end_day": window.end_day.isoformat(),
            "aggregate": source_query(window),
            "target": str(Path(folder) / "target.duckdb"),
        }
        return run_python("bench.contestants", request)


def alike(one: list[float], other: list[float]) -> bool:
    """Whether two digests are of the same rows, but for the order in which floats were added."""
    return all(
        math.isclose(mine, yours, rel_tol=1e-9, abs_tol=1e-6)
        for mine, yours in zip(one, other, strict=True)
    )


def measure_history(database: Database, sizes: Sizes, factor: int, repetitions: int) -> list[Stage]:
    """A stage for the window alone, and for histories of up to `factor` times its length."""
    stages = [_measure(database, sizes, 1, repetitions)]
    for present, longer in zip(lengths(factor), lengths(factor)[1:], strict=False):
        lengthen_history(database, sizes, present, longer)
        stages.append(_measure(database, sizes, longer, repetitions))
    return stages


def lengths(factor: int) -> list[int]:
    """At how many windows of history to look: the first, the last, and some between."""
    return sorted({1, max(1, factor // 4), max(1, factor // 2), factor})


def _measure(database: Database, sizes: Sizes, factor: int, repetitions: int) -> Stage:
    run = partial(copy_to_counter, database.reader_uri, server=database.server)
    days = sizes.days * factor
    rounds = alternate(
        {
            REFRESH: partial(run, source_query(window_of(sizes, REFRESH_DAYS), refresh=True)),
            WINDOW: partial(run, source_query(window_of(sizes, sizes.days))),
        },
        repetitions,
    )
    with watched(database.server) as watch:
        everything = read_in_fresh_process(
            database.reader_uri, source_query(window_of(sizes, days))
        )
    return Stage(
        days=days,
        mentions=sizes.mentions * factor,
        rounds=rounds,
        everything=everything,
        server_peak=watch.peak_bytes,
    )
