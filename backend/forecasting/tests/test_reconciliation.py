"""The comparison of the training table with the source database, day by day."""

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig

from backend.forecasting.conf import load_config
from backend.forecasting.database.source import read_source
from backend.forecasting.errors import SourceDatabaseError, SourceOutOfReachError
from backend.forecasting.loading.day_sums import BothSides, DaySums
from backend.forecasting.tests.support.factories import make_config, make_run, make_transfer
from backend.forecasting.tests.support.healthy import ENTITIES, Healthy, Verified
from backend.forecasting.tests.support.loading import day_before
from backend.forecasting.verification.findings import Finding
from backend.forecasting.verification.reconciliation import check_source
from backend.forecasting.verification.snapshot import Snapshot, Unseen, Window

CHECK = "source.reconciled"
NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
END = NOW.date()
THE_SAME = DaySums(rows=3, keys=10, scores=120.0, values=400.0)


def sums(**changes: Any) -> DaySums:
    return DaySums(**{**vars(THE_SAME), **changes})


def compare(source: dict[int, DaySums], table: dict[int, DaySums], **options: Any) -> Finding:
    """The finding for days by their age; the last good run ended today, the next is tomorrow."""
    config = make_config(window_days="30", refresh_days="7")
    following = datetime(2026, 3, 3, 2, tzinfo=UTC)
    snapshot = Snapshot(
        config=config,
        now=NOW,
        dataset=None,
        table=None,
        connection=None,
        schedules=options.get("schedules", [make_transfer(config, next_run_time=following)]),
        runs=options.get("runs", [make_run("SUCCEEDED")]),
        window=Window(start=END - timedelta(days=30), end=END),
        reconcile=True,
        sides=BothSides(source=by_day(source), table=by_day(table)),
    )
    (finding,) = check_source(snapshot)
    return finding


def by_day(ages: dict[int, DaySums]) -> dict[date, DaySums]:
    return {END - timedelta(days=age): day for age, day in ages.items()}


# Which differences are late changes, and which are losses ------------------------------------


def test_reconcile__same_days_pass() -> None:
    finding = compare({1: THE_SAME, 20: THE_SAME}, {1: THE_SAME, 20: THE_SAME})
    assert (finding.status, finding.message) == (
        "pass",
        "6 rows of 30 days are the same on both sides",
    )


def test_reconcile__digits_that_depend_on_the_order_are_no_difference() -> None:
    nudged = sums(scores=math.nextafter(120.0, 121), values=400.0 + 1e-8)
    assert compare({1: THE_SAME}, {1: nudged}).status == "pass"


@pytest.mark.parametrize(
    "late",
    [sums(rows=4, keys=15, scores=150.0), sums(scores=121.0), sums(values=401.0)],
    ids=["more rows", "other scores", "other dimensions"],
)
def test_reconcile__change_of_a_day_that_is_read_again_warns(late: DaySums) -> None:
    # The next run, on 3 March, reads 7 days: 24 February is the first, 6 days before today.
    finding = compare({6: late}, {6: THE_SAME})
    assert finding.status == "warn"
    assert (
        "changed in PostgreSQL since the last good run, which ended 5.0 hours ago" in finding.hint
    )
    assert "or lost" in finding.hint


@pytest.mark.parametrize(
    ("age", "cure"), [(7, "bq_setup_etl --run-now"), (8, "bq_setup_etl --backfill-days 8")]
)
def test_reconcile__change_of_a_day_that_no_run_reads_again_fails(age: int, cure: str) -> None:
    finding = compare({age: sums(rows=4)}, {age: THE_SAME})
    assert finding.status == "fail"
    assert cure in finding.hint


@pytest.mark.parametrize(
    ("source", "table"),
    [({1: sums(rows=2)}, {1: THE_SAME}), ({1: sums(keys=11)}, {1: THE_SAME}), ({}, {1: THE_SAME})],
    ids=["fewer rows", "other entities", "no rows"],
)
def test_reconcile__rows_that_postgresql_lacks_fail(
    source: dict[int, DaySums], table: dict[int, DaySums]
) -> None:
    assert compare(source, table).status == "fail"


def test_reconcile__one_lasting_difference_fails_whatever_else_is_late() -> None:
    late, lost = {1: sums(rows=4)}, {9: sums(rows=4)}
    finding = compare({**late, **lost}, {1: THE_SAME, 9: THE_SAME})
    assert finding.status == "fail"
    assert finding.message.startswith("2 of 30 days differ: 2026-02-21 has 4 rows in PostgreSQL")


def test_reconcile__without_a_good_run_nothing_is_late() -> None:
    assert compare({1: THE_SAME}, {}, runs=[make_run("FAILED")]).status == "fail"


def test_reconcile__without_a_next_run_the_one_of_tomorrow_counts() -> None:
    unplanned: list[TransferConfig] = []
    assert compare({6: sums(rows=4)}, {6: THE_SAME}, schedules=unplanned).status == "warn"
    assert compare({7: sums(rows=4)}, {7: THE_SAME}, schedules=unplanned).status == "fail"
    unseen = Unseen(reason="no permission")
    assert compare({7: sums(rows=4)}, {7: THE_SAME}, schedules=unseen).status == "fail"


def test_reconcile__first_differing_days_are_shown_with_both_sides() -> None:
    ages = range(10, 15)
    finding = compare({age: sums(rows=4) for age in ages}, dict.fromkeys(ages, THE_SAME))
    assert finding.message.endswith("has 4 rows in PostgreSQL and 3 in BigQuery; 2 more")
    expected, observed = str(finding.expected).split("; "), str(finding.observed).split("; ")
    assert [side.split(",")[0] for side in expected] == [
        f"2026-02-{day}: 4 rows" for day in (16, 17, 18)
    ]
    assert observed[0] == "2026-02-16: 3 rows, scores 120.000000, entities a, numbers 400.000000"


def test_reconcile__table_that_is_not_there_is_skipped() -> None:
    snapshot = Snapshot(
        config=make_config(),
        now=NOW,
        dataset=None,
        table=None,
        connection=None,
        schedules=[],
        runs=[],
        window=Window(start=END - timedelta(days=90), end=END),
        reconcile=True,
    )
    (finding,) = check_source(snapshot)
    assert (finding.status, finding.message) == ("skipped", "no table to read")


# With PostgreSQL and the stand-in ------------------------------------------------------------


def reconcile(healthy: Healthy, **options: Any) -> tuple[Verified, dict[str, Any]]:
    verified = healthy.verify(reconcile=True, **options)
    return verified, verified.checks[CHECK]


@pytest.mark.django_db
def test_reconcile__changed_score_is_late(healthy: Healthy) -> None:
    healthy.change_source(
        "UPDATE events_event SET risk_score = 1 WHERE id = (SELECT id FROM events_event "
        f"WHERE risk_score > 1 AND occurred_at >= '{day_before(5)}' LIMIT 1)"
    )
    verified, check = reconcile(healthy)
    assert verified.troubles == {CHECK: "warn"}
    assert check["message"].startswith("1 of 90 days differ: ")
    assert "scores that sum up to" in check["message"]
    assert verified.status == 0


@pytest.mark.django_db
def test_reconcile__swapped_scores_are_seen(healthy: Healthy) -> None:
    healthy.change_rows(
        "UPDATE {table} SET risk_score = CASE risk_score WHEN 1.0 THEN 8.0 ELSE 1.0 END "
        "WHERE risk_score IN (1.0, 8.0)"
    )
    _, check = reconcile(healthy)
    assert check["status"] == "warn"
    assert "the same rows on both sides, with other scores or dimensions" in check["message"]


@pytest.mark.django_db
def test_reconcile__lost_dimension_is_seen(healthy: Healthy) -> None:
    day = day_before(3)
    healthy.change_rows(
        f"UPDATE {{table}} SET political_risk = NULL WHERE DATE(mentioned_at) = '{day}'"
    )
    _, check = reconcile(healthy)
    assert f"1 of 90 days differ: {day} has the same rows" in check["message"]


@pytest.mark.django_db
def test_reconcile__foreign_row_fails(healthy: Healthy) -> None:
    healthy.change_rows(
        "INSERT INTO {table} (entity_id, mentioned_at, risk_score) VALUES ('not a \"uuid\" ü', "
        f"TIMESTAMP '{day_before(1)}', 5.0)"
    )
    verified, check = reconcile(healthy)
    assert verified.troubles == {CHECK: "fail"}
    assert f"{ENTITIES} rows in PostgreSQL and {ENTITIES + 1} in BigQuery" in check["message"]
    assert verified.status == 2


@pytest.mark.django_db
def test_reconcile__other_entity_fails(healthy: Healthy) -> None:
    healthy.change_rows(
        "UPDATE {table} SET entity_id = '00000000-0000-4000-8000-000000000000' WHERE entity_id = "
        "(SELECT MIN(entity_id) FROM {table})"
    )
    verified, check = reconcile(healthy)
    assert verified.status == 2
    assert "90 of 90 days differ" in check["message"]
    assert f"{ENTITIES} rows on both sides, of other entities" in check["message"]


@pytest.mark.django_db
def test_reconcile__late_mention_of_an_old_day_fails_with_the_days_to_backfill(
    healthy: Healthy,
) -> None:
    healthy.change_rows(
        f"DELETE FROM {{table}} WHERE DATE(mentioned_at) = '{day_before(40)}' AND entity_id = "
        "(SELECT MIN(entity_id) FROM {table})"
    )
    verified, check = reconcile(healthy, refresh_days="7")
    assert verified.troubles[CHECK] == "fail"
    assert "--backfill-days 40" in check["hint"]


@pytest.mark.django_db
def test_reconcile__costs_one_query_more(healthy: Healthy) -> None:
    reconcile(healthy)
    posted = [request for request in healthy.cloud.requests if request.method == "POST"]
    assert len(posted) == 4
    assert not healthy.cloud.writes


@pytest.mark.django_db
def test_reconcile__other_database_is_skipped_with_the_reason(healthy: Healthy) -> None:
    verified, check = reconcile(healthy, source_database="postgres")
    assert check["status"] == "skipped"
    assert "Django's database is test_venezuelawatch, not postgres" in check["message"]
    assert verified.status == 1


@pytest.mark.django_db
def test_reconcile__source_that_lacks_a_column_is_skipped_with_postgresqls_words(
    healthy: Healthy,
) -> None:
    healthy.change_source("ALTER TABLE events_event RENAME COLUMN risk_score TO score")
    try:
        verified, check = reconcile(healthy)
    finally:
        healthy.change_source("ALTER TABLE events_event RENAME COLUMN score TO risk_score")
    # The role of the connection meets it as well, and cannot count what it cannot read.
    assert verified.troubles == {
        "connection.usable": "fail",
        "data.orphans": "skipped",
        CHECK: "skipped",
    }
    assert "column event.risk_score does not exist" in check["message"]
    assert verified.status == 1


@pytest.mark.django_db
def test_read_source__cannot_write(healthy: Healthy) -> None:
    with pytest.raises(SourceDatabaseError, match="read-only transaction"):
        read_source(load_config(), "DELETE FROM entities_entity RETURNING id")


@pytest.mark.django_db
def test_read_source__leaves_the_callers_transaction_alone(healthy: Healthy) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT txid_current()")
        before = cursor.fetchone()
        assert read_source(load_config(), "SHOW transaction_isolation") == [("repeatable read",)]
        with pytest.raises(SourceDatabaseError):
            read_source(load_config(), "SELECT 1 / 0")
        cursor.execute("SELECT txid_current()")
        assert cursor.fetchone() == before


@pytest.mark.django_db
def test_read_source__database_that_does_not_answer_is_out_of_reach(
    healthy: Healthy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise DatabaseError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    with pytest.raises(SourceOutOfReachError, match="does not answer"):
        read_source(load_config(), "SELECT 1")


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["America/Caracas", "Pacific/Kiritimati"])
def test_reconcile__days_are_utc_whatever_the_connections_zone(
    healthy: Healthy, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setitem(connection.settings_dict, "TIME_ZONE", zone)
    assert read_source(load_config(), "SHOW timezone") == [(zone,)]
    assert reconcile(healthy)[1]["status"] == "pass"
