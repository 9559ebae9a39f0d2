"""The nightly load from trigger to success, on the stand-in for Google Cloud."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from backend.localcloud.server import LocalCloud
from bench.comparisons import REFRESH_DAYS
from bench.data import Sizes
from bench.database import NAME, READER, Database, manage
from bench.measuring import Sample

PROJECT = "demo-project"
INSTANCE = f"{PROJECT}:us-central1:main"


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
