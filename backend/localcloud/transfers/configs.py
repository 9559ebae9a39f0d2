"""BigQuery Data Transfer Service v1: scheduled queries.

https://cloud.google.com/bigquery/docs/reference/datatransfer/rest
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any

from backend.localcloud.bigquery.job_runner import JobRunner
from backend.localcloud.clock import Clock, timestamp
from backend.localcloud.http.errors import InvalidArgument, NotFound, PermissionDenied
from backend.localcloud.http.names import Place, Projects, split_name
from backend.localcloud.http.paging import page
from backend.localcloud.http.protojson import REQUEST_FIELDS, camel, patch
from backend.localcloud.iam import CALLER, service_account
from backend.localcloud.transfers import schedules
from backend.localcloud.transfers.records import Records, TransferConfig
from backend.localcloud.transfers.rules import (
    DATA_SOURCE,
    NO_CONSENT,
    PARAMETERS,
    check_fields,
    moment,
    on_demand,
    owner,
    schedule_of,
)
from backend.localcloud.transfers.run_api import TransferRuns
from backend.localcloud.transfers.runs import Runner, Scheduler

OUTPUT_ONLY = (
    "name",
    "updateTime",
    "nextRunTime",
    "state",
    "userId",
    "datasetRegion",
    "ownerInfo",
    "error",
)
RESTRICTED = ("params", "destination_dataset_id")


class Transfers:
    """All transfer configs and their runs.

    `location_of` tells where a dataset of a project is, None where there is none. `consent` is
    whether the caller, who is a person, has let Google run scheduled queries as that person.
    """

    def __init__(
        self,
        jobs: JobRunner,
        location_of: Callable[[str, str], str | None],
        projects: Projects,
        clock: Clock,
    ) -> None:
        self.iam = jobs.iam
        self.location_of = location_of
        self.projects = projects
        self.clock = clock
        self.records = Records(projects)
        self.runner = Runner(jobs, clock)
        self.consent = True
        self.runs = TransferRuns(self.records, self.runner, clock)
        self.scheduler = Scheduler(clock, self._next_due, self._start_due)
        self._seen = clock.now()
        clock.on_change = self._clock_changed

    @property
    def items(self) -> dict[tuple[Place, str], TransferConfig]:
        """The configs, by (place, id)."""
        return self.records.items

    def start(self) -> None:
        self.scheduler.start()

    def stop(self) -> None:
        """Start nothing more, and end what runs."""
        self.scheduler.stop()
        self.runner.stop()

    def reset(self) -> None:
        with self.runner.changed:
            self.items.clear()
        self.consent = True
        self.runner.end_runs()
        self.scheduler.wake.set()

    def wait_for_runs(self, seconds: float) -> None:
        """Block until no run is unfinished."""
        self.runner.wait(seconds, lambda: any(run.unfinished for run in self.records.runs()))

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        place, _ = split_name(request["parent"], self.projects)
        resource = request.get("transferConfig", {})
        for name in OUTPUT_ONLY:
            resource.pop(name, None)
        now = self.clock.now()
        account = owner(request)
        if account == CALLER and not (self.consent or request.get("versionInfo")):
            raise InvalidArgument(NO_CONSENT)
        self._check_account(place, account)
        config = TransferConfig(place, self.clock.uuid(), resource, now, now, account, account)
        if not resource.get("schedule") and "scheduleOptionsV2" not in resource:
            resource["schedule"] = schedules.DEFAULT
        self._check(config)
        with self.runner.changed:
            self._plan(config)
            self.items[place, config.id] = config
        self.scheduler.wake.set()
        return self.to_json(config)

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        config = self.records.config(request["name"])
        return self.to_json(config) | {"ownerInfo": {"email": config.owner}}

    def list_configs(self, request: dict[str, Any]) -> dict[str, Any]:
        place, _ = split_name(request["parent"], self.projects)
        wanted = request.get("dataSourceIds", [])
        found = [
            self.to_json(config)
            for (at, _), config in list(self.items.items())
            if at == place and (not wanted or config.resource["dataSourceId"] in wanted)
        ]
        size = min(request.get("pageSize") or 1000, 1000)
        return page(found, "transferConfigs", size, request.get("pageToken", ""))

    def patch(self, request: dict[str, Any]) -> dict[str, Any]:
        """Apply the masked fields; what identifies the config cannot change."""
        sent = request.get("transferConfig", {})
        paths = request.get("updateMask") or []
        if not paths:
            raise InvalidArgument("update_mask is required")
        config = self.records.config(sent.get("name", ""))
        self._check_owner(config, paths)
        changed = copy.copy(config)
        changed.resource = copy.deepcopy(config.resource)
        if "service_account_name" in paths:
            changed.owner = changed.taken_by = owner(request, required=True)
            self._check_account(config.place, changed.owner)
        fields = [p for p in paths if camel(p) not in OUTPUT_ONLY and p not in REQUEST_FIELDS]
        patch(changed.resource, sent, fields)
        if changed.resource.get("dataSourceId") != DATA_SOURCE:
            raise InvalidArgument("The data source of a transfer config cannot be changed")
        self._check(changed)
        changed.updated = self.clock.now()
        with self.runner.changed:
            self._plan(changed)
            self.items[config.place, config.id] = changed
        self.scheduler.wake.set()
        return self.to_json(changed)

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        config = self.records.config(request["name"])
        with self.runner.changed:
            del self.items[config.place, config.id]
        return {}

    def list_sources(self, request: dict[str, Any]) -> dict[str, Any]:
        place, _ = split_name(request["parent"], self.projects)
        return {"dataSources": [self._source(place)]}

    def get_source(self, request: dict[str, Any]) -> dict[str, Any]:
        place, rest = split_name(request["name"], self.projects)
        if rest[1] != DATA_SOURCE:
            raise NotFound(f"Data source {rest[1]} not found")
        return self._source(place)

    def check_credentials(self, request: dict[str, Any]) -> dict[str, Any]:
        self.get_source(request)
        return {"hasValidCreds": self.consent}

    def to_json(self, config: TransferConfig) -> dict[str, Any]:
        """The config as Google shows it."""
        body = {"name": self.records.name_of(config), **copy.deepcopy(config.resource)}
        body |= {"updateTime": timestamp(config.updated), "userId": config.user_id}
        body["datasetRegion"] = config.place.location
        if config.next_run:
            body["nextRunTime"] = timestamp(config.next_run)
        runs = sorted(config.runs.values(), key=lambda run: str(run.resource["updateTime"]))
        body["state"] = runs[-1].resource["state"] if runs else "PENDING"
        return body

    def _source(self, place: Place) -> dict[str, Any]:
        prefix = f"projects/{self.projects.number(place.project)}/locations/{place.location}"
        return {
            "name": f"{prefix}/dataSources/{DATA_SOURCE}",
            "dataSourceId": DATA_SOURCE,
            "displayName": "Scheduled Queries",
            "supportsCustomSchedule": True,
            "defaultSchedule": schedules.DEFAULT,
            "minimumScheduleInterval": "300s",
            "parameters": [{"paramId": name, "type": "STRING"} for name in PARAMETERS],
        }

    def _check(self, config: TransferConfig) -> None:
        check_fields(config.resource)
        self._check_destination(config, config.resource.get("destinationDatasetId", ""))

    def _check_destination(self, config: TransferConfig, dataset: str) -> None:
        if not dataset:
            return
        project = config.place.project
        location = self.location_of(project, dataset)
        if location is None:
            raise NotFound(f"Not found: Dataset {project}:{dataset}")
        if location.lower() != config.place.location:
            raise InvalidArgument(
                f"Cannot create a transfer in {config.place.location} when destination dataset "
                f"is located in {location}"
            )

    def _check_account(self, place: Place, account: str) -> None:
        """Whether the caller may have runs as an account, and Google's agent its tokens.

        The agent may use every account of its own project by the role that it is born with.
        """
        if account == CALLER:
            return
        if not self.iam.allows(self.iam.caller, "iam.serviceAccounts.actAs", account):
            raise PermissionDenied("The caller does not have permission")
        number = self.projects.number(place.project)
        agent = f"service-{number}@gcp-sa-bigquerydatatransfer.iam.gserviceaccount.com"
        if account.endswith(f"@{place.project}.iam.gserviceaccount.com"):
            return
        permission = "iam.serviceAccounts.getAccessToken"
        if not self.iam.allows(service_account(agent), permission, account):
            raise InvalidArgument(
                f"DTS service agent needs {permission} permission or {account} doesn't exist."
            )

    def _check_owner(self, config: TransferConfig, paths: list[str]) -> None:
        """Whoever does not own a config may not change what it runs."""
        others = config.owner != config.taken_by and "service_account_name" not in paths
        if others and any(path.split(".")[0] in RESTRICTED for path in paths):
            raise PermissionDenied(
                "Cannot modify restricted parameters without taking ownership of the transfer "
                "configuration."
            )

    def _plan(self, config: TransferConfig) -> None:
        """Work out when the config runs next."""
        config.next_run = None
        if config.resource.get("disabled") or on_demand(config.resource):
            return
        text, options = schedule_of(config.resource)
        now = self.clock.now()
        begin = max(now, moment(options["startTime"])) if options.get("startTime") else now
        following = schedules.parse(text).after(begin, config.created)
        if not options.get("endTime") or following < moment(options["endTime"]):
            config.next_run = following

    def _next_due(self) -> datetime | None:
        with self.runner.changed:
            moments = [config.next_run for config in self.items.values() if config.next_run]
        return min(moments, default=None)

    def _start_due(self) -> None:
        with self.runner.changed:
            now = self.clock.now()
            for config in self.items.values():
                if config.next_run and config.next_run <= now:
                    due = _latest_due(config, config.next_run, now)
                    self.runner.start(config, due, scheduled=True)
                    self._plan(config)

    def _clock_changed(self) -> None:
        with self.runner.changed:
            if self.clock.now() < self._seen:  # Set back: what was planned is too far ahead.
                for config in self.items.values():
                    self._plan(config)
            self._seen = self.clock.now()
            self._start_due()
        self.scheduler.wake.set()


def _latest_due(config: TransferConfig, due: datetime, now: datetime) -> datetime:
    """The last of the times that have passed: one run makes up for all that were missed."""
    schedule = schedules.parse(schedule_of(config.resource)[0])
    following = due
    while following <= now:
        due, following = following, schedule.after(following, config.created)
    return due
