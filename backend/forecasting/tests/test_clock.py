"""The clock of tests that skip time, which is not to reach the servers beside them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from backend.forecasting.tests.support.clock import FastClock
from backend.localcloud.http.web import HOST, WebServer


def test_fast_clock__skips_what_this_thread_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    with monkeypatch.context() as patch:
        FastClock(patch)
        time.sleep(20)
        assert time.monotonic() - began >= 20
    assert time.monotonic() - began < 5


def test_fast_clock__leaves_other_threads_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    FastClock(monkeypatch)
    time.sleep(20)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(time.monotonic).result() - began < 5


def test_fast_clock__does_not_hold_a_server_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop would wait, until the true clock has caught up, before it looks whether to stop."""
    server = WebServer(0, lambda call: (200, {}))
    server.start()
    with monkeypatch.context() as patch:
        FastClock(patch)
        time.sleep(20)
        assert requests.get(f"http://{HOST}:{server.port}/", timeout=5).ok
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5
