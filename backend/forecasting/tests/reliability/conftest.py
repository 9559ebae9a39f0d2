"""How much is run, what was counted, and the document that says so."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_django import DjangoDbBlocker

from backend.forecasting.tests.reliability.document import Ran, write_document
from backend.forecasting.tests.reliability.scene import Scene, build_scene
from backend.forecasting.tests.reliability.tally import Tally
from backend.localcloud.postgres.server import RunningPostgres
from mutants.sections import kept_sections

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from backend.localcloud.server import LocalCloud

_TALLY = pytest.StashKey[Tally]()
_FINISHED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    """Where the tests count; it is printed at the end, and written under `--reliability`."""
    return request.config.stash.setdefault(_TALLY, Tally())


@pytest.fixture(scope="session")
def everything(request: pytest.FixtureRequest) -> bool:
    """Whether all is to be run (`--reliability`), or a representative tenth."""
    return request.config.getoption("reliability") is not None


@pytest.fixture(scope="module")
def transactional_db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database for a module's tests, without a transaction around each or a flush.

    In the place of pytest-django's fixture, by whose name it knows that a database is needed.
    """
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="module")
def scene(
    cloud_server: "LocalCloud", postgres: RunningPostgres, transactional_db: None
) -> Iterator[Scene]:
    """PostgreSQL with a history, and the stand-in, for a module's tests: what they do stays."""
    with build_scene(cloud_server, postgres) as built:
        yield built


def pytest_terminal_summary(
    terminalreporter: "TerminalReporter", exitstatus: int, config: pytest.Config
) -> None:
    tally = config.stash.get(_TALLY, None)
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
