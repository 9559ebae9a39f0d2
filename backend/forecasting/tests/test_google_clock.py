"""Which time it is: this machine's clock, unless Google's answers show it to be wrong."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from requests.adapters import HTTPAdapter

from backend.forecasting.google.waiting import BoundedAdapter, Deadline, GoogleClock, Pace
from backend.forecasting.loading.runs import start_or_adopt_run
from backend.forecasting.tests.support.commands import start_answers
from backend.forecasting.tests.support.factories import TRANSFER_NAME, Google

DAY = timedelta(days=1)


def http_date(ahead: timedelta) -> str:
    return format_datetime(datetime.now(UTC) + ahead, usegmt=True)


def ahead_of_ours(clock: GoogleClock) -> timedelta:
    return clock.now() - datetime.now(UTC)


@pytest.mark.parametrize("ahead", [DAY, -DAY, timedelta(minutes=2)])
def test_clock__is_googles_where_ours_is_far_off(ahead: timedelta) -> None:
    clock = GoogleClock()
    clock.learn(http_date(ahead))
    assert abs(ahead_of_ours(clock) - ahead) < timedelta(seconds=10)


@pytest.mark.parametrize("date", ["", "soon", None], ids=str)
def test_clock__is_ours_where_nothing_speaks_against_it(date: str | None) -> None:
    clock = GoogleClock()
    clock.learn(http_date(timedelta(seconds=20)) if date is None else date)
    assert abs(ahead_of_ours(clock)) < timedelta(seconds=10)


def test_clock__learns_from_each_answer_of_bigquery(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = requests.Response()
    answer.headers["Date"] = http_date(DAY)
    monkeypatch.setattr(HTTPAdapter, "send", lambda *_, **__: answer)
    clock = GoogleClock()
    BoundedAdapter(Pace(), Deadline(), clock).send(requests.PreparedRequest())
    assert ahead_of_ours(clock) > timedelta(hours=23)


def test_run__is_for_googles_time(google: Google) -> None:
    """A clock a day behind would load the wrong days, and end well."""
    start_answers(google, "PENDING")
    google.clock.learn(http_date(DAY))
    start_or_adopt_run(google, TRANSFER_NAME)
    request = google.transfers.start_manual_transfer_runs.call_args.args[0]
    assert abs(request.requested_run_time - datetime.now(UTC) - DAY) < timedelta(seconds=10)
