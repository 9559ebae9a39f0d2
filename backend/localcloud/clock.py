"""The stand-in's notion of now."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Real time, or the time that a test has set; tells its listeners when that changes."""

    def __init__(self) -> None:
        self._fixed: datetime | None = None
        self._lock = threading.Lock()
        self.on_change: Callable[[], None] = lambda: None

    @property
    def fixed(self) -> bool:
        """Whether the clock stands still."""
        return self._fixed is not None

    def now(self) -> datetime:
        return self._fixed or datetime.now(UTC)

    def now_ms(self) -> int:
        return int(self.now().timestamp() * 1000)

    def set(self, moment: datetime | None) -> None:
        """Stop the clock at `moment`, which has to know its time zone; None: real time again."""
        if moment is not None and moment.tzinfo is None:
            raise ValueError("the moment needs a time zone")
        self._fixed = moment
        self.on_change()

    def uuid(self) -> str:
        """An id that a server makes up."""
        return str(uuid.uuid4())


def timestamp(moment: datetime) -> str:
    """A moment in proto3 JSON."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
