"""Tries a sample of mutants, and says which of them no test notices."""

import argparse
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from mutants.equivalents import FILE, load_equivalents
from mutants.report import summarize, write_section
from mutants.results import Results
from mutants.run import Run
from mutants.sample import sample
from mutants.suite import Suite, load_suite, measure_suite
from mutants.tree import ROOT, end_all

FOLDER = ROOT / ".local" / "mutants"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where nothing survives, 2 where something does."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, _leave)
    try:
        suite = _suite(options)
        deadline = time.monotonic() + 60 * options.minutes
        mutants = sample(options.size, options.seed, options.only)
        _say(f"{len(mutants)} mutants, seed {options.seed}; {len(suite.seconds)} tests known.")
        run = Run(mutants, suite, _results(options), rest=options.rest, say=_say)
        trials = run.finish(options.processes, deadline, anew=options.anew)
    finally:
        end_all()
    _say(summarize(trials))
    if len(trials) < len(mutants):
        _say(
            f"{len(mutants) - len(trials)} were not tried: {options.minutes:g} minutes were over. "
            "The same command goes on with them."
        )
    if options.document:
        write_section(
            options.document,
            trials,
            seed=options.seed,
            wanted=len(mutants),
            equivalents=len(load_equivalents(FILE.read_text("utf-8"))),
            minutes=sum(trial.seconds for trial in trials) / 60 / options.processes,
        )
    return 2 if any(trial.survived for trial in trials) else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--size", type=int, default=100, help="how many mutants (100)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--only", action="append", default=[], help="files, as */loading/*")
    parser.add_argument("--minutes", type=float, default=40, help="no new one after so many (40)")
    parser.add_argument("--processes", type=int, default=2, help="how many at once (2)")
    parser.add_argument(
        "--rest",
        type=float,
        default=120,
        metavar="SECONDS",
        help="how much of the other tests is tried on what the first did not notice, by the tests' "
        "own time (120); 0: nothing",
    )
    parser.add_argument("--measure", action="store_true", help="measure anew which test sees what")
    parser.add_argument("--anew", action="store_true", help="try again what was tried before")
    parser.add_argument("--document", type=Path, help="where the figures go")
    return parser.parse_args(arguments)


def _leave(signum: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, so that children and copies are gone as well."""
    sys.exit(128 + signum)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _suite(options: argparse.Namespace) -> Suite:
    """What is known of the tests; those that are new or changed are measured first."""
    began = time.monotonic()
    _say("Measuring which test sees what, of the files of tests that are new or changed.")
    files = measure_suite(FOLDER / "suite", options.processes, anew=options.measure)
    if files:
        minutes = (time.monotonic() - began) / 60
        _say(f"They were {files}, and took {minutes:.1f} minutes.")
    return load_suite(FOLDER / "suite")


def _results(options: argparse.Namespace) -> Results:
    """Those of each seed and choice of files by themselves."""
    only = re.sub(r"\W+", "_", " ".join(sorted(options.only)))
    return Results(FOLDER / f"results.{options.seed}{only}.jsonl")


if __name__ == "__main__":
    sys.exit(main())
