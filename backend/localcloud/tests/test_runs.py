"""Transfer runs: by hand and by the clock."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, GoogleAPICallError, NotFound
from google.cloud.bigquery import Dataset, Table
from google.cloud.bigquery_connection_v1.types import Connection
from google.cloud.bigquery_datatransfer_v1.types import (
    ListTransferRunsRequest,
    ScheduleOptions,
    StartManualTransferRunsRequest,
    TransferConfig,
    TransferRun,
    TransferState,
)

from backend.localcloud.http.names import Place
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PARENT, ConfigFactory, GoogleClients, Query
from backend.localcloud.transfers import records

DAY = timedelta(days=1)
MOMENT = datetime(2026, 1, 9, 13, 14, 15, tzinfo=UTC)
INSERT = (
    "DECLARE t TIMESTAMP DEFAULT @run_time; "
    "INSERT INTO intelligence.risk (id, day) VALUES (CAST(@run_date AS STRING), t)"
)


def start(google: GoogleClients, config: TransferConfig, **what: Any) -> list[TransferRun]:
    request = StartManualTransferRunsRequest(parent=config.name, **what)
    return list(google.transfer.start_manual_transfer_runs(request, timeout=60).runs)


@pytest.fixture
def run(cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory) -> Any:
    """Run a query as a scheduled one for `MOMENT` and return how that ended."""

    def finish(query: str, **changes: Any) -> TransferRun:
        (started,) = start(google, make_config(query, **changes), requested_run_time=MOMENT)
        assert started.state == TransferState.PENDING
        cloud.wait_for_runs(30)
        return google.transfer.get_transfer_run(name=started.name)

    return finish


def test_run__gets_its_time_and_succeeds(run: Any, query: Query, table: Table) -> None:
    done = run(INSERT)
    assert done.state == TransferState.SUCCEEDED
    assert (done.run_time, done.schedule, done.user_id) == (MOMENT, "", 1234567890)
    assert done.schedule_time <= done.start_time <= done.end_time <= done.update_time
    assert "error_status" not in done or not done.error_status.code
    assert dict(done.params) == {"query": INSERT}
    assert query("SELECT id, day FROM intelligence.risk") == [{"id": "2026-01-09", "day": MOMENT}]


def test_run__queues_while_there_is_no_room(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory
) -> None:
    cloud.transfers.runner.room.clear()
    (queued,) = start(google, make_config(), requested_run_time=MOMENT)
    assert google.transfer.get_transfer_run(name=queued.name).state == TransferState.PENDING
    with pytest.raises(TimeoutError):
        cloud.wait_for_runs(0)
    cloud.transfers.runner.room.set()
    cloud.wait_for_runs(30)
    assert google.transfer.get_transfer_run(name=queued.name).state == TransferState.SUCCEEDED


def test_start__is_answered_before_a_worker_begins(
    cloud: LocalCloud,
    google: GoogleClients,
    make_config: ConfigFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However late the answer is made: a run has been asked for, and can be asked about."""
    runner, begun = cloud.transfers.runner, threading.Event()
    begin, go_on = runner.start, runner._set

    def begin_and_dally(*what: Any, **how: Any) -> Any:
        run = begin(*what, **how)
        begun.wait(0.1)
        return run

    def go_on_and_tell(run: records.Run, **changes: Any) -> None:
        go_on(run, **changes)
        begun.set()

    monkeypatch.setattr(runner, "start", begin_and_dally)
    monkeypatch.setattr(runner, "_set", go_on_and_tell)
    runs = start(google, make_config(), requested_run_time=MOMENT)
    assert [run.state for run in runs] == [TransferState.PENDING]


def test_run__is_shown_as_it_was_while_it_goes_on(cloud: LocalCloud) -> None:
    """Whoever reads it may be held up in the middle, while a worker goes on with it."""

    class Slow(dict[str, str]):
        def __deepcopy__(self, _: Any) -> dict[str, str]:
            runner._set(found, state="RUNNING", startTime="then")
            return {"query": "SELECT 1"}

    found = records.Run("a", {"params": Slow(), "state": "PENDING"})
    runner = cloud.transfers.runner
    config = records.TransferConfig(Place("p", "us"), "c", {}, MOMENT, MOMENT)
    shown = cloud.transfers.runs.to_json(config, found)
    assert (shown["state"], "startTime" in shown) == ("PENDING", False)
    assert found.resource["startTime"] == "then"


def test_reset__ends_runs_that_queue(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory
) -> None:
    cloud.transfers.runner.room.clear()
    start(google, make_config(), requested_run_time=MOMENT)
    cloud.reset()
    assert cloud.transfers.runner.room.is_set()


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("SELECT 1; ASSERT FALSE AS 'so it ends'", 3, "Assertion failed: so it ends"),
        ("SELECT * FROM intelligence.nope", 5, "Not found: Table demo-project:intelligence.nope"),
        ("SELEC 1", 3, "Syntax error"),
        ("SELECT @nope", 3, "Query parameter 'nope' not found"),
        ("SELECT * FROM elsewhere.t", 5, "Not found: Dataset demo-project:elsewhere"),
    ],
)
def test_run__fails_with_the_querys_own_message(
    google: GoogleClients, run: Any, dataset: Dataset, query: str, code: int, message: str
) -> None:
    done = run(query)
    assert (done.state, done.error_status.code) == (TransferState.FAILED, code)
    assert done.error_status.message.startswith(message)
    logs = list(google.transfer.list_transfer_logs(parent=done.name))
    assert logs[-1].severity.name == "ERROR"
    assert logs[-1].message_text == done.error_status.message


def test_run__is_in_the_configs_location(google: GoogleClients, run: Any) -> None:
    google.bigquery.create_dataset(Dataset("demo-project.us_only"))
    far = Dataset("demo-project.far")
    far.location = "EU"
    google.bigquery.create_dataset(far)
    assert run("SELECT * FROM far.t").error_status.message == (
        "Not found: Dataset demo-project:far was not found in location us-central1"
    )


def test_run__reads_postgresql(
    run: Any, query: Query, connection: Connection, table: Table
) -> None:
    done = run(r'''
        DECLARE first_day DATE DEFAULT DATE_SUB(@run_date, INTERVAL 1 DAY);
        EXECUTE IMMEDIATE REPLACE(r"""
            CREATE OR REPLACE TEMP TABLE staged AS SELECT * FROM EXTERNAL_QUERY(
                'projects/demo-project/locations/us-central1/connections/pg',
                r"SELECT id, day, value FROM score WHERE day >= '@first_day'")
        """, '@first_day', CAST(first_day AS STRING));
        ASSERT (SELECT COUNT(*) FROM staged) > 0 AS 'nothing staged';
        MERGE intelligence.risk T USING staged S ON FALSE
        WHEN NOT MATCHED BY SOURCE AND T.day >= TIMESTAMP(first_day) THEN DELETE
        WHEN NOT MATCHED THEN INSERT (id, day, score) VALUES (S.id, TIMESTAMP(S.day), S.value)
    ''')
    assert done.error_status.message == ""
    assert query("SELECT COUNT(*) AS n, MIN(score) AS low FROM intelligence.risk") == [
        {"n": 30, "low": 70.0}
    ]


SCRIPT = "DECLARE a INT64; SELECT 1"


@pytest.mark.trap("destination")
@pytest.mark.parametrize("query", [SCRIPT, "DELETE FROM intelligence.risk WHERE TRUE"])
def test_run__of_a_script_with_a_destination_always_fails(
    run: Any, table: Table, query: str
) -> None:
    done = run(query, destination_dataset_id="intelligence")
    assert (done.state, done.error_status.code) == (TransferState.FAILED, 9)
    assert done.error_status.message == (
        "Dataset specified in the query ('') is not consistent with Destination dataset "
        "'intelligence'."
    )


def test_run__of_a_select_with_a_destination_is_not_done_here(run: Any, dataset: Dataset) -> None:
    done = run("SELECT 1 AS a", destination_dataset_id="intelligence")
    assert done.error_status.message.startswith("The local stand-in does not do destination")


def test_runs__two_at_once_both_end(
    cloud: LocalCloud, google: GoogleClients, query: Query, make_config: ConfigFactory, table: Table
) -> None:
    script = (
        "CREATE OR REPLACE TEMP TABLE staged AS SELECT 'a' AS id, TIMESTAMP '2026-01-01' AS day; "
        "MERGE intelligence.risk T USING staged S ON FALSE WHEN NOT MATCHED BY SOURCE THEN DELETE "
        "WHEN NOT MATCHED THEN INSERT (id, day) VALUES (id, day)"
    )
    config = make_config(script)
    for _ in range(3):
        start(google, config, requested_run_time=MOMENT)
    cloud.wait_for_runs(30)
    states = {done.state for done in google.transfer.list_transfer_runs(parent=config.name)}
    assert states == {TransferState.SUCCEEDED}
    assert query("SELECT COUNT(*) AS n FROM intelligence.risk") == [{"n": 1}]


def test_start__a_range_runs_once_a_day(google: GoogleClients, make_config: ConfigFactory) -> None:
    span = {"start_time": MOMENT, "end_time": MOMENT + 3 * DAY}
    runs = start(google, make_config(), requested_time_range=span)
    midnight = datetime(2026, 1, 9, tzinfo=UTC)
    assert [made.run_time for made in runs] == [midnight + DAY * n for n in range(3)]


ON_DEMAND = ScheduleOptions(disable_auto_scheduling=True)


@pytest.mark.parametrize(
    ("changes", "what", "message"),
    [
        ({}, {}, "Exactly one of"),
        ({"disabled": True}, {"requested_run_time": MOMENT}, "disabled"),
        ({}, {"requested_run_time": datetime(2100, 1, 1, tzinfo=UTC)}, "in the past"),
        ({}, {"requested_time_range": {"start_time": MOMENT, "end_time": MOMENT}}, "before"),
        (
            {},
            {"requested_time_range": {"start_time": MOMENT - 200 * DAY, "end_time": MOMENT}},
            "180 days",
        ),
        (
            {"schedule_options": ON_DEMAND},
            {"requested_time_range": {"start_time": MOMENT, "end_time": MOMENT + DAY}},
            "Starting transfer run with on-demand schedule requires 'requested_run_time'",
        ),
    ],
)
def test_start__refuses(
    google: GoogleClients,
    make_config: ConfigFactory,
    changes: dict[str, Any],
    what: dict[str, Any],
    message: str,
) -> None:
    config = make_config(**changes)
    with pytest.raises(BadRequest, match=message):
        start(google, config, **what)
    assert list(google.transfer.list_transfer_runs(parent=config.name)) == []


def test_start__of_a_missing_config_is_not_found(google: GoogleClients) -> None:
    config = TransferConfig(name=f"{PARENT}/transferConfigs/nope")
    with pytest.raises(NotFound):
        start(google, config, requested_run_time=MOMENT)


def test_list__newest_first_and_by_state(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory
) -> None:
    config = make_config("SELECT 1; ASSERT @run_date < DATE '2026-01-11' AS 'late'")
    for n in range(3):
        start(google, config, requested_run_time=MOMENT + DAY * n)
        cloud.wait_for_runs(30)
    request = ListTransferRunsRequest(parent=config.name)
    times = [found.run_time for found in google.transfer.list_transfer_runs(request)]
    assert times == [MOMENT + DAY * n for n in (2, 1, 0)]
    request = ListTransferRunsRequest(parent=config.name, states=[TransferState.FAILED])
    assert [r.run_time for r in google.transfer.list_transfer_runs(request)] == [MOMENT + 2 * DAY]
    assert google.transfer.get_transfer_config(name=config.name).state == TransferState.FAILED


def test_list__latest_attempt_of_each_day(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory
) -> None:
    config = make_config()
    names = [start(google, config, requested_run_time=MOMENT)[0].name for _ in range(2)]
    request = ListTransferRunsRequest(
        parent=config.name, run_attempt=ListTransferRunsRequest.RunAttempt.LATEST
    )
    assert [found.name for found in google.transfer.list_transfer_runs(request)] == names[1:]


def test_run__can_be_deleted(cloud: LocalCloud, google: GoogleClients, run: Any) -> None:
    done = run("SELECT 1")
    google.transfer.delete_transfer_run(name=done.name)
    with pytest.raises(NotFound):
        google.transfer.get_transfer_run(name=done.name)


def scheduled(google: GoogleClients, config: TransferConfig) -> list[tuple[Any, str]]:
    runs = google.transfer.list_transfer_runs(parent=config.name)
    return [(found.run_time, found.schedule) for found in runs]


def test_schedule__a_due_run_starts_by_itself(
    cloud: LocalCloud, google: GoogleClients, query: Query, make_config: ConfigFactory, table: Table
) -> None:
    cloud.clock.set(datetime(2026, 1, 5, 1, 59, tzinfo=UTC))
    config = make_config(INSERT)
    due = datetime(2026, 1, 5, 2, tzinfo=UTC)
    assert config.next_run_time == due
    assert scheduled(google, config) == []
    cloud.clock.set(datetime(2026, 1, 5, 2, 0, 5, tzinfo=UTC))
    cloud.wait_for_runs(30)
    assert scheduled(google, config) == [(due, "every day 02:00")]
    assert query("SELECT id, day FROM intelligence.risk") == [{"id": "2026-01-05", "day": due}]
    assert google.transfer.get_transfer_config(name=config.name).next_run_time == due + DAY


def test_schedule__follows_a_clock_that_is_set_back(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory
) -> None:
    config = make_config()
    cloud.clock.set(datetime(2026, 1, 5, 1, 59, tzinfo=UTC))
    cloud.clock.set(datetime(2026, 1, 5, 2, 1, tzinfo=UTC))
    cloud.wait_for_runs(30)
    assert scheduled(google, config) == [(datetime(2026, 1, 5, 2, tzinfo=UTC), "every day 02:00")]


def test_schedule__missed_runs_are_made_up_for_by_one(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory
) -> None:
    cloud.clock.set(datetime(2026, 1, 5, 1, tzinfo=UTC))
    config = make_config()
    cloud.clock.set(datetime(2026, 1, 9, 3, tzinfo=UTC))
    cloud.wait_for_runs(30)
    assert scheduled(google, config) == [(datetime(2026, 1, 9, 2, tzinfo=UTC), "every day 02:00")]


@pytest.mark.parametrize(
    "changes",
    [
        {"disabled": True},
        {"schedule_options": ON_DEMAND},
        {"schedule_options": ScheduleOptions(start_time=datetime(2026, 2, 1, tzinfo=UTC))},
        {"schedule_options": ScheduleOptions(end_time=datetime(2026, 1, 5, tzinfo=UTC))},
    ],
)
def test_schedule__may_be_off(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory, changes: dict[str, Any]
) -> None:
    cloud.clock.set(datetime(2026, 1, 5, 1, tzinfo=UTC))
    config = make_config(**changes)
    cloud.clock.set(datetime(2026, 1, 9, 3, tzinfo=UTC))
    cloud.wait_for_runs(30)
    assert scheduled(google, config) == []


def test_schedule__in_real_time(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory
) -> None:
    config = make_config()
    (stored,) = cloud.transfers.items.values()
    stored.next_run = datetime.now(UTC) + timedelta(milliseconds=50)
    cloud.transfers.scheduler.wake.set()
    cloud.transfers.runner.wait(60, lambda: not stored.runs)
    cloud.wait_for_runs(30)
    assert len(scheduled(google, config)) == 1


def test_reset__ends_runs_and_forgets_those_that_wait(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory, connection: Connection
) -> None:
    config = make_config(
        "SELECT * FROM EXTERNAL_QUERY('us-central1.pg', 'SELECT pg_sleep(600)::text AS a')"
    )
    for _ in range(6):
        start(google, config, requested_run_time=MOMENT)
    cloud.reset()
    assert cloud.bigquery.runner.jobs == {}


def test_wait__gives_up_in_time(
    cloud: LocalCloud, google: GoogleClients, make_config: ConfigFactory, connection: Connection
) -> None:
    config = make_config(
        "SELECT * FROM EXTERNAL_QUERY('us-central1.pg', 'SELECT pg_sleep(600)::text AS a')"
    )
    start(google, config, requested_run_time=MOMENT)
    with pytest.raises(TimeoutError):
        cloud.wait_for_runs(0.1)
    with pytest.raises(GoogleAPICallError):
        google.transfer.get_transfer_run(name=config.name + "/runs/nope")
