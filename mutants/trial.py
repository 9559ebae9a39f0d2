"""Whether a test notices a mutant."""

import re
import subprocess
import time
from collections.abc import Iterable, Sequence
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
_LEAST_LIMIT = 120.0
"""What each test may take at least: a machine may be busy, and the first one starts the servers,
and has Google's evaluator compiled where that was not done yet."""

_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
_SUMMARY = "short test summary info"
_PYTEST_OK, _PYTEST_NO_TESTS = 0, 5
_TIMEOUT = "+ Timeout +"
"""What pytest-timeout says before it ends the process."""


class Verdict(StrEnum):
    NOTICED = "noticed"
    TIMEOUT = "noticed by a time-out"
    SURVIVED = "survived"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A mutant, what became of it, the first test that noticed it, and how long it took.

    `tried` are the tests that were to be run: of a survivor, all that it survived.
    """

    mutant: Mutant
    verdict: Verdict
    test: str = ""
    tried: int = 0
    seconds: float

    @property
    def survived(self) -> bool:
        return self.verdict is Verdict.SURVIVED


def try_mutant(mutant: Mutant, suite: Suite, tree: Path, *, rest: float) -> Trial:
    """Put a mutant into a tree, run the tests on it, and put the original back.

    What the first tests do not notice is tried on the rest, for `rest` seconds of their own time.
    """
    path, began = tree / mutant.file, time.monotonic()
    original = path.read_text("utf-8")
    _write(path, mutant.text)
    try:
        tests = suite.first_for(mutant)
        verdict, test = _run(tests, suite, tree)
        if verdict is Verdict.SURVIVED and rest:
            more = suite.rest_for(mutant, tests, rest)
            tests = [*tests, *more]
            verdict, test = _run(more, suite, tree)
    finally:
        _write(path, original)
    seconds = time.monotonic() - began
    return Trial(mutant=mutant, verdict=verdict, test=test, tried=len(tests), seconds=seconds)


def failing_by_themselves(tests: Iterable[str], suite: Suite, tree: Path) -> set[str]:
    """Those of some tests that fail without any mutant: what they noticed says nothing."""
    known = [test for test in dict.fromkeys(tests) if test in suite.seconds]
    _, output = _output(known, suite, tree, "--maxfail=0")
    failed = set(_failed(output))
    return {test for test in known if test in failed or file_of(test) in failed}


def _write(path: Path, text: str) -> None:
    """Also where both texts are of one length and second, by which Python tells what to compile."""
    path.write_text(text, "utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def _run(tests: Sequence[str], suite: Suite, tree: Path) -> tuple[Verdict, str]:
    status, output = _output(tests, suite, tree, "-x")
    if status in (_PYTEST_OK, _PYTEST_NO_TESTS):
        return Verdict.SURVIVED, ""
    now = tree / ".mutants-choice.now"
    under_way = now.read_text("utf-8") if now.exists() else ""
    if status is None or _TIMEOUT in output:
        return Verdict.TIMEOUT, under_way
    return Verdict.NOTICED, next(iter(_failed(output)), under_way)


def _failed(output: str) -> list[str]:
    """The tests, and files of tests, that pytest sums up as failed."""
    _, _, summary = output.rpartition(_SUMMARY)
    return [match[1] for match in _FAILED.finditer(summary)]


def _output(
    tests: Sequence[str], suite: Suite, tree: Path, *options: str
) -> tuple[int | None, str]:
    """pytest's status and what it said; None where it had to be ended."""
    files = [file for file in dict.fromkeys(map(file_of, tests)) if (tree / file).exists()]
    if not files:
        return _PYTEST_NO_TESTS, ""
    choice, limits = tree / ".mutants-choice", {test: _limit(suite, test) for test in tests}
    choice.write_text("".join(f"{limits[test]}\t{test}\n" for test in tests), "utf-8")
    choice.with_name(f"{choice.name}.now").unlink(missing_ok=True)
    process = running(tree, [*options, *files], output=subprocess.PIPE, MUTANTS_CHOICE=str(choice))
    try:
        output, _ = process.communicate(timeout=_START_SECONDS + sum(limits.values()))
    except subprocess.TimeoutExpired:
        return None, ""
    finally:
        end(process)
    return process.returncode, output


def _limit(suite: Suite, test: str) -> float:
    return _LEAST_LIMIT + _SLOWER * suite.seconds.get(test, 0.0)
