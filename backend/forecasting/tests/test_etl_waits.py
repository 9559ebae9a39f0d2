"""How long the set-up of the load waits for what, without a database or a server."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.database.source import LOCK_SECONDS
from backend.forecasting.provisioning.engine import Step
from backend.forecasting.provisioning.plan import Action, Plan
from backend.forecasting.setup import etl, steps
from backend.forecasting.setup.outcome import Mode, Status
from backend.forecasting.setup.steps import Listeners
from backend.forecasting.tests.support.clock import FastClock
from backend.forecasting.tests.support.commands import start_answers
from backend.forecasting.tests.support.factories import Google, make_connection

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
    assert etl.set_up_etl(config, google, mode, tell, run).status is Status.UNCHANGED
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
