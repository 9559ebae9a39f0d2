"""The runs of transfer configs, as the Data Transfer API shows and starts them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.localcloud.clock import Clock
from backend.localcloud.http.errors import FailedPrecondition
from backend.localcloud.http.paging import page
from backend.localcloud.transfers.records import Records, Run, TransferConfig
from backend.localcloud.transfers.rules import requested_times
from backend.localcloud.transfers.runs import Runner

CLOCK_SKEW = timedelta(minutes=1)


class TransferRuns:
    """What the API does with runs; they are kept in their configs."""

    def __init__(self, records: Records, runner: Runner, clock: Clock) -> None:
        self.records = records
        self.runner = runner
        self.clock = clock

    def start(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start one run for a time, or one for each day of a range."""
        config = self.records.config(request["parent"])
        if config.resource.get("disabled"):
            raise FailedPrecondition("Cannot start a transfer run: the transfer config is disabled")
        latest = max(self.clock.now(), datetime.now(UTC)) + CLOCK_SKEW
        moments = requested_times(config.resource, request, latest)
        with self.runner.changed:  # No worker has begun by then, however late the answer is made.
            runs = [self.runner.start(config, at, scheduled=False) for at in moments]
            return {"runs": [self.to_json(config, run) for run in runs]}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """The runs, newest first; with run_attempt LATEST the newest of each day."""
        config = self.records.config(request["parent"])
        states = request.get("states", [])
        newest_first = list(config.runs.values())[::-1]
        runs = sorted(newest_first, key=lambda run: run.resource["scheduleTime"], reverse=True)
        if request.get("runAttempt") == "LATEST":
            days = {run.resource["runTime"][:10]: run for run in reversed(runs)}
            runs = [run for run in runs if days[run.resource["runTime"][:10]] is run]
        found = [
            self.to_json(config, run)
            for run in runs
            if not states or run.resource["state"] in states
        ]
        size = min(request.get("pageSize") or 1000, 1000)
        return page(found, "transferRuns", size, request.get("pageToken", ""))

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        config, run = self.records.run(request["name"])
        return self.to_json(config, run)

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        config, run = self.records.run(request["name"])
        del config.runs[run.id]
        return {}

    def list_logs(self, request: dict[str, Any]) -> dict[str, Any]:
        _, run = self.records.run(request["parent"])
        kinds = request.get("messageTypes", [])
        found = [m for m in run.messages if not kinds or m["severity"] in kinds]
        size = min(request.get("pageSize") or 1000, 1000)
        return page(found, "transferMessages", size, request.get("pageToken", ""))

    def to_json(self, config: TransferConfig, run: Run) -> dict[str, Any]:
        return {
            "name": f"{self.records.name_of(config)}/runs/{run.id}",
            **copy.deepcopy(run.resource),
        }
