"""A product with one thing in it changed."""

import difflib
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A file of the product as it would be with one change.

    `place` is the function with the change, or the file where it is in none.
    """

    file: str
    line: int
    place: str
    before: str
    after: str
    text: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What stays the same while other lines come and go."""
        return self.file, self.before, self.after

    def __str__(self) -> str:
        return f"{self.file}:{self.line}\n    - {self.before}\n    + {self.after}"


def make_mutant(file: str, place: str, original: str, text: str) -> Mutant | None:
    """The mutant whose file has this text; None where it is the original."""
    old, new = original.splitlines(), text.splitlines()
    changes = [
        c for c in difflib.SequenceMatcher(None, old, new, False).get_opcodes() if c[0] != "equal"
    ]
    if not changes:
        return None
    first, last = changes[0], changes[-1]
    return Mutant(
        file=file,
        line=first[1] + 1,
        place=place,
        before=_joined(old[first[1] : last[2]]),
        after=_joined(new[first[3] : last[4]]),
        text=text,
    )


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split()) or "(nothing)"
