"""A clock for tests that wait."""

import threading
import time

import pytest


class FastClock:
    """Time in which a sleep is over at once, with the clock ahead by as much.

    Only in the thread that makes it: the stand-in's server, in another, plans by the same clock.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        self._thread = threading.get_ident()
        self._monotonic, self._sleep = time.monotonic, time.sleep
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "monotonic", self.now)

    def sleep(self, seconds: float) -> None:
        if self._is_here():
            self.ahead += seconds
        else:
            self._sleep(seconds)

    def now(self) -> float:
        return self._monotonic() + (self.ahead if self._is_here() else 0)

    def _is_here(self) -> bool:
        return threading.get_ident() == self._thread
