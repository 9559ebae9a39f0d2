"""What bq_setup_etl does, without arguments parsed or anything printed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from google.cloud.bigquery_connection_v1.types import Connection
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig

from ..conf import Config
from ..database.hypertables import missing_lookback
from ..database.lock import provisioning_lock
from ..database.mapping import load_mapping
from ..database.source import LOCK_SECONDS, prepare_source_query
from ..google.causes import is_credential_refused, is_out_of_reach
from ..google.clients import Clients
from ..google.errors import gather, reading
from ..loading.backfill import backfill, refuse_unkept_backfill
from ..loading.reach import (
    learn_refusal,
    prove_credential,
    raise_refusal_of_login,
    raise_refusal_of_query,
    told_of_refusal,
    wait_for_reach,
)
from ..loading.row_counts import count_rows
from ..loading.runs import RunResult, result_of, start_or_adopt_run, wait_for_run
from ..provisioning.connections import TARGET_FIELDS, ConnectionSpec, observe_connection
from ..provisioning.consent import require_consent
from ..provisioning.credentials import read_credential
from ..provisioning.datasets import DatasetSpec
from ..provisioning.engine import Step, apply_step, plan_observed, plan_step
from ..provisioning.plan import Action, Plan
from ..provisioning.readiness import require_table
from ..provisioning.scheduled_queries import ScheduledQuerySpec
from ..provisioning.tables import TableSpec
from ..provisioning.transfer_configs import list_scheduled_queries, other_readers
from ..sql.queries import load_name, render_nightly_load, render_trial_query
from .outcome import Mode, Outcome, Status, grant_for
from .steps import Listeners, conclude, exclusively, present

_SHARE_FOR_REACH = 0.9
"""Of the time that is left: a query that is under way then has to end, too."""

_SHARE_FOR_LOCKS = 0.9
"""Likewise: that a table stays locked has to be told, too."""

_NEW_SECONDS = 900

_REFUSED = "refused by PostgreSQL"


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What is loaded after the set-up, and whether training data may go.

    `start` starts a run of the nightly load, whose end is waited for where `wait` says so;
    `backfill_days` loads the last days directly. `timeout` is for how many seconds the end of a run
    or slice is waited for, and never beyond the deadline of the clients.
    """

    start: bool
    wait: bool
    backfill_days: int
    allow_deleting: bool
    timeout: float

    @property
    def loads(self) -> bool:
        return self.start or self.backfill_days > 0


def set_up_etl(
    config: Config, clients: Clients, mode: Mode, tell: Listeners, run: RunOptions
) -> Outcome:
    """Bring the connection and the scheduled query into their desired state, and run the load.

    Everything is looked at, and the source query tried, before anything is written. What would
    have the next run delete days that stay as things are is a conflict, unless `allow_deleting`.
    Raises MissingPrerequisiteError where bq_setup has to run first, and SourceDatabaseError where
    PostgreSQL refuses the source query, to Django or to the role of the connection.
    """
    if run.backfill_days:
        refuse_unkept_backfill(config, run.backfill_days)
    with exclusively(config, clients, mode):
        lock_seconds = min(LOCK_SECONDS, clients.deadline.left * _SHARE_FOR_LOCKS)
        note = prepare_source_query(config, render_trial_query(config), lock_seconds)
        for each in filter(None, (note, missing_lookback(config))):
            tell.note(each)
        spec = ScheduledQuerySpec.from_config(
            config,
            clients.service_account_email,
            allow_deleting=run.allow_deleting,
            runs_now=run.start,
        )
        steps = _plan_etl(config, clients, spec)
        _tell_of_search_path(config, steps.schedule.plan, tell)
        # That the noted secret versions are the newest does not prove what the connection holds.
        is_there = steps.connection.observed is not None
        refusal = (learn_refusal(config, clients) if is_there else None) or ""
        if is_credential_refused(refusal):
            steps = steps.with_credential()
        _tell_of_other_readers(config, clients, steps.connection, tell)
        outcome = present("bq_setup_etl", config, clients, mode, tell, steps.all)
        if mode is Mode.APPLY and not outcome.failure:
            _tell_of_refusal(config, steps.connection, refusal, tell, loads=run.loads)
        if outcome.status is Status.APPLIED:
            steps = steps.apply(config, clients, tell, loads=run.loads)
            conclude(outcome, steps.all, clients, tell)
    if mode is not Mode.APPLY or outcome.failure:
        return outcome
    if run.start and _is_new(steps.connection, clients):
        seconds = min(run.timeout, clients.deadline.left) * _SHARE_FOR_REACH
        wait_for_reach(config, clients, seconds, tell.note)
    result = _load(config, clients, steps.config_name, tell, run)
    return replace(outcome, run=result, timeout=run.timeout)


def _tell_of_search_path(config: Config, schedule: Plan, tell: Listeners) -> None:
    """What a script that names no schemas asks of the role, whenever it is stored or changed."""
    schemas = load_mapping(config).search_path
    if schemas and schedule.action is not Action.UNCHANGED:
        tell.note(
            f"Tables are looked for in the schemas {', '.join(schemas)}, in this order, as Django "
            "does. The connection's role has to do so too: run the script of `bq_setup_etl "
            "--print-role-sql` before the next load, again where an earlier version printed it."
        )


def _tell_of_other_readers(
    config: Config, clients: Clients, step: Step[Connection], tell: Listeners
) -> None:
    """Whose loads a connection is taken from that is to read another database."""
    if step.plan.action is not Action.UPDATE or step.plan.fields.isdisjoint(TARGET_FIELDS):
        return
    with reading("Looking at the other scheduled queries", clients):
        listed = list_scheduled_queries(clients, config.parent)
    others = other_readers(listed, config.connection_name, load_name(config.table_id))
    if others:
        names = ", ".join(f'"{other.display_name}" ({other.name})' for other in others)
        tell.note(
            f"Other scheduled queries read through connection {config.connection_id} too, and get "
            f"database {config.source_database} of {config.instance} from their next run on: "
            f"{names}. Unless that is meant, leave them the connection, and choose another one "
            "here with FORECASTING_CONNECTION_ID."
        )


@dataclass(frozen=True, kw_only=True)
class _EtlSteps:
    """What bq_setup_etl brings into its desired state, and the table or dataset in the way."""

    in_the_way: Sequence[Step[Any]]
    connection: Step[Connection]
    schedule: Step[Sequence[TransferConfig]]

    @property
    def all(self) -> Sequence[Step[Any]]:
        return [*self.in_the_way, self.connection, self.schedule]

    @property
    def config_name(self) -> str:
        """Google's name of the scheduled query, once it is there."""
        return next(iter(self.schedule.observed or ())).name

    def with_credential(self) -> "_EtlSteps":
        """The same with the credential to be sent, where nothing else is to be done to it."""
        step = self.connection
        if step.plan.action is not Action.UNCHANGED:
            return self
        plan = cast(ConnectionSpec, step.resource).plan_again(_REFUSED)
        return replace(self, connection=replace(step, plan=plan))

    def apply(
        self, config: Config, clients: Clients, tell: Listeners, *, loads: bool
    ) -> "_EtlSteps":
        """Both brought about; nothing is scheduled for a role that may not run the query.

        Where it `loads` at once, that tells whether PostgreSQL lets a new connection in.
        """
        connection = apply_step(self.connection, clients)
        created = connection.plan.action is Action.CREATE
        if created and connection.observed is not None:
            # At once: whoever fails from here on would never be told.
            tell.note(grant_for(connection.observed, config))
        if connection.plan.action is not Action.UNCHANGED:
            again = any(change.before == _REFUSED for change in self.connection.plan.changes)
            lets_in = again or (created and not loads)
            tell.note(prove_credential(config, clients, again=again, lets_in=lets_in))
        return replace(self, connection=connection, schedule=apply_step(self.schedule, clients))


def _plan_etl(config: Config, clients: Clients, schedule_spec: ScheduledQuerySpec) -> _EtlSteps:
    reads: list[Callable[[], Any]] = [
        partial(plan_step, TableSpec.from_config(config), clients),
        partial(read_credential, clients, config),
        partial(_observe_connection, config, clients),
        partial(plan_step, schedule_spec, clients),
    ]
    table, credential, connection, schedule = gather(reads)
    require_table(config, table.plan)
    holding = [*_dataset_to_load(config, clients, schedule), table]
    if schedule.plan.action is Action.CREATE:
        require_consent(config, clients)
    spec = ConnectionSpec.from_config(config, credential)
    return _EtlSteps(
        in_the_way=[step for step in holding if step.plan.refusal],
        connection=plan_observed(spec, lambda: connection, clients),
        schedule=schedule,
    )


def _observe_connection(config: Config, clients: Clients) -> Connection | None:
    with reading(f"Looking at connection {config.connection_name}", clients):
        return observe_connection(clients, config.connection_name)


def _dataset_to_load(
    config: Config, clients: Clients, schedule: Step[Sequence[TransferConfig]]
) -> Sequence[Step[Any]]:
    """The dataset, where something is to be scheduled: a table of somebody else's may be in it."""
    if schedule.plan.action is Action.UNCHANGED:
        return ()
    return [plan_step(DatasetSpec.from_config(config), clients)]


def _tell_of_refusal(
    config: Config, step: Step[Connection], refusal: str, tell: Listeners, *, loads: bool
) -> None:
    """Tell of the grant that a connection needs for as long as it does not act.

    Raises SourceDatabaseError where PostgreSQL refuses the source query to a connection that stays
    as it is, or lets it in to nothing, which a load that is to follow tells by itself; one that is
    changed is tried after that.
    """
    if step.observed is not None and is_out_of_reach(refusal):
        tell.note(grant_for(step.observed, config))
    elif step.plan.action is Action.UNCHANGED:
        raise_refusal_of_query(config, refusal)
        if refusal and not loads:
            raise_refusal_of_login(refusal)
            tell.note(told_of_refusal(refusal))


def _is_new(step: Step[Connection], clients: Clients) -> bool:
    """Whether the connection's grant may have been given just now."""
    if step.plan.action is Action.CREATE or step.observed is None:
        return True
    age = clients.clock.now().timestamp() - step.observed.creation_time / 1000
    return age < _NEW_SECONDS


def _load(
    config: Config, clients: Clients, config_name: str, tell: Listeners, options: RunOptions
) -> RunResult | None:
    """What came of the load that was asked for, if any was."""
    if options.backfill_days:
        return backfill(
            config,
            clients,
            options.backfill_days,
            timeout=options.timeout,
            on_slice=tell.slice,
            allow_deleting=options.allow_deleting,
        )
    return _run(config, clients, config_name, tell, options) if options.start else None


def _run(
    config: Config, clients: Clients, config_name: str, tell: Listeners, options: RunOptions
) -> RunResult:
    rows_before = count_rows(clients, config)
    # Of two that look at once both would start one.
    with provisioning_lock(config, clients.deadline.left):
        run, adopted = start_or_adopt_run(
            clients, config_name, script=render_nightly_load(config), tell=tell.note
        )
    if adopted:
        tell.note("A run is already under way: it is taken for this one.")
    # A last look, and counting the rows, take time too.
    left = clients.deadline.left
    seconds = min(options.timeout, left - min(1.0, left / 10)) if options.wait else 0
    run = wait_for_run(clients, run, timeout=seconds, on_observed=tell.run)
    result = result_of(clients, config, run)
    # An adopted run may have been done with them already.
    return replace(result, rows_before=None if adopted else rows_before, waited=options.wait)
