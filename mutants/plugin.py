"""What pytest does for the mutants (`-p mutants.plugin`), told by the environment what to do.

MUTANTS_RECORD=FILE   seen.py notes in FILE which test comes where, and the plugin in FILE.tests
                      how each test ended, in how many seconds, and which files are through
MUTANTS_CHOICE=FILE   only the tests of FILE, in its order: its lines are SECONDS<tab>TEST, after
                      so many seconds the test is ended, and the process with it; FILE.now names
                      the one under way
"""

import hashlib
import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    if "MUTANTS_RECORD" in os.environ:
        config.pluginmanager.register(Recorder(Path(f"{os.environ['MUTANTS_RECORD']}.tests")))

    if "MUTANTS_CHOICE" in os.environ:
        config.pluginmanager.register(Chooser(Path(os.environ["MUTANTS_CHOICE"])))


def file_of(test: str) -> str:
    """The file of a test's id."""
    return test.split("::", 1)[0]


class Chooser:
    """Runs what was chosen, in that order, and lets nothing go on for ever."""

    def __init__(self, choice: Path) -> None:
        self._now = Path(f"{choice}.now")
        lines = [line.partition("\t") for line in choice.read_text("utf-8").splitlines()]
        self._seconds = {test: float(seconds) for seconds, _, test in lines}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        rank = {test: number for number, test in enumerate(self._seconds)}
        chosen = [item for item in items if item.nodeid in rank]
        items[:] = sorted(chosen, key=lambda item: rank[item.nodeid])
        if config.pluginmanager.hasplugin("timeout"):
            for item in items:
                _limit(item, self._seconds[item.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._now.write_text(nodeid, "utf-8")


def _limit(item: pytest.Item, seconds: float) -> None:
    """A limit of its own stays, where that is shorter."""
    own = item.get_closest_marker("timeout")
    if own is None or not own.args or own.args[0] > seconds:
        item.add_marker(pytest.mark.timeout(seconds, method="thread"), append=False)


class Recorder:
    """Notes how each test ended, and lets a fixture that tests share count for their whole file."""

    def __init__(self, record: Path) -> None:
        self._record = record

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        # It is made for the first test that asks for it, and serves the others too.
        if fixturedef.scope != "function":
            os.environ["MUTANTS_SHARED"] = file_of(os.environ.get("PYTEST_CURRENT_TEST", ""))
        try:
            return (yield)
        finally:
            os.environ.pop("MUTANTS_SHARED", None)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        ended = yield
        file = file_of(item.nodeid)
        if nextitem is None or file_of(nextitem.nodeid) != file:
            digest = hashlib.sha256(item.path.read_bytes()).hexdigest()
            self._write({"file": file, "digest": digest})
        return ended

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._write([report.nodeid, report.duration, not report.failed])

    def _write(self, line: object) -> None:
        with self._record.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")
