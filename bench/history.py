"""What a longer history costs: the same loads, while older rows are added to the tables."""

from dataclasses import dataclass
from functools import partial

from bench.data import Sizes, lengthen_history
from bench.database import Database
from bench.measuring import Rounds, Sample, alternate, copy_to_counter, read_in_fresh_process
from bench.processes import watched
from bench.queries import Window, source_query

REFRESH_DAYS = 7
REFRESH, WINDOW = "refresh", "window"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A length of history, and what loading some of it and all of it took."""

    days: int
    mentions: int
    rounds: Rounds
    everything: Sample
    server_peak: int


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


def window_of(sizes: Sizes, days: int) -> Window:
    """The last `days` days."""
    return Window(first_day=sizes.first_day(days), end_day=sizes.end_day)


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
