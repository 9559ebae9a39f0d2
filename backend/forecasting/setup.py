"""What bq_setup and bq_setup_etl do, without arguments parsed or anything printed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from google.cloud.bigquery_datatransfer_v1.types import TransferRun

from .conf import Config
from .database.lock import provisioning_lock
from .database.source import prepare_source_query
from .errors import MissingPrerequisiteError
from .google.clients import Clients
from .google.errors import gather, reading
from .hints import hints_after
from .loading.backfill import SliceOutcome, backfill, check_backfill
from .loading.runs import RunResult, result_of, start_or_adopt_run, wait_for_run
from .outcome import Mode, Outcome, Status
from .provisioning.connections import ConnectionSpec, observe_connection
from .provisioning.credentials import read_credential
from .provisioning.datasets import DatasetSpec
from .provisioning.engine import Step, apply, plan_step, plan_steps
from .provisioning.plan import Action, Plan, Resource
from .provisioning.scheduled_queries import ScheduledQuerySpec
from .provisioning.tables import TableSpec
from .sql.queries import render_trial_query


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """Whom to tell while it goes on; the outcome has everything once more at the end."""

    plan: Callable[[Sequence[Plan]], None]
    applied: Callable[[Sequence[Plan]], None]
    note: Callable[[str], None]
    run: Callable[[TransferRun], None] = lambda _: None
    slice: Callable[[SliceOutcome], None] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What is loaded after the set-up.

    `start` starts a run of the nightly load; `backfill_days` loads the last days directly;
    `timeout` is for how many seconds the end of a run or slice is waited for (0: not at all), and
    never beyond the deadline of the clients.
    """

    start: bool = False
    backfill_days: int = 0
    timeout: float = 0


def set_up_table(config: Config, clients: Clients, mode: Mode, tell: Listeners) -> Outcome:
    """Bring the dataset and the training table into their desired state.

    Conflicts and what is left to do are in the outcome. Raises ForecastingError for what could
    not be done.
    """
    specs: list[Resource[Any]] = [DatasetSpec.from_config(config), TableSpec.from_config(config)]
    with _exclusively(config, clients, mode):
        steps = plan_steps(specs, clients)
        outcome, _ = _carry_out("bq_setup", config, clients, mode, tell, steps)
    return outcome


def set_up_etl(
    config: Config,
    clients: Clients,
    mode: Mode,
    tell: Listeners,
    run: RunOptions,
    *,
    allow_deleting: bool = False,
) -> Outcome:
    """Bring the connection and the scheduled query into their desired state, and run the load.

    Everything is looked at, and the source query tried, before anything is written. What would
    have the next run delete days that stay as things are is a conflict, unless `allow_deleting`.
    Raises MissingPrerequisiteError where bq_setup has to run first.
    """
    if run.backfill_days:
        check_backfill(config, run.backfill_days)
    with _exclusively(config, clients, mode):
        note = prepare_source_query(config, render_trial_query(config))
        if note:
            tell.note(note)
        steps = _look_at_etl(config, clients, allow_deleting=allow_deleting)
        outcome, done = _carry_out("bq_setup_etl", config, clients, mode, tell, steps)
    if mode is not Mode.APPLY or outcome.failure:
        return outcome
    if run.backfill_days:
        result = backfill(
            config, clients, run.backfill_days, timeout=run.timeout, on_slice=tell.slice
        )
        return replace(outcome, run=result)
    if not run.start:
        return outcome
    configs: Any = done[-1].observed
    return replace(outcome, run=_run(config, clients, configs[0].name, run.timeout, tell))


@contextmanager
def _exclusively(config: Config, clients: Clients, mode: Mode) -> Iterator[None]:
    left = clients.deadline.left
    with provisioning_lock(config, left) if mode is Mode.APPLY else nullcontext():
        yield


def _look_at_etl(config: Config, clients: Clients, *, allow_deleting: bool) -> list[Step[Any]]:
    """Steps for the connection and the scheduled query, preceded by a table that is in the way."""
    schedule_spec = ScheduledQuerySpec.from_config(
        config, clients.service_account_email, allow_deleting=allow_deleting
    )
    looks: list[Callable[[], Any]] = [
        partial(plan_step, TableSpec.from_config(config), clients),
        partial(read_credential, clients, config),
        partial(_look_at_connection, config, clients),
        partial(plan_step, schedule_spec, clients),
    ]
    table, credential, connection, schedule = gather(looks)
    _require_table(table.plan)
    spec = ConnectionSpec.from_config(config, credential)
    in_the_way = [table] if table.plan.action is Action.CONFLICT else []
    return [*in_the_way, Step(spec, connection, spec.plan(connection)), schedule]


def _look_at_connection(config: Config, clients: Clients) -> Any:
    with reading(f"Looking at connection {config.connection_name}", clients):
        return observe_connection(clients, config.connection_name)


def _require_table(plan: Plan) -> None:
    absent = plan.action is Action.CREATE
    columns = [c.field.removeprefix("columns.") for c in plan.changes if c.before is None]
    if absent or (plan.action is Action.UPDATE and columns):
        what = "does not exist" if absent else f"lacks {', '.join(columns)}"
        raise MissingPrerequisiteError(
            f"Table {plan.name} {what}: run bq_setup first (python manage.py bq_setup)."
        )


def _carry_out(
    command: str,
    config: Config,
    clients: Clients,
    mode: Mode,
    tell: Listeners,
    steps: Sequence[Step[Any]],
) -> tuple[Outcome, Sequence[Step[Any]]]:
    plans = tuple(step.plan for step in steps)
    tell.plan(plans)
    outcome = Outcome(command=command, config=config, mode=mode, plans=plans)
    if outcome.status is not Status.APPLIED:
        return outcome, steps
    done = apply(steps, clients)
    tell.applied(plans)
    for hint in hints_after(done, config):
        tell.note(hint)
    return outcome, done


def _run(
    config: Config, clients: Clients, config_name: str, timeout: float, tell: Listeners
) -> RunResult:
    run, adopted = start_or_adopt_run(clients, config_name)
    if adopted:
        tell.note("A run is already under way: it is taken for this one.")
    # A last look, and counting the rows, take time too.
    left = clients.deadline.left
    seconds = min(timeout, left - min(1.0, left / 10))
    run = wait_for_run(clients, run, timeout=seconds, on_look=tell.run)
    return replace(result_of(clients, config, run), waited_seconds=timeout)
