"""Measures the nightly load, writes docs/benchmarks.md, and exits 1 where a claim fails."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")

from bench.commands import measure_runs, measure_start_up
from bench.comparisons import (
    REFRESH_DAYS,
    compare_shapes,
    explain,
    measure_history,
    race,
    race_days,
)
from bench.data import Contents, Sizes, make_data, read_contents, window_of
from bench.database import (
    SHARED_BUFFERS,
    Database,
    current_load,
    look_at_machine,
    open_cursor,
    running_database,
)
from bench.processes import ROOT
from bench.report import draw_history, put_measured, put_plans, write_report
from bench.results import Results, check_claims
from bench.sections import PLOT

Say = Callable[[str], None]
# A run on the stand-in takes minutes where it has hundreds of thousands of rows to replace, and so
# do a dozen contestants together.
MOST_RUNS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where all holds that must; the documents are written in both cases."""
    options = _parse(arguments)
    django.setup()  # the source query is made of the models
    signal.signal(signal.SIGTERM, _leave)
    load = current_load()
    with running_database(shared_buffers=SHARED_BUFFERS) as database:
        results = measure_all(
            database,
            _sizes(options),
            repetitions=options.repetitions,
            factor=options.history_factor,
            load=load,
            say=_say,
        )
    _write(results, options.output)
    for claim in results.claims:
        _say(
            f"{'holds' if claim.holds else 'FAILS'}: {claim.text} (measured: {claim.observed:.3g})"
        )
    return 0 if all(claim.holds for claim in results.claims) else 1


def _leave(signum: int, frame: FrameType | None) -> None:
    """Ends as Ctrl-C does, so that children and temporary files are gone as well."""
    sys.exit(128 + signum)


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
    others = race(database, window_of(sizes, race_days(sizes)), min(repetitions, MOST_RUNS))
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


def _write(results: Results, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    put_measured(folder / "benchmarks.md", write_report(results))
    draw_history(results.stages, folder / PLOT)
    put_plans(folder / "benchmarks.md", results.plans)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    for name, value, about in (
        ("mentions", Sizes.mentions, "mentions in the window"),
        ("entities", Sizes.entities, "entities"),
        ("days", Sizes.days, "days of the window"),
        ("repetitions", 5, "measured rounds"),
        ("history-factor", 10, "how many windows long the longest history is"),
        ("seed", Sizes.seed, "seed of the data"),
    ):
        text = f"{about} (default: {value})"
        parser.add_argument(f"--{name}", type=_positive, default=value, help=text)
    parser.add_argument(
        "--output", type=Path, default=ROOT / "docs", help="folder to write into (default: docs)"
    )
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def _sizes(options: argparse.Namespace) -> Sizes:
    return Sizes(
        # Counted back from today, because the runs on the stand-in are for today.
        end_day=datetime.now(UTC).date(),
        mentions=options.mentions,
        entities=options.entities,
        days=options.days,
        seed=options.seed,
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
