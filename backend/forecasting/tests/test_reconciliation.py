"""The comparison of the training table with the source database, day by day."""

import math
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig

from backend.forecasting.conf import load_config
from backend.forecasting.database.source import read_source
from backend.forecasting.errors import SourceDatabaseError, SourceOutOfReachError
from backend.forecasting.loading.backfill_mark import Mark
from backend.forecasting.loading.day_sums import BothSides, ColumnSums, DaySums
from backend.forecasting.tests.support.factories import make_config, make_run, make_transfer
from backend.forecasting.tests.support.healthy import ENTITIES, Healthy, Verified
from backend.forecasting.tests.support.loading import day_before
from backend.forecasting.verification.findings import Finding
from backend.forecasting.verification.past import Past
from backend.forecasting.verification.reconciliation import check_source
from backend.forecasting.verification.snapshot import Snapshot, Unseen, Window

pytestmark = pytest.mark.untraced

CHECK = "source.reconciled"
NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
END = NOW.date()
SCORES = ColumnSums(count=3, sum=130.0)
POLITICAL = ColumnSums(count=2, sum=60.0)
THE_SAME = DaySums(
    rows=3, keys=10, scores=120.0, columns={"risk_score": SCORES, "political_risk": POLITICAL}
)


def sums(political: ColumnSums = POLITICAL, **changes: Any) -> DaySums:
    columns = {"risk_score": SCORES, "political_risk": political}
    return DaySums(**{**vars(THE_SAME), "columns": columns, **changes})


OTHER_SCORES = sums(scores=121.0, columns={"risk_score": ColumnSums(count=3, sum=131.0)})


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
        past=options.get("past"),
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
    nudged = sums(ColumnSums(count=2, sum=math.nextafter(60.0, 61)), scores=120.0 + 1e-8)
    assert compare({1: THE_SAME}, {1: nudged}).status == "pass"


@pytest.mark.parametrize(
    "late",
    [
        sums(rows=4, keys=15, scores=150.0),
        OTHER_SCORES,
        sums(ColumnSums(count=2, sum=61.0)),
    ],
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
    assert observed[0].startswith(
        "2026-02-16: 3 rows, scores 120.000000, entities a, risk_score 3 130.000000"
    )


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


# Columns, each by itself ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        ColumnSums(count=1, sum=60.0),
        ColumnSums(count=2, sum=60.0 * (1 + 2e-9)),
        ColumnSums(count=2, sum=60.0, excess=1.7e12),
    ],
    ids=["NULL for 0", "just above the tolerance", "far off"],
)
def test_columns__differ_by_count_sum_and_what_is_far_off(other: ColumnSums) -> None:
    finding = compare({20: sums(other)}, {20: THE_SAME})
    assert finding.status == "fail"
    assert "political_risk" in finding.message


def test_columns__far_off_on_both_sides_hides_nothing() -> None:
    wild = ColumnSums(count=2, sum=1060.0, excess=1.7e12)
    wiped = ColumnSums(count=2, sum=1000.0, excess=1.7e12)
    assert compare({20: sums(wild)}, {20: sums(wiped)}).status == "fail"
    assert compare({20: sums(wild)}, {20: sums(wild)}).status == "pass"


# Who has changed what: the table as the last good run left it --------------------------------

ENDED = datetime(2026, 3, 2, 2, 1, tzinfo=UTC)


def past(days: dict[int, DaySums], **options: Any) -> Past:
    return Past(moment=ENDED, days=by_day(days), **options)


@pytest.mark.parametrize("source", [sums(rows=2), sums(rows=4), OTHER_SCORES])
def test_past__day_as_the_run_left_it_warns_whatever_postgresql_did(source: DaySums) -> None:
    finding = compare({6: source}, {6: THE_SAME}, past=past({6: THE_SAME}))
    assert finding.status == "warn"
    assert "somebody else" not in finding.message
    assert "lost" not in finding.hint or "PostgreSQL has lost" in finding.hint


def test_past__day_as_the_run_left_it_fails_where_no_run_reads_it_again() -> None:
    assert compare({9: sums(rows=4)}, {9: THE_SAME}, past=past({9: THE_SAME})).status == "fail"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({1: sums(rows=2)}, "2026-03-01 was left with 3 rows and has 2"),
        ({}, "2026-03-01 was left with 3 rows and has 0"),
        ({1: sums(keys=11)}, "2026-03-01 was left with 3 rows and has 3, of other entities"),
        ({1: sums(ColumnSums())}, "has 3, with other political_risk"),
    ],
    ids=["deleted", "emptied", "other entities", "wiped"],
)
def test_past__what_changed_since_fails_by_day_and_count(
    table: dict[int, DaySums], told: str
) -> None:
    finding = compare({1: THE_SAME}, table, past=past({1: THE_SAME}))
    assert finding.status == "fail"
    assert told in finding.message
    assert "find out who writes to the table" in finding.hint
    assert "PostgreSQL has lost" not in finding.hint


def test_past__rows_that_somebody_added_are_not_put_down_to_postgresql() -> None:
    finding = compare({1: THE_SAME}, {1: sums(rows=30)}, past=past({1: THE_SAME}))
    assert "1 day changed in BigQuery since the last good run" in finding.message
    assert "PostgreSQL has lost" not in finding.hint


def test_past__equal_day_passes_whatever_its_past() -> None:
    assert compare({1: THE_SAME}, {1: THE_SAME}, past=past({})).status == "pass"


@pytest.mark.parametrize(("hours", "status"), [(1, "warn"), (-1, "fail")])
def test_past__backfilled_day_is_held_to_the_counts(hours: int, status: str) -> None:
    day, at = END - timedelta(days=2), ENDED + timedelta(hours=hours)
    mark = Mark(first_day=day, end_day=END, at=at, done=True)
    finding = compare({1: sums(rows=4)}, {1: THE_SAME}, past=past({}, backfill=mark))
    assert finding.status == status
    assert ("a backfill has loaded such days" in finding.message) == (status == "warn")


def test_past__out_of_reach_is_said_and_counts_decide() -> None:
    unknown = Past(unknown="the table was made after the last good run")
    late = compare({1: sums(rows=4)}, {1: THE_SAME}, past=unknown)
    assert late.status == "warn"
    assert late.message.endswith("is not known: the table was made after the last good run")
    assert compare({1: sums(rows=2)}, {1: THE_SAME}, past=unknown).status == "fail"


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
    assert check["message"].startswith("1 of 90 days differs: ")
    assert "scores that sum up to" in check["message"]
    assert verified.status == 0


@pytest.mark.django_db
def test_reconcile__swapped_scores_are_seen(healthy: Healthy) -> None:
    healthy.change_rows(
        "UPDATE {table} SET risk_score = CASE risk_score WHEN 1.0 THEN 8.0 ELSE 1.0 END "
        "WHERE risk_score IN (1.0, 8.0)"
    )
    _, check = reconcile(healthy)
    assert check["status"] == "fail"
    assert "the same rows on both sides, with other risk_score" in check["message"]


@pytest.mark.django_db
def test_reconcile__lost_dimension_is_seen(healthy: Healthy) -> None:
    day = day_before(3)
    healthy.change_rows(
        f"UPDATE {{table}} SET political_risk = NULL WHERE DATE(mentioned_at) = '{day}'"
    )
    _, check = reconcile(healthy)
    assert (
        f"1 of 90 days differs: {day} has the same rows on both sides, with {ENTITIES} values of "
        "political_risk in PostgreSQL and 0 in BigQuery. 1 day changed in BigQuery since the last "
        f"good run, by somebody else: {day} was left with {ENTITIES} rows and has {ENTITIES}, with "
        "other political_risk"
    ) in check["message"]


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
def test_reconcile__costs_one_query_more_and_another_where_days_differ(healthy: Healthy) -> None:
    reconcile(healthy)
    posted = [request for request in healthy.cloud.requests if request.method == "POST"]
    assert len(posted) == 4
    healthy.change_source(f"DELETE FROM events_event WHERE occurred_at::date = '{day_before(3)}'")
    reconcile(healthy)
    posted = [request for request in healthy.cloud.requests if request.method == "POST"]
    assert len(posted) == 4 + 5
    assert not healthy.cloud.writes


@pytest.mark.django_db
def test_reconcile__deleted_row_is_no_late_news(healthy: Healthy) -> None:
    day = day_before(1)
    one = "entity_id = (SELECT MIN(entity_id) FROM {table})"
    healthy.change_rows(f"DELETE FROM {{table}} WHERE DATE(mentioned_at) = '{day}' AND {one}")
    verified, check = reconcile(healthy)
    assert verified.troubles == {CHECK: "fail"}
    assert f"{day} was left with {ENTITIES} rows and has {ENTITIES - 1}" in check["message"]


@pytest.mark.django_db
def test_reconcile__backfill_in_between_is_no_tampering_and_hides_none(healthy: Healthy) -> None:
    correct = f"UPDATE events_event SET risk_score = {{}} WHERE occurred_at >= '{day_before(3)}'"
    healthy.change_source(correct.format(11))
    healthy.touched = True
    call_command("bq_setup_etl", backfill_days="5", stdout=StringIO())
    healthy.change_source(correct.format(12))
    _, check = reconcile(healthy)
    assert check["status"] == "warn"
    assert "a backfill has loaded such days since the last good run" in check["message"]
    healthy.change_rows(f"DELETE FROM {{table}} WHERE DATE(mentioned_at) = '{day_before(20)}'")
    _, check = reconcile(healthy)
    assert check["status"] == "fail"
    told = f"1 day changed in BigQuery since the last good run, by somebody else: {day_before(20)}"
    assert told in check["message"]


@pytest.mark.django_db
def test_reconcile__table_that_was_made_anew_accuses_nobody(healthy: Healthy) -> None:
    healthy.rebuild_table(lambda table: None)
    day = day_before(1)
    one = "entity_id = (SELECT MIN(entity_id) FROM {table})"
    healthy.change_rows(f"DELETE FROM {{table}} WHERE DATE(mentioned_at) = '{day}' AND {one}")
    _, check = reconcile(healthy)
    assert check["status"] == "warn"
    assert "is not known: the table was made after the last good run" in check["message"]


@pytest.mark.django_db
def test_reconcile__table_that_was_replaced_is_seen(healthy: Healthy) -> None:
    healthy.change_rows(
        "CREATE OR REPLACE TABLE {table} PARTITION BY TIMESTAMP_TRUNC(mentioned_at, DAY) AS "
        f"SELECT * FROM {{table}} WHERE DATE(mentioned_at) < '{day_before(1)}'"
    )
    _, check = reconcile(healthy)
    assert check["status"] == "fail"
    assert f"{day_before(1)} was left with {ENTITIES} rows and has 0" in check["message"]


@pytest.mark.django_db
def test_reconcile__wild_value_hides_no_wiped_days(healthy: Healthy) -> None:
    first = "(SELECT MIN(id::text) FROM entities_entity)"
    healthy.change_source(
        "UPDATE events_event SET risk_dimensions = risk_dimensions || '{\"economic\": 1.7e12}' "
        "WHERE id IN (SELECT event_id FROM entities_entitymention WHERE entity_id::text = "
        f"{first})"
    )
    healthy.change_rows(
        "UPDATE {table} SET economic_risk = IF(entity_id = (SELECT MIN(entity_id) FROM {table}), "
        f"1.7e12, IF(DATE(mentioned_at) < '{day_before(10)}', 0, economic_risk)) WHERE TRUE"
    )
    _, check = reconcile(healthy)
    assert check["message"].startswith("80 of 90 days differ: ")
    assert "with other economic_risk" in check["message"]


@pytest.mark.django_db
def test_reconcile__two_columns_swapped_are_seen(healthy: Healthy) -> None:
    healthy.change_rows(
        "UPDATE {table} SET economic_risk = risk_score, risk_score = economic_risk "
        f"WHERE DATE(mentioned_at) = '{day_before(2)}'"
    )
    _, check = reconcile(healthy)
    assert check["message"].startswith("1 of 90 days differs: ")
    assert "with other risk_score, economic_risk" in check["message"]


@pytest.mark.traced
@pytest.mark.django_db
def test_reconcile__other_database_is_skipped_with_the_reason(healthy: Healthy) -> None:
    verified, check = reconcile(healthy, source_database="postgres")
    assert check["status"] == "skipped"
    name = connection.settings_dict["NAME"]
    assert f"Django's database is {name}, not postgres" in check["message"]
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
