"""What came of the mutants, in words, and as a part of docs/reliability.md."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.tables import table, wrapped
from mutants.sections import put_section
from mutants.trial import Trial, Verdict

MARK = "mutants"


def describe(trial: Trial) -> str:
    """One trial in a line, or in three for a survivor."""
    where = f"{trial.mutant.file}:{trial.mutant.line}"
    what = str(trial.mutant) if trial.survived else where
    by = f" {trial.tried} tests" if trial.survived else f" by {trial.test}"
    return f"{trial.verdict}{by} in {trial.seconds:.0f} s: {what}"


def summarize(trials: Sequence[Trial]) -> str:
    """The figures of a sample, and its survivors with file, line and change."""
    survivors = [trial for trial in trials if trial.survived]
    noticed = len(trials) - len(survivors)
    share = f" ({100 * noticed / len(trials):.1f} %)" if trials else ""
    lines = [f"{noticed} of {len(trials)} mutants were noticed{share}.", *map(_survivor, survivors)]
    return "\n".join(lines)


def _survivor(trial: Trial) -> str:
    return f"survived: {trial.mutant}"


def write_section(
    document: Path,
    trials: Sequence[Trial],
    *,
    seed: int,
    wanted: int,
    equivalents: int,
    minutes: float,
) -> None:
    """Put the figures between the marks of a document, for this seed; those of others stay."""
    head = (
        f"{datetime.now(UTC):%d %B %Y}, {os.cpu_count() or 1} cores, {minutes:.0f} minutes"
        f"{f', {len(trials)} of {wanted} mutants' if len(trials) < wanted else ''}; "
        f"{equivalents} changes are listed as none (mutants/equivalents.txt). "
        "[contributing.md](contributing.md) says what is done."
    )
    put_section(document, f"{MARK} {seed}", _section(trials, seed, head))


def _section(trials: Sequence[Trial], seed: int, head: str) -> str:
    rows = [
        [kind, *(f"{count:,}" for count in _counts([t for t in trials if _kind(t) == kind]))]
        for kind in ("Python", "SQL templates")
    ]
    rows.append(["**all**", *(f"{count:,}" for count in _counts(trials))])
    survivors = [
        f"- `{t.mutant.file}:{t.mutant.line}`\n  - `{t.mutant.before}`\n  - `{t.mutant.after}`"
        for t in trials
        if t.survived
    ]
    return "\n\n".join(
        [
            f"## Mutants, seed {seed}",
            wrapped(head),
            table(["", "mutants", "noticed", "of them by a time-out", "survived"], rows),
            "\n".join(["Survivors, each with the line before and after:", *survivors])
            if survivors
            else "Nothing survived.",
        ]
    )


def _kind(trial: Trial) -> str:
    return "Python" if trial.mutant.file.endswith(".py") else "SQL templates"


def _counts(trials: Sequence[Trial]) -> tuple[int, int, int, int]:
    survived = sum(trial.survived for trial in trials)
    timeouts = sum(trial.verdict is Verdict.TIMEOUT for trial in trials)
    return len(trials), len(trials) - survived, timeouts, survived
