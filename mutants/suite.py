"""Which tests come where: measured once, by running the suite on an instrumented copy."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mutants.instrument import instrument
from mutants.mutant import Mutant
from mutants.plugin import file_of
from mutants.tree import SUITE, product_files, running, tree_copy

SECONDS_OF_THE_FIRST = 60.0
"""How much of the tests that can see a mutant is tried before the rest, by their own time."""

_LEAST = 0.01


@dataclass(frozen=True)
class Suite:
    """The tests that were measured: their seconds, and where each of them came.

    A test that failed without any mutant is none to go by, and not among them.
    """

    seconds: Mapping[str, float]
    places: Mapping[str, frozenset[str]]

    def first_for(self, mutant: Mutant) -> list[str]:
        """The tests that see a mutant, those that are about it and the quick ones first."""
        chosen, left = list[str](), SECONDS_OF_THE_FIRST
        for test in sorted(self._seeing(mutant), key=lambda test: self._rank(test, mutant)):
            left -= self.seconds[test] + _LEAST
            if left < 0 and chosen:
                break
            chosen.append(test)
        return chosen

    def rest_for(self, mutant: Mutant, first: Iterable[str]) -> list[str]:
        """The others that may see it: all but those known to come by other places only."""
        known = {test for test, places in self.places.items() if places}
        out = set(first) | (known - self._seeing(mutant))
        return [test for test in self.seconds if test not in out]

    def _seeing(self, mutant: Mutant) -> set[str]:
        """Those that came to its function; for what no function has, to any of its file."""
        files = {mutant.file} if mutant.place == mutant.file else set()
        return {
            test
            for test, places in self.places.items()
            if mutant.place in places or files & {place.split(":")[0] for place in places}
        }

    def _rank(self, test: str, mutant: Mutant) -> tuple[bool, float]:
        subject = Path(mutant.file).stem.strip("_").rstrip("s")
        elsewhere = subject not in Path(file_of(test)).stem
        # A test that comes to few places is more about each of them than one that comes to all.
        return elsewhere, self.seconds[test] + len(self.places[test]) / 500


def measure_suite(record: Path, processes: int) -> None:
    """Write to `record`.1, .2, ... where the tests come, and to `record`.1.tests how they end."""
    with tree_copy() as tree:
        for file in product_files():
            if file.endswith(".py"):
                instrument(tree / file, file)
        parts = [f"{number}/{processes}" for number in range(1, processes + 1)]
        runs = [
            running(tree, SUITE, MUTANTS_RECORD=f"{record}.{n}", MUTANTS_PART=part)
            for n, part in enumerate(parts, start=1)
        ]
        for run in runs:
            run.wait()


def load_suite(record: Path) -> Suite:
    """What has been measured."""
    ended: dict[str, list[tuple[float, bool]]] = {}
    places: dict[str, set[str]] = {}
    for file in sorted(record.parent.glob(f"{record.name}.*")):
        for line in file.read_text("utf-8").splitlines():
            if file.suffix == ".tests":
                test, seconds, passed = json.loads(line)
                ended.setdefault(test, []).append((seconds, passed))
            else:
                place, _, test = line.partition("\t")
                places.setdefault(test.rsplit(" (", 1)[0], set()).add(place)
    good = [test for test, ends in ended.items() if all(passed for _, passed in ends)]
    return Suite(
        seconds={test: sum(seconds for seconds, _ in ended[test]) for test in good},
        places={
            test: frozenset(places.get(test, set()) | places.get(file_of(test), set()))
            for test in good
        },
    )
