"""Transfer runs: starting them, running their query, and the thread that starts those due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from backend.localcloud.bigquery.job_runner import JobRunner
from backend.localcloud.bigquery.statements import is_select
from backend.localcloud.clock import Clock, timestamp
from backend.localcloud.http.errors import CloudError, NotDone
from backend.localcloud.transfers.records import Run, TransferConfig
from backend.localcloud.transfers.rules import schedule_of

WORKERS = 3
KEPT_RUNS = 1000  # Of each config.
# google.rpc.Code of what BigQuery calls by these reasons.
CODES = {"notFound": 5, "duplicate": 6, "accessDenied": 7, "notImplemented": 12}
INVALID_ARGUMENT, FAILED_PRECONDITION = 3, 9


class Runner:
    """Runs the queries of transfer configs, a few at once.

    Without `room` runs queue, as batch jobs do on a busy Google: they stay PENDING.
    """

    def __init__(self, jobs: JobRunner, clock: Clock) -> None:
        self.jobs = jobs
        self.clock = clock
        self.changed = threading.Condition(threading.RLock())
        self.workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="localcloud-run")
        self.unfinished: set[Future[None]] = set()
        self.room = threading.Event()
        self.room.set()

    def start(self, config: TransferConfig, run_time: datetime, *, scheduled: bool) -> Run:
        """A new run of `config`, PENDING until a worker takes it."""
        now = self.clock.now()
        kept = (
            "params",
            "destinationDatasetId",
            "dataSourceId",
            "notificationPubsubTopic",
            "emailPreferences",
        )
        resource = {name: config.resource[name] for name in kept if name in config.resource}
        resource |= {
            "scheduleTime": timestamp(run_time if scheduled else now),
            "runTime": timestamp(run_time),
            "updateTime": timestamp(now),
            "state": "PENDING",
            "userId": config.user_id,
        }
        if scheduled:
            resource["schedule"] = schedule_of(config.resource)[0]
        run = Run(self.clock.uuid(), resource)
        with self.changed:
            config.runs[run.id] = run
            for old in list(config.runs.values())[:-KEPT_RUNS]:
                if not old.unfinished:
                    del config.runs[old.id]
            run.log("INFO", f"Dispatched run to data source with id {run.id}", now)
            future = self.workers.submit(self._work, config, run, run_time)
            self.unfinished.add(future)
            future.add_done_callback(self.unfinished.discard)
        return run

    def wait(self, seconds: float, unfinished: Callable[[], bool]) -> None:
        """Block until nothing is unfinished; TimeoutError when that takes longer."""
        with self.changed:
            if not self.changed.wait_for(lambda: not unfinished(), seconds):
                raise TimeoutError(f"runs are unfinished after {seconds} seconds")

    def end_runs(self) -> None:
        """Start no run that waits for a worker, and end those that run."""
        self.room.set()
        with self.changed:
            futures = [future for future in list(self.unfinished) if not future.cancel()]
        while not all(future.done() for future in futures):
            self.jobs.stop_jobs()
            time.sleep(0.01)

    def stop(self) -> None:
        self.end_runs()
        self.workers.shutdown(wait=True)

    def _work(self, config: TransferConfig, run: Run, run_time: datetime) -> None:
        self.room.wait()
        self._set(run, state="RUNNING", startTime=timestamp(self.clock.now()))
        problem = self._problem(config, run, run_time)
        now = self.clock.now()
        if problem is None:
            run.log("INFO", "Summary: succeeded 1 jobs, failed 0 jobs.", now)
            self._set(run, state="SUCCEEDED", endTime=timestamp(now), errorStatus={})
        else:
            run.log("ERROR", problem["message"], now)
            self._set(run, state="FAILED", endTime=timestamp(now), errorStatus=problem)

    def _problem(
        self, config: TransferConfig, run: Run, run_time: datetime
    ) -> dict[str, Any] | None:
        """Run the query; what went wrong as google.rpc.Status, or None."""
        query = run.resource["params"]["query"]
        destination = run.resource.get("destinationDatasetId", "")
        if destination:
            return _wrong_destination(destination, query)
        try:
            job = self.jobs.start(
                config.place.project,
                {"query": _query(query, run_time) | {"priority": "BATCH"}},
                {"location": config.place.location, "jobId": f"scheduled_query_{run.id}"},
                config.member,
            )
            run.log("INFO", f"Starting job {job.id} for transfer config.", self.clock.now())
            status = job.resource(None)["status"]
        except CloudError as error:
            status = {"errorResult": error.entry()}
        except Exception as error:  # noqa: BLE001 (a run has to end, whatever went wrong)
            status = {"errorResult": {"reason": "internalError", "message": repr(error)}}
        failure = status.get("errorResult")
        if failure is None:
            return None
        code = CODES.get(failure["reason"], INVALID_ARGUMENT)
        return {"code": code, "message": failure["message"]}

    def _set(self, run: Run, **changes: Any) -> None:
        """Never in place: whoever is just reading the run has it as it was."""
        with self.changed:
            updated = {"updateTime": timestamp(self.clock.now())}
            run.resource = {**run.resource, **changes, **updated}
            self.changed.notify_all()


def _query(sql: str, run_time: datetime) -> dict[str, Any]:
    """A query job's configuration with the two parameters that scheduled queries get."""
    moment = run_time.astimezone(UTC)
    parameters = [
        ("run_time", "TIMESTAMP", moment.isoformat(sep=" ")),
        ("run_date", "DATE", moment.date().isoformat()),
    ]
    return {
        "query": sql,
        "useLegacySql": False,
        "queryParameters": [
            {"name": name, "parameterType": {"type": kind}, "parameterValue": {"value": value}}
            for name, kind, value in parameters
        ],
    }


def _wrong_destination(dataset: str, query: str) -> dict[str, Any]:
    """A script must not have a destination dataset; a SELECT may, which is not done here."""
    if is_select(query):
        return {"code": 12, "message": str(NotDone("destination tables of scheduled queries"))}
    return {
        "code": FAILED_PRECONDITION,
        "message": "Dataset specified in the query ('') is not consistent with Destination "
        f"dataset '{dataset}'.",
    }


class Scheduler:
    """The thread that calls `start_due` whenever something is due or has changed."""

    def __init__(
        self, clock: Clock, next_due: Callable[[], datetime | None], start_due: Callable[[], None]
    ) -> None:
        self.clock = clock
        self.next_due, self.start_due = next_due, start_due
        self.wake = threading.Event()
        self.stopping = False
        self.thread = threading.Thread(target=self._loop, name="localcloud-scheduler", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.stopping = True
        self.wake.set()
        self.thread.join()

    def _loop(self) -> None:
        while not self.stopping:
            self.wake.wait(self._seconds())
            self.wake.clear()
            if not self.stopping:
                self.start_due()

    def _seconds(self) -> float | None:
        """How long to sleep; with a clock that stands still, until something changes."""
        due = self.next_due()
        if due is None:
            return None
        if self.clock.fixed and due > self.clock.now():
            return None
        return max((due - self.clock.now()).total_seconds(), 0)
