"""How long is waited, on a clock that only sleeping moves."""

import math
from typing import Any
from unittest.mock import Mock

import pytest
import requests
from google.api_core.exceptions import RetryError, ServiceUnavailable
from requests.adapters import HTTPAdapter

from backend.forecasting.google.clients import Clients
from backend.forecasting.google.waiting import (
    BoundedAdapter,
    Deadline,
    GivenUpError,
    GoogleClock,
    Pace,
    rounds,
)
from backend.forecasting.tests.support.clock import FastClock
from backend.forecasting.tests.support.factories import PROJECT, anonymous, google_error

BUSY = google_error(503, "busy")


@pytest.fixture
def clients(fast_clock: FastClock) -> Clients:
    return Clients(PROJECT, "us-central1", anonymous())


class Busy:
    """A request that takes its time and always fails for the moment."""

    def __init__(self, clock: FastClock, seconds: float = 0) -> None:
        self.clock, self.seconds, self.sent = clock, seconds, 0

    def __call__(self) -> None:
        self.sent += 1
        self.clock.sleep(self.seconds)
        raise BUSY


# The deadline


def test_deadline__that_is_not_started_never_comes(fast_clock: FastClock) -> None:
    deadline = Deadline()
    assert (deadline.left, deadline.cap(30)) == (math.inf, 30)


def test_deadline__leaves_less_and_less(fast_clock: FastClock) -> None:
    deadline = Deadline()
    deadline.start(100)
    fast_clock.sleep(90)
    assert deadline.cap(30) == pytest.approx(10)
    assert deadline.cap(5) == 5


def test_deadline__that_is_over_says_whose_it_was(fast_clock: FastClock) -> None:
    deadline = Deadline()
    deadline.start(100)
    fast_clock.sleep(100)
    assert deadline.left == 0
    with pytest.raises(GivenUpError, match=r"^the 100 seconds of --timeout are over$"):
        deadline.cap(30)


def test_deadline__within_another_is_over_with_it_at_the_latest(fast_clock: FastClock) -> None:
    deadline = Deadline()
    deadline.start(100)
    inner = deadline.within(60)
    assert deadline.within(200) is deadline
    assert deadline.within(deadline.left) is deadline
    fast_clock.sleep(70)
    assert deadline.left > 0
    with pytest.raises(GivenUpError, match=r"^it took longer than 60 seconds$"):
        inner.cap(1)


# Requests and their repetitions


@pytest.mark.parametrize(("seconds", "timeout"), [(math.inf, 30), (900, 30), (40, 10), (0.4, 0.1)])
def test_timeout__leaves_time_for_another_request(
    clients: Clients, seconds: float, timeout: float
) -> None:
    clients.deadline.start(seconds)
    assert clients.timeout == pytest.approx(timeout)


def test_timeout__of_a_command_that_is_over_is_none(
    clients: Clients, fast_clock: FastClock
) -> None:
    clients.deadline.start(10)
    fast_clock.sleep(10)
    for limits in ("repeating", "once"):
        with pytest.raises(GivenUpError):
            getattr(clients, limits)
    with pytest.raises(GivenUpError):
        clients.querying(300)


@pytest.mark.parametrize("request_seconds", [0, 1, 7.5])
@pytest.mark.parametrize("seconds", [math.inf, 900, 30])
def test_retry__ends_before_the_deadline(
    clients: Clients, fast_clock: FastClock, seconds: float, request_seconds: float
) -> None:
    clients.deadline.start(seconds)
    request = Busy(fast_clock, request_seconds)
    with pytest.raises(RetryError) as raised:
        clients.retry(request)()
    assert isinstance(raised.value.cause, ServiceUnavailable)
    assert request.sent > 1
    assert fast_clock.ahead <= min(seconds, 60 + request_seconds) + 0.001


def test_retry__sends_a_request_for_which_just_enough_is_left(
    clients: Clients, fast_clock: FastClock
) -> None:
    clients.deadline.start(100)
    retry = clients.retry
    fast_clock.sleep(74.5)
    assert retry(lambda: "page")() == "page"
    fast_clock.sleep(1)
    with pytest.raises(GivenUpError):
        retry(lambda: "page")


def test_retry__tells_of_each_failure(clients: Clients, fast_clock: FastClock) -> None:
    told: list[Exception] = []
    request = Busy(fast_clock, 30)
    with pytest.raises(RetryError):
        clients.retry(request, told.append)()
    assert told == [BUSY] * request.sent
    assert len(told) > 1


def test_retry__takes_its_whole_minute_where_no_deadline_is_near(
    clients: Clients, fast_clock: FastClock
) -> None:
    with pytest.raises(RetryError):
        clients.retry(Busy(fast_clock))()
    assert 60 - clients.pace.longest_pause - 0.001 <= fast_clock.ahead <= 60


def test_retry__counts_what_is_left_for_each_request_anew(
    clients: Clients, fast_clock: FastClock
) -> None:
    """One retry is used for all pages of a list."""
    clients.deadline.start(100)
    retry = clients.retry
    assert retry(lambda: "page")() == "page"
    fast_clock.sleep(70)
    with pytest.raises(RetryError):
        retry(Busy(fast_clock))()
    assert fast_clock.ahead < 80
    fast_clock.sleep(10)
    with pytest.raises(GivenUpError, match="--timeout"):
        retry(lambda: "page")()


def test_retry__of_a_list_that_never_ends_is_given_up(fast_clock: FastClock) -> None:
    clients = Clients(PROJECT, "us-central1", anonymous(), pace=Pace(most_requests=20))
    retry, pages = clients.retry, 0
    for _ in range(20):
        pages += retry(lambda: 1)()
    with pytest.raises(GivenUpError, match=r"^20 requests did not come to an end of it$"):
        retry(lambda: 1)
    assert pages == 20


@pytest.mark.parametrize(("seconds", "wait"), [(math.inf, 300), (900, 300), (100, 50)])
def test_query__leaves_time_to_cancel_it(clients: Clients, seconds: float, wait: float) -> None:
    clients.deadline.start(seconds)
    limits = clients.querying(300)
    assert limits["wait_timeout"] == pytest.approx(wait)
    assert limits["api_timeout"] <= 30
    assert limits["retry"]._until.left == pytest.approx(wait + 2 * limits["api_timeout"])
    again = limits["job_retry"]
    assert (again._initial, again._maximum, again.timeout) == (0.2, 5, 60)


def test_query__is_not_begun_again_for_40_minutes(clients: Clients, fast_clock: FastClock) -> None:
    """What google-cloud-bigquery does by default when an API is down."""
    limits = clients.querying(300)
    with pytest.raises(RetryError):
        limits["job_retry"](limits["retry"](Busy(fast_clock)))()
    assert fast_clock.ahead < 130


def test_attempts__pause_in_between_and_never_beyond_the_deadline(
    clients: Clients, fast_clock: FastClock
) -> None:
    clients.deadline.start(0.5)
    assert list(clients.attempts(4)) == [1, 2, 3, 4]
    assert fast_clock.slept == pytest.approx([0.2, 0.3, 0])
    clients.deadline.start(math.inf)
    assert list(clients.attempts(1)) == [1]
    assert len(fast_clock.slept) == 3


def test_rounds__pause_longer_each_time_and_end_in_time(fast_clock: FastClock) -> None:
    assert list(rounds(2)) == [1, 2, 3, 4, 5, 6]
    assert fast_clock.slept == pytest.approx([0.2, 0.3, 0.45, 0.675, 0.375])
    assert list(rounds(0)) == [1]
    assert len(fast_clock.slept) == 5
    assert len(list(rounds(30, first_pause=4))) == 8
    assert fast_clock.slept[5:] == pytest.approx([4, 5, 5, 5, 5, 5, 1])


# HTTP


@pytest.mark.parametrize(
    ("given", "left", "sent"),
    [(None, math.inf, 30), (10, math.inf, 10), (300, math.inf, 30), (10, 5, 5), ((3, 10), 5, 5)],
)
def test_http__outlasts_neither_a_request_nor_the_deadline(
    monkeypatch: pytest.MonkeyPatch, fast_clock: FastClock, given: Any, left: float, sent: float
) -> None:
    seen: list[float] = []

    def send(*_: Any, **options: Any) -> requests.Response:
        seen.append(options["timeout"])
        return requests.Response()

    monkeypatch.setattr(HTTPAdapter, "send", send)
    deadline = Deadline()
    deadline.start(left)
    adapter = BoundedAdapter(Pace(), deadline, GoogleClock())
    adapter.send(requests.PreparedRequest(), timeout=given)
    assert seen == [pytest.approx(sent)]


def test_http__is_sent_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    send = Mock(return_value=requests.Response())
    monkeypatch.setattr(HTTPAdapter, "send", send)
    request = requests.PreparedRequest()
    adapter = BoundedAdapter(Pace(), Deadline(), GoogleClock())
    assert adapter.send(request, True, verify="x") is send.return_value
    send.assert_called_once_with(request, True, verify="x", timeout=30)
