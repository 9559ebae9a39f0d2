"""Which tests come where: measured by running them on an instrumented copy, and kept."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mutants.imports import importers
from mutants.instrument import instrument
from mutants.mutant import Mutant
from mutants.plugin import file_of
from mutants.record import Record, digest_of, load_record
from mutants.tree import ROOT, product_files, running, test_files, tree_copy

SECONDS_OF_THE_FIRST = 20.0
"""How much of the tests that can see a mutant is tried before the rest, by their own time."""
FILES_OF_THE_FIRST = 12
"""Of how many files at most: each costs its import."""

_LEAST = 0.01
_ELSEWHERE_SECONDS = 1.0
"""What a test is put behind those whose file is about the subject."""


READING_ALL = "backend/forecasting/tests/test_agreed_values.py"
"""Its tests read what each module holds, and need not call it to notice a change."""


@dataclass(frozen=True)
class Suite:
    """The tests that were measured: their seconds, and where each of them came.

    A test that failed without any mutant is none to go by, and not among them. `importers` are the
    files that import a file.
    """

    seconds: Mapping[str, float]
    places: Mapping[str, frozenset[str]]
    importers: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def first_for(self, mutant: Mutant) -> list[str]:
        """The tests that see a mutant, those that are about it and the quick ones first."""
        chosen, files, left = list[str](), set[str](), SECONDS_OF_THE_FIRST
        for test in self._ranked(self.seeing(mutant), mutant):
            if file_of(test) not in files and len(files) == FILES_OF_THE_FIRST:
                continue
            left -= self.seconds[test] + _LEAST
            if left < 0 and chosen:
                break
            chosen.append(test)
            files.add(file_of(test))
        return chosen

    def rest_for(self, mutant: Mutant, first: Iterable[str], seconds: float) -> list[str]:
        """The others that may see it, for so many seconds of their own: by turns of each file.

        Left out are those known to come by other places only.
        """
        seeing = self.seeing(mutant)
        known = {test for test, places in self.places.items() if places}
        left = set(self.seconds) - set(first) - (known - seeing)
        turns, chosen = Counter[str](), list[tuple[bool, int, str]]()
        for test in self._ranked(left, mutant):
            chosen.append((test not in seeing, turns[file_of(test)], test))
            turns[file_of(test)] += 1
        return self._within(seconds, [test for _, _, test in sorted(chosen, key=lambda c: c[:2])])

    def seeing(self, mutant: Mutant) -> set[str]:
        """Those that came to its function; where no test did, to its file or to what imports it.

        And of Python those that read all modules.
        """
        found = {test for test, places in self.places.items() if mutant.place in places}
        if found and mutant.file.endswith(".sql"):
            return found
        reading = {test for test in self.seconds if file_of(test) == READING_ALL}
        if found and mutant.place != mutant.file:
            return found | reading
        files = {mutant.file} | self.importers.get(mutant.file, frozenset())
        coming = {
            test
            for test, places in self.places.items()
            if files & {place.split(":")[0] for place in places}
        }
        return found | reading | coming

    def without(self, tests: set[str]) -> "Suite":
        """The suite as it would be without some tests."""
        seconds = {test: time for test, time in self.seconds.items() if test not in tests}
        places = {test: seen for test, seen in self.places.items() if test not in tests}
        return Suite(seconds, places, self.importers)

    def _within(self, seconds: float, tests: Sequence[str]) -> list[str]:
        chosen = []
        for test in tests:
            if self.seconds[test] + _LEAST <= seconds:
                seconds -= self.seconds[test] + _LEAST
                chosen.append(test)
        return chosen

    def _ranked(self, tests: Iterable[str], mutant: Mutant) -> list[str]:
        return sorted(tests, key=lambda test: (self._rank(test, mutant), test))

    def _rank(self, test: str, mutant: Mutant) -> float:
        subject = Path(mutant.file).stem.strip("_").rstrip("s")
        elsewhere = subject not in Path(file_of(test)).stem
        # A test that comes to few places is more about each of them than one that comes to all.
        return self.seconds[test] + len(self.places[test]) / 500 + elsewhere * _ELSEWHERE_SECONDS


def measure_suite(folder: Path, processes: int, *, anew: bool = False) -> int:
    """Bring the record up to date; how many files of tests had to be run for that.

    They are those that are new, changed or were not through; all of them, `anew`.
    """
    record = load_record(folder)
    digests = {file: digest_of(ROOT / file) for file in test_files()}
    fresh = {file for file, digest in digests.items() if record.digests.get(file) == digest}
    stale = sorted(set(digests) - (set() if anew else fresh), key=record.seconds_of)
    parts = _parts(stale, record, processes)
    record.keep(set(digests) - set(stale))
    with tree_copy() as tree:
        for file in product_files():
            if file.endswith(".py"):
                instrument(tree / file, file)
        runs = [
            running(tree, part, MUTANTS_RECORD=str(folder / str(number)))
            for number, part in enumerate(parts, start=1)
        ]
        for run in runs:
            run.wait()
    return len(stale)


def _parts(files: Sequence[str], record: Record, processes: int) -> list[list[str]]:
    """The files in as many parts of about the same length, by what is known or their size."""
    parts: list[tuple[float, list[str]]] = [(0.0, []) for _ in range(processes)]
    for file in reversed(files):
        at = min(range(processes), key=lambda number: parts[number][0])
        length = record.seconds_of(file) or (ROOT / file).stat().st_size / 1000
        parts[at] = parts[at][0] + length, [*parts[at][1], file]
    return [part for _, part in parts if part]


def load_suite(folder: Path) -> Suite:
    """What has been measured."""
    record = load_record(folder)
    ended: dict[str, list[tuple[float, bool]]] = {}
    for test, seconds, passed in (line for lines in record.ended.values() for line in lines):
        ended.setdefault(test, []).append((seconds, passed))
    places: dict[str, set[str]] = {}
    for place, test in (pair for pairs in record.places.values() for pair in pairs):
        places.setdefault(test, set()).add(place)
    good = [test for test, ends in ended.items() if all(passed for _, passed in ends)]
    return Suite(
        seconds={test: sum(seconds for seconds, _ in ended[test]) for test in good},
        places={
            test: frozenset(places.get(test, set()) | places.get(file_of(test), set()))
            for test in good
        },
        importers=importers(product_files()),
    )
