"""Where a file can be mutated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mutants.mutant import Mutant


@dataclass(frozen=True)
class Site:
    """A part of a file, and what may stand in its place; None for what is no change after all."""

    file: str
    line: int
    changes: Sequence[Callable[[], Mutant | None]]
