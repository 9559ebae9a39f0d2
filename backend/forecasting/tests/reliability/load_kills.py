"""Ways to end a load that is under way, and when; each says whether the load was still there."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg2
from django.db import connection
from google.api_core.exceptions import GoogleAPICallError

from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.tests.reliability.processes import end_of, holds_soon, start_manage
from backend.forecasting.tests.reliability.scene import Scene
from backend.localcloud.bigquery.jobs import Job
from backend.localcloud.http.errors import InvalidQuery
from backend.localcloud.postgres.server import admin_cursor

RUN_NOW = ("bq_setup_etl", "--run-now")
_LOAD = "scheduled_query_"

Process = subprocess.Popen[str]


def load_job(scene: Scene) -> Job | None:
    """The query job of the load that is under way."""
    jobs = list(scene.cloud.bigquery.runner.jobs.values())
    loads = (job for job in jobs if job.id.startswith(_LOAD) and not job.future.done())
    return next(loads, None)


def source_session(scene: Scene, cursor: "psycopg2.extensions.cursor") -> int | None:
    """The process of PostgreSQL that a load under way reads through; a probe is none."""
    if load_job(scene) is None:
        return None
    cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'EXTERNAL_QUERY'")
    return next((pid for (pid,) in cursor.fetchall()), None)


@dataclass(frozen=True, kw_only=True)
class Lives:
    """How many seconds a load and its session in PostgreSQL last, and its statements."""

    job: float
    session: float
    statements: int


def measure_lives(scene: Scene) -> Lives:
    """What an undisturbed load takes."""
    with admin_cursor(scene.postgres) as cursor, _waiting(scene):
        session = _duration(lambda: source_session(scene, cursor) is not None)
    with _waiting(scene):
        job = _duration(lambda: load_job(scene) is not None)
    with watched(scene) as statements, _waiting(scene):
        pass
    return Lives(job=job, session=session, statements=len(statements))


@contextmanager
def watched(scene: Scene, last: int | None = None) -> Iterator[list[str]]:
    """Yields the statements that loads run, as they come; the one of that number ends its job."""
    seen: list[str] = []

    def watch(job: str, sql: str) -> None:
        if job.startswith(_LOAD):
            seen.append(sql)
            if len(seen) - 1 == last:
                raise InvalidQuery("Job execution was cancelled: User requested")

    scene.cloud.bigquery.watchers.append(watch)
    try:
        yield seen
    finally:
        scene.cloud.bigquery.watchers.remove(watch)


@contextmanager
def _waiting(scene: Scene) -> Iterator[None]:
    with start_manage(scene.environment(), *RUN_NOW) as process:
        yield
        assert end_of(process)[0] == 0


def _duration(there: Callable[[], bool]) -> float:
    assert holds_soon(there)
    began = time.monotonic()
    assert holds_soon(lambda: not there())
    return time.monotonic() - began


def kill_session(scene: Scene, process: Process, lives: Lives, at: float) -> bool:
    """PostgreSQL takes a killed session for a crash: it ends all others and recovers."""
    with suppress(ProcessLookupError, psycopg2.Error), admin_cursor(scene.postgres) as cursor:
        holds_soon(lambda: source_session(scene, cursor) is not None)
        time.sleep(at * lives.session)
        pid = source_session(scene, cursor)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def cancel_job(scene: Scene, process: Process, lives: Lives, at: float) -> bool:
    """As somebody does in Google's console."""
    job = _load_job_after(scene, at * lives.job)
    if job is None:
        return False
    with suppress(GoogleAPICallError):
        make_clients(load_config()).bigquery.cancel_job(job.id, location=job.location)
    return job.cancelled


def stop_job(scene: Scene, process: Process, lives: Lives, at: float) -> bool:
    """BigQuery ends the job between two statements."""
    number = int(at * lives.statements)
    with watched(scene, number) as statements:
        return holds_soon(lambda: len(statements) > number)


def kill_command(scene: Scene, process: Process, lives: Lives, at: float) -> bool:
    """The load goes on, and nobody waits for it."""
    there = _load_job_after(scene, at * lives.job) is not None
    process.kill()
    return there


def _load_job_after(scene: Scene, pause: float) -> Job | None:
    """The load's job so many seconds after it began, if it still runs."""
    holds_soon(lambda: load_job(scene) is not None)
    time.sleep(pause)
    return load_job(scene)


Blow = Callable[[Scene, Process, Lives, float], bool]
"""Given the command that waits, and how far into its life (0 to 1) the load is to be hit."""


def recover(scene: Scene) -> bool:
    """Whether PostgreSQL takes logins, and will for this thread too."""

    def answers() -> bool:
        try:
            with admin_cursor(scene.postgres):
                return True
        except psycopg2.OperationalError:
            return False

    connection.close()
    return holds_soon(answers)
