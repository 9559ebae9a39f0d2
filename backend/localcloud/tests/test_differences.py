"""What Google does and the stand-in does not: each test is expected to fail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, GoogleAPICallError
from google.cloud.bigquery import Dataset, Table
from google.cloud.bigquery_connection_v1.types import Connection
from google.protobuf.timestamp_pb2 import Timestamp

from backend.localcloud.differences import DIFFERENCES
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import ConfigFactory, GoogleClients, Query

INSERT = "INSERT INTO intelligence.risk (id, day, score) VALUES ('a', TIMESTAMP '2026-01-01', 1)"
COUNT = "SELECT COUNT(*) AS n FROM intelligence.risk"
TESTED: set[str] = set()


def differs(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark the test of a difference."""
    TESTED.add(name)
    return pytest.mark.xfail(
        strict=True,
        reason=DIFFERENCES[name],
        raises=(AssertionError, GoogleAPICallError, pytest.fail.Exception),
    )


def test_differences__each_has_a_test() -> None:
    assert set(DIFFERENCES) == TESTED


@differs("legacy-sql")
def test_legacy_sql__is_run(query: Query) -> None:
    assert query("SELECT 1 AS a", use_legacy_sql=True) == [{"a": 1}]


@differs("destination-table")
def test_destination_table__is_written(query: Query, table: Table) -> None:
    query("SELECT 1 AS a", destination="demo-project.intelligence.copy")
    assert query("SELECT a FROM intelligence.copy") == [{"a": 1}]


@differs("files")
def test_export__writes_a_file(query: Query) -> None:
    query("EXPORT DATA OPTIONS (uri = 'gs://bucket/*.csv', format = 'CSV') AS SELECT 1 AS a")


@differs("geography-wkb")
def test_geography__is_read_from_wkb(query: Query) -> None:
    wkb = "010100000000000000000000000000000000000000"
    assert query(f"SELECT ST_ASTEXT(ST_GEOGFROMWKB('{wkb}')) AS v") == [{"v": "POINT(0 0)"}]


@differs("alter-set-options")
def test_alter__sets_options(google: GoogleClients, query: Query, table: Table) -> None:
    query("ALTER TABLE intelligence.risk SET OPTIONS (description = 'new')")
    assert google.bigquery.get_table(table).description == "new"


@differs("alter-rename")
def test_alter__renames_a_table(query: Query, table: Table) -> None:
    query("ALTER TABLE intelligence.risk RENAME TO other")
    assert query("SELECT COUNT(*) AS n FROM intelligence.other") == [{"n": 0}]


@differs("namesakes")
def test_table__of_a_name_in_another_case(query: Query, table: Table) -> None:
    query("CREATE TABLE intelligence.RISK (a INT64)")
    assert query(COUNT.replace("risk", "RISK")) == [{"n": 0}]


@differs("scheduled-destination")
def test_scheduled_select__fills_its_destination(
    cloud: LocalCloud,
    google: GoogleClients,
    query: Query,
    table: Table,
    make_config: ConfigFactory,
) -> None:
    parameters = {"query": "SELECT 1 AS a", "destination_table_name_template": "made"}
    parameters["write_disposition"] = "WRITE_TRUNCATE"
    config = make_config(params=parameters, destination_dataset_id="intelligence")
    moment = Timestamp(seconds=1_767_225_600)
    request: dict[str, Any] = {"parent": config.name, "requested_run_time": moment}
    google.transfer.start_manual_transfer_runs(request, timeout=60)
    cloud.wait_for_runs(30)
    assert query("SELECT a FROM intelligence.made") == [{"a": 1}]


def external(sql: str, options: str = "{}") -> str:
    return f"SELECT * FROM EXTERNAL_QUERY('us-central1.pg', '''{sql}''', '{options}')"


@differs("external-bit")
def test_external_query__reads_bits_as_bytes(query: Query, connection: Connection) -> None:
    assert isinstance(query(external("SELECT b\\'1\\' AS v"))[0]["v"], bytes)


@differs("bignumeric-scale")
def test_external_query__keeps_38_decimals(query: Query, connection: Connection) -> None:
    option = '{"default_type_for_decimal_columns": "bignumeric"}'
    rows = query(external("SELECT 1e-30::numeric AS v", option))
    assert rows == [{"v": Decimal("1e-30")}]


@differs("format-t")
def test_format__any_type(query: Query) -> None:
    assert query("SELECT FORMAT('%t', 5) AS v") == [{"v": "5"}]


@differs("duckdb-keywords")
def test_column__named_at(query: Query) -> None:
    assert query("SELECT MIN(at) AS v FROM (SELECT 1 AS at)") == [{"v": 1}]


@differs("cast-message")
def test_cast__says_what_is_bad(query: Query) -> None:
    with pytest.raises(BadRequest, match=r"^400 Bad int64 value: x"):
        query("SELECT CAST('x' AS INT64)")


@differs("division-message")
def test_division__by_zero(query: Query) -> None:
    with pytest.raises(BadRequest, match=r"^400 division by zero: 1 / 0;"):
        query("SELECT 1 / 0")


@differs("query-cache")
def test_query__comes_from_the_cache(google: GoogleClients, table: Table) -> None:
    for _ in range(2):
        job = google.bigquery.query("SELECT * FROM intelligence.risk")
        job.result()
    assert job.cache_hit is True


@differs("child-jobs")
def test_script__has_child_jobs(google: GoogleClients) -> None:
    job = google.bigquery.query("SELECT 1; SELECT 2")
    job.result()
    assert len(list(google.bigquery.list_jobs(parent_job=job))) == 2


@differs("jobs-view")
def test_information_schema__has_jobs(query: Query) -> None:
    assert query("SELECT COUNT(*) AS n FROM `region-us-central1`.INFORMATION_SCHEMA.JOBS")


@differs("time-travel-states")
def test_time_travel__to_any_of_many_states(query: Query, table: Table) -> None:
    query(INSERT)
    (row,) = query("SELECT CURRENT_TIMESTAMP() AS t")
    query("; ".join([INSERT] * 21))
    moment = row["t"].isoformat()
    assert query(f"{COUNT} FOR SYSTEM_TIME AS OF TIMESTAMP '{moment}'") == [{"n": 1}]


@differs("ingestion-expiration")
def test_partitions__by_ingestion_time_expire(
    cloud: LocalCloud, query: Query, dataset: Dataset
) -> None:
    query(
        "CREATE TABLE intelligence.short (a INT64) PARTITION BY _PARTITIONDATE "
        "OPTIONS (partition_expiration_days = 1)"
    )
    query("INSERT INTO intelligence.short (a) VALUES (1)")
    cloud.clock.set(datetime.now(UTC) + timedelta(days=3))
    assert query("SELECT COUNT(*) AS n FROM intelligence.short") == [{"n": 0}]


@differs("permissions")
def test_run__of_an_account_without_roles_fails(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory
) -> None:
    config = make_config(account="loader@demo-project.iam.gserviceaccount.com")
    moment = Timestamp(seconds=1_767_225_600)
    request: dict[str, Any] = {"parent": config.name, "requested_run_time": moment}
    google.transfer.start_manual_transfer_runs(request, timeout=10)
    cloud.wait_for_runs(30)
    (run,) = google.transfer.list_transfer_runs(parent=config.name)
    assert run.state.name == "FAILED"
