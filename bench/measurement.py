"""The whole measurement, in the order in which the data allows it."""

from collections.abc import Callable

from bench.claims import check_claims
from bench.comparisons import REFRESH_DAYS, compare_shapes, explain, measure_history, race
from bench.data import Contents, Sizes, make_data, read_contents, window_of
from bench.database import Database, look_at_machine, open_cursor
from bench.end_to_end import measure_runs
from bench.results import Results
from bench.start_up import measure_start_up

Say = Callable[[str], None]
# A run on the stand-in takes minutes where it has hundreds of thousands of rows to replace.
MOST_RUNS = 3


def measure_all(
    database: Database, sizes: Sizes, *, repetitions: int, factor: int, load: float, say: Say
) -> Results:
    """Everything, on an empty database; `load` is what the machine did before."""
    contents = _make(database, sizes, say)
    window = window_of(sizes, sizes.days)
    say("comparing the source query with what it replaced and with the floor")
    shapes = compare_shapes(database, window, repetitions)
    plans = {
        "window": explain(database, window),
        "refresh": explain(database, window_of(sizes, REFRESH_DAYS), refresh=True),
    }
    say("comparing with what else one might use")
    others = race(database, window, repetitions)
    say("running the nightly load on the stand-in")
    runs = measure_runs(database, sizes, min(repetitions, MOST_RUNS))
    start_up = measure_start_up(database, repetitions)
    say("lengthening the history")
    stages = measure_history(database, sizes, factor, repetitions)
    return Results(
        machine=look_at_machine(database, load),
        sizes=sizes,
        repetitions=repetitions,
        contents=contents,
        shapes=shapes,
        race=others,
        stages=stages,
        runs=runs,
        start_up=start_up,
        claims=check_claims(shapes, stages),
        plans=plans,
    )


def _make(database: Database, sizes: Sizes, say: Say) -> Contents:
    say(f"making {sizes.mentions:,} mentions of {sizes.entities:,} entities")
    make_data(database, sizes)
    with open_cursor(database.owner_uri) as cursor:
        return read_contents(cursor)
