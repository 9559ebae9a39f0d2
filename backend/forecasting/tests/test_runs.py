from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import pytest
from google.cloud.bigquery_datatransfer_v1.types import (
    StartManualTransferRunsResponse,
    TransferRun,
    TransferState,
)

from backend.forecasting.conf import Config
from backend.forecasting.errors import ApiError
from backend.forecasting.google.causes import likely_cause
from backend.forecasting.google.waiting import TIMEOUT
from backend.forecasting.loading.adoption import loads_the_latest_days
from backend.forecasting.loading.runs import (
    RunResult,
    _is_for,
    list_runs,
    message_of,
    result_of,
    seconds_of,
    start_or_adopt_run,
    state_of,
    wait_for_run,
)
from backend.forecasting.tests.support.clock import FastClock
from backend.forecasting.tests.support.factories import (
    PROJECT,
    RUN_NAME,
    TRANSFER_NAME,
    Google,
    denied,
    google_error,
    grpc_error,
    make_run,
    make_table,
)

NO_RUNS = StartManualTransferRunsResponse()
BUSY = google_error(503, "busy")
# A run for it loads the latest days, also where a day ends meanwhile.
TOMORROW = datetime.now(UTC) + timedelta(days=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NEXT_YEAR = TOMORROW + timedelta(days=365)
TABLE = f"{PROJECT}.intelligence.entity_risk_training_data"


# Google's texts (facts: scheduling-queries, cloud-sql-federated-queries and public reports), and
# what a likely cause has to name.
def under_way(google: Google, *answers: Any) -> None:
    """What each look for runs that are pending or running finds; the last one goes on."""
    google.transfers.list_transfer_runs.side_effect = chain(answers, repeat(answers[-1]))


def started(run: TransferRun) -> StartManualTransferRunsResponse:
    return StartManualTransferRunsResponse(runs=[run])


# Start or adopt


def test_start__asks_for_now_with_a_timeout(google: Google) -> None:
    under_way(google, [])
    google.transfers.start_manual_transfer_runs.return_value = started(make_run())
    before = datetime.now(UTC)
    assert start_or_adopt_run(google, TRANSFER_NAME) == (make_run(), False)
    call = google.transfers.start_manual_transfer_runs.call_args
    request = call.args[0]
    assert request.parent == TRANSFER_NAME
    assert before <= request.requested_run_time <= datetime.now(UTC)
    assert "requested_time_range" not in request
    assert call.kwargs == {"retry": None, "timeout": TIMEOUT}


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_start__adopts_a_run_under_way(google: Google, state: str) -> None:
    run = make_run(state, run_time=TOMORROW)
    under_way(google, [run])
    assert start_or_adopt_run(google, TRANSFER_NAME) == (run, True)
    assert google.writes == []
    call = google.transfers.list_transfer_runs.call_args
    assert list(call.args[0].states) == [TransferState.PENDING, TransferState.RUNNING]
    assert call.args[0].parent == TRANSFER_NAME
    assert call.kwargs["timeout"] == TIMEOUT


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"schedule_time": NEXT_YEAR, "run_time": NEXT_YEAR},
        {"state": "RUNNING"},
        {"run_time": TOMORROW, "params": {"query": "SELECT 1"}},
    ],
    ids=["pending since March", "scheduled for next year", "of another day", "another script"],
)
def test_start__is_its_own_beside_a_run_that_loads_something_else(
    google: Google, fields: dict[str, Any]
) -> None:
    under_way(google, [make_run(**fields)])
    google.transfers.start_manual_transfer_runs.return_value = started(make_run(name="ours"))
    said: list[str] = []
    run, adopted = start_or_adopt_run(google, TRANSFER_NAME, script="SELECT 2", tell=said.append)
    assert (run.name, adopted) == ("ours", False)
    (line,) = said
    assert f"{make_run(**fields).run_time:%Y-%m-%d}" in line


def test_start__adopts_the_one_that_loads_the_latest_days_by_this_script(google: Google) -> None:
    ours = make_run("RUNNING", name="ours", run_time=TOMORROW, params={"query": "SELECT 2"})
    under_way(google, [make_run("RUNNING"), ours])
    assert start_or_adopt_run(google, TRANSFER_NAME, script="SELECT 2") == (ours, True)
    assert google.writes == []


@pytest.mark.parametrize("error", [BUSY, grpc_error("DEADLINE_EXCEEDED", "slow")])
def test_start__lost_reply_is_looked_for(google: Google, error: Exception) -> None:
    run = make_run(run_time=TOMORROW)
    under_way(google, [], [run])
    google.transfers.start_manual_transfer_runs.side_effect = error
    assert start_or_adopt_run(google, TRANSFER_NAME) == (run, False)
    assert google.transfers.start_manual_transfer_runs.call_count == 1


@pytest.mark.parametrize("digits", ["microseconds", "milliseconds", "seconds"])
@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED"])
def test_start__lost_reply_of_a_run_that_has_ended_is_known_by_its_time(
    google: Google, state: str, digits: str
) -> None:
    asked: list[Any] = []

    def start(request: Any, **_: Any) -> None:
        kept = datetime.fromisoformat(request.requested_run_time.isoformat(timespec=digits))
        older = make_run("SUCCEEDED", name="older", run_time=kept - timedelta(seconds=1))
        asked.extend([older, make_run(state, run_time=kept)])
        raise BUSY

    google.transfers.list_transfer_runs.side_effect = [[], asked]
    google.transfers.start_manual_transfer_runs.side_effect = start
    assert start_or_adopt_run(google, TRANSFER_NAME) == (asked[1], False)
    assert google.transfers.start_manual_transfer_runs.call_count == 1


def test_start__lost_reply_is_looked_for_in_more_than_one_list(google: Google) -> None:
    """The first ones may be older than the run."""
    run, older = make_run(run_time=TOMORROW), make_run("SUCCEEDED", name="older")
    under_way(google, [], [older], [older], [run, older])
    google.transfers.start_manual_transfer_runs.side_effect = BUSY
    assert start_or_adopt_run(google, TRANSFER_NAME) == (run, False)
    assert google.transfers.start_manual_transfer_runs.call_count == 1


def test_start__lost_reply_that_had_no_effect_is_sent_again(google: Google) -> None:
    under_way(google, [], [make_run("SUCCEEDED")])
    google.transfers.start_manual_transfer_runs.side_effect = [BUSY, started(make_run())]
    assert start_or_adopt_run(google, TRANSFER_NAME) == (make_run(), False)
    first, second = google.transfers.start_manual_transfer_runs.call_args_list
    assert first.args == second.args


def test_start__given_up_after_four_attempts(google: Google) -> None:
    google.transfers.list_transfer_runs.return_value = []
    google.transfers.start_manual_transfer_runs.side_effect = BUSY
    with pytest.raises(ApiError, match=r"^Starting a run failed: busy"):
        start_or_adopt_run(google, TRANSFER_NAME)
    assert google.transfers.start_manual_transfer_runs.call_count == 4


def test_start__reply_that_cannot_be_read_is_looked_for_and_sent_once_more(google: Google) -> None:
    under_way(google, [], [make_run("SUCCEEDED")])
    google.transfers.start_manual_transfer_runs.side_effect = [
        KeyError("runs"),
        started(make_run()),
    ]
    assert start_or_adopt_run(google, TRANSFER_NAME) == (make_run(), False)


@pytest.mark.parametrize("reply", [{"side_effect": KeyError("runs")}, {"return_value": NO_RUNS}])
def test_start__reply_that_cannot_be_read_twice_is_told(
    google: Google, reply: dict[str, Any]
) -> None:
    under_way(google, [], [make_run("SUCCEEDED")])
    google.transfers.start_manual_transfer_runs.configure_mock(**reply)
    with pytest.raises(ApiError, match=r"^Starting a run failed: the reply is not as Google"):
        start_or_adopt_run(google, TRANSFER_NAME)
    assert google.transfers.start_manual_transfer_runs.call_count == 2


def test_start__refusal_is_not_looked_for(google: Google) -> None:
    under_way(google, [])
    google.transfers.start_manual_transfer_runs.side_effect = denied("bigquery.transfers.update")
    with pytest.raises(ApiError, match=r"lack bigquery\.transfers\.update"):
        start_or_adopt_run(google, TRANSFER_NAME)
    assert google.transfers.list_transfer_runs.call_count == 1


# Wait


def wait(google: Google, run: TransferRun, timeout: float) -> tuple[Any, list[str]]:
    """The run at the end, and the states in which it was looked at."""
    seen: list[str] = []
    end = wait_for_run(
        google,
        run,
        timeout=timeout,
        on_observed=lambda run: seen.append(state_of(run)),
    )
    return end, seen


@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "CANCELLED"])
def test_wait__until_the_run_has_ended(google: Google, fast_clock: FastClock, end: str) -> None:
    states = ["RUNNING", "RUNNING", end]
    google.transfers.get_transfer_run.side_effect = [make_run(state) for state in states]
    run, seen = wait(google, make_run(), 900)
    assert state_of(run) == end
    assert seen == ["PENDING", *states]
    assert google.transfers.get_transfer_run.call_args.kwargs["name"] == RUN_NAME
    assert google.transfers.get_transfer_run.call_args.kwargs["timeout"] == TIMEOUT


def test_wait__of_a_run_that_has_ended_asks_nothing(google: Google, fast_clock: FastClock) -> None:
    run, seen = wait(google, make_run("SUCCEEDED"), 900)
    assert (state_of(run), seen, fast_clock.slept) == ("SUCCEEDED", ["SUCCEEDED"], [])
    assert google.calls == []


def test_wait__not_at_all_shows_where_it_stands(google: Google, fast_clock: FastClock) -> None:
    run, seen = wait(google, make_run(), 0)
    assert (state_of(run), seen, fast_clock.slept) == ("PENDING", ["PENDING"], [])
    assert google.calls == []


def test_wait__pauses_longer_and_longer_and_never_beyond_the_timeout(
    google: Google, fast_clock: FastClock
) -> None:
    google.transfers.get_transfer_run.return_value = make_run("RUNNING")
    run, _ = wait(google, make_run(), 60)
    assert state_of(run) == "RUNNING"
    assert fast_clock.ahead == pytest.approx(60)
    assert fast_clock.slept[:3] == [0.25, 0.375, 0.5625]
    assert max(fast_clock.slept) == 5.0


def test_wait__failure_to_look_names_the_run(google: Google, fast_clock: FastClock) -> None:
    google.transfers.get_transfer_run.side_effect = google_error(404, "Not found")
    with pytest.raises(ApiError, match=f"^Looking at run {RUN_NAME} failed: Not found"):
        wait(google, make_run(), 60)


# Result


def test_result__of_a_run_that_succeeded_counts_the_rows(google: Google, config: Config) -> None:
    google.bigquery.get_table.return_value = make_table(numRows="4200")
    result = result_of(google, config, make_run("SUCCEEDED"))
    assert result == RunResult(name=RUN_NAME, state="SUCCEEDED", rows=4200, seconds=42.5)
    assert not result.failed
    assert google.bigquery.get_table.call_args.args == (TABLE,)


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_result__of_a_run_that_did_not_succeed_has_googles_words(
    google: Google, config: Config, state: str
) -> None:
    run = make_run(state, error_status={"code": 3, "message": "Syntax error at [1:1]"})
    result = result_of(google, config, run)
    assert result.failed
    assert (result.rows, result.error) == (None, "Syntax error at [1:1]")
    assert google.calls == []


def test_result__shows_no_user_of_the_connection(google: Google, config: Config) -> None:
    message = 'Error: FATAL: password authentication failed for user "reader"'
    run = make_run("FAILED", error_status={"code": 3, "message": message})
    result = result_of(google, config, run)
    assert result.error == message.replace("reader", "***")
    assert likely_cause(result.error) == likely_cause(message)


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_result__of_a_run_under_way_is_no_failure(
    google: Google, config: Config, state: str
) -> None:
    result = result_of(google, config, make_run(state))
    assert result == RunResult(name=RUN_NAME, state=state, rows=None, seconds=None)
    assert not result.failed


@pytest.mark.trap("transport")
def test_run__that_succeeded_has_an_empty_status_though_it_is_truthy() -> None:
    run = make_run("SUCCEEDED")
    assert run.error_status is not None
    assert message_of(run) == ""


@pytest.mark.usefixtures("google")
def test_state__that_this_client_does_not_know_is_a_number_and_no_warning() -> None:
    assert state_of(TransferRun(state=99)) == "99"


# List


def shuffled() -> Iterator[TransferRun]:
    for day in (2, 4, 3):
        yield make_run("SUCCEEDED", schedule_time=datetime(2026, 3, day, tzinfo=UTC))


def test_list__is_newest_first(google: Google) -> None:
    google.transfers.list_transfer_runs.return_value = shuffled()
    days = [run.schedule_time.day for run in list_runs(google, TRANSFER_NAME)]  # type: ignore[attr-defined]
    assert days == [4, 3, 2]
    call = google.transfers.list_transfer_runs.call_args
    assert call.args[0].parent == TRANSFER_NAME
    assert list(call.args[0].states) == []
    assert call.kwargs["timeout"] == TIMEOUT


def test_list_runs__of_one_time_the_later_day_comes_first_and_the_unknown_last(
    google: Google,
) -> None:
    """As of runs that were asked for together, for several days."""
    one, later = datetime(2026, 3, 2, 2, tzinfo=UTC), datetime(2026, 3, 3, 2, tzinfo=UTC)
    runs = [
        make_run(name="unknown", schedule_time=None, run_time=None),
        make_run(name="b", schedule_time=later, run_time=one),
        make_run(name="a", schedule_time=one, run_time=later),
        make_run(name="c", schedule_time=later, run_time=later),
    ]
    google.transfers.list_transfer_runs.side_effect = lambda *_, **__: runs
    found = [run.name for run in list_runs(google, TRANSFER_NAME)]
    assert found == ["c", "b", "a", "unknown"]


@pytest.mark.parametrize(
    ("kept", "late", "same"),
    [
        (0, timedelta(0), True),
        (0, timedelta(microseconds=999_999), True),
        (0, timedelta(seconds=1), False),
        (0, timedelta(microseconds=-1), False),
        (5000, timedelta(microseconds=999), True),
        (5000, timedelta(milliseconds=1), False),
    ],
)
def test_run__is_for_the_moment_of_which_google_keeps_fewer_digits(
    kept: int, late: timedelta, same: bool
) -> None:
    moment = datetime(2026, 3, 2, 2, 0, 0, kept, tzinfo=UTC)
    assert _is_for(make_run(run_time=moment), moment + late) is same


@pytest.mark.parametrize(
    ("fields", "latest"),
    [
        ({"state": "RUNNING"}, True),
        ({"state": "PENDING"}, True),
        ({"schedule_time": NOON + timedelta(minutes=5)}, True),
        ({"schedule_time": NOON + timedelta(minutes=5, seconds=1)}, False),
        ({"state": "RUNNING", "schedule_time": NOON + timedelta(days=9)}, True),
        ({"run_time": NOON - timedelta(hours=12)}, True),
        ({"run_time": NOON - timedelta(hours=12, seconds=1)}, False),
        ({"run_time": NOON + timedelta(days=1)}, True),
        ({"run_time": None, "state": "RUNNING"}, False),
        ({"schedule_time": None}, False),
        ({"params": {"query": "SELECT 1"}}, False),
        ({"params": {"query": "SELECT 2"}}, True),
        ({"params": {"other": "SELECT 1"}}, True),
    ],
)
def test_run__loads_the_latest_days_where_it_is_due_and_of_today(
    fields: dict[str, Any], latest: bool
) -> None:
    run = make_run(**{"schedule_time": NOON, "run_time": NOON, **fields})
    assert loads_the_latest_days(run, "SELECT 2", NOON) is latest
    other = fields.get("params") == {"query": "SELECT 1"}
    assert loads_the_latest_days(run, "", NOON) is (latest or other)


def test_seconds__are_none_of_a_run_that_has_not_ended_and_never_below_0() -> None:
    start = datetime(2026, 3, 2, 2, 0, 5, tzinfo=UTC)
    assert seconds_of(make_run("SUCCEEDED", start_time=start)) == 42.5
    assert seconds_of(make_run("SUCCEEDED", start_time=start, end_time=start)) == 0.0
    early = start - timedelta(seconds=3)
    assert seconds_of(make_run("SUCCEEDED", start_time=start, end_time=early)) == 0.0
    late = start + timedelta(microseconds=1_260_000)
    assert seconds_of(make_run("SUCCEEDED", start_time=start, end_time=late)) == 1.3
    assert seconds_of(make_run("RUNNING")) is None
    assert seconds_of(make_run("PENDING", end_time=start)) is None


@pytest.mark.parametrize(
    ("state", "waited", "failed", "outlasted"),
    [
        ("SUCCEEDED", True, False, False),
        ("FAILED", True, True, False),
        ("CANCELLED", True, True, False),
        ("RUNNING", True, False, True),
        ("RUNNING", False, False, False),
    ],
)
def test_result__has_failed_or_outlasted(
    state: str, waited: bool, failed: bool, outlasted: bool
) -> None:
    result = RunResult(name="a", state=state, rows=None, seconds=None, waited=waited)
    assert (result.failed, result.outlasted) == (failed, outlasted)


def test_run__without_a_time_is_nobodys() -> None:
    moment = datetime(2026, 3, 2, 2, tzinfo=UTC)
    assert _is_for(make_run(run_time=moment), moment)
    assert not _is_for(TransferRun(name="runs/1"), moment)
