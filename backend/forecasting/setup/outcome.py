"""What bq_setup and bq_setup_etl did, as values that become text, JSON and an exit status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from ..conf import Config
from ..counting import count_things
from ..errors import ConflictError, DriftFound, ForecastingError, RunFailed
from ..google.causes import cause_line
from ..provisioning.plan import Action, Deletes, Plan, refusals

if TYPE_CHECKING:
    from google.cloud.bigquery_connection_v1.types import Connection

    from ..loading.runs import RunResult


class Mode(StrEnum):
    """How far a command goes: APPLY writes; the others stop after the plan."""

    APPLY = "apply"
    DRY_RUN = "dry-run"
    CHECK = "check"


class Status(StrEnum):
    APPLIED = "applied"
    PLANNED = "planned"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The plans of a command, how far it went, and the run that it started, if any.

    `timeout` is for how many seconds the end of that run was waited for at most.
    """

    command: str
    config: Config
    mode: Mode
    plans: tuple[Plan, ...]
    run: RunResult | None = None
    timeout: float = 0
    at: datetime = field(default_factory=partial(datetime.now, UTC), compare=False)

    @property
    def status(self) -> Status:
        if refusals(self.plans):
            return Status.CONFLICT
        if count(self.plans, Action.UNCHANGED) == len(self.plans):
            return Status.UNCHANGED
        return Status.APPLIED if self.mode is Mode.APPLY else Status.PLANNED

    @property
    def failure(self) -> ForecastingError | None:
        """Why the command does not end with exit status 0; None where it does."""
        if self.status is Status.CONFLICT:
            return ConflictError(f"Nothing was changed. {refusals(self.plans)}")
        if self.mode is Mode.CHECK and self.status is Status.PLANNED:
            return DriftFound(
                f"Not as it should be: run `python manage.py {self.command}` without --check."
            )
        if self.run and self.run.failed:
            return RunFailed(_run_failure(self.run))
        if self.run and self.run.outlasted:
            return ForecastingError(
                f"The run has not ended within {count_things(self.timeout, 'second')} and goes on: "
                "`python manage.py bq_verify` tells how it ended."
            )
        return None

    def as_json(self) -> dict[str, Any]:
        """The document of `--format json`."""
        return {
            "command": self.command,
            "project": self.config.project,
            "location": self.config.location,
            "at": self.at.isoformat(timespec="seconds"),
            "status": str(self.status),
            "resources": [_resource_json(plan) for plan in self.plans],
            "run": _run_json(self.run) if self.run else None,
        }


def count(plans: Sequence[Plan], action: Action) -> int:
    return sum(plan.action is action for plan in plans)


def _resource_json(plan: Plan) -> dict[str, Any]:
    return {
        "kind": plan.kind,
        "name": plan.name,
        "action": str(plan.action),
        "changes": [
            {"field": change.field, "from": change.before, "to": change.after}
            for change in plan.changes
        ],
        "deletes": _deletes_json(plan.deletes) if plan.deletes else None,
    }


def _deletes_json(deletes: Deletes) -> dict[str, Any]:
    return {"rows": deletes.rows, "days": deletes.days, "before": f"{deletes.before}"}


def _run_json(run: RunResult) -> dict[str, Any]:
    return {
        "name": run.name,
        "state": run.state,
        "rows": run.rows,
        "rows_before": run.rows_before,
        "seconds": run.seconds,
        "error": run.error or None,
    }


def _run_failure(run: RunResult) -> str:
    said = run.error or "Google gave no message"
    return f"Run {run.name} ended {run.state}: {said}{cause_line(run.error)}"


def grant_for(connection: Connection, config: Config) -> str:
    """The grant without which the connection reaches nothing."""
    # The account's address is read, never built: it has more than one form.
    account = connection.cloud_sql.service_account_id
    sql_project = config.instance.rsplit(":", 2)[0]
    return (
        "Let the connection reach Cloud SQL:\n"
        f"    gcloud projects add-iam-policy-binding {sql_project} "
        f"--member serviceAccount:{account} --role roles/cloudsql.client"
    )


def grants_for_load(config: Config, acting: str) -> str:
    """What the account needs that the load runs as (dts-authentication-authorization).

    That is `acting`, who made the scheduled query, where no service account is set.
    """
    account = config.service_account
    member = f"serviceAccount:{account}" if account else acting
    grant = f"gcloud projects add-iam-policy-binding {config.project} --member {member} --role"
    roles = ("jobUser", "dataEditor", "connectionUser")
    return "\n".join(
        ["Let the load run:", *(f"    {grant} roles/bigquery.{role}" for role in roles)]
    )
