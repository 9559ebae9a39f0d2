"""Which time it is: this machine's clock, unless Google's answers show it to be wrong."""

from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from unittest.mock import Mock

import pytest
import requests
from requests.adapters import HTTPAdapter

from backend.forecasting.conf import Config
from backend.forecasting.google import waiting
from backend.forecasting.google.waiting import BoundedAdapter, Deadline, GoogleClock, Pace
from backend.forecasting.loading import backfill as backfill_module
from backend.forecasting.loading.backfill import Slice, SliceOutcome, SliceResult
from backend.forecasting.loading.runs import start_or_adopt_run
from backend.forecasting.provisioning import scheduled_queries
from backend.forecasting.setup.outcome import Mode
from backend.forecasting.setup.steps import Listeners
from backend.forecasting.setup.table import set_up_table
from backend.forecasting.tests.support.commands import start_answers
from backend.forecasting.tests.support.factories import TRANSFER_NAME, Google, make_transfer
from backend.forecasting.verification.snapshot import look_at_resources

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


@pytest.mark.parametrize(("date", "ahead"), [("12:01:00", 0), ("12:01:01", 61)])
def test_clock__is_ours_up_to_a_minute(
    monkeypatch: pytest.MonkeyPatch, date: str, ahead: int
) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    monkeypatch.setattr(waiting, "datetime", Mock(now=lambda zone: noon))
    clock = GoogleClock()
    clock.learn(f"Thu, 01 Jan 2026 {date} GMT")
    assert clock.now() == noon + timedelta(seconds=ahead)


def test_clock__learns_from_each_answer_of_bigquery(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = requests.Response()
    answer.status_code, answer.headers["Date"] = 200, http_date(DAY)
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


def set_clock(google: Google, ahead: timedelta) -> datetime:
    """Google's clock as its first answers show it; what it then says."""
    google.clock.learn(http_date(ahead))
    return google.now()


def test_clock__is_told_by_a_date_and_by_nothing_else() -> None:
    clock = GoogleClock()
    assert clock.told is False
    clock.learn("yesterday")
    assert clock.told is False
    clock.learn(http_date(timedelta()))
    assert clock.told is True


@pytest.mark.parametrize("date", ["{} -0000", "{}"], ids=["zone that is none", "no zone"])
def test_clock__reads_a_date_without_zone_as_utc(date: str) -> None:
    moment = f"{datetime.now(UTC) + DAY:%a, %d %b %Y %H:%M:%S}"
    clock = GoogleClock()
    clock.learn(date.format(moment))
    assert ahead_of_ours(clock) > timedelta(hours=23)


def test_clock__learns_nothing_from_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy on the way may have sent it."""
    answer = requests.Response()
    answer.status_code, answer.headers["Date"] = 502, http_date(DAY)
    monkeypatch.setattr(HTTPAdapter, "send", lambda *_, **__: answer)
    clock = GoogleClock()
    BoundedAdapter(Pace(), Deadline(), clock).send(requests.PreparedRequest())
    assert not clock.told


def test_run__asks_bigquery_for_the_time_where_only_grpc_has_answered(google: Google) -> None:
    """As the button does, which asks nothing else of BigQuery."""
    start_answers(google, "PENDING")

    def answer(**_: Any) -> str:
        google.clock.learn(http_date(DAY))
        return "bq-1@bigquery-encryption.iam.gserviceaccount.com"

    google.bigquery.get_service_account_email.side_effect = answer
    start_or_adopt_run(google, TRANSFER_NAME)
    request = google.transfers.start_manual_transfer_runs.call_args.args[0]
    assert request.requested_run_time - datetime.now(UTC) > timedelta(hours=23)


def test_backfill__ends_with_googles_day(
    google: Google, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill_module, "_fill", lambda _c, _g, part, *_, **__: filled(part))
    today, seen = set_clock(google, 9 * DAY).date(), list[SliceOutcome]()
    backfill_module.backfill(config, google, 3, timeout=9, on_slice=seen.append)
    assert seen[0].slice.end_day - today in (timedelta(), DAY)


def filled(part: Slice) -> SliceOutcome:
    return SliceOutcome(slice=part, result=SliceResult.EQUAL, rows=1, rows_before=1)


def test_verify__counts_by_googles_day(provisioned: Google, config: Config) -> None:
    table = provisioned.bigquery.get_table.return_value

    def answer(*_: Any, **__: Any) -> Any:
        provisioned.clock.learn(http_date(-9 * DAY))
        return table

    provisioned.bigquery.get_table.side_effect = answer
    seen = look_at_resources(config, provisioned)
    assert (seen.reconcile, seen.baseline_asked) == (False, False)
    assert timedelta(days=8) < datetime.now(UTC) - seen.now < timedelta(days=10)
    assert seen.window.end == seen.now.date()


def test_deletes__are_counted_from_googles_day(
    provisioned: Google, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[date] = []
    monkeypatch.setattr(scheduled_queries, "deleted_days", lambda *given: asked.append(given[-1]))
    today = set_clock(provisioned, 9 * DAY).date()
    spec = scheduled_queries.ScheduledQuerySpec.from_config(config)
    for observed in (None, [make_transfer(config)]):
        spec.deletes(provisioned, observed)
    assert [day - today for day in asked] == [timedelta(), DAY]


def test_documents__tell_googles_time(provisioned: Google, config: Config) -> None:
    moment = set_clock(provisioned, 9 * DAY)
    tell = Listeners(plan=lambda _: None, applied=lambda _: None, note=lambda _: None)
    outcome = set_up_table(config, provisioned, Mode.DRY_RUN, tell)
    assert abs(outcome.at - moment) < timedelta(minutes=1)
