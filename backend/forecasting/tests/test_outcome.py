from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.errors import ConflictError, DriftFound, RunFailed
from backend.forecasting.loading.runs import RunResult
from backend.forecasting.output.text import describe_run
from backend.forecasting.provisioning.plan import Action, Deletes, Plan
from backend.forecasting.setup.outcome import Mode, Outcome, Status
from backend.forecasting.tests.support.factories import PROJECT, RUN_NAME, change

PLANS = {
    action: Plan(
        kind="table",
        name=f"p.d.{action}",
        action=action,
        changes=(change("description", "a", "b"),) if action != Action.UNCHANGED else (),
        remedy="Do this." if action is Action.CONFLICT else "",
    )
    for action in Action
}


@pytest.fixture
def outcome_of(config: Config) -> Any:
    def make(*actions: Action, mode: Mode = Mode.APPLY, run: RunResult | None = None) -> Outcome:
        plans = tuple(PLANS[action] for action in actions)
        return Outcome(command="bq_setup_etl", config=config, mode=mode, plans=plans, run=run)

    return make


def ended(state: str, error: str = "", rows: int | None = None) -> RunResult:
    return RunResult(name=RUN_NAME, state=state, rows=rows, seconds=42.5, error=error)


@pytest.mark.parametrize(
    ("actions", "mode", "status", "returncode"),
    [
        ([Action.UNCHANGED, Action.UNCHANGED], Mode.APPLY, Status.UNCHANGED, 0),
        ([Action.UNCHANGED], Mode.DRY_RUN, Status.UNCHANGED, 0),
        ([Action.UNCHANGED], Mode.CHECK, Status.UNCHANGED, 0),
        ([Action.CREATE, Action.UNCHANGED], Mode.APPLY, Status.APPLIED, 0),
        ([Action.UPDATE], Mode.APPLY, Status.APPLIED, 0),
        ([Action.CREATE], Mode.DRY_RUN, Status.PLANNED, 0),
        ([Action.CREATE], Mode.CHECK, Status.PLANNED, 2),
        ([Action.UPDATE, Action.UNCHANGED], Mode.CHECK, Status.PLANNED, 2),
        ([Action.CONFLICT, Action.CREATE], Mode.APPLY, Status.CONFLICT, 1),
        ([Action.CONFLICT], Mode.DRY_RUN, Status.CONFLICT, 1),
        ([Action.CONFLICT], Mode.CHECK, Status.CONFLICT, 1),
    ],
)
def test_outcome__status_and_exit_status(
    outcome_of: Any, actions: list[Action], mode: Mode, status: Status, returncode: int
) -> None:
    outcome = outcome_of(*actions, mode=mode)
    assert outcome.status is status
    assert (outcome.failure.returncode if outcome.failure else 0) == returncode


def test_conflict__says_that_nothing_was_changed_and_names_each(outcome_of: Any) -> None:
    failure = outcome_of(Action.CONFLICT, Action.CREATE, Action.CONFLICT).failure
    line = "table p.d.conflict cannot be changed in place: description is a, not b. Do this."
    assert isinstance(failure, ConflictError)
    assert str(failure) == f"Nothing was changed. {line}\n{line}"


def test_drift__says_which_command_repairs_it(outcome_of: Any) -> None:
    failure = outcome_of(Action.UPDATE, mode=Mode.CHECK).failure
    assert isinstance(failure, DriftFound)
    assert "python manage.py bq_setup_etl` without --check" in str(failure)


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_run__that_did_not_succeed_fails_with_googles_words_and_the_cause(
    outcome_of: Any, state: str
) -> None:
    message = "Missing credentials on Cloud SQL connection: c"
    failure = outcome_of(Action.UNCHANGED, run=ended(state, message)).failure
    assert isinstance(failure, RunFailed)
    assert failure.returncode == 2
    assert str(failure).splitlines() == [
        f"Run {RUN_NAME} ended {state}: {message}",
        "Likely cause: the connection has lost its credential: run bq_setup_etl again.",
    ]


def test_run__that_failed_without_words_says_so(outcome_of: Any) -> None:
    failure = outcome_of(Action.UNCHANGED, run=ended("FAILED")).failure
    assert str(failure) == f"Run {RUN_NAME} ended FAILED: Google gave no message"


@pytest.mark.parametrize("state", ["SUCCEEDED", "PENDING", "RUNNING"])
def test_run__that_succeeded_or_goes_on_is_no_failure(outcome_of: Any, state: str) -> None:
    assert outcome_of(Action.UNCHANGED, run=ended(state)).failure is None


def test_json__is_the_documented_one(outcome_of: Any) -> None:
    outcome = outcome_of(Action.UPDATE, Action.UNCHANGED, run=ended("SUCCEEDED", rows=4200))
    at = datetime(2026, 3, 1, 2, 30, 59, 123, tzinfo=UTC)
    assert replace(outcome, at=at).as_json() == {
        "command": "bq_setup_etl",
        "project": PROJECT,
        "location": "us-central1",
        "at": "2026-03-01T02:30:59+00:00",
        "status": "applied",
        "resources": [
            {
                "kind": "table",
                "name": "p.d.update",
                "action": "update",
                "changes": [{"field": "description", "from": "a", "to": "b"}],
                "deletes": None,
            },
            {
                "kind": "table",
                "name": "p.d.unchanged",
                "action": "unchanged",
                "changes": [],
                "deletes": None,
            },
        ],
        "run": {
            "name": RUN_NAME,
            "state": "SUCCEEDED",
            "rows": 4200,
            "rows_before": None,
            "seconds": 42.5,
            "error": None,
        },
    }


def test_json__has_what_the_next_run_deletes(config: Config) -> None:
    first, before = date(2025, 12, 1), date(2025, 12, 10)
    deletes = Deletes(rows=20, days=9, first=first, before=before)
    plan = Plan(kind="scheduled_query", name="n", action=Action.UPDATE, deletes=deletes)
    outcome = Outcome(command="c", config=config, mode=Mode.APPLY, plans=(plan,))
    (resource,) = outcome.as_json()["resources"]
    assert resource["deletes"] == {"rows": 20, "days": 9, "before": "2025-12-10"}


def test_json__without_a_run(outcome_of: Any) -> None:
    assert outcome_of(Action.UNCHANGED).as_json()["run"] is None


def test_run_text__of_a_run_that_succeeded() -> None:
    assert describe_run(ended("SUCCEEDED", rows=4200)) == (
        "Run succeeded in 42.5 s: the training table holds 4,200 rows."
    )


def test_run_text__of_a_run_whose_times_google_did_not_give() -> None:
    run = RunResult(name=RUN_NAME, state="SUCCEEDED", rows=4200, seconds=None)
    assert describe_run(run) == "Run succeeded: the training table holds 4,200 rows."


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("FAILED", "Run 1a2b failed."),
        ("CANCELLED", "Run 1a2b cancelled."),
        (
            "PENDING",
            "Run 1a2b is PENDING and was not waited for: `python manage.py bq_verify` tells how it "
            "ended.",
        ),
    ],
)
def test_run_text__of_any_other(state: str, text: str) -> None:
    assert describe_run(ended(state)) == text
