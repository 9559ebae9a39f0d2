"""What pytest does for the mutants (`-p mutants.plugin`), told by the environment what to do.

MUTANTS_RECORD=FILE   seen.py notes in FILE which test comes where, and the plugin in FILE.tests
                      how each test ended, and in how many seconds
MUTANTS_PART=1/2      of the files with tests, only every second one, from the first on
MUTANTS_CHOICE=FILE   only the tests whose ids are the lines of FILE, in that order
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    if "MUTANTS_RECORD" in os.environ:
        config.pluginmanager.register(Recorder(Path(f"{os.environ['MUTANTS_RECORD']}.tests")))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if part := os.environ.get("MUTANTS_PART"):
        number, of = map(int, part.split("/"))
        files = sorted({file_of(item.nodeid) for item in items})
        mine = set(files[number - 1 :: of])
        items[:] = [item for item in items if file_of(item.nodeid) in mine]
    if choice := os.environ.get("MUTANTS_CHOICE"):
        ids = Path(choice).read_text("utf-8").splitlines()
        rank = {test: number for number, test in enumerate(ids)}
        chosen = [item for item in items if item.nodeid in rank]
        items[:] = sorted(chosen, key=lambda item: rank[item.nodeid])


def file_of(test: str) -> str:
    """The file of a test's id."""
    return test.split("::", 1)[0]


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

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        line = json.dumps([report.nodeid, report.duration, not report.failed])
        with self._record.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
