"""What is planned for each thing that may be there, word by word, and what it keeps from a load."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig, TransferState

from backend.forecasting.conf import Config
from backend.forecasting.errors import MissingPrerequisiteError
from backend.forecasting.provisioning.connections import ConnectionSpec
from backend.forecasting.provisioning.credentials import Credential
from backend.forecasting.provisioning.datasets import DatasetSpec
from backend.forecasting.provisioning.deleting import as_ordinary, day_of_next_run, is_behind
from backend.forecasting.provisioning.plan import Deletes, Plan, Resource
from backend.forecasting.provisioning.readiness import require_table
from backend.forecasting.provisioning.schedule_forms import is_stopped, schedule_of
from backend.forecasting.provisioning.scheduled_queries import ScheduledQuerySpec
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.provisioning.views import view_specs
from backend.forecasting.sql.queries import render_nightly_load
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.factories import (
    SERVICE_ACCOUNT,
    TOPIC,
    TRANSFER_NAME,
    Google,
    column_reprs,
    make_config,
    make_connection,
    make_dataset,
    make_run,
    make_table,
    make_transfer,
    make_view,
)
from backend.forecasting.tests.test_connections import OTHER_KINDS, other_kind

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
OURS = "POSTGRES_USER/versions/3 of 2026-03-01, POSTGRES_PASSWORD/versions/7 of 2026-03-02"
SOON = "1775001600000"


def shown(plan: Plan) -> list[str]:
    """All that a plan is, its texts by their beginnings."""
    changes = [f"{c.field}: {brief(c.before)} -> {brief(c.after)}" for c in plan.changes]
    return [
        f"{plan.action} {plan.kind} {plan.name}",
        *changes,
        *([plan.remedy] if plan.remedy else []),
    ]


def brief(text: str | None) -> str:
    return f"{text}".strip().replace("\n", " ")[:70]


def plans(resource: Resource[Any], found: dict[str, Any]) -> dict[str, list[str]]:
    return {name: shown(resource.plan(each)) for name, each in {"absent": None, **found}.items()}


def described(versions: str, **fields: Any) -> Any:
    return make_connection(description=f"ours [credential: {versions}] and theirs", **fields)


def test_connections__are_planned_as_agreed(config: Config, tmp_path: Path) -> None:
    found = {f"{fields}": other_kind(fields) for fields, _ in OTHER_KINDS}
    found |= {
        "as it is": described(OURS),
        "without times": make_connection(),
        "of other times": described(OURS.replace("03-01", "02-01")),
        "of other versions": described(OURS.replace("/3", "/2")),
        "of one version": described(OURS.split(", ")[0]),
        "of no version": make_connection(description="theirs"),
        "without a credential": described(OURS, has_credential=False),
        "of another database": described(OURS, cloud_sql={"database": "x"}),
        "of another instance": described(OURS, cloud_sql={"instance_id": "x"}),
    }
    credential = Credential(user="u", password="p", versions=OURS)
    spec = ConnectionSpec.from_config(config, credential)
    again = {"again": shown(spec.plan_again("refused"))}
    assert_agreed("connections.json", plans(spec, found) | again, tmp_path)


def test_datasets__are_planned_as_agreed(config: Config, tmp_path: Path) -> None:
    changes: dict[str, dict[str, Any]] = {
        "as it is": {},
        "elsewhere": {"location": "EU"},
        "in capitals": {"location": "US-CENTRAL1"},
        "tables expire": {"defaultTableExpirationMs": "3600000"},
        "partitions expire": {"defaultPartitionExpirationMs": "3600000"},
        **{f"type {kind}": {"type": kind} for kind in ("linked", "EXTERNAL", "DEFAULT", "OTHER")},
        "linked": {"linkedDatasetSource": {"sourceDataset": {"datasetId": "d"}}},
        "external": {"externalDatasetReference": {"externalSource": "s"}, "type": "DEFAULT"},
    }
    found = {name: make_dataset(**change) for name, change in changes.items()}
    assert_agreed("datasets.json", plans(DatasetSpec.from_config(config), found), tmp_path)


def with_columns(**changes: Any) -> dict[str, Any]:
    return {"schema": {"fields": column_reprs(**changes)}}


def and_another(**field: Any) -> dict[str, Any]:
    another = {"name": "tenant", "type": "STRING", "mode": "REQUIRED", **field}
    return {"schema": {"fields": [*column_reprs(), another]}}


def partitioned(**by: Any) -> dict[str, Any]:
    return {"timePartitioning": {"type": "DAY", "field": "mentioned_at", **by}}


DAY_MS = 24 * 60 * 60 * 1000
GENERATED = {"generatedColumn": {"generatedExpressionInfo": {"generationExpression": "x"}}}
RANGE = {"field": "x", "range": {"start": "0", "end": "9", "interval": "1"}}
BASE = {"baseTableReference": {"projectId": "p", "datasetId": "d", "tableId": "t"}}
TABLES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "of another description": {"description": "x"},
    "elsewhere": {"location": "EU"},
    "of no location": {"location": None},
    **{
        f"type {kind}": {"type": kind}
        for kind in ("VIEW", "MATERIALIZED_VIEW", "EXTERNAL", "ODD_1")
    },
    "a clone": {"cloneDefinition": {**BASE, "cloneTime": "2026-03-01T00:00:00.000Z"}},
    "not partitioned": {"timePartitioning": None},
    "partitioned by hour": partitioned(type="HOUR"),
    "partitioned by arrival": partitioned(field=None),
    "partitioned by a range": {"timePartitioning": None, "rangePartitioning": RANGE},
    "expires": {"expirationTime": SOON},
    **{f"days expire after {d}": partitioned(expirationMs=f"{d * DAY_MS}") for d in (1, 90, 91)},
    "lacks a dimension": with_columns(sanctions_risk=None),
    "lacks two dimensions": with_columns(sanctions_risk=None, political_risk=None),
    "lacks the score": with_columns(risk_score=None),
    "another type": with_columns(risk_score={"type": "STRING"}),
    "the old name of a type": with_columns(risk_score={"type": "float"}),
    "a dimension required": with_columns(sanctions_risk={"mode": "REQUIRED"}),
    "a score optional": with_columns(risk_score={"mode": "NULLABLE"}),
    "a dimension repeated": with_columns(sanctions_risk={"mode": "REPEATED"}),
    "a column not described": with_columns(sanctions_risk={"description": None}),
    "a short key": with_columns(entity_id={"maxLength": "9"}),
    "a long key": with_columns(entity_id={"maxLength": "36"}),
    "a generated dimension": with_columns(sanctions_risk=GENERATED),
    "another column": and_another(mode="NULLABLE"),
    "another required": and_another(),
    "another with a default": and_another(defaultValueExpression="'x'"),
    "another with no default": and_another(defaultValueExpression=" null "),
    "another generated": and_another(**GENERATED),
    "a generated one, by hour": {
        **with_columns(sanctions_risk=GENERATED),
        **partitioned(type="HOUR"),
    },
    "two in the way": {**and_another(), **partitioned(type="HOUR")},
}


def test_tables__are_planned_as_agreed(config: Config, tmp_path: Path) -> None:
    """With the reason why no load can be set up for one, be history kept or not."""
    spec = TableSpec.from_config(config)
    found = plans(spec, {name: make_table(**change) for name, change in TABLES.items()})
    for name, change in {"absent": None, **TABLES}.items():
        plan = spec.plan(None if change is None else make_table(**change))
        for kept in (False, True):
            why = why_no_load(replace(config, keep_history=kept), plan)
            found[name] += [f"kept: {kept}, {why}"] if why else []
    assert_agreed("tables.json", found, tmp_path)


def why_no_load(config: Config, plan: Plan) -> str:
    try:
        require_table(config, plan)
    except MissingPrerequisiteError as error:
        return f"{error}"
    return ""


def test_views__are_planned_as_agreed(tmp_path: Path) -> None:
    spec, _ = view_specs(make_config(horizon_days="14"))
    changes: dict[str, dict[str, Any]] = {
        "as it is": {},
        "of another description": {"description": "x"},
        "of another text": {"view": {"query": "SELECT 1", "useLegacySql": False}},
        "of no text": {"view": {}},
        "of the old language": {"view": {"query": spec.query, "useLegacySql": True}},
        "expires": {"expirationTime": SOON},
        **{kind: {"type": kind, "view": None} for kind in ("TABLE", "EXTERNAL")},
    }
    found = {name: make_view(spec, **change) for name, change in changes.items()}
    assert_agreed("views.json", plans(spec, found), tmp_path)


def second_form(**schedule: Any) -> dict[str, Any]:
    return {"schedule": "", "schedule_options_v2": {"time_based_schedule": schedule}}


SCRIPT = render_nightly_load(make_config())
OTHER_SCRIPT = render_nightly_load(make_config(window_days="30"))
SCHEDULES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "at another time": {"schedule": "every  day 03:00"},
    "by nothing": {"schedule": ""},
    "disabled": {"disabled": True},
    "into a dataset": {"destination_dataset_id": "d"},
    "told nowhere": {"notification_pubsub_topic": ""},
    "told elsewhere": {"notification_pubsub_topic": f"{TOPIC}-2"},
    "owned by somebody": {"owner_info": {"email": "ana@example.com"}},
    "somebody's, and of another text": {
        "owner_info": {"email": "ana@example.com"},
        "params": {"query": "SELECT 1"},
    },
    "of other parameters": {"params": {"query": "SELECT 1", "write_disposition": "x", "no": ""}},
    "of no text": {"params": {}},
    "of another window": {"params": {"query": OTHER_SCRIPT}},
    "of another window, by hand": {"params": {"query": f"{OTHER_SCRIPT}\nSELECT 1;"}},
    "by hand": {"params": {"query": f"{SCRIPT}\nSELECT 1;"}},
    "not automatic": {"schedule_options": {"disable_auto_scheduling": True}},
    "ends": {"schedule_options": {"end_time": NOW}},
    "ended": {"schedule_options": {"end_time": NOW - timedelta(days=1)}},
    "ends later": {"schedule_options": {"end_time": NOW + timedelta(days=1)}},
    "of the second form": second_form(schedule="every day 02:00"),
    "of the second form, ended": second_form(schedule="every day 03:00", end_time=NOW),
    "started by hand": {"schedule": "", "schedule_options_v2": {"manual_schedule": {}}},
    "by events": {"schedule": "", "schedule_options_v2": {"event_driven_schedule": {}}},
    "runs tonight": {"next_run_time": NOW + timedelta(hours=14)},
    "runs in three days": {"next_run_time": NOW + timedelta(days=3)},
    "ran this noon": {"next_run_time": NOW},
    "changed long ago": {"update_time": NOW - timedelta(days=8)},
    "failed": {"state": TransferState.FAILED, "update_time": NOW - timedelta(days=8)},
    "failed since a week": {"state": TransferState.FAILED, "update_time": NOW - timedelta(days=7)},
    "failed, never changed": {"state": TransferState.FAILED, "update_time": None},
    "succeeded": {"state": TransferState.SUCCEEDED, "update_time": NOW - timedelta(days=8)},
}


def test_scheduled_queries__are_planned_as_agreed(config: Config, tmp_path: Path) -> None:
    """By whom is not said, by somebody else, and with all that may be set."""
    owned = make_config(service_account=SERVICE_ACCOUNT, notification_topic=TOPIC)
    agreed: dict[str, Any] = {}
    specs = {
        "": ScheduledQuerySpec.from_config(config),
        ", by another": ScheduledQuerySpec.from_config(config, "ben@example.com"),
        ", all set": ScheduledQuerySpec.from_config(owned, "ben@example.com"),
    }
    for who, spec in specs.items():
        for name, lines in plans(spec, scheduled(config, spec.notification_topic)).items():
            if lines != agreed.get(name):
                agreed[f"{name}{who}"] = lines
    assert_agreed("scheduled_queries.json", agreed, tmp_path)


def scheduled(config: Config, topic: str) -> dict[str, list[TransferConfig]]:
    """What may be there, and tell that topic."""

    def make(**fields: Any) -> TransferConfig:
        return make_transfer(config, **{"notification_pubsub_topic": topic, **fields})

    return {
        **{name: [make(**fields)] for name, fields in SCHEDULES.items()},
        "twice": [make(), make(name=f"{TRANSFER_NAME}2")],
        "twice, one disabled": [make(), make(disabled=True)],
    }


def test_schedules__are_judged_as_agreed(
    google: Google, config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When the next run is, and whether what it deletes goes without a word."""
    monkeypatch.setattr(google.clock, "now", lambda: NOW)
    week = NOW - timedelta(days=7)
    ends: dict[str, list[datetime | None]] = {
        "none": [],
        "a week ago": [week],
        "since": [None, week + timedelta(seconds=1)],
    }
    agreed = {}
    for name, fields in SCHEDULES.items():
        found = make_transfer(config, **fields)
        behind = [run for run, times in ends.items() if behind_after(google, found, times)]
        agreed[name] = [
            f"{schedule_of(found)}, next on {day_of_next_run(found, NOW)}",
            f"stopped: {is_stopped(found, NOW)}, behind after {behind}",
        ]
    assert_agreed("schedules.json", agreed, tmp_path)


def behind_after(google: Google, found: TransferConfig, ends: list[datetime | None]) -> bool:
    runs = [make_run("SUCCEEDED", end_time=end) for end in ends]
    google.transfers.list_transfer_runs.return_value = runs
    return is_behind(google, found)


def test_deletes__are_ordinary_for_a_week(config: Config) -> None:
    before = date(2026, 3, 10)
    known = {days: before - timedelta(days=days) for days in (1, 7, 8)}
    found = {
        days: as_ordinary(Deletes(rows=1, days=2, first=first, before=before))
        for days, first in known.items()
    }
    assert {days: each.ordinary for days, each in found.items()} == {1: True, 7: True, 8: False}
    assert [str(each) for each in found.values()] == ["1 row of 2 days before 2026-03-10"] * 3
