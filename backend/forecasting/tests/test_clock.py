"""The clock of tests that skip time, which is not to reach the servers beside them."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from unittest.mock import Mock

import pytest

from backend.forecasting.tests.support import healthy
from backend.forecasting.tests.support.clock import FastClock

TRUE = 7000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FastClock:
    """Beside a true clock that stands still."""
    monkeypatch.setattr(time, "monotonic", lambda: TRUE)
    return FastClock(monkeypatch)


def test_fast_clock__is_moved_by_what_this_thread_sleeps(clock: FastClock) -> None:
    assert time.monotonic() == time.monotonic() == TRUE
    time.sleep(20)
    time.sleep(0.5)
    assert time.monotonic() == TRUE + 20.5
    assert (clock.slept, clock.ahead) == ([20, 0.5], 20.5)


def test_fast_clock__leaves_other_threads_theirs(clock: FastClock) -> None:
    """A server's loop would wait, until the true clock has caught up, before it looks again."""
    time.sleep(20)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(time.monotonic).result() == TRUE
        other.submit(time.sleep, 0).result()
    assert clock.ahead == 20


def test_fast_clock__ends_with_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    true = time.monotonic, time.sleep
    with monkeypatch.context() as patch:
        FastClock(patch)
        assert time.monotonic is not true[0]
    assert (time.monotonic, time.sleep) == true


def test_dense_history__is_made_anew_on_another_day(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"_make_dense_history": Mock(), "_copied": Mock(return_value="rows")}
    for name, part in {**parts, "update_statistics": Mock(), "_DENSE": {}}.items():
        monkeypatch.setattr(healthy, name, part)
    for day in (1, 1, 2):
        monkeypatch.setattr(healthy, "today", lambda day=day: date(2026, 3, day))
        healthy.write_dense_history()
    assert parts["_make_dense_history"].call_count == 2
