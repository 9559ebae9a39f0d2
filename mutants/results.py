"""What came of the mutants so far, in a file, so that a run that was cut off goes on."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from mutants.mutant import Mutant
from mutants.tree import ROOT, backend_files
from mutants.trial import Trial, Verdict


class Results:
    """The trials of one sample: those of before, and each new one as it comes.

    They are those of one text: of the product, its tests and what they run on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head = {"text": _digest()}

    def load(self, mutants: Sequence[Mutant]) -> list[Trial]:
        """The trials of these mutants that were written; none, where the text has changed since."""
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        if not lines or json.loads(lines[0]) != self._head:
            return []
        written = {tuple(found.pop("mutant")): found for found in map(json.loads, lines[1:])}
        return [
            Trial(mutant=mutant, **{**found, "verdict": Verdict(found["verdict"])})
            for mutant in mutants
            if (found := written.get((*mutant.key, mutant.line)))
        ]

    def store(self, trials: Sequence[Trial]) -> None:
        """Have these alone in the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(f"{json.dumps(self._head)}\n", "utf-8")
        for trial in trials:
            self.append(trial)

    def append(self, trial: Trial) -> None:
        line = {
            "mutant": [*trial.mutant.key, trial.mutant.line],
            "verdict": trial.verdict,
            "test": trial.test,
            "tried": trial.tried,
            "seconds": round(trial.seconds, 1),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")


def _digest() -> str:
    digest = hashlib.sha256()
    for file in backend_files():
        digest.update(file.encode())
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()
