"""Ways to end a load that is under way, and when; each says whether the load was still there."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg2
from django.db import connection
from google.api_core.exceptions import GoogleAPICallError

from backend.forecasting.conf import load_config
from backend.forecasting.gcp import make_clients
from backend.forecasting.tests.reliability.processes import holds_soon
from backend.forecasting.tests.reliability.scene import Scene
from backend.localcloud.jobs import Job
from backend.localcloud.postgres import admin_cursor

Blow = Callable[[Scene, "subprocess.Popen[str]", float], bool]
"""Given the command that waits, and after how many seconds the load is to be hit."""

RUN_NOW = ("bq_setup_etl", "--run-now")


def load_job(scene: Scene) -> Job | None:
    """The query job of the load that is under way."""
    jobs = list(scene.cloud.bigquery.runner.jobs.values())
    loads = (j for j in jobs if j.id.startswith("scheduled_query_") and not j.future.done())
    return next(loads, None)


def source_session(cursor: "psycopg2.extensions.cursor") -> int | None:
    """The process of PostgreSQL that an external query is read through."""
    cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'EXTERNAL_QUERY'")
    return next((pid for (pid,) in cursor.fetchall()), None)


class Lives:
    """How many seconds a load and its session in PostgreSQL last, measured once."""

    def __init__(self, scene: Scene, start: Callable[[], "subprocess.Popen[str]"]) -> None:
        with admin_cursor(scene.postgres) as cursor:
            process = start()
            self.session = _duration(lambda: source_session(cursor) is not None)
            process.communicate()
        process = start()
        self.job = _duration(lambda: load_job(scene) is not None)
        process.communicate()


def _duration(there: Callable[[], bool]) -> float:
    assert holds_soon(there)
    began = time.monotonic()
    assert holds_soon(lambda: not there())
    return time.monotonic() - began


def kill_session(scene: Scene, process: "subprocess.Popen[str]", pause: float) -> bool:
    """PostgreSQL takes a killed session for a crash: it ends all others and recovers."""
    with suppress(ProcessLookupError, psycopg2.Error), admin_cursor(scene.postgres) as cursor:
        holds_soon(lambda: source_session(cursor) is not None)
        time.sleep(pause)
        pid = source_session(cursor)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def cancel_job(scene: Scene, process: "subprocess.Popen[str]", pause: float) -> bool:
    """As somebody does in Google's console."""
    holds_soon(lambda: load_job(scene) is not None)
    time.sleep(pause)
    job = load_job(scene)
    if job is None:
        return False
    with suppress(GoogleAPICallError):
        make_clients(load_config()).bigquery.cancel_job(job.id, location=job.location)
    return job.cancelled


def kill_command(scene: Scene, process: "subprocess.Popen[str]", pause: float) -> bool:
    """The load goes on, and nobody waits for it."""
    holds_soon(lambda: load_job(scene) is not None)
    time.sleep(pause)
    there = load_job(scene) is not None
    process.kill()
    return there


def recover(scene: Scene) -> bool:
    """Whether PostgreSQL takes logins, and will for this thread too."""

    def answers() -> bool:
        try:
            with admin_cursor(scene.postgres):
                return True
        except psycopg2.OperationalError:
            return False

    connection.close()
    return holds_soon(answers, 60)
