"""One day of UTC for each test: none begins on one and ends on the next.

What several tests share was made by the day on which the first of them ran.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

MARGIN = timedelta(minutes=2)
"""More than the longest test takes, on a slow machine too."""


class Days:
    """Waits for a midnight that is near, and ends what files and folders share when it is over."""

    def __init__(
        self,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._now, self._sleep = now, sleep
        self._day = now().date()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        soon = self._now() + MARGIN
        midnight = soon.replace(hour=0, minute=0, second=0, microsecond=0)
        while (left := midnight - self._now()) > timedelta():
            self._sleep(left.total_seconds())
        if self._day != self._now().date():
            self._day = self._now().date()
            # All but the session ends: a next test would share no more than that.
            item.session._setupstate.teardown_exact(cast(pytest.Item, item.session))
