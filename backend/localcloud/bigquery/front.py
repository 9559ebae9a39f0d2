"""The front onto BigQuery: jobs and queries, run by bqemulator under Google's rules.

https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from backend.localcloud.bigquery.datasets import Datasets
from backend.localcloud.bigquery.federation import Federation
from backend.localcloud.bigquery.job_runner import JobRunner
from backend.localcloud.bigquery.jobs import (
    Job,
    dry_answer,
    listed,
    name_columns,
    patched,
    refused,
    show_timestamps,
)
from backend.localcloud.bigquery.namesakes import refuse_namesake
from backend.localcloud.bigquery.tables import Reference, Tables
from backend.localcloud.bigquery.views import view_statement
from backend.localcloud.bqemulator.catalog import Catalog
from backend.localcloud.bqemulator.emulator import Emulator
from backend.localcloud.bqemulator.errors import error_of
from backend.localcloud.http.call import Call, whole_number
from backend.localcloud.http.discovery import check_resource
from backend.localcloud.http.errors import InvalidArgument, NotDone, NotFound, error_for
from backend.localcloud.http.names import Projects

INSERT_WAIT_SECONDS = 2.0
QUERY_WAIT_MS = 10_000
MAX_ROWS = 100_000
QUERY_FIELDS = (
    "query",
    "useLegacySql",
    "queryParameters",
    "parameterMode",
    "defaultDataset",
    "maximumBytesBilled",
    "useQueryCache",
    "createSession",
    "connectionProperties",
)


class BigQuery:
    """Jobs, datasets and tables of every project."""

    def __init__(self, emulator: Emulator, federation: Federation, projects: Projects) -> None:
        self.emulator = emulator
        self.projects = projects
        self.store = Catalog(emulator)
        self.datasets = Datasets(self.store)
        emulator.travel_hours = self.datasets.travel_hours
        self.tables = Tables(self.store, self.datasets, self._make_view)
        self.runner = JobRunner(emulator, self.datasets, federation, projects)

    @property
    def watchers(self) -> list[Callable[[str, str], None]]:
        """What is told of each statement: see JobRunner."""
        return self.runner.watchers

    def reset(self) -> None:
        self.runner.stop_jobs()
        self.emulator.reset()
        self.runner.jobs.clear()
        self.datasets.kept.clear()
        self.store.kept.clear()

    def stop(self) -> None:
        self.runner.stop()
        self.emulator.stop()

    def insert(self, call: Call) -> dict[str, Any]:
        """jobs.insert; answers while the job still runs when it takes long."""
        body = call.object()
        check_resource("Job", body)
        body = _as_set(body)
        configuration = body.get("configuration", {})
        if kind := next((k for k in ("load", "extract") if k in configuration), ""):
            raise NotDone(f"{kind} jobs: nothing reads or writes files")
        if "query" not in configuration:
            call.writes = True
            copied = configuration.get("copy", {}).get("destinationTable", {})
            names = (copied.get(part, "") for part in ("projectId", "datasetId", "tableId"))
            refuse_namesake(self.store, *names)
            answer = patched(self.passthrough(call), body.get("jobReference", {}))
            self.runner.forget_jobs()
            return answer
        reference = body.get("jobReference", {})
        caller = self.runner.iam.caller
        job = self.runner.start(call.params["project"], configuration, reference, caller)
        call.writes = not (configuration.get("dryRun") or self.runner.only_reads(job))
        return job.resource(INSERT_WAIT_SECONDS)

    def query(self, call: Call) -> dict[str, Any]:
        """jobs.query: the rows at once, and a failed query is an HTTP error."""
        body = call.object()
        check_resource("QueryRequest", body)
        body = _as_set(body)
        query = {k: body[k] for k in QUERY_FIELDS if k in body}
        configuration = {"query": query, "labels": body.get("labels", {})}
        configuration["dryRun"] = body.get("dryRun", False)
        reference = {"location": body.get("location", "")}
        caller = self.runner.iam.caller
        job = self.runner.start(call.params["project"], configuration, reference, caller)
        call.writes = not (body.get("dryRun") or self.runner.only_reads(job))
        resource = job.resource(
            whole_number("timeoutMs", body.get("timeoutMs", QUERY_WAIT_MS)) / 1000
        )
        if resource["status"]["state"] == "DONE" and body.get("dryRun"):
            return dry_answer(resource)
        exact = body.get("formatOptions", {}).get("useInt64Timestamp", False)
        size = whole_number("maxResults", body.get("maxResults", MAX_ROWS))
        answer = self._rows(job, resource, size, 0, exact=exact)
        return answer | {"kind": "bigquery#queryResponse"}

    def results(self, call: Call) -> dict[str, Any]:
        """jobs.getQueryResults; waits as long as timeoutMs says."""
        job = self._job(call)
        resource = job.resource(call.number("timeoutMs", QUERY_WAIT_MS) / 1000)
        start = call.number("pageToken", 0) or call.number("startIndex", 0)
        size, exact = call.number("maxResults", MAX_ROWS), _exact_timestamps(call)
        return self._rows(job, resource, size, start, exact=exact)

    def get(self, call: Call) -> dict[str, Any]:
        if (call.params["project"], call.params["job"]) not in self.runner.jobs:
            return patched(self.passthrough(call), {"location": call.argument("location")})
        return self._job(call).resource(0)

    def cancel(self, call: Call) -> dict[str, Any]:
        job = self._job(call)
        job.cancelled = True
        self.runner.end(job)
        return {"kind": "bigquery#jobCancelResponse", "job": job.resource(0)}

    def fetch(self, sql: str, project: str, location: str | None) -> list[dict[str, Any]]:
        """The rows of a query as plain Python values; a failed query's error is raised."""
        query = {"query": sql, "useLegacySql": False}
        job = self.runner.start(project, {"query": query}, {"location": location or ""})
        if error := job.resource(None)["status"].get("errorResult"):
            raise error_for(error)
        return self.emulator.job_rows(job.id)

    def list_rows(self, call: Call) -> dict[str, Any]:
        """tabledata.list, which Google does of tables only."""
        reference = call.params["project"], call.params["dataset"], call.params["table"]
        self.store.expire()
        table = self.store.get_table(*reference)
        if table and table.table_type == "VIEW":
            raise InvalidArgument("Cannot list a table of type VIEW.")
        for name in ("maxResults", "startIndex"):
            call.number(name, 0)
        answer = self.passthrough(call)
        if not _exact_timestamps(call):
            schema = self.tables.to_json(*reference).get("schema", {})
            show_timestamps(schema.get("fields", []), answer.get("rows", []))
        return answer

    def list_jobs(self, call: Call) -> dict[str, Any]:
        """The jobs of a project, newest first; a script's child jobs are not kept."""
        if call.argument("parentJobId"):
            return {"kind": "bigquery#jobList", "etag": '"0"'}
        found = [
            j
            for (project, _), j in list(self.runner.jobs.items())
            if project == call.params["project"]
        ]
        shown = [listed(job.resource(0)) for job in reversed(found) if not refused(job)]
        size = call.number("maxResults", 0) or 50
        return {"kind": "bigquery#jobList", "jobs": shown[:size]}

    def list_projects(self, call: Call) -> dict[str, Any]:
        """The projects that have been named so far."""
        found = [
            {"kind": "bigquery#project", "id": name, "numericId": number, "friendlyName": name}
            | {"projectReference": {"projectId": name}}
            for number, name in sorted(self.projects.ids.items(), key=lambda item: item[1])
        ]
        return {"kind": "bigquery#projectList", "projects": found, "totalItems": len(found)}

    def service_account(self, call: Call) -> dict[str, Any]:
        number = self.projects.number(call.params["project"])
        email = f"bq-{number}@bigquery-encryption.iam.gserviceaccount.com"
        return {"kind": "bigquery#getServiceAccountResponse", "email": email}

    def passthrough(self, call: Call) -> dict[str, Any]:
        """What bqemulator answers to the request as it is."""
        answer = self.emulator.call(call.method, call.path, call.query_string, call.raw)
        if answer.status >= 300:
            raise error_of(answer.body)
        parsed: dict[str, Any] = json.loads(answer.body or b"{}")
        return parsed

    def _make_view(self, reference: Reference, view: dict[str, Any] | None) -> None:
        location = self.datasets.location(*reference[:2]) or "US"
        self.runner.run_at_once(reference[0], location, view_statement(reference, view))

    def _job(self, call: Call) -> Job:
        project, identifier = call.params["project"], call.params["job"]
        job = self.runner.jobs.get((project, identifier))
        location = call.argument("location")
        if job is None or (location and location.lower() != job.location.lower()):
            where = location or "US"
            raise NotFound(f"Not found: Job {project}:{where}.{identifier}")
        return job

    def _rows(
        self, job: Job, resource: dict[str, Any], size: int, start: int, *, exact: bool
    ) -> dict[str, Any]:
        """A page of a job's rows; the error of a failed job is raised."""
        answer: dict[str, Any] = {"kind": "bigquery#getQueryResultsResponse"}
        answer |= {"jobReference": job.reference(), "jobComplete": False}
        if resource["status"]["state"] != "DONE":
            return answer
        if error := resource["status"].get("errorResult"):
            raise error_for(error)
        path = f"/bigquery/v2/projects/{job.project}/queries/{job.id}"
        query = f"maxResults={size}&startIndex={start}"
        rows = json.loads(self.emulator.call("GET", path, query).body)
        name_columns(rows["schema"]["fields"])
        if not exact:
            show_timestamps(rows["schema"]["fields"], rows["rows"])
        statistics = resource["statistics"]["query"]
        kept = ("statementType", "numDmlAffectedRows", "cacheHit", "ddlOperationPerformed")
        answer |= rows | {name: statistics[name] for name in kept if name in statistics}
        answer |= {"jobReference": job.reference(), "jobComplete": True}
        return answer | {"totalBytesProcessed": statistics["totalBytesProcessed"]}


def _exact_timestamps(call: Call) -> bool:
    return call.argument("formatOptions.useInt64Timestamp").lower() == "true"


def _as_set(value: Any) -> Any:
    """JSON without what is null, which says as much as what is left out."""
    if isinstance(value, dict):
        return {name: _as_set(item) for name, item in value.items() if item is not None}
    return [_as_set(item) for item in value] if isinstance(value, list) else value
