"""Tests that run as one day ends and the next begins."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.tests.days import MARGIN, Days

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
TWO_TESTS = """
import pytest
shared = pytest.fixture(lambda: 1, scope="module", name="shared")
def test_a(shared): pass
def test_b(shared): pass
"""
# What the run around this one has set up in the process stays as it is.
OFF = ("cacheprovider", "faulthandler", "logging", "threadexception", "unraisableexception")
ALONE = ["--import-mode=importlib", "-q", "-s", *(f"-pno:{name}" for name in (*OFF, "warnings"))]


class Run:
    """A run of two tests, the first of which takes a time, from a moment on."""

    def __init__(self, begun: datetime, takes: timedelta) -> None:
        self.moment, self.takes = begun, takes
        self.did: list[str] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.did.append(f"slept {seconds:g}")
        self.moment += timedelta(seconds=seconds)

    def pytest_fixture_setup(self) -> None:
        self.did.append("made")

    def pytest_fixture_post_finalizer(self) -> None:
        self.did.append("ended")

    def pytest_runtest_call(self, item: pytest.Item) -> None:
        self.did.append(f"{item.name} {self.moment:%H:%M}")
        self.moment += self.takes


@pytest.mark.parametrize(
    ("before", "takes", "did"),
    [
        (9, 0, "made, test_a 23:51, test_b 23:51, ended"),
        (9, 8, "made, test_a 23:51, slept 60, ended, made, test_b 00:00, ended"),
        (9, 10, "made, test_a 23:51, ended, made, test_b 00:01, ended"),
        (1, 1, "slept 60, made, test_a 00:00, test_b 00:01, ended"),
        (0, 0, "made, test_a 00:00, test_b 00:00, ended"),
    ],
)
def test_midnight__is_between_tests_that_share_nothing(
    before: int, takes: int, did: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(minutes=1) < MARGIN < timedelta(minutes=9)
    file = tmp_path / "test_two.py"
    file.write_text(TWO_TESTS)
    (tmp_path / "pytest.ini").touch()  # Else one above it would be read.
    run = Run(MIDNIGHT - timedelta(minutes=before), timedelta(minutes=takes))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    arguments = [*ALONE, f"--rootdir={tmp_path}", f"{file}"]
    assert pytest.main(arguments, [run, Days(run.now, run.sleep)]) == 0
    assert ", ".join(run.did) == did
