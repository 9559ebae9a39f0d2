"""Ways to end a load that is under way, and when; each says whether the load was still there."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import psycopg2
from django.db import connection
from google.api_core.exceptions import GoogleAPICallError

from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.tests.reliability.processes import Manage, end_of, holds_soon, start_manage
from backend.forecasting.tests.reliability.scene import Scene
from backend.localcloud.bigquery.jobs import Job
from backend.localcloud.http.errors import InvalidQuery
from backend.localcloud.postgres.server import admin_cursor

RUN_NOW = ("bq_setup_etl", "--run-now")
_LOAD = "scheduled_query_"


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
    with (
        _sessions_timed(scene) as sessions,
        watched(scene) as statements,
        start_manage(scene.environment(), *RUN_NOW) as process,
    ):
        assert end_of(process)[0] == 0
    jobs = scene.cloud.bigquery.runner.jobs.values()
    *_, load = (job for job in jobs if job.id.startswith(_LOAD))
    times = load.resource(None)["statistics"]
    job = (int(times["endTime"]) - int(times["startTime"])) / 1000
    return Lives(job=job, session=sessions[0], statements=len(statements))


class _Timed(dict[Any, str]):
    """Sessions by their jobs, as long as they are open; `lives` are the seconds of those of loads.

    Nobody has to look just then: a session that is over in a moment may be missed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lives: list[float] = []
        self._began: dict[Any, float] = {}

    def __setitem__(self, session: Any, job: str) -> None:
        self._began[session] = time.monotonic()
        super().__setitem__(session, job)

    def __delitem__(self, session: Any) -> None:
        if self[session].startswith(_LOAD):
            self.lives.append(time.monotonic() - self._began[session])
        super().__delitem__(session)


@contextmanager
def _sessions_timed(scene: Scene) -> Iterator[list[float]]:
    """Yields how long each session of a load was open, as they end."""
    timed = _Timed()
    with patch.object(scene.cloud.bigquery.runner.federation, "_open", timed):
        yield timed.lives


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


def _seen(process: Manage, there: Callable[[], bool]) -> bool:
    """Whether it was there before the command ended: who looks again and again may miss it."""
    holds_soon(lambda: there() or process.poll() is not None)
    return there()


def kill_session(scene: Scene, process: Manage, lives: Lives, at: float) -> bool:
    """PostgreSQL takes a killed session for a crash: it ends all others and recovers."""
    with suppress(ProcessLookupError, psycopg2.Error), admin_cursor(scene.postgres) as cursor:
        _seen(process, lambda: source_session(scene, cursor) is not None)
        time.sleep(at * lives.session)
        pid = source_session(scene, cursor)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def cancel_job(scene: Scene, process: Manage, lives: Lives, at: float) -> bool:
    """As somebody does in Google's console."""
    job = _load_job_after(scene, process, at * lives.job)
    if job is None:
        return False
    with suppress(GoogleAPICallError):
        make_clients(load_config()).bigquery.cancel_job(job.id, location=job.location)
    return job.cancelled


def stop_job(scene: Scene, process: Manage, lives: Lives, at: float) -> bool:
    """BigQuery ends the job between two statements."""
    number = int(at * lives.statements)
    with watched(scene, number) as statements:
        return _seen(process, lambda: len(statements) > number)


def kill_command(scene: Scene, process: Manage, lives: Lives, at: float) -> bool:
    """The load goes on, and nobody waits for it."""
    there = _load_job_after(scene, process, at * lives.job) is not None
    process.kill()
    return there


def _load_job_after(scene: Scene, process: Manage, pause: float) -> Job | None:
    """The load's job so many seconds after it began, if it still runs."""
    _seen(process, lambda: load_job(scene) is not None)
    time.sleep(pause)
    return load_job(scene)


Blow = Callable[[Scene, Manage, Lives, float], bool]
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
