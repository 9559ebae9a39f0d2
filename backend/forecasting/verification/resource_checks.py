"""Checks of what was provisioned: pure functions from a snapshot to findings."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from google.cloud import bigquery
from google.cloud.bigquery_connection_v1.types import Connection
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig

from ..conf import Config
from ..counting import count_things
from ..google.causes import likely_cause
from ..loading.reach import Probe
from ..provisioning.connections import POSTGRES, connection_kind
from ..provisioning.datasets import DatasetSpec, dataset_kind
from ..provisioning.plan import Change, refusals
from ..provisioning.scheduled_queries import ScheduledQuerySpec, is_of_script
from ..provisioning.tables import TableSpec, table_kind
from ..provisioning.views import ViewSpec
from .findings import Finding, compared, differing, failed, passed, skipped, warned
from .script_check import check_script, stored_script
from .snapshot import Snapshot, Unseen

_NO_VIEWS = "none are asked for: FORECASTING_HORIZON_DAYS is not set"
_RUN_SETUP = "run `python manage.py bq_setup`"
_RUN_ETL = "run `python manage.py bq_setup_etl`"


def check_dataset(snapshot: Snapshot) -> Iterator[Finding]:
    dataset, config = snapshot.dataset, snapshot.config
    name = f"dataset {config.project}.{config.dataset}"
    if isinstance(dataset, bigquery.Dataset) and (kind := dataset_kind(dataset)) != "dataset":
        yield failed(
            "dataset.exists",
            f"{name} is one of another kind: {kind}",
            "choose another FORECASTING_DATASET: no table can be made in this one",
            "dataset",
            kind,
        )
    elif isinstance(dataset, bigquery.Dataset) and (
        expiring := DatasetSpec.from_config(config).changes(dataset)
    ):
        said = ", ".join(f"{change.field} {change.before}" for change in expiring)
        yield warned(
            "dataset.exists",
            f"{name} is there, and lets what is made in it expire: {said}",
            _RUN_SETUP,
            "nothing expires",
            said,
        )
    else:
        yield from _exists("dataset", name, dataset, _RUN_SETUP, "location")
    if isinstance(dataset, bigquery.Dataset):
        yield compared(
            "dataset.location",
            "location",
            config.location,
            str(dataset.location).lower(),
            "a dataset never moves: correct FORECASTING_LOCATION or choose another "
            "FORECASTING_DATASET",
        )


def check_table(snapshot: Snapshot) -> Iterator[Finding]:
    table, name = snapshot.table, f"table {snapshot.config.table_id}"
    kind = table_kind(table) if isinstance(table, bigquery.Table) else "table"
    if kind != "table":
        yield _of_another_kind(snapshot.config, name, kind)
        why = f"{name} is no table"
        others = ("schema", "partitioning", "description")
        yield from (skipped(f"table.{other}", why) for other in others)
        return
    yield from _exists("table", name, table, _RUN_SETUP, "schema", "partitioning", "description")
    if isinstance(table, bigquery.Table):
        yield from _check_columns(TableSpec.from_config(snapshot.config), table)


def _of_another_kind(config: Config, name: str, kind: str) -> Finding:
    return failed(
        "table.exists",
        f"{name} is one of another kind: {kind}",
        f"choose another FORECASTING_TABLE than {config.table}, or move this {kind} aside, then "
        f"{_RUN_SETUP}",
        "table",
        kind,
    )


def _check_columns(spec: TableSpec, table: bigquery.Table) -> Iterator[Finding]:
    found = {c.field: c for c in [*spec.obstacles(table), *spec.changes(table)]}
    described = {f for f in found if f.endswith("description")}
    columns = {f for f in found if f.startswith("columns.")} - described
    groups = {
        "table.schema": (columns, f"{len(spec.columns)} columns as declared"),
        "table.partitioning": (
            set(found) - columns - described - {"location"},
            "by day on mentioned_at, nothing expires",
        ),
        "table.description": (described, "as declared"),
    }
    for check, (fields, fine) in groups.items():
        yield _unchanged(check, fine, [found[f] for f in sorted(fields)], _RUN_SETUP)


def check_views(snapshot: Snapshot) -> Iterator[Finding]:
    """The two views as one: what is wrong with either is said of both."""
    if not snapshot.views:
        yield from (passed(check, _NO_VIEWS) for check in ("views.exist", "views.query"))
        return
    yield from _check_views(snapshot.config.horizon_days, snapshot.views)


def check_connection(snapshot: Snapshot) -> Iterator[Finding]:
    connection, config = snapshot.connection, snapshot.config
    name = f"connection {config.connection_name}"
    yield from _exists("connection", name, connection, _RUN_ETL, "target", "credential", "usable")
    if not isinstance(connection, Connection):
        return
    properties = connection.cloud_sql
    yield compared(
        "connection.target",
        "reads",
        f"{POSTGRES}, {config.instance}, database {config.source_database}",
        f"{connection_kind(connection)}, {properties.instance_id}, database {properties.database}",
        _RUN_ETL,
    )
    if connection.has_credential:
        yield passed("connection.credential", "has a user and password")
    else:
        yield failed("connection.credential", "has no user and password", _RUN_ETL)
    yield _usable(snapshot.probe)


def check_schedule(snapshot: Snapshot) -> Iterator[Finding]:
    schedules, first = snapshot.schedules, snapshot.scheduled
    seen = schedules if isinstance(schedules, Unseen) else first
    name = "scheduled query" if first is None else f"scheduled query {first.name}"
    others = ("unique", "enabled", "time", "query", "destination")
    yield from _exists("schedule", name, seen, _RUN_ETL, *others)
    if isinstance(schedules, Unseen) or first is None:
        return
    yield _unique(schedules, snapshot.writers)
    spec = ScheduledQuerySpec.from_config(snapshot.config)
    changes = spec.changes(schedules)

    def unchanged(check: str, fine: str, *owned: str) -> Finding:
        found = [change for change in changes if change.field in owned]
        return _unchanged(check, fine, found, _RUN_ETL)

    yield unchanged("schedule.enabled", "enabled", "disabled", "automatic", "ends")
    yield unchanged("schedule.time", f"{snapshot.config.schedule} UTC", "schedule")
    of_script = [change for change in changes if is_of_script(change.field)]
    yield check_script(stored_script(snapshot), spec.query, of_script)
    yield unchanged("schedule.destination", "no destination dataset", "destination_dataset")


def _check_views(
    horizon: int, views: Sequence[tuple[ViewSpec, bigquery.Table | Unseen | None]]
) -> Iterator[Finding]:
    plans = [spec.plan(view) for spec, view in views if isinstance(view, bigquery.Table)]
    absent = [(spec, view) for spec, view in views if not isinstance(view, bigquery.Table)]
    in_the_way = refusals(plans)
    if absent or in_the_way:
        yield (
            failed("views.exist", in_the_way, _RUN_SETUP)
            if in_the_way
            else _absent("views.exist", f"view {absent[0][0].name}", absent[0][1], _RUN_SETUP)
        )
        yield skipped("views.query", "no views to look at")
        return
    yield passed("views.exist", " and ".join(f"view {plan.name}" for plan in plans))
    changes = [
        replace(change, field=f"{plan.name.rpartition('.')[2]}.{change.field}")
        for plan in plans
        for change in plan.changes
    ]
    fine = f"both are of this version, for a horizon of {count_things(horizon, 'day')}"
    yield _unchanged("views.query", fine, changes, _RUN_SETUP)


def _usable(probe: Probe | Unseen | None) -> Finding:
    check = "connection.usable"
    if isinstance(probe, Unseen):
        return skipped(check, f"could not query through the connection: {probe.reason}")
    if probe is None:
        return skipped(check, "no credential to try")
    if probe.error:
        hint = likely_cause(probe.error) or (
            f"correct the instance, the database or the secrets, then {_RUN_ETL}"
        )
        return failed(check, f"a query through it fails: {probe.error}", hint)
    return passed(check, "the source query runs through it")


def _unique(schedules: Sequence[TransferConfig], writers: Sequence[TransferConfig]) -> Finding:
    if len(schedules) == 1 and writers:
        names = ", ".join(f'"{config.display_name}" ({config.name})' for config in writers)
        return warned(
            "schedule.unique",
            f"the table is written to by other scheduled queries too: {names}",
            "what it writes is gone, or wrong, after the next load: have it write elsewhere, or "
            "disable it",
            "none",
            names,
        )
    if len(schedules) == 1:
        return passed("schedule.unique", "the only one for this table")
    names = ", ".join(config.name for config in schedules)
    return failed(
        "schedule.unique",
        f"{len(schedules)} scheduled queries load this table",
        "delete all but one with `bq rm --transfer_config NAME`",
        "1",
        names,
    )


def _exists(part: str, name: str, seen: object, hint: str, *others: str) -> Iterator[Finding]:
    """Whether a resource is there; the `others` of its checks are skipped where it is not."""
    check = f"{part}.exists"
    if seen is not None and not isinstance(seen, Unseen):
        yield passed(check, f"{name} is there")
        return
    yield _absent(check, name, seen, hint)
    yield from (skipped(f"{part}.{other}", f"no {name} to look at") for other in others)


def _absent(check: str, name: str, seen: object, hint: str) -> Finding:
    """The finding for what is not there, or could not be looked at."""
    if isinstance(seen, Unseen):
        return skipped(check, f"could not look at {name}: {seen.reason}")
    return failed(check, f"{name} does not exist", hint)


def _unchanged(check: str, fine: str, changes: Sequence[Change], hint: str) -> Finding:
    """A pass where no owned field differs, else a failure that names the fields."""
    if not changes:
        return passed(check, fine)
    return differing(check, f"differs: {', '.join(c.field for c in changes)}", hint, changes)
