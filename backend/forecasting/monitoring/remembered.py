"""A slow look that a page can afford: remembered, one at a time, not waited for too long.

A look runs in a thread of its own. Whoever asked waits a little for it and then goes on without;
what it finds is in Django's cache for the next one who asks. Who asks meanwhile waits for the same.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from django.core.cache import cache
from django.db import connections
from django.utils.timesince import timesince

from ..counting import count_things
from ..errors import ForecastingError

T = TypeVar("T")

KEPT_SECONDS = 24 * 3600
"""How long the last good look is there to be shown, however old."""

LOOK_SECONDS = 120
"""After so long a look counts as lost, and another one may begin."""

_PAUSE = 0.05

_FAULT = "The look failed by a fault of its own, which is in the log."
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Seconds to wait for a look: with something recent to show meanwhile, and without."""

    recent: float
    recent_seconds: float
    without: float


@dataclass(frozen=True, kw_only=True)
class Seen(Generic[T]):
    """What the last good look found, and how the last one of all went.

    `value` and `looked_at` are None where no look has succeeded. `problem` says why the last look
    failed. `looking`: one is under way, and was not waited for. `generation` is what outdates.
    """

    value: T | None = None
    looked_at: datetime | None = None
    tried_at: datetime | None = None
    problem: str = ""
    looking: bool = False
    generation: str = ""

    @property
    def version(self) -> str:
        """Another one after each look, however it went; empty before the first."""
        return self.tried_at.isoformat() if self.tried_at else ""

    @property
    def age(self) -> str:
        """How long ago the last good look was, in words; empty where there is none."""
        if self.looked_at is None:
            return ""
        # The clock that it was noted by may be ahead.
        seconds = max((datetime.now(UTC) - self.looked_at).total_seconds(), 0)
        if seconds < 60:
            return count_things(round(seconds), "second")
        return timesince(self.looked_at)


@dataclass(frozen=True, kw_only=True)
class Remembered(Generic[T]):
    """A look that is repeated when what it found is older than `fresh_seconds`."""

    key: str
    look: Callable[[], T]
    fresh_seconds: float

    def recall(self) -> Seen[T]:
        """What is known, without looking."""
        seen: Seen[T] | None = cache.get(self.key)
        return seen or Seen()

    def see(self, patience: Patience) -> Seen[T]:
        """What is known, looked up anew where it is not fresh, as far as patience goes."""
        seen = self.recall()
        if self._is_fresh(seen):
            return seen
        recent = self._is_current(seen) and _within(seen.looked_at, patience.recent_seconds)
        looked = self._look_within(patience.recent if recent else patience.without)
        return replace(self.recall(), looking=not looked and cache.get(self._lock) is not None)

    def outdate(self) -> None:
        """Let the next one who asks look, and keep what is known until then.

        A look that is under way has begun too early, and is not taken for one that comes after.
        """
        cache.set(self._current, uuid.uuid4().hex, KEPT_SECONDS)

    def _look_within(self, seconds: float) -> bool:
        """Look, or wait for whoever looks just now; False for an end that was not waited for."""
        until = time.monotonic() + seconds
        while not cache.add(self._lock, True, LOOK_SECONDS):
            if time.monotonic() >= until:
                return False
            time.sleep(_PAUSE)
        if self._is_fresh(self.recall()):
            cache.delete(self._lock)
            return True
        return run_within(max(until - time.monotonic(), 0), self._look_and_remember)

    def _is_fresh(self, seen: Seen[T]) -> bool:
        return self._is_current(seen) and _within(seen.tried_at, self.fresh_seconds)

    def _is_current(self, seen: Seen[T]) -> bool:
        return bool(seen.generation == cache.get(self._current, ""))

    def _look_and_remember(self) -> None:
        try:
            generation, began = cache.get(self._current, ""), datetime.now(UTC)
            try:
                value = self.look()
                seen = Seen(value=value, looked_at=began)
            except ForecastingError as error:
                seen = replace(self.recall(), problem=str(error))
            except Exception:  # noqa: BLE001 - It is in the log.
                _LOG.exception(_FAULT)
                seen = replace(self.recall(), problem=_FAULT)
            seen = replace(seen, tried_at=datetime.now(UTC), generation=generation)
            cache.set(self.key, seen, KEPT_SECONDS)
        finally:
            cache.delete(self._lock)

    @property
    def _current(self) -> str:
        return f"{self.key}.generation"

    @property
    def _lock(self) -> str:
        return f"{self.key}.looking"


def _within(moment: datetime | None, seconds: float) -> bool:
    return moment is not None and abs(datetime.now(UTC) - moment) < timedelta(seconds=seconds)


def run_within(seconds: float, work: Callable[[], None]) -> bool:
    """Do `work` in a thread, and wait for its end for so long; it goes on in any case.

    Returns whether it has ended.
    """

    def work_and_leave() -> None:
        try:
            work()
        finally:
            # Those of this thread, which nobody else would close.
            connections.close_all()

    thread = threading.Thread(target=work_and_leave, name="forecasting", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
