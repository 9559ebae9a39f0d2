"""Whether a test notices a mutant."""

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mutants.mutant import Mutant
from mutants.plugin import file_of
from mutants.suite import Suite
from mutants.tree import end, running

_START_SECONDS = 120.0
"""For imports, PostgreSQL and the test database, on a busy machine."""
_SLOWER = 5
"""How many times as long as it was measured a test may take."""

_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_PYTEST_FAILED, _PYTEST_NO_TESTS = (1, 2, 3, 4), 5


class Verdict(StrEnum):
    NOTICED = "noticed"
    TIMEOUT = "noticed by a time-out"
    SURVIVED = "survived"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A mutant, what became of it, the first test that noticed it, and how long it took."""

    mutant: Mutant
    verdict: Verdict
    test: str = ""
    seconds: float


def try_mutant(mutant: Mutant, suite: Suite, tree: Path, *, rest: bool) -> Trial:
    """Put a mutant into a tree, run the tests on it, and put the original back."""
    path, began = tree / mutant.file, time.monotonic()
    original = path.read_text("utf-8")
    _write(path, mutant.text)
    try:
        first = suite.first_for(mutant)
        verdict, test = _run(first, suite, tree)
        if rest and verdict is Verdict.SURVIVED:
            verdict, test = _run(suite.rest_for(mutant, first), suite, tree)
    finally:
        _write(path, original)
    seconds = time.monotonic() - began
    return Trial(mutant=mutant, verdict=verdict, test=test, seconds=seconds)


def _write(path: Path, text: str) -> None:
    """Also where both texts are of one length and second, by which Python tells what to compile."""
    path.write_text(text, "utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def _run(tests: Sequence[str], suite: Suite, tree: Path) -> tuple[Verdict, str]:
    if not tests:
        return Verdict.SURVIVED, "no test that is known to come there"
    choice = tree / ".mutants-choice"
    choice.write_text("\n".join(tests), "utf-8")
    process = running(
        tree,
        ["-x", *dict.fromkeys(map(file_of, tests))],
        output=subprocess.PIPE,
        MUTANTS_CHOICE=str(choice),
    )
    seconds = sum(suite.seconds.get(test, 1.0) for test in tests)
    try:
        output, _ = process.communicate(timeout=_START_SECONDS + _SLOWER * seconds)
    except subprocess.TimeoutExpired:
        return Verdict.TIMEOUT, ""
    finally:
        end(process)
    if process.returncode in (0, _PYTEST_NO_TESTS):
        return Verdict.SURVIVED, ""
    failed = _FAILED.search(output)
    return Verdict.NOTICED, failed[1] if failed else output.strip().splitlines()[-1][:200]
