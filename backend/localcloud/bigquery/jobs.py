"""A BigQuery job and the answers that show it."""

from __future__ import annotations

import re
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from typing import Any

from backend.localcloud.http.errors import error_for

TABLE_NAME = re.compile(r"(Not found|Already Exists): Table ([\w-]+)\.(\w+)\.(\w+)")
COLOURS = re.compile(r"\x1b\[\d*m")
COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass
class Job:
    """One job: what was asked, where it runs, and in the end its resource.

    `member` is who it belongs to; empty for the stand-in itself, which may do everything. `bytes`
    is how much memory its rows take, once it has ended.
    """

    project: str
    id: str
    location: str
    configuration: dict[str, Any]
    member: str = ""
    started: float = field(default_factory=time.time)
    future: Future[dict[str, Any]] = field(default_factory=Future)
    cancelled: bool = False
    bytes: int = 0

    def reference(self) -> dict[str, Any]:
        return {"projectId": self.project, "jobId": self.id, "location": self.location}

    def resource(self, seconds: float | None) -> dict[str, Any]:
        """The job's resource, DONE if it is within `seconds`; what stopped it is raised."""
        try:
            return self.future.result(seconds)
        except NotYet:
            began = str(int(self.started * 1000))
            return {
                "kind": "bigquery#job",
                "id": f"{self.project}:{self.location}.{self.id}",
                "jobReference": self.reference(),
                "configuration": self.configuration,
                "status": {"state": "RUNNING"},
                "statistics": {"creationTime": began, "startTime": began},
            }


def message(text: str, location: str) -> str:
    """An error's text with table and location as Google names them, and no terminal colours."""
    text = COLOURS.sub("", text)
    text = TABLE_NAME.sub(r"\1: Table \2:\3.\4", text)
    return text.replace("was not found in location US", f"was not found in location {location}")


def refused(job: Job) -> bool:
    return job.future.done() and job.future.exception() is not None


def listed(resource: dict[str, Any]) -> dict[str, Any]:
    names = ("kind", "id", "jobReference", "configuration", "status", "statistics")
    shown = {name: resource[name] for name in names if name in resource}
    return shown | {"state": resource["status"]["state"]}


def script_dry_run(job: Job) -> dict[str, Any]:
    """What a dry run tells of a script; its statements were looked at before."""
    now = str(int(time.time() * 1000))
    query = {"statementType": "SCRIPT", "cacheHit": False, "schema": {"fields": []}}
    return {
        "kind": "bigquery#job",
        "jobReference": job.reference(),
        "status": {"state": "DONE"},
        "statistics": {"creationTime": now, "startTime": now, "endTime": now, "query": query},
    }


def dry_answer(resource: dict[str, Any]) -> dict[str, Any]:
    if error := resource["status"].get("errorResult"):
        raise error_for(error)
    statistics = resource["statistics"]["query"]
    reference = {k: v for k, v in resource["jobReference"].items() if k != "jobId"}
    answer = {"kind": "bigquery#queryResponse", "jobReference": reference, "jobComplete": True}
    answer |= {"schema": statistics.get("schema", {"fields": []}), "cacheHit": False}
    answer |= {"totalBytesProcessed": statistics["totalBytesProcessed"]}
    return answer | {"statementType": statistics.get("statementType", "")}


def show_timestamps(fields: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """Turn microseconds into seconds, as callers get them who do not ask for useInt64Timestamp."""
    indexes = [i for i, column in enumerate(fields) if column["type"] == "TIMESTAMP"]
    for row in rows:
        for index in indexes:
            cell = row["f"][index]
            if isinstance(cell["v"], str):
                cell["v"] = repr(int(cell["v"]) / 1e6)


def name_columns(fields: list[dict[str, Any]]) -> None:
    """Name the columns that the query does not as BigQuery names them: f0_, f1_ and so on."""
    unnamed = [column for column in fields if not COLUMN_NAME.match(column["name"])]
    for index, column in enumerate(unnamed):
        column["name"] = f"f{index}_"


def patched(resource: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """A job's resource with its own location, and errors that name it."""
    location = reference.get("location") or "US"
    resource["jobReference"]["location"] = location
    ids = resource["jobReference"]
    resource["id"] = f"{ids['projectId']}:{location}.{ids['jobId']}"
    status = resource.get("status", {})
    for error in [status.get("errorResult"), *status.get("errors", [])]:
        if error:
            error["message"] = message(error["message"], location)
            if error["reason"] == "outOfRange":  # BigQuery's own table has no such reason.
                error["reason"] = "invalidQuery"
    return resource


def stopped(resource: dict[str, Any]) -> None:
    """Say of a job that ended in an error that its user has stopped it."""
    if "errorResult" in resource["status"]:
        error = {"reason": "stopped", "message": "Job execution was cancelled: User requested"}
        resource["status"] |= {"errorResult": error, "errors": [error]}
