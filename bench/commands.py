"""What the commands take, on the stand-in for Google Cloud and beside Google's own `bq`.

The nightly load from trigger to success; and what a command costs before Google answers, by the
second run of each, which finds all as it should be, as a deploy hook does.
"""

import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from backend.localcloud.server import LocalCloud
from bench.comparisons import REFRESH_DAYS
from bench.data import Sizes
from bench.database import NAME, READER, Database, manage
from bench.measuring import Sample, alternate

PROJECT = "demo-project"
INSTANCE = f"{PROJECT}:us-central1:main"
BQ_SHOW = "bq show"
COMMANDS = ("bq_setup", "bq_setup_etl", "bq_verify")
_TABLE = "intelligence.entity_risk_training_data"


class LoadError(Exception):
    """A run of the nightly load did not succeed; the message is its own."""


def measure_runs(database: Database, sizes: Sizes, repetitions: int) -> dict[int, list[Sample]]:
    """Runs by days that each read again: the whole window, and the last days only.

    The first run, into an empty table, does not count.
    """
    with running_cloud(database) as environment:
        manage("bq_setup", environment=environment)
        days = (sizes.days, REFRESH_DAYS)
        _run(sizes, sizes.days, environment)
        return {each: [_run(sizes, each, environment) for _ in range(repetitions)] for each in days}


@contextmanager
def running_cloud(database: Database) -> Iterator[dict[str, str]]:
    """Yields the settings that lead the commands to a stand-in and to the database."""
    with LocalCloud(
        sql_instances={INSTANCE: database.server.address},
        secrets={"POSTGRES_USER": READER, "POSTGRES_PASSWORD": database.reader_password},
    ) as cloud:
        yield {
            "DATABASE_URL": database.owner_uri,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "CLOUD_SQL_INSTANCE": INSTANCE,
            "FORECASTING_SOURCE_DATABASE": NAME,
            "FORECASTING_API_ENDPOINT": cloud.endpoint,
            "FORECASTING_GRPC_ENDPOINT": cloud.grpc_endpoint,
        }


def _run(sizes: Sizes, refresh_days: int, environment: dict[str, str]) -> Sample:
    """One run as a user would start it; Google's own times of its start and its end."""
    output = manage(
        "bq_setup_etl",
        *("--window-days", str(sizes.days), "--refresh-days", str(refresh_days)),
        *("--run-now", "--format", "json"),
        environment=environment,
    )
    run = json.loads(output)["run"]
    if run["state"] != "SUCCEEDED":
        raise LoadError(run["error"])
    return Sample(seconds=run["seconds"], rows=run["rows"])


def measure_start_up(database: Database, repetitions: int) -> Mapping[str, Sequence[Sample]]:
    """Samples by command, the commands' own processor seconds in `server_seconds`.

    Without `bq` where that is not installed.
    """
    with running_cloud(database) as environment, tempfile.TemporaryDirectory() as home:
        manage("bq_setup", environment=environment)
        manage("bq_setup_etl", "--run-now", environment=environment)
        runs: dict[str, Callable[[], Sample]] = {
            name: partial(_take, partial(manage, name, environment=environment))
            for name in COMMANDS
        }
        if shutil.which("bq"):
            endpoint = environment["FORECASTING_API_ENDPOINT"]
            runs[BQ_SHOW] = partial(_take, partial(_show, Path(home), endpoint))
        return alternate(runs, repetitions)


def _take(run: Callable[[], object]) -> Sample:
    before, began = _used_by_children(), time.perf_counter()
    run()
    taken = time.perf_counter() - began
    return Sample(seconds=taken, server_seconds=_used_by_children() - before)


def _used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _show(home: Path, endpoint: str) -> None:
    """`bq show` of the training table, with an empty home and any login."""
    token = home / "token"
    token.write_text("any")
    subprocess.run(  # noqa: S603 - the arguments are this module's own
        ["bq", "--api", endpoint, "--project_id", PROJECT, "show", _TABLE],  # noqa: S607
        env={
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
        },
        capture_output=True,
        check=True,
    )
