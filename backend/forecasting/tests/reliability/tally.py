"""What the reliability tests counted, and the tables that show it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.tables import table

TRIED = ("cells", "points", "rounds", "processes", "nights")
FAULTS = ("hangs", "duplicates", "losses", "leaks", "tracebacks")
COLUMNS = (*TRIED, "survived", "clearly failed", *FAULTS)
"""Outcomes in the order of a table's columns; whatever else is counted comes after these."""


Counted = dict[str, tuple[list[str], dict[str, dict[str, int]]]]
"""Notes and rows of each suite, as plain values that go from one process to another."""


@dataclass
class Suite:
    """The counts of one suite by row and outcome, and what is to be said about them."""

    notes: list[str] = field(default_factory=list)
    rows: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def outcomes(self) -> list[str]:
        found = {outcome: None for counts in self.rows.values() for outcome in counts}
        return [c for c in COLUMNS if c in found] + [o for o in found if o not in COLUMNS]

    @property
    def total(self) -> dict[str, int]:
        return {
            outcome: sum(counts.get(outcome, 0) for counts in self.rows.values())
            for outcome in self.outcomes
        }


class Tally:
    """The counts of a session. A count of 0 is worth adding: it says that somebody looked."""

    def __init__(self) -> None:
        self.suites: dict[str, Suite] = {}

    def add(self, suite: str, outcome: str, count: int = 1, *, row: str = "") -> None:
        """Count an outcome of a suite; `row` is its line in the suite's table."""
        counts = self._suite(suite).rows.setdefault(row, {})
        counts[outcome] = counts.get(outcome, 0) + count

    def judge(
        self,
        suite: str,
        tried: str,
        faults: Sequence[tuple[str, str]],
        *,
        row: str = "",
        outcome: str = "survived",
    ) -> None:
        """Count one try of a suite, its outcome, and what was found wrong as (which fault, what).

        All faults are counted, those of which there was none as 0: whoever calls this has looked
        for every one. With any of them the outcome does not count.
        """
        self.add(suite, tried, row=row)
        self.add(suite, outcome, int(not faults), row=row)
        for fault in FAULTS:
            self.add(suite, fault, sum(kind == fault for kind, _ in faults), row=row)

    def note(self, suite: str, text: str) -> None:
        """Have a paragraph stand above the suite's table; the same one only once."""
        notes = self._suite(suite).notes
        if text not in notes:
            notes.append(text)

    def take_in(self, counted: Counted) -> None:
        """Add what another process has counted."""
        for name, (notes, rows) in counted.items():
            for text in notes:
                self.note(name, text)
            for row, outcomes in rows.items():
                for outcome, count in outcomes.items():
                    self.add(name, outcome, count, row=row)

    def counted(self) -> Counted:
        """What was counted, in JSON's own types: a row may be named by a member of an enum."""
        counted = {name: (suite.notes, suite.rows) for name, suite in self.suites.items()}
        plain: Counted = json.loads(json.dumps(counted))
        return plain

    def lines(self) -> Iterator[str]:
        """A line for each suite, for a terminal."""
        for name, suite in self.suites.items():
            counted = ", ".join(f"{count:,} {outcome}" for outcome, count in suite.total.items())
            yield f"{name}: {counted}"

    def _suite(self, name: str) -> Suite:
        return self.suites.setdefault(name, Suite())


def markdown_table(suite: Suite) -> str:
    """The suite's counts; with several rows there is one more that adds them up."""
    rows = [_cells(row, counts, suite) for row, counts in suite.rows.items()]
    if len(rows) > 1:
        rows.append(_cells("**all**", suite.total, suite))
    return table(["", *suite.outcomes], rows)


def _cells(row: str, counts: dict[str, int], suite: Suite) -> list[str]:
    """A row of a table; what was not counted there stays empty."""
    return [row, *(f"{counts[o]:,}" if o in counts else "" for o in suite.outcomes)]
