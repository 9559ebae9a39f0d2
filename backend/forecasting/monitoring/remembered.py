"""A slow look that a page can afford: remembered, one at a time, not waited for too long.

A look runs in a thread of its own. Whoever asked waits a little for it and then goes on without;
what it finds is in Django's cache for the next one who asks.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from django.core.cache import cache
from django.db import connections
from django.utils.timesince import timesince

from ..errors import ForecastingError

T = TypeVar("T")

KEPT_SECONDS = 24 * 3600
"""How long the last good look is there to be shown, however old."""

LOOK_SECONDS = 120
"""After so long a look counts as lost, and another one may begin."""


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
    failed. `looking`: one is under way, and was not waited for.
    """

    value: T | None = None
    looked_at: datetime | None = None
    tried_at: datetime | None = None
    problem: str = ""
    looking: bool = False

    @property
    def age(self) -> str:
        """How long ago the last good look was, in words; empty where there is none."""
        if self.looked_at is None:
            return ""
        seconds = (datetime.now(UTC) - self.looked_at).total_seconds()
        return timesince(self.looked_at) if seconds >= 60 else f"{seconds:.0f} seconds"


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
        if _within(seen.tried_at, self.fresh_seconds):
            return seen
        if cache.add(self._lock, True, LOOK_SECONDS):
            recent = _within(seen.looked_at, patience.recent_seconds)
            run_within(patience.recent if recent else patience.without, self._look_and_remember)
        return replace(self.recall(), looking=cache.get(self._lock) is not None)

    def outdate(self) -> None:
        """Let the next one who asks look, and keep what is known until then."""
        cache.set(self.key, replace(self.recall(), tried_at=None), KEPT_SECONDS)

    def _look_and_remember(self) -> None:
        try:
            began = datetime.now(UTC)
            try:
                value = self.look()
                seen = Seen(value=value, looked_at=began, tried_at=datetime.now(UTC))
            except ForecastingError as error:
                seen = replace(self.recall(), tried_at=datetime.now(UTC), problem=str(error))
            cache.set(self.key, seen, KEPT_SECONDS)
        finally:
            cache.delete(self._lock)

    @property
    def _lock(self) -> str:
        return f"{self.key}.looking"


def _within(moment: datetime | None, seconds: float) -> bool:
    return moment is not None and datetime.now(UTC) - moment < timedelta(seconds=seconds)


def run_within(seconds: float, work: Callable[[], None]) -> None:
    """Do `work` in a thread, and wait for its end for so long; it goes on in any case."""

    def work_and_leave() -> None:
        try:
            work()
        finally:
            # Those of this thread, which nobody else would close.
            connections.close_all()

    thread = threading.Thread(target=work_and_leave, name="forecasting", daemon=True)
    thread.start()
    thread.join(seconds)
