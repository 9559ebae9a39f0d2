"""What is kept: the newest jobs, results, requests, runs and copies of tables, and no more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest.mock import Mock

import duckdb
import pytest
from bqemulator.jobs import executor
from google.api_core.exceptions import NotFound
from google.cloud.bigquery import QueryJob, Table
from google.protobuf.timestamp_pb2 import Timestamp

from backend.localcloud.bqemulator.memory import forget_jobs
from backend.localcloud.bqemulator.steady import Repository, Steady
from backend.localcloud.http.errors import CloudError
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import LOCATION, ConfigFactory, GoogleClients, Query, Send

JOB_RUNNER = "backend.localcloud.bigquery.job_runner"


@pytest.fixture
def few_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{JOB_RUNNER}.KEPT_JOBS", 5)
    monkeypatch.setattr(f"{JOB_RUNNER}.ALWAYS_KEPT", 2)
    monkeypatch.setattr("backend.localcloud.bqemulator.memory.KEPT_OTHER_JOBS", 3)


def kept(cloud: LocalCloud) -> dict[str, int]:
    """How many of each there are."""
    emulator = cloud.bigquery.emulator
    return {
        "jobs": len(cloud.bigquery.runner.jobs),
        "of bqemulator": len(emulator.catalog._jobs),
        "results": len(executor.JOB_RESULTS),
        "schemas": len(executor.JOB_SCHEMAS),
    }


def done(google: GoogleClients, sql: str) -> QueryJob:
    """A job that has ended: one that runs is not forgotten, however many come after it."""
    job = google.bigquery.query(sql, location=LOCATION)
    job.result()
    return job


@pytest.mark.usefixtures("few_jobs")
def test_jobs__the_oldest_are_forgotten_everywhere(
    cloud: LocalCloud, google: GoogleClients, query: Query, table: Table
) -> None:
    jobs = [done(google, f"SELECT {n} AS a") for n in range(12)]
    assert [dict(row) for row in jobs[-1].result()] == [{"a": 11}]
    for _ in range(4):
        google.bigquery.copy_table(table, "intelligence.copied").result()
        view = Table("demo-project.intelligence.view")
        view.view_query = "SELECT 1 AS a"
        google.bigquery.create_table(view)
        google.bigquery.delete_table(view)
    query("SELECT 1")
    counts = kept(cloud)
    assert max(counts.values()) <= 5 + 3 + 1, counts
    assert min(counts.values()) >= 5
    with pytest.raises(NotFound, match="Not found"):
        google.bigquery.get_job(jobs[0].job_id, location=LOCATION)


def test_jobs__one_that_begins_while_others_are_forgotten_keeps_its_rows() -> None:
    def read_kept() -> set[tuple[str, str]]:
        executor.JOB_RESULTS["begun"] = executor.JOB_RESULTS["over"]
        return set()

    executor.JOB_RESULTS["over"] = Mock()
    forget_jobs(Mock(_jobs={}), [], read_kept)
    assert executor.JOB_RESULTS.pop("begun", None)
    assert "over" not in executor.JOB_RESULTS


def test_catalog__is_gone_through_as_it_was_while_others_change_it() -> None:
    catalog = Repository(None)
    kept = [value for value in vars(catalog).values() if isinstance(value, dict)]
    assert {type(value) for value in kept} == {Steady}
    for go_through in ("keys", "values", "items", "__iter__"):
        shared = Steady({1: "a"})
        for _ in getattr(shared, go_through)():
            shared[2] = "b"
        assert dict(shared) == {1: "a", 2: "b"}
    assert len(kept) > 5


@pytest.mark.usefixtures("few_jobs")
def test_jobs__those_with_many_rows_are_forgotten_sooner(
    cloud: LocalCloud, google: GoogleClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{JOB_RUNNER}.KEPT_BYTES", 100_000)
    sql = "SELECT n FROM UNNEST(GENERATE_ARRAY(1, 10000)) AS n"  # 80,000 bytes
    jobs = [done(google, sql) for _ in range(4)]
    assert [len(list(job.result())) for job in jobs[-1:]] == [10_000]
    google.bigquery.query("SELECT 1").result()
    assert (kept(cloud)["jobs"], kept(cloud)["results"]) == (2, 2)


@pytest.mark.usefixtures("few_jobs")
def test_jobs__one_that_runs_is_not_forgotten(
    cloud: LocalCloud, send: Send, query: Query, connection: object
) -> None:
    sql = "SELECT * FROM EXTERNAL_QUERY('us-central1.pg', 'SELECT pg_sleep(60)::text AS a')"
    configuration = {"query": {"query": sql, "useLegacySql": False}}
    reference = {"jobId": "slow", "location": LOCATION}
    path = "/bigquery/v2/projects/demo-project/jobs"
    body = {"jobReference": reference, "configuration": configuration}
    assert send("POST", path, json=body).json()["status"]["state"] == "RUNNING"
    for _ in range(8):
        query("SELECT 1")
    assert send("GET", f"{path}/slow").json()["status"]["state"] == "RUNNING"
    assert send("POST", f"{path}/slow/cancel").ok


def test_requests__the_oldest_are_forgotten(
    cloud: LocalCloud, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.localcloud.http.gateway.KEPT_REQUESTS", 3)
    monkeypatch.setattr("backend.localcloud.http.gateway.LARGEST_RECORDED", 100)
    for n in range(5):
        send("GET", f"/nothing/{n}")
    assert [request.path for request in cloud.requests] == [f"/nothing/{n}" for n in (2, 3, 4)]
    send("POST", "/bigquery/v2/projects/p/datasets", json={"description": "x" * 100})
    assert cloud.requests[-1].body == "119 bytes"


def test_runs__the_oldest_are_forgotten(
    cloud: LocalCloud,
    google: GoogleClients,
    make_config: ConfigFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backend.localcloud.transfers.runs.KEPT_RUNS", 3)
    config = make_config("SELECT 1")
    started = []
    for day in range(5):
        moment = Timestamp(seconds=1_767_225_600 + day * 86_400)
        request = {"parent": config.name, "requested_run_time": moment}
        started += [run.name for run in google.transfer.start_manual_transfer_runs(request).runs]
        cloud.wait_for_runs(30)
    found = {run.name for run in google.transfer.list_transfer_runs(parent=config.name)}
    assert found == set(started[2:])


def test_copies__of_each_table_the_newest_are_kept(
    cloud: LocalCloud, query: Query, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.localcloud.bqemulator.time_travel.KEPT_SNAPSHOTS", 3)
    for n in range(5):
        query(f"INSERT INTO intelligence.risk (id, day) VALUES ('{n}', TIMESTAMP '2026-01-01')")
    now = "SELECT COUNT(*) AS n FROM intelligence.risk FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()"
    assert query(now) == [{"n": 5}]
    assert copies(cloud) == 3
    query("DROP SCHEMA intelligence CASCADE; CREATE SCHEMA other; CREATE TABLE other.t (a INT64)")
    query("INSERT INTO other.t VALUES (1)")
    assert copies(cloud) == 2


def copies(cloud: LocalCloud) -> int:
    """The copies that DuckDB holds for time travel."""
    sql = "SELECT count(*) FROM duckdb_tables() WHERE schema_name = '_bqemulator_snapshots'"
    ((count,),) = cloud.bigquery.emulator.rows(sql)
    return int(count)


@pytest.fixture(scope="module")
def small() -> Iterator[LocalCloud]:
    """A stand-in that has 60 MB for all that its queries need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backend.localcloud.bqemulator.engine.MEMORY_BYTES", 60_000_000)
        with LocalCloud() as cloud:
            yield cloud


FEW = "UNNEST(GENERATE_ARRAY(1, 10000))"
SORTED = f"SELECT a, b, ROW_NUMBER() OVER (ORDER BY a * b) AS r FROM {FEW} a, {FEW} b"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT COUNT(*) AS n FROM ({SORTED})",
        f"SELECT 1; CREATE TEMP TABLE t AS {SORTED}",
        f"EXECUTE IMMEDIATE 'SELECT MAX(r) AS r FROM ({SORTED})'",
    ],
)
def test_query__that_needs_too_much_memory_is_refused_in_googles_words(
    small: LocalCloud, sql: str
) -> None:
    with pytest.raises(CloudError) as refused:
        small.query(sql)
    assert (refused.value.code, refused.value.reason) == (400, "resourcesExceeded")
    assert refused.value.message.startswith(
        "Resources exceeded during query execution: The query could not be executed in the "
        "allotted memory. Peak usage: 1"
    )
    assert small.query("SELECT 1 AS a") == [{"a": 1}]


def test_query__that_returns_too_much_is_refused(
    small: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.localcloud.bqemulator.engine.RESULT_BYTES", 1_000_000)
    assert len(small.query("SELECT n FROM UNNEST(GENERATE_ARRAY(1, 1000)) AS n")) == 1000
    for sql in (f"SELECT a, b FROM {FEW} a, {FEW} b", "SELECT 1; SELECT REPEAT('x', 2000000) AS x"):
        with pytest.raises(CloudError, match="could not be executed in the allotted memory") as far:
            small.query(sql)
        assert far.value.reason == "resourcesExceeded"


@pytest.mark.parametrize("setting", ["memory_limit", "threads", "max_memory", "worker_threads"])
def test_query__cannot_lift_its_bounds(small: LocalCloud, setting: str) -> None:
    connection = small.bigquery.emulator.engine._connection
    assert connection is not None
    seen = "SELECT current_setting('memory_limit'), current_setting('threads')"
    before = connection.cursor().execute(seen).fetchall()
    assert before[0][0] == "57.2 MiB"
    assert before[0][1] <= max((os.cpu_count() or 1) // 2, 1)
    for sql in (f"SET {setting} = 9", f"PRAGMA {setting}=9", f"RESET {setting}"):
        for wrapped in (sql, f"SELECT 1; {sql}", f'EXECUTE IMMEDIATE "{sql}"'):
            with pytest.raises(CloudError):
                small.query(wrapped)
        with pytest.raises(duckdb.Error):
            connection.cursor().execute(sql)
    assert connection.cursor().execute(seen).fetchall() == before


@pytest.mark.usefixtures("cloud")
def test_rows__of_a_job_take_no_more_memory_than_they_are(google: GoogleClients) -> None:
    columns = ", ".join(f"{n} AS a{n}, '{n}' AS b{n}" for n in range(40))
    job = done(google, f"SELECT {columns}")
    rows = executor.JOB_RESULTS[str(job.job_id)]
    chunks = [chunk for column in rows.columns for chunk in column.chunks]
    buffers = [buffer for chunk in chunks for buffer in chunk.buffers() if buffer]
    assert len(chunks) == 80
    whole = {buffer.parent.address: buffer.parent.size for buffer in buffers}
    assert sum(whole.values()) < 64_000
