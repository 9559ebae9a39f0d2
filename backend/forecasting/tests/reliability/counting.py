"""Hooks that gather what was counted, from every process, and show it; a plugin of its own.

The process that hands the tests out under pytest-xdist reads no conftest.py but the first.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from backend.forecasting.tests.reliability.document import Ran, write_document
from backend.forecasting.tests.reliability.tally import Tally
from mutants.sections import kept_sections

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

TALLY = pytest.StashKey[Tally]()
_FINISHED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands over what it counted."""
    tally = session.config.stash.get(TALLY, None)
    if tally is not None and hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tally"] = tally.counted()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    counted = getattr(node, "workeroutput", {}).get("tally")
    if counted:
        node.config.stash.setdefault(TALLY, Tally()).take_in(counted)


def pytest_terminal_summary(
    terminalreporter: "TerminalReporter", exitstatus: int, config: pytest.Config
) -> None:
    tally = config.stash.get(TALLY, None)
    if tally is None:
        return
    terminalreporter.section("reliability")
    for line in tally.lines():
        terminalreporter.write_line(line)
    path: Path | None = config.getoption("reliability")
    if path is not None and exitstatus in _FINISHED:
        written = write_document(tally, list(_ran(terminalreporter)))
        # What `make mutants` has put there stays.
        path.write_text(written + kept_sections(path, "mutants"), "utf-8")
        terminalreporter.write_line(f"written to {path}")


def _ran(reporter: "TerminalReporter") -> Iterator[Ran]:
    """The tests of this package, file by file."""
    folder = Path(__file__).parent.name
    reports = defaultdict(list)
    for report in (r for found in reporter.stats.values() for r in found if hasattr(r, "when")):
        file = Path(report.nodeid.partition("::")[0])
        if file.parent.name == folder:
            reports[file.name].append(report)
    for name, found in sorted(reports.items()):
        yield Ran(
            file=name,
            tests=len({report.nodeid for report in found}),
            failed=tuple(dict.fromkeys(r.nodeid for r in found if r.failed)),
            seconds=sum(report.duration for report in found),
        )
