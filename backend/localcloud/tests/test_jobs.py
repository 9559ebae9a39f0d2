"""Jobs and queries: where they run, what they answer, what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, GoogleAPICallError, NotFound
from google.cloud.bigquery import Dataset, QueryJob, QueryJobConfig, Table

from backend.localcloud.http.errors import InvalidQuery
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PROJECT, GoogleClients, Query, Send

JOBS, QUERIES = f"/bigquery/v2/projects/{PROJECT}/jobs", f"/bigquery/v2/projects/{PROJECT}/queries"
INSERT = "INSERT INTO intelligence.risk (id, day, score) VALUES ('a', TIMESTAMP '2026-01-01', 1)"


def standard(query: str, **fields: Any) -> dict[str, Any]:
    return {"query": query, "useLegacySql": False, **fields}


def test_location__is_the_one_asked_for(google: GoogleClients) -> None:
    job = google.bigquery.query("SELECT 1", location="EU")
    job.result()
    assert job.location == "EU"
    assert google.bigquery.get_job(job.job_id, location="EU").location == "EU"
    with pytest.raises(NotFound, match="Not found: Job"):
        google.bigquery.get_job(job.job_id, location="US")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM intelligence.risk",
        "SELECT 1; SELECT * FROM `demo-project.intelligence.risk`",
        "IF (SELECT COUNT(*) FROM intelligence.risk) = 0 THEN SELECT 1; END IF",
        "DECLARE n INT64 DEFAULT (SELECT COUNT(*) FROM intelligence.risk); SELECT n",
        "ASSERT NOT EXISTS(SELECT 1 FROM intelligence.risk)",
    ],
)
def test_location__is_else_that_of_the_first_dataset(send: Send, table: Table, sql: str) -> None:
    answer = send("POST", QUERIES, json=standard(sql)).json()
    assert answer["jobReference"]["location"] == "us-central1"


def test_location__is_else_us_and_of_the_default_dataset(send: Send, table: Table) -> None:
    answer = send("POST", QUERIES, json=standard("SELECT 1")).json()
    assert answer["jobReference"]["location"] == "US"
    default = {"datasetId": "intelligence", "projectId": PROJECT}
    configuration = {"query": standard("SELECT * FROM risk", defaultDataset=default)}
    job = send("POST", JOBS, json={"configuration": configuration}).json()
    assert job["jobReference"]["location"] == "us-central1"
    assert "errorResult" not in job["status"]


def test_location__another_one_does_not_find_the_dataset(query: Query, table: Table) -> None:
    message = f"Not found: Dataset {PROJECT}:intelligence was not found in location US"
    with pytest.raises(NotFound, match=message):
        query("SELECT * FROM intelligence.risk", location="US")
    with pytest.raises(NotFound, match=message):
        query(f"SELECT 1; {INSERT}", location="US")


def test_failed_query__of_jobs_query_is_an_http_error(send: Send, table: Table) -> None:
    failed = send("POST", QUERIES, json=standard("ASSERT FALSE AS 'no'"))
    assert (failed.status_code, failed.json()["error"]["errors"][0]["reason"]) == (
        400,
        "invalidQuery",
    )
    missing = send("POST", QUERIES, json=standard("SELECT * FROM intelligence.nope"))
    assert (missing.status_code, missing.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_failed_query__of_jobs_insert_is_in_the_job(send: Send) -> None:
    answer = send("POST", JOBS, json={"configuration": {"query": standard("RAISE")}})
    assert answer.status_code == 200
    status = answer.json()["status"]
    assert (status["state"], status["errorResult"]["reason"]) == ("DONE", "invalidQuery")
    assert status["errors"] == [status["errorResult"]]


def test_job__remembers_what_was_asked(google: GoogleClients) -> None:
    config = QueryJobConfig(labels={"a": "b"}, maximum_bytes_billed=10**9)
    job = google.bigquery.query("SELECT 1 AS a", job_config=config)
    job.result()
    again = google.bigquery.get_job(job.job_id)
    assert isinstance(again, QueryJob)
    assert (again.query, again.labels, again.state) == ("SELECT 1 AS a", {"a": "b"}, "DONE")
    assert again.maximum_bytes_billed == 10**9


def test_job__of_a_taken_id_is_a_conflict(google: GoogleClients) -> None:
    google.bigquery.query("SELECT 1", job_id="one", job_retry=None).result()
    body = {"jobReference": {"jobId": "one"}, "configuration": {"query": standard("SELECT 1")}}
    with pytest.raises(Conflict, match=f"Already Exists: Job {PROJECT}:"):
        google.bigquery._connection.api_request(method="POST", path=JOBS[12:], data=body)


def test_job__is_listed_newest_first(google: GoogleClients) -> None:
    ids = [google.bigquery.query(f"SELECT {n}").result().job_id for n in range(3)]
    assert [job.job_id for job in google.bigquery.list_jobs()] == ids[::-1]
    assert list(google.bigquery.list_jobs(parent_job=ids[0])) == []


def test_job__that_takes_long_is_running_until_it_is_done(send: Send, connection: object) -> None:
    sql = "SELECT * FROM EXTERNAL_QUERY('us-central1.pg', 'SELECT pg_sleep(600)::text AS a')"
    body = {"jobReference": {"location": "us-central1"}, "configuration": {"query": standard(sql)}}
    job = send("POST", JOBS, json=body).json()
    assert job["status"] == {"state": "RUNNING"}
    path = f"/{job['jobReference']['jobId']}"
    waiting = send("GET", QUERIES + path, params={"timeoutMs": 1}).json()
    assert waiting["jobComplete"] is False
    assert send("GET", JOBS + path).json()["status"]["state"] == "RUNNING"
    cancelled = send("POST", JOBS + path + "/cancel").json()["job"]
    assert cancelled["status"]["state"] == "DONE"
    assert cancelled["status"]["errorResult"]["reason"] == "stopped"


def test_job__can_be_cancelled_while_duckdb_runs_it(send: Send) -> None:
    numbers = "UNNEST(GENERATE_ARRAY(1, 200000))"
    sql = f"SELECT COUNT(*) FROM {numbers} AS a, {numbers} AS b WHERE MOD(a * b, 7) = 3"
    job = send("POST", QUERIES, json=standard(sql, timeoutMs=50)).json()
    assert job["jobComplete"] is False
    cancelled = send("POST", f"{JOBS}/{job['jobReference']['jobId']}/cancel").json()["job"]
    assert cancelled["status"]["errorResult"]["reason"] == "stopped"


def test_watchers__see_each_statement_and_can_end_the_job(
    cloud: LocalCloud, google: GoogleClients, query: Query
) -> None:
    google.bigquery.create_dataset(Dataset(f"{PROJECT}.watched"), exists_ok=True)
    query("CREATE OR REPLACE TABLE watched.t AS SELECT 1 AS n")
    seen: list[str] = []

    def watch(job: str, sql: str) -> None:
        seen.append(sql)
        if "2" in sql:
            raise InvalidQuery("it ends here")

    cloud.bigquery.watchers.append(watch)
    try:
        with pytest.raises(BadRequest, match="it ends here"):
            query("UPDATE watched.t SET n = 3 WHERE TRUE; DELETE FROM watched.t WHERE n <> 2;")
    finally:
        cloud.bigquery.watchers.remove(watch)
    assert [sql.split()[0] for sql in seen] == ["UPDATE", "DELETE"]
    assert query("SELECT n FROM watched.t") == [{"n": 3}]


def test_reset__ends_what_runs(cloud: LocalCloud, send: Send, connection: object) -> None:
    sql = "SELECT * FROM EXTERNAL_QUERY('us-central1.pg', 'SELECT pg_sleep(600)::text AS a')"
    send("POST", QUERIES, json=standard(sql, location="us-central1", timeoutMs=1))
    cloud.reset()
    assert cloud.bigquery.runner.jobs == {}


def test_columns__without_a_name_are_numbered(query: Query) -> None:
    assert query("SELECT 1, 'a' AS b, COUNT(*)") == [{"f0_": 1, "b": "a", "f1_": 1}]


def test_timestamps__are_seconds_unless_asked_otherwise(send: Send) -> None:
    body = standard("SELECT TIMESTAMP '2026-01-01 00:00:00.5' AS t, CAST(NULL AS TIMESTAMP) AS n")
    plain = send("POST", QUERIES, json=body).json()["rows"][0]["f"]
    assert (float(plain[0]["v"]), plain[1]["v"]) == (1767225600.5, None)
    body["formatOptions"] = {"useInt64Timestamp": True}
    assert send("POST", QUERIES, json=body).json()["rows"][0]["f"][0]["v"] == "1767225600500000"


def test_rows__come_in_pages(google: GoogleClients) -> None:
    job = google.bigquery.query("SELECT n FROM UNNEST(GENERATE_ARRAY(1, 25)) AS n ORDER BY n")
    rows = job.result(page_size=10)
    assert [len(list(page)) for page in rows.pages] == [10, 10, 5]
    assert rows.total_rows == 25


def test_rows__of_a_table_can_be_listed(google: GoogleClients, query: Query, table: Table) -> None:
    query(INSERT)
    (row,) = google.bigquery.list_rows(table)
    assert (row["id"], row["day"].isoformat()) == ("a", "2026-01-01T00:00:00+00:00")


def test_statistics__count_bytes_and_rows(google: GoogleClients, table: Table) -> None:
    inserted = google.bigquery.query(INSERT)
    inserted.result()
    assert (inserted.statement_type, inserted.num_dml_affected_rows) == ("INSERT", 1)
    read = google.bigquery.query("SELECT * FROM intelligence.risk")
    read.result()
    assert read.total_bytes_processed == 24


def test_bytes_billed__are_limited(query: Query, table: Table) -> None:
    query(INSERT)
    read = "SELECT id FROM intelligence.risk"
    with pytest.raises(BadRequest, match=r"exceeded limit for bytes billed: 23\. 24 or higher"):
        query(read, maximum_bytes_billed=23)
    assert query(read, maximum_bytes_billed=24) == [{"id": "a"}]


DRY = QueryJobConfig(dry_run=True)


def test_dry_run__answers_schema_and_bytes_and_changes_nothing(
    google: GoogleClients, query: Query, table: Table
) -> None:
    query(INSERT)
    job = google.bigquery.query("SELECT id FROM intelligence.risk", job_config=DRY)
    assert ([c.name for c in job.schema or []], job.total_bytes_processed) == (["id"], 24)
    google.bigquery.query("DELETE FROM intelligence.risk WHERE TRUE", job_config=DRY)
    google.bigquery.query("SELECT 1; DELETE FROM intelligence.risk WHERE TRUE", job_config=DRY)
    assert query("SELECT COUNT(*) AS n FROM intelligence.risk") == [{"n": 1}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nope FROM intelligence.risk",
        "SELECT * FROM intelligence.nope",
        "INSERT INTO intelligence.risk (nope) VALUES (1)",
        "MERGE intelligence.risk T USING (SELECT 'a' AS id) S ON FALSE "
        "WHEN NOT MATCHED THEN INSERT (id) VALUES (nope)",
        "CREATE TEMP TABLE t AS SELECT 1 AS a",
        "SELECT 1; SELECT 'open",
        "SELECT 1; INSERT INTO intelligence.risk (nope) VALUES (1)",
        "DECLARE d TIMESTAMP; DELETE FROM intelligence.risk WHERE day < d; SELECT nope FROM "
        "intelligence.risk",
        "DECLARE d DEFAULT TIMESTAMP '2026-01-01'; SELECT score + d FROM intelligence.risk",
        "SELECT 1; CREATE TEMP TABLE t AS SELECT 1 AS a",
        "ASSERT EXISTS (SELECT nope FROM intelligence.risk); SELECT 1",
    ],
)
def test_dry_run__refuses(google: GoogleClients, table: Table, sql: str) -> None:
    with pytest.raises(GoogleAPICallError) as raised:
        google.bigquery.query(sql, job_config=DRY)
    assert raised.value.code in (400, 404)


@pytest.mark.parametrize(
    "sql",
    [
        "DECLARE d TIMESTAMP; DELETE FROM intelligence.risk WHERE day < d; SELECT 1",
        "CREATE TABLE intelligence.t (a INT64); SELECT a FROM intelligence.t",
        "EXECUTE IMMEDIATE 'SELECT 1'; SELECT nope",
        "IF TRUE THEN SELECT 1; END IF; SELECT nope",
    ],
)
def test_dry_run__of_a_script_goes_no_further_than_google_does(
    google: GoogleClients, table: Table, sql: str
) -> None:
    google.bigquery.query(sql, job_config=DRY)


def test_dry_run__of_jobs_query(send: Send, table: Table) -> None:
    answer = send("POST", QUERIES, json=standard("SELECT 1 AS a", dryRun=True)).json()
    assert [column["name"] for column in answer["schema"]["fields"]] == ["a"]
    assert "rows" not in answer
    assert send("POST", QUERIES, json=standard("SELECT a", dryRun=True)).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [{"useLegacySql": True}, {"destinationTable": {"datasetId": "d", "tableId": "t"}}],
)
def test_not_done__says_so(send: Send, changes: dict[str, Any]) -> None:
    body = {"configuration": {"query": {**standard("SELECT 1"), **changes}}}
    answer = send("POST", JOBS, json=body)
    assert answer.status_code == 501
    assert answer.json()["error"]["message"].startswith("The local stand-in does not do")


@pytest.mark.parametrize(
    "body",
    [
        {"configuration": {"query": standard("")}},
        {"configuration": {"query": standard("SELECT 1", nope=1)}},
        {"configuration": {"query": standard("SELECT 1")}, "jobReference": {"jobId": "a b"}},
        {"configuration": {"query": "SELECT 1"}},
        {"configuration": []},
        {"configuration": {}},
    ],
)
def test_invalid_job__is_refused(send: Send, body: dict[str, Any]) -> None:
    assert send("POST", JOBS, json=body).status_code == 400


def test_default_sql__is_legacy_as_at_google(send: Send) -> None:
    assert send("POST", QUERIES, json={"query": "SELECT 1"}).status_code == 501


def test_writes__are_those_that_can_change_something(
    cloud: LocalCloud, google: GoogleClients, query: Query, dataset: Dataset
) -> None:
    cloud.requests.clear()
    query("SELECT 1 AS a")
    query("WITH a AS (SELECT 1 AS b) SELECT * FROM a")
    google.bigquery.query("CREATE TABLE intelligence.t (a INT64)", job_config=DRY)
    assert cloud.writes == []
    query("CREATE TABLE intelligence.t (a INT64)")
    query("SELECT 1; DROP TABLE intelligence.t")
    assert [(r.method, r.path, r.status) for r in cloud.writes] == [("POST", JOBS, 200)] * 2


def test_service_account__is_bigquerys(google: GoogleClients) -> None:
    email = google.bigquery.get_service_account_email()
    assert email.startswith("bq-")
    assert email.endswith("@bigquery-encryption.iam.gserviceaccount.com")


def test_legacy_job_kinds__reach_bqemulator(
    google: GoogleClients, query: Query, table: Table
) -> None:
    query(INSERT)
    google.bigquery.copy_table(table, "intelligence.copied", job_id="copy").result()
    assert query("SELECT id FROM intelligence.copied") == [{"id": "a"}]


def test_bad_request__is_not_retried(query: Query, cloud: LocalCloud) -> None:
    cloud.requests.clear()
    with pytest.raises(BadRequest):
        query("SELECT nope")
    assert [request.method for request in cloud.requests].count("POST") == 1
