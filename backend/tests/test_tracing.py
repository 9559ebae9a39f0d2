"""What coverage sees."""

import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from backend.tests.tracing import leave_stand_in_untraced, untraced


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
    for name in ("localcloud-http_0", "AnyIO worker thread", "forecasting", "Thread-1"):
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
