"""A clock for tests that wait."""

import math
import random
import threading
import time

import pytest

from backend.forecasting.management.commands._watchdog import Watchdog


class FastClock:
    """Time that nothing but sleeping moves; a sleep is over at once.

    Only in the thread that makes it: the stand-in's server, in another, keeps the true time. What
    the machine takes for the work in between does not count, and a pause of random length is the
    longest that it may be, so that a test can be exact. A command's watchdog goes by it, too.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slept: list[float] = []
        self._thread = threading.get_ident()
        self._monotonic, self._sleep = time.monotonic, time.sleep
        self._start = self._monotonic()
        self._dog: Watchdog | None = None
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "monotonic", self.now)
        monkeypatch.setattr(random, "uniform", lambda least, most: most)
        start = Watchdog.start
        monkeypatch.setattr(Watchdog, "start", lambda dog: start(self._heed(dog)))
        monkeypatch.setattr(Watchdog, "_watch", lambda dog: None)

    @property
    def ahead(self) -> float:
        """Seconds slept so far."""
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        if not self._is_here():
            self._sleep(seconds)
            return
        left = self._left()
        self.slept.append(min(seconds, max(left, 0)))
        if self._dog and seconds > left:
            self._dog.interrupt()

    def now(self) -> float:
        return self._start + self.ahead if self._is_here() else self._monotonic()

    def _heed(self, dog: Watchdog) -> Watchdog:
        self._dog = dog
        return dog

    def _left(self) -> float:
        """Seconds until the watchdog wakes this thread."""
        return self._dog.wakes - self.now() if self._dog and self._dog.watches else math.inf

    def _is_here(self) -> bool:
        return threading.get_ident() == self._thread
