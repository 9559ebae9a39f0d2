"""How long is waited for Google: for one request, for its repetitions, for a command as a whole."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any, ParamSpec, TypeVar

import requests
from google.api_core.retry import Retry, exponential_sleep_generator
from requests.adapters import HTTPAdapter

from ..counting import count_things, timeout_over

P = ParamSpec("P")
R = TypeVar("R")

TIMEOUT = 30.0
"""Seconds for one request; several methods of Google's clients have no limit of their own."""

_LONGEST_PAUSE = 5.0
_TOLERATED = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds for one request and for all its repetitions, and for the pauses in between.

    The first pause is a random one of at most `first_pause`, each later one of at most twice as
    long, up to `longest_pause`. A run is asked about for the first time after `run_pause`. One call
    takes `most_requests`, so that a list whose next page never ends is not followed for ever.
    """

    request: float = TIMEOUT
    retries: float = 60.0
    first_pause: float = 0.2
    longest_pause: float = 5.0
    run_pause: float = 0.25
    most_requests: int = 1000

    def pauses(self) -> Iterator[float]:
        """Without end."""
        yield from exponential_sleep_generator(self.first_pause, self.longest_pause)


class GivenUpError(TimeoutError):
    """Google is not waited for any longer; the text says why."""


class Deadline:
    """The moment at which something is given up; there is none until it is started.

    `on_start` is told the seconds each time that it is started.
    """

    def __init__(self) -> None:
        self._end, self._reason = math.inf, ""
        self.on_start: Callable[[float], None] = lambda _: None

    def start(self, seconds: float, reason: str = "") -> None:
        """It is over after `seconds`, counted from now."""
        self._end, self._reason = time.monotonic() + seconds, reason or timeout_over(seconds)
        self.on_start(seconds)

    def within(self, seconds: float) -> "Deadline":
        """One that is over after `seconds`, or together with this one."""
        inner = Deadline()
        inner.start(seconds, f"it took longer than {count_things(seconds, 'second')}")
        return inner if seconds < self.left else self

    @property
    def left(self) -> float:
        """Seconds, 0 when it is over."""
        return max(self._end - time.monotonic(), 0.0)

    def cap(self, seconds: float, reserve: float = 0.0) -> float:
        """`seconds`, or what is left before the `reserve` where that is less.

        Raises GivenUpError where nothing is.
        """
        left = max(self.left - reserve, 0.0)
        if not left:
            raise GivenUpError(self._reason)
        return min(seconds, left)


def rounds(seconds: float, first_pause: float = 0.2) -> Iterator[int]:
    """The numbers from 1 on, with ever longer pauses in between, until `seconds` are over."""
    end, pause = time.monotonic() + seconds, first_pause
    yield 1
    for number in count(2):
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        yield number


class BoundedRetry(Retry):
    """Repeats requests that fail for the moment, and sends none that may outlast the deadline.

    What is left is looked at each time that a request is first sent: Google's clients use one
    retry for all pages of a list, and for every look at a job. `reserve` is what one request takes
    at most, so that the last one ends in time.
    """

    def __init__(
        self,
        predicate: Callable[[Exception], bool],
        pace: Pace,
        deadline: Deadline,
        most_requests: float,
    ) -> None:
        super().__init__(predicate=predicate)
        self._pace, self._until, self._most = pace, deadline, most_requests
        self._reserve, self._sent = request_seconds(pace, deadline), 0

    def __call__(
        self, func: Callable[P, R], on_error: Callable[[Exception], Any] | None = None
    ) -> Callable[P, R]:
        self._sent += 1
        if self._sent > self._most:
            raise GivenUpError(f"{self._most:,} requests did not come to an end of it")
        plain = Retry(
            predicate=self._predicate,
            initial=self._pace.first_pause,
            maximum=self._pace.longest_pause,
            timeout=self._until.cap(self._pace.retries, self._reserve),
        )
        return plain(func, on_error)


def request_seconds(pace: Pace, deadline: Deadline) -> float:
    """How long one request may take that is sent now: there has to be time for a second one.

    Raises GivenUpError when the deadline is over.
    """
    return min(pace.request, deadline.cap(math.inf) / 4)


class GoogleClock:
    """This machine's time, or Google's where its answers show this machine's to be wrong.

    `told` is whether an answer has said what time it is.
    """

    def __init__(self) -> None:
        self._ahead, self.told = timedelta(), False

    def learn(self, date: str) -> None:
        """Take in the Date header of an answer; what is no date says nothing."""
        with suppress(ValueError, TypeError, OverflowError):
            # HTTP's dates are UTC, also one that names a zone which is none.
            ahead = parsedate_to_datetime(date).replace(tzinfo=UTC) - datetime.now(UTC)
            self._ahead = ahead if abs(ahead) > _TOLERATED else timedelta()
            self.told = True

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


class BoundedAdapter(HTTPAdapter):
    """HTTP in which no request outlasts the deadline, whatever the caller allows it.

    BigQuery's client gives each look at a job as long as the job as a whole is waited for.
    """

    def __init__(self, pace: Pace, deadline: Deadline, clock: GoogleClock) -> None:
        super().__init__()
        self._pace, self._until, self._clock = pace, deadline, clock

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        most, wanted = self._until.cap(self._pace.request), kwargs.get("timeout")
        kwargs["timeout"] = min(most, wanted) if isinstance(wanted, int | float) else most
        reply = super().send(request, *args, **kwargs)
        if reply.status_code == 200:  # An error may be a proxy's, whose clock is anybody's.
            self._clock.learn(reply.headers.get("Date", ""))
        return reply
