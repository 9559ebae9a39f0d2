"""How long the set-up of the load waits for what, without a database or a server."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.database.source import LOCK_SECONDS
from backend.forecasting.loading.runs import RunResult
from backend.forecasting.provisioning.engine import Step
from backend.forecasting.provisioning.plan import Action, Plan
from backend.forecasting.setup import etl, steps
from backend.forecasting.setup.outcome import Mode, Status
from backend.forecasting.setup.steps import Listeners
from backend.forecasting.sql.queries import render_nightly_load
from backend.forecasting.tests.support.clock import FastClock
from backend.forecasting.tests.support.commands import start_answers
from backend.forecasting.tests.support.factories import Google, make_connection, make_run

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
Waits = dict[str, list[Any]]


def made_ago(seconds: int) -> Any:
    """A connection that was made so long ago."""
    return make_connection(creation_time=int(NOW.timestamp() - seconds) * 1000)


@pytest.fixture
def waits(google: Google, fast_clock: FastClock, monkeypatch: pytest.MonkeyPatch) -> Waits:
    """What is waited for, and how long at most."""
    found: Waits = {"lock": [], "tables": [], "reach": []}

    def noting(name: str, at: int, answer: Any) -> Callable[..., Any]:
        def note(*given: Any) -> Any:
            assert isinstance(given[0], Config)
            found[name].append(round(given[at], 3))
            return answer

        return note

    monkeypatch.setattr(google.clock, "now", lambda: NOW)
    for module in (steps, etl):
        monkeypatch.setattr(module, "provisioning_lock", noting("lock", 1, nullcontext()))
    monkeypatch.setattr(etl, "prepare_source_query", noting("tables", 2, ""))
    monkeypatch.setattr(etl, "wait_for_reach", noting("reach", 2, None))
    monkeypatch.setattr(etl, "missing_lookback", lambda config: f"table {config.table}")
    return found


def set_up(config: Config, google: Google, mode: Mode = Mode.APPLY, **options: Any) -> list[str]:
    """What is noted by a set-up with which nothing is in the way."""
    given = {"start": True, "wait": True, "backfill_days": 0, "allow_deleting": False}
    tell = Listeners(plan=Mock(), applied=Mock(), note=Mock())
    run = etl.RunOptions(**{**given, "timeout": 300, **options})
    outcome = etl.set_up_etl(config, google, mode, tell, run)
    assert outcome.status is Status.UNCHANGED
    assert outcome.timeout == (run.timeout if mode is Mode.APPLY else 0)
    notes: Any = tell.note
    return [call.args[0] for call in notes.call_args_list]


@pytest.mark.parametrize(
    ("left", "timeout", "reach"), [(1000, 300, 270), (100, 300, 90), (1000, 50, 45)]
)
def test_waits__are_within_what_is_left(
    provisioned: Google, config: Config, waits: Waits, left: int, timeout: int, reach: int
) -> None:
    start_answers(provisioned, "SUCCEEDED")
    provisioned.connections.get_connection.return_value = made_ago(60)
    provisioned.deadline.start(left)
    notes = set_up(config, provisioned, timeout=timeout)
    assert notes == [f"table {config.table}"]
    assert (waits["lock"], waits["reach"]) == ([left, left], [reach])
    assert waits["tables"] == [min(LOCK_SECONDS, left * 0.9)]


def test_waits__are_not_for_what_only_looks(
    provisioned: Google, config: Config, waits: Waits
) -> None:
    set_up(config, provisioned, Mode.CHECK)
    assert (waits["lock"], waits["reach"]) == ([], [])


@pytest.mark.parametrize(
    ("action", "seconds", "new"),
    [
        (Action.CREATE, None, True),
        (Action.CREATE, 9000, True),
        (Action.UPDATE, None, True),
        (Action.UPDATE, 9000, False),
        (Action.UNCHANGED, 899, True),
        (Action.UNCHANGED, 900, False),
    ],
)
def test_connection__is_new_for_a_quarter_of_an_hour(
    google: Google, waits: Waits, action: Action, seconds: int | None, new: bool
) -> None:
    plan = Plan(kind="connection", name="c", action=action)
    observed = None if seconds is None else made_ago(seconds)
    step: Step[Any] = Step(Mock(), observed, plan)
    assert etl._is_new(step, google) is new


@pytest.mark.parametrize(
    ("left", "timeout", "wait", "seconds"),
    [(1000, 300, True, 300), (100, 300, True, 99), (5, 300, True, 4.5), (1000, 300, False, 0)],
)
@pytest.mark.parametrize("adopted", [True, False])
def test_run__is_waited_for_as_long_as_was_asked_and_is_left(
    google: Google,
    config: Config,
    waits: Waits,
    monkeypatch: pytest.MonkeyPatch,
    left: float,
    timeout: float,
    wait: bool,
    seconds: float,
    adopted: bool,
) -> None:
    run, ended, tell = make_run("RUNNING"), make_run("SUCCEEDED"), Mock()
    start, look = Mock(return_value=(run, adopted)), Mock(return_value=ended)
    result = RunResult(name="r", state="SUCCEEDED", rows=7, seconds=1)
    tell_end = Mock(return_value=result)
    monkeypatch.setattr(etl, "count_rows", lambda *_: 5)
    monkeypatch.setattr(etl, "start_or_adopt_run", start)
    monkeypatch.setattr(etl, "wait_for_run", look)
    monkeypatch.setattr(etl, "result_of", tell_end)
    google.deadline.start(left)
    options = etl.RunOptions(
        start=True, wait=wait, backfill_days=0, allow_deleting=False, timeout=timeout
    )
    found = etl._run(config, google, "c", tell, options)
    script = render_nightly_load(config)
    start.assert_called_once_with(google, "c", script=script, tell=tell.note)
    look.assert_called_once_with(google, run, timeout=pytest.approx(seconds), on_observed=tell.run)
    tell_end.assert_called_once_with(google, config, ended)
    before = None if adopted else 5
    assert found == replace(result, rows_before=before, waited=wait)
    note = "A run is already under way: it is taken for this one."
    assert [call.args for call in tell.note.call_args_list] == ([(note,)] if adopted else [])
    assert waits["lock"] == [left]
