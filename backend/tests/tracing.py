"""Coverage is of the product, and follows no more than is needed to tell what is reached of it.

To follow costs half as much again as what is followed.
"""

import importlib
import pkgutil
import sys
import threading
from collections.abc import Callable, Collection, Generator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

_PRODUCT = Path(__file__).parents[1] / "forecasting"
_MARKS = ("traced", "untraced")
"""The closest one holds: a test of a file that is not traced may be."""
_PREFIX = "localcloud-"
"""How the names of the stand-in's threads begin; the emulator under it has none of its own."""


def leave_stand_in_untraced() -> None:
    """Spares threads that begin from now on a call for each line of theirs, where one is made."""
    trace: Any = threading.gettrace()

    def begin(frame: FrameType, event: str, argument: Any) -> Any:
        """Called by a new thread, at its first step."""
        if threading.current_thread().name.startswith(_PREFIX):
            sys.settrace(None)
            return None
        return trace(frame, event, argument)

    if trace is not None:
        threading.settrace(begin)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Follows how the product is read, and not how its tests are."""
    trace = sys.gettrace()
    if trace is None or session.config.pluginmanager.hasplugin("dsession"):
        return (yield)
    import_all("backend.forecasting", but=("tests", "migrations"))
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(trace)


def import_all(package: str, *, but: Collection[str]) -> None:
    """Imports every module of a package, those in rooms of these names apart."""
    path = importlib.import_module(package).__path__
    for module in pkgutil.walk_packages(path, f"{package}."):
        if not set(module.name.split(".")) & set(but):
            importlib.import_module(module.name)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """In place of pytest's own, for a test that is marked `untraced`, or not of the product."""
    marks = (mark.name for mark in item.iter_markers() if mark.name in _MARKS)
    if _PRODUCT in item.path.parents and next(marks, "traced") == "traced":
        return None
    runner: Any = item.config.pluginmanager.get_plugin("runner")
    untraced(lambda: runner.pytest_runtest_protocol(item, nextitem))
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    """What is made ready for a test is not what it tests: others do, and look at it."""
    yield from _alone_untraced()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    yield from _alone_untraced()


def _alone_untraced() -> Generator[None, None, None]:
    """This thread is: others may begin here what a test then waits for."""
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)


def untraced(run: Callable[[], object]) -> None:
    """Runs it, and the threads that it starts, without a call for each line."""
    own, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        run()
    finally:
        threading.settrace(of_threads)
        # The last thing here: what is entered under a trace has to be left under it.
        sys.settrace(own)
