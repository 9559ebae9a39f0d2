"""Tries a sample of mutants, and says which of them no test notices."""

import argparse
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from mutants.equivalents import FILE, load_equivalents
from mutants.mutant import Mutant
from mutants.report import describe, summarize, write_section
from mutants.sample import sample
from mutants.suite import Suite, load_suite, measure_suite
from mutants.tree import ROOT, end_all, tree_copy
from mutants.trial import Trial, try_mutant

RECORD = ROOT / ".local" / "mutants" / "suite"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where nothing survives, 2 where something does."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, _leave)
    began = time.monotonic()
    try:
        suite = _suite(options)
        mutants = sample(options.size, options.seed, options.only)
        _say(f"{len(mutants)} mutants, seed {options.seed}; {len(suite.seconds)} tests known.")
        trials = _try_all(mutants, suite, options, began + 60 * options.minutes)
    finally:
        end_all()
    _say(summarize(trials))
    if len(trials) < len(mutants):
        _say(f"{len(mutants) - len(trials)} were not tried: {options.minutes} minutes were over.")
    if options.document:
        write_section(
            options.document,
            trials,
            seed=options.seed,
            equivalents=len(load_equivalents(FILE.read_text("utf-8"))),
            minutes=(time.monotonic() - began) / 60,
        )
    return 0 if "survived" not in {str(trial.verdict) for trial in trials} else 2


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--size", type=int, default=100, help="how many mutants (100)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--only", action="append", default=[], help="files, as */loading/*")
    parser.add_argument("--minutes", type=float, default=40, help="no new one after so many (40)")
    parser.add_argument("--processes", type=int, default=2, help="how many at once (2)")
    parser.add_argument("--no-rest", action="store_true", help="only the tests most likely to see")
    parser.add_argument("--measure", action="store_true", help="measure anew which test sees what")
    parser.add_argument("--document", type=Path, help="where the figures go")
    return parser.parse_args(arguments)


def _leave(signum: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, so that children and copies are gone as well."""
    sys.exit(128 + signum)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _suite(options: argparse.Namespace) -> Suite:
    """What is known of the tests: measured the first time, and where that is asked for."""
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    records = list(RECORD.parent.glob(f"{RECORD.name}.*"))
    if options.measure or not records:
        for old in records:
            old.unlink()
        _say("Measuring which test sees what: the suite runs once.")
        measure_suite(RECORD, options.processes)
    return load_suite(RECORD)


def _try_all(
    mutants: Sequence[Mutant], suite: Suite, options: argparse.Namespace, deadline: float
) -> list[Trial]:
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in mutants:
        waiting.put(mutant)
    trials, stop = list[Trial](), threading.Event()

    def work() -> None:
        with tree_copy() as tree, suppress(queue.Empty):
            while time.monotonic() < deadline:
                mutant = waiting.get_nowait()
                trial = try_mutant(mutant, suite, tree, rest=not options.no_rest)
                if stop.is_set():
                    return
                trials.append(trial)
                _say(f"[{len(trials)}/{len(mutants)}] {describe(trial)}")

    threads = [threading.Thread(target=work) for _ in range(options.processes)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
        end_all()
        for thread in threads:
            thread.join()
    return trials


if __name__ == "__main__":
    sys.exit(main())
