"""What coverage sees."""

import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import Mock

import pytest

from backend.tests import tracing
from backend.tests.tracing import import_all, leave_stand_in_untraced, untraced


@pytest.fixture
def traced() -> Iterator[set[str]]:
    """The names of threads that were traced, by what stands in for coverage."""
    before: Any = threading.gettrace()
    names: set[str] = set()

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        names.add(threading.current_thread().name)
        sys.settrace(None)

    threading.settrace(trace)
    leave_stand_in_untraced()
    yield names
    threading.settrace(before)


def test_tracing__is_of_every_thread_but_the_stand_ins(traced: set[str]) -> None:
    for name in ("localcloud-http_0", "forecasting", "Thread-1"):
        thread = threading.Thread(target=len, args=("",), name=name)
        thread.start()
        thread.join()
    assert traced == {"forecasting", "Thread-1"}


def test_untraced__is_what_runs_and_what_it_starts_and_nothing_after(traced: set[str]) -> None:
    before = sys.gettrace(), threading.gettrace()
    seen: list[object] = []

    def run() -> None:
        seen.extend((sys.gettrace(), threading.gettrace()))
        thread = threading.Thread(target=len, args=("",), name="forecasting")
        thread.start()
        thread.join()

    untraced(run)
    assert seen == [None, None]
    assert traced == set()
    assert (sys.gettrace(), threading.gettrace()) == before


def test_untraced__ends_when_what_runs_fails(traced: set[str]) -> None:
    before = threading.gettrace()
    with pytest.raises(ZeroDivisionError):
        untraced(lambda: 1 / 0)
    assert threading.gettrace() == before


def test_import_all__leaves_out_what_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("__init__", "one", "tests/__init__", "tests/two", "room/__init__", "room/three"):
        module = tmp_path / "house_to_import" / f"{name}.py"
        module.parent.mkdir(exist_ok=True)
        module.write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    import_all("house_to_import", but=("tests",))
    found = {name for name in sys.modules if name.startswith("house_to_import.")}
    assert found - {"house_to_import.tests"} == {
        f"house_to_import.{name}" for name in ("one", "room", "room.three")
    }


@pytest.mark.parametrize("phase", [tracing.pytest_runtest_setup, tracing.pytest_runtest_teardown])
def test_untraced__is_what_a_test_is_made_ready_with(
    phase: Callable[[], Generator[None, None, None]],
) -> None:
    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        trace, around = sys.gettrace(), phase()
        next(around)
        within = sys.gettrace()
        next(around, None)
        after = sys.gettrace()
    finally:
        sys.settrace(before)
    assert (within, after) == (None, trace)


@pytest.mark.parametrize(
    ("marks", "is_traced"),
    [
        ([], True),
        (["django_db"], True),
        (["django_db", "untraced"], False),
        (["traced", "untraced"], True),
        (["untraced", "traced"], False),
    ],
)
def test_untraced__is_a_test_whose_closest_mark_says_so(marks: list[str], is_traced: bool) -> None:
    item = Mock(path=Path(tracing.__file__).parents[1] / "forecasting" / "tests" / "test_it.py")
    item.iter_markers.return_value = [getattr(pytest.mark, name).mark for name in marks]
    assert tracing.pytest_runtest_protocol(item, None) is (None if is_traced else True)
    runner = item.config.pluginmanager.get_plugin.return_value
    assert runner.pytest_runtest_protocol.called is not is_traced
