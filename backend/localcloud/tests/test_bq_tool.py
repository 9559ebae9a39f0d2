"""Google's own `bq`, unmodified, against the stand-in."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from google.cloud.bigquery import Table
from google.cloud.bigquery_connection_v1.types import Connection

from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import LOCATION, PROJECT, ConfigFactory, Query

pytestmark = pytest.mark.skipif(shutil.which("bq") is None, reason="Google's bq is not installed")

Tool = Callable[..., str]


@pytest.fixture
def bq(cloud: LocalCloud, bq_environment: dict[str, str]) -> Tool:
    """Run bq and return what it prints; it has to succeed. As a user does, or as a fork."""
    options = ["bq", "--api", cloud.endpoint, "--project_id", PROJECT]

    def run(*arguments: str, forked: bool = True) -> str:
        spared = () if forked else ("CLOUDSDK_BQ_PYTHON",)
        environment = {k: v for k, v in bq_environment.items() if k not in spared}
        done = subprocess.run(
            [*options, *arguments], env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_show__dataset_table_and_schema(bq: Tool, table: Table) -> None:
    assert f"Dataset {PROJECT}:intelligence" in bq("show", "intelligence")
    assert "DAY (field: day)" in bq("show", "intelligence.risk")
    schema = json.loads(bq("show", "--schema", "--format=prettyjson", "intelligence.risk"))
    assert [(c["name"], c["type"], c["mode"]) for c in schema] == [
        ("id", "STRING", "REQUIRED"),
        ("day", "TIMESTAMP", "REQUIRED"),
        ("score", "FLOAT", "NULLABLE"),
    ]


def test_ls__datasets_and_tables(bq: Tool, table: Table) -> None:
    assert "intelligence" in bq("ls")
    assert "risk" in bq("ls", "intelligence")


def test_query__of_a_bq_that_starts_counts_rows(bq: Tool, query: Query, table: Table) -> None:
    query("INSERT INTO intelligence.risk (id, day) VALUES ('a', TIMESTAMP '2026-01-01')")
    answer = bq(
        "--format=json",
        "query",
        "--use_legacy_sql=false",
        "SELECT COUNT(*) AS n, MIN(day) AS first FROM intelligence.risk",
        forked=False,
    )
    assert json.loads(answer) == [{"n": "1", "first": "2026-01-01 00:00:00"}]


def test_connection__ls_and_show(bq: Tool, connection: Connection) -> None:
    assert ".us-central1.pg" in bq("ls", "--connection", f"--location={LOCATION}")
    shown = json.loads(bq("show", "--connection", "--format=json", f"{PROJECT}.{LOCATION}.pg"))
    assert (shown["hasCredential"], shown["cloudSql"]["type"]) == (True, "POSTGRES")


def test_transfer__ls_show_and_run(cloud: LocalCloud, bq: Tool, make_config: ConfigFactory) -> None:
    name = make_config("SELECT @run_date AS day").name
    assert name in bq("ls", "--transfer_config", f"--transfer_location={LOCATION}")
    shown: dict[str, Any] = json.loads(bq("show", "--transfer_config", "--format=json", name))
    assert (shown["displayName"], shown["schedule"]) == ("nightly", "every day 02:00")
    bq("mk", "--transfer_run", "--run_time=2026-01-05T00:00:00Z", name)
    cloud.wait_for_runs(30)
    (run,) = json.loads(bq("ls", "--transfer_run", "--format=json", name))
    assert (run["state"], run["runTime"]) == ("SUCCEEDED", "2026-01-05T00:00:00.000000Z")


def test_mk__a_scheduled_query(cloud: LocalCloud, bq: Tool) -> None:
    bq(
        "mk",
        "--transfer_config",
        f"--location={LOCATION}",
        "--data_source=scheduled_query",
        "--display_name=by hand",
        "--schedule=every day 02:00",
        '--params={"query": "SELECT 1"}',
    )
    (made,) = cloud.transfers.items.values()
    name = cloud.transfers.records.name_of(made)
    bq("update", "--transfer_config", "--schedule=every day 03:00", name)
    (changed,) = cloud.transfers.items.values()
    assert changed.next_run is not None
    assert changed.next_run.hour == 3
