"""Running query jobs: what is refused at once, where they run, and how they end."""

from __future__ import annotations

import copy
import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Any

from backend.localcloud.bigquery.datasets import Datasets
from backend.localcloud.bigquery.federation import Federation, Reader
from backend.localcloud.bigquery.jobs import Job, message, patched, script_dry_run, stopped
from backend.localcloud.bigquery.statements import (
    StatementHooks,
    is_select,
    only_reads,
    refuse_dry_run,
    script_references,
)
from backend.localcloud.bqemulator.emulator import Answer, Emulator
from backend.localcloud.bqemulator.errors import error_of
from backend.localcloud.bqemulator.scripts import dry_run_texts, statement_count
from backend.localcloud.googlesql.literals import parameter_literal
from backend.localcloud.googlesql.text import substitute
from backend.localcloud.googlesql.undone import refuse_undone
from backend.localcloud.http.errors import (
    AccessDenied,
    AlreadyExists,
    CloudError,
    InvalidArgument,
    InvalidQuery,
    NotDone,
    QueryTooComplex,
    error_for,
)
from backend.localcloud.http.names import Projects

JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,1024}\Z")
WORKERS = 8
# Google keeps jobs for months, and their rows for a day.
KEPT_JOBS = 500
KEPT_BYTES = 16 * 1024 * 1024  # By Arrow's count; DuckDB's buffers take some five times as much.
ALWAYS_KEPT = 10


class JobRunner:
    """The query jobs, by (project, id), each run in a thread.

    `watchers` are called with a job's id and each statement that it is about to run; a CloudError
    of theirs ends it there.
    """

    def __init__(
        self, emulator: Emulator, datasets: Datasets, federation: Federation, projects: Projects
    ) -> None:
        self.iam = federation.connections.iam
        self.emulator = emulator
        self.datasets = datasets
        self.federation = federation
        self.projects = projects
        self.watchers: list[Callable[[str, str], None]] = []
        self.jobs: dict[tuple[str, str], Job] = {}
        self.forgetting = threading.Lock()
        self.workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="localcloud-job")

    def start(
        self,
        project: str,
        configuration: dict[str, Any],
        reference: dict[str, Any],
        member: str = "",
    ) -> Job:
        """Start a query job of `member` in a worker thread."""
        self.projects.resolve(project)
        self._refuse_jobs(project, member)
        identifier = reference.get("jobId") or f"job_{uuid.uuid4().hex}"
        if not JOB_ID.match(identifier):
            raise InvalidArgument(f'Invalid job ID "{identifier}".')
        sql = self._sql(configuration["query"])
        location = reference.get("location") or self._location(sql, project, configuration)
        job = Job(project, identifier, location, configuration, member)
        if self.jobs.setdefault((project, identifier), job) is not job:
            raise AlreadyExists(f"Already Exists: Job {project}:{location}.{identifier}")
        job.future = self.workers.submit(self._run, job, sql)
        return job

    def _refuse_jobs(self, project: str, member: str) -> None:
        permission = "bigquery.jobs.create"
        if member and not self.iam.allows(member, permission):
            problem = f"User does not have {permission} permission in project {project}."
            raise AccessDenied(f"Project {project}", problem)

    def run_at_once(self, project: str, location: str, sql: str) -> None:
        """Run a statement in this thread, as no job of its own; its error is raised."""
        configuration = {"query": {"query": sql}}
        job = Job(project, f"job_{uuid.uuid4().hex}", location, configuration)
        refuse_undone(sql)
        resource = self._run_query(job, sql)
        if problem := resource["status"].get("errorResult"):
            raise error_for(problem)

    def stop_jobs(self) -> None:
        """Interrupt whatever runs, and wait for it to end."""
        for job in list(self.jobs.values()):
            self.end(job)

    def end(self, job: Job) -> None:
        """Interrupt a job, again and again, as it may just be between two statements."""
        while not job.future.done():
            self.federation.cancel(job.id)
            self.emulator.interrupt(job.id)
            time.sleep(0.01)

    def only_reads(self, job: Job) -> bool:
        try:
            return only_reads(job.configuration["query"]["query"])
        except CloudError:
            return False

    def _sql(self, query: dict[str, Any]) -> str:
        """The text to run: parameters filled in, what the stand-in does not do refused."""
        if query.get("useLegacySql", True):
            raise NotDone("legacy SQL: send useLegacySql false")
        if query.get("destinationTable"):
            raise NotDone("queries with a destination table: use CREATE TABLE or INSERT")
        if not query.get("query", "").strip():
            raise InvalidArgument("Required parameter is missing: query")
        refuse_undone(query["query"])
        given = query.get("queryParameters", [])
        named = {p["name"]: parameter_literal(p) for p in given if p.get("name")}
        unnamed = [parameter_literal(p) for p in given if not p.get("name")]
        try:
            return substitute(query["query"], named, unnamed)
        except InvalidQuery as error:
            raise InvalidArgument(error.message, reason="invalidQuery") from error

    def _location(self, sql: str, project: str, configuration: dict[str, Any]) -> str:
        """Where a job runs that does not say: where the first dataset that it names is, or US."""
        default = configuration["query"].get("defaultDataset", {})
        named = [(default.get("projectId", project), default.get("datasetId", ""))]
        try:
            named += [reference[:2] for reference in script_references(sql, project)]
            for owner, dataset in named:
                if location := self.datasets.location(owner, dataset):
                    return location
        except CloudError:
            pass  # The same error fails the job, with its message.
        return "US"

    def _run(self, job: Job, sql: str) -> dict[str, Any]:
        """Run a job to its end and return its resource; a refused one leaves no trace."""
        try:
            return self._run_query(job, sql)
        except CloudError as error:
            self.jobs.pop((job.project, job.id), None)
            error.message = message(error.message, job.location)
            raise
        finally:
            job.bytes = self.emulator.job_bytes(job.id)
            self.forget_jobs()

    def forget_jobs(self) -> None:
        """Forget the oldest jobs, so that memory does not grow for ever."""
        with self.forgetting:
            old = [(key, self.jobs.get(key)) for key in self._old_jobs()]
            gone = [key for key, job in old if job is None or job.future.done()]
            for key in gone:
                self.jobs.pop(key, None)
            self.emulator.forget_jobs(gone, lambda: set(self.jobs))

    def _old_jobs(self) -> list[tuple[str, str]]:
        """The jobs that are too many, or whose rows together take too much memory."""
        newest_first = list(reversed(list(self.jobs.items())))
        sizes = accumulate(job.bytes for _, job in newest_first)
        return [
            key
            for number, ((key, _), size) in enumerate(zip(newest_first, sizes, strict=True))
            if number >= ALWAYS_KEPT and (number >= KEPT_JOBS or size > KEPT_BYTES)
        ]

    def _run_query(self, job: Job, sql: str) -> dict[str, Any]:
        dry = bool(job.configuration.get("dryRun"))
        limit = job.configuration["query"].get("maximumBytesBilled")
        hooks = StatementHooks(
            self.datasets,
            self.federation,
            Reader(job.id, job.project, job.location, dry, job.member),
            self.watchers,
            int(limit) if limit else None,
        )
        if dry and statement_count(sql) > 1:
            for text in dry_run_texts(sql):
                self._look_at(job, text, hooks)
            return self._finish(job, script_dry_run(job), hooks)
        if dry and not is_select(sql):
            self._look_at(job, sql, hooks)
        configuration = copy.deepcopy(job.configuration)
        configuration["query"] |= {"query": sql, "useLegacySql": False}
        configuration["query"].pop("queryParameters", None)
        body = {"jobReference": job.reference(), "configuration": configuration}
        answer = self._call(job, body, hooks)
        if answer.status >= 300:
            raise error_of(answer.body)
        return self._finish(job, json.loads(answer.body), hooks)

    def _look_at(self, job: Job, sql: str, hooks: StatementHooks) -> None:
        """Refuse a statement that could not be run, without running it."""
        refuse_dry_run(sql)
        self.emulator.explain(job.project, sql, before=hooks.before)

    def _call(self, job: Job, body: dict[str, Any], hooks: StatementHooks) -> Answer:
        try:
            return self.emulator.call(
                "POST",
                f"/bigquery/v2/projects/{job.project}/jobs",
                body=json.dumps(body).encode(),
                job=job.id,
                before=hooks.before,
                finished=hooks.finished,
                committed=hooks.committed,
                change=hooks.change,
            )
        except RecursionError as error:
            raise QueryTooComplex from error
        except Exception as error:  # A 500 would have clients retry for minutes.
            raise NotDone(f"this query: bqemulator fails with {error!r}") from error

    def _finish(self, job: Job, resource: dict[str, Any], hooks: StatementHooks) -> dict[str, Any]:
        query = {"priority": "INTERACTIVE", **job.configuration["query"]}
        resource["configuration"] = {**job.configuration, "jobType": "QUERY", "query": query}
        statistics = resource.setdefault("statistics", {})
        statistics["totalBytesProcessed"] = str(hooks.bytes)
        statistics.setdefault("query", {})["totalBytesProcessed"] = str(hooks.bytes)
        statistics["query"]["totalBytesBilled"] = str(hooks.bytes)
        if job.cancelled:
            stopped(resource)
        return patched(resource, job.reference())

    def stop(self) -> None:
        self.stop_jobs()
        self.workers.shutdown(wait=True, cancel_futures=True)
