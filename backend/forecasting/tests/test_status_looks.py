"""What the status page asks, when it believes what it knows, and what it says of a start."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock, call

import pytest
from django.core.cache import cache

from backend.forecasting.conf import Config
from backend.forecasting.errors import ForecastingError, MissingPrerequisiteError
from backend.forecasting.loading.runs import RunResult
from backend.forecasting.monitoring import status
from backend.forecasting.monitoring.remembered import Seen
from backend.forecasting.monitoring.status import RunStatus, StartedRun
from backend.forecasting.output import charts
from backend.forecasting.tests.support.factories import RUN_NAME, make_run

NOW = datetime(2026, 3, 2, 2, 1, tzinfo=UTC)
RUNNING = RunStatus(name="new", under_way=True, sentence="The run is running.")
ENDED = RunStatus(name="new", state="SUCCEEDED", sentence="Run succeeded.")
NO_RUN = RunStatus(sentence="No run is under way.")


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch, config: Config) -> Any:
    """Clients at NOW, which `make_clients` makes of the config."""
    cache.clear()
    clients = Mock()
    clients.now.return_value = NOW
    monkeypatch.setattr(status, "load_config", lambda: config)
    monkeypatch.setattr(status, "make_clients", {config: clients}.__getitem__)
    return clients


def remember(monkeypatch: pytest.MonkeyPatch, name: str, **seen: Any) -> Mock:
    """In place of a look: what is known of it, which is what it sees as well."""
    found: Seen[Any] = Seen(**seen)
    look = Mock(recall=Mock(return_value=found), see=Mock(return_value=found))
    monkeypatch.setattr(status, name, look)
    return look


# What is known -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "believed"),
    [
        ({}, None),
        ({"value": RUNNING}, RUNNING),
        ({"value": RUNNING, "looking": True}, RUNNING),
        ({"value": RUNNING, "problem": "nobody answers"}, RUNNING),
        ({"value": ENDED}, ENDED),
        ({"value": ENDED, "looking": True}, None),
        ({"value": NO_RUN, "problem": "nobody answers"}, None),
        ({"looking": True}, None),
    ],
)
def test_see_run__believes_an_older_answer_of_a_run_under_way_alone(
    monkeypatch: pytest.MonkeyPatch, seen: dict[str, Any], believed: RunStatus | None
) -> None:
    look = remember(monkeypatch, "_RUN", **seen)
    assert status.see_run() == Seen(**{**seen, "value": believed})
    assert look.see.call_args_list == [call(status.PATIENCE)]
    known = seen.get("value")
    assert look.outdate.called is (known is not None and not known.under_way)


@pytest.mark.parametrize(
    ("run", "ended_runs", "anew"),
    [
        (ENDED, ("old",), True),
        (ENDED, ("old", "new"), False),
        (ENDED, None, False),
        (RUNNING, ("old",), False),
        (NO_RUN, ("old",), False),
        (None, ("old",), False),
    ],
)
def test_see_pipeline__is_looked_at_anew_after_an_end_that_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
    run: RunStatus | None,
    ended_runs: tuple[str, ...] | None,
    anew: bool,
) -> None:
    page = None if ended_runs is None else Mock(ended_runs=ended_runs)
    look = remember(monkeypatch, "_PIPELINE", value=page)
    assert status.see_pipeline(run).value is page
    assert look.outdate.called is anew
    assert look.see.call_args_list == [call(status.PATIENCE)]


# What is asked -----------------------------------------------------------------------------------


def test_pipeline__is_verified_with_a_baseline_and_without_strictness(
    monkeypatch: pytest.MonkeyPatch, clients: Any, config: Config
) -> None:
    verify, read, make = Mock(), Mock(), Mock()
    monkeypatch.setattr(status, "verify", verify)
    monkeypatch.setattr(status, "read_report_data", read)
    monkeypatch.setattr(status, "make_page", make)
    assert status._look_at_pipeline() is make.return_value
    verify.assert_called_once_with(config, clients, strict=False, show_baseline=True)
    read.assert_called_once_with(verify.return_value.snapshot, clients)
    make.assert_called_once_with(verify.return_value, read.return_value, status._draw_once)


def test_charts__are_drawn_once_for_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    draw = Mock(side_effect=lambda data: f"charts of {data}")
    monkeypatch.setattr(charts, "draw_overview", draw)
    given: list[Any] = ["one", "one", "other", "one"]
    drawn: list[Any] = [status._draw_once(data) for data in given]
    assert drawn == [f"charts of {data}" for data in given]
    assert draw.call_args_list == [call("one"), call("other")]


def test_kept__are_charts_and_ends_for_a_day_by_keys_that_any_cache_takes(
    monkeypatch: pytest.MonkeyPatch, clients: Any, config: Config
) -> None:
    kept = Mock(get=Mock(return_value=None))
    result = RunResult(name=RUN_NAME, state="SUCCEEDED", rows=7, seconds=1.0)
    monkeypatch.setattr(status, "cache", kept)
    monkeypatch.setattr(status, "result_of", Mock(return_value=result))
    monkeypatch.setattr(charts, "draw_overview", Mock())
    status._draw_once(Mock())
    status._end_of(make_run("SUCCEEDED"), config, clients)
    asked = [given.args for given in kept.get.call_args_list]
    assert [(key, seconds) for key, _, seconds in (c.args for c in kept.set.call_args_list)] == [
        (key, 24 * 3600) for (key,) in asked
    ]
    names = [re.sub("[0-9a-f]{64}$", "", key) for (key,) in asked]
    assert names == ["forecasting.status.5.charts.", "forecasting.status.5.end."]


@pytest.mark.parametrize(
    ("age", "told"),
    [(timedelta(minutes=10, microseconds=-1), True), (timedelta(minutes=10), False)],
)
def test_run__is_told_for_ten_minutes_after_its_end(
    clients: Any, age: timedelta, told: bool
) -> None:
    assert status._has_just_ended(make_run("SUCCEEDED", end_time=NOW - age), clients) is told
    assert status._has_just_ended(make_run("RUNNING"), clients) is False


def test_run__that_failed_is_told_with_googles_words_and_the_cure(
    monkeypatch: pytest.MonkeyPatch, clients: Any, config: Config
) -> None:
    words = "FATAL: password authentication failed for user"
    result = RunResult(name=RUN_NAME, state="FAILED", rows=None, seconds=42.5, error=words)
    monkeypatch.setattr(status, "result_of", lambda *given: {(clients, config): result}[given[:2]])
    monkeypatch.setattr(status, "_scheduled_query", lambda *_: "config")
    monkeypatch.setattr(
        status, "list_runs", lambda *given: {(clients, "config"): [make_run("FAILED")]}[given]
    )
    found = status._look_at_run()
    assert found == RunStatus(
        name=RUN_NAME,
        state="FAILED",
        sentence=f"Run {RUN_NAME.rpartition('/')[2]} failed.",
        message=words,
        cause=found.cause,
    )
    assert found.cause.startswith("the connection's user or password is wrong")


def test_run__of_no_scheduled_query_is_none(monkeypatch: pytest.MonkeyPatch, clients: Any) -> None:
    missing = Mock(side_effect=MissingPrerequisiteError("none"))
    monkeypatch.setattr(status, "_scheduled_query", missing)
    said = "No run is under way: there is no scheduled query."
    assert status._look_at_run() == RunStatus(sentence=said)


def test_scheduled_query__is_the_first_of_those_that_load_the_table(
    monkeypatch: pytest.MonkeyPatch, clients: Any, config: Config
) -> None:
    observe = Mock(return_value=[Mock(), Mock()])
    observe.return_value[0].name = "first"
    monkeypatch.setattr(status, "observe_scheduled_queries", observe)
    assert status._scheduled_query(config, clients) == "first"
    name = f"Nightly load of {config.table_id}"
    assert observe.call_args_list == [call(clients, config.parent, name)]
    observe.return_value = []
    with pytest.raises(MissingPrerequisiteError) as raised:
        status._scheduled_query(config, clients)
    assert str(raised.value) == (
        "There is no scheduled query to run: run `python manage.py bq_setup_etl`."
    )


# A start -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("begins", [True, False])
def test_start__is_waited_for_ten_seconds(monkeypatch: pytest.MonkeyPatch, begins: bool) -> None:
    waited, begun = list[float](), StartedRun(name=RUN_NAME)

    def run_within(seconds: float, work: Callable[[], None]) -> bool:
        waited.append(seconds)
        if begins:
            work()
        return begins

    monkeypatch.setattr(status, "run_within", run_within)
    monkeypatch.setattr(status, "_start", lambda: begun)
    late = StartedRun(
        problem="Google has not answered for 10 seconds. Look here again before you start another "
        "run: this one may have begun."
    )
    assert status.start_run() == (begun if begins else late)
    assert waited == [10.0]


def test_start__holds_the_lock_and_lets_the_next_look_see_it(
    monkeypatch: pytest.MonkeyPatch, clients: Any, config: Config
) -> None:
    lock, look = Mock(return_value=nullcontext()), remember(monkeypatch, "_RUN")
    start = Mock(return_value=(make_run("PENDING"), True))
    monkeypatch.setattr(status, "provisioning_lock", lock)
    monkeypatch.setattr(status, "_scheduled_query", lambda *given: {(config, clients): "q"}[given])
    monkeypatch.setattr(status, "start_or_adopt_run", start)
    assert status._start() == StartedRun(name=RUN_NAME, adopted=True)
    assert lock.call_args_list == [call(config, 10.0)]
    assert start.call_args_list == [call(clients, "q")]
    assert look.outdate.called
    look.outdate.reset_mock()
    start.side_effect = ForecastingError("refused")
    assert status._start() == StartedRun(problem="refused")
    assert not look.outdate.called
