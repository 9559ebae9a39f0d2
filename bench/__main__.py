"""Measures the nightly load, writes docs/benchmarks.md, and exits 1 where a claim fails."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")

from bench.chart import draw_history
from bench.data import Sizes
from bench.database import current_load, running_database
from bench.explaining import put_measured, put_plans
from bench.measurement import measure_all
from bench.processes import ROOT
from bench.report import PLOT, write_report
from bench.results import Results


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where all holds that must; the documents are written in both cases."""
    options = _parse(arguments)
    django.setup()  # the source query is made of the models
    signal.signal(signal.SIGTERM, _leave)
    load = current_load()
    with running_database() as database:
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
