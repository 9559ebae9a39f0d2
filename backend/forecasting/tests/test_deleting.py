"""Nothing that training holds goes without a word: days that the next run would delete."""

import re
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command

from backend.entities.models import Entity
from backend.forecasting.conf import Config, load_config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.provisioning import deleting
from backend.forecasting.provisioning.deleting import day_of_next_run
from backend.forecasting.provisioning.engine import plan_observed
from backend.forecasting.provisioning.plan import Deletes
from backend.forecasting.provisioning.scheduled_queries import ScheduledQuerySpec
from backend.forecasting.provisioning.transfer_configs import observe_scheduled_queries
from backend.forecasting.sql.queries import load_name
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.factories import Google, make_config, make_run, make_transfer
from backend.forecasting.tests.support.loading import TABLE, day_before, loaded_days, mention

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.untraced]

ENTITIES = 3
OLD = date(2025, 12, 20)


@pytest.fixture
def history(pipeline: "LocalCloud") -> "LocalCloud":
    """A table with rows on each of the last 120 days, and no script yet."""
    call_command("bq_setup", stdout=StringIO())
    _insert(120)
    return pipeline


def _insert(oldest: int) -> None:
    """Rows on each of the last days."""
    with closing(make_clients(load_config()).bigquery) as client:
        client.query_and_wait(
            f"INSERT INTO `{TABLE}` (entity_id, mentioned_at, risk_score) "
            "SELECT CONCAT('entity-', CAST(number AS STRING)), TIMESTAMP(day, 'UTC'), 50.0 "
            f"FROM UNNEST(GENERATE_DATE_ARRAY('{day_before(oldest)}', '{day_before(1)}')) AS day, "
            f"UNNEST(GENERATE_ARRAY(1, {ENTITIES})) AS number"
        )


def set_up(*flags: str, **settings: Any) -> Any:
    return call("bq_setup_etl", "--format=json", *flags, **settings)


def deletes(result: Any) -> Any:
    *_, scheduled = result.document["resources"]
    return scheduled["deletes"]


def stored_script(cloud: "LocalCloud") -> str:
    (scheduled,) = cloud.transfers.items.values()
    return str(scheduled.resource["params"]["query"])


def next_run(cloud: "LocalCloud") -> date:
    config = load_config()
    (scheduled,) = observe_scheduled_queries(
        make_clients(config), config.parent, load_name(config.table_id)
    )
    return day_of_next_run(scheduled, datetime.now(UTC))


def test_history__no_longer_kept_is_refused_with_figures(history: "LocalCloud") -> None:
    assert set_up(keep_history=True).status == 0
    script = stored_script(history)
    result = set_up()
    assert (result.status, result.document["status"]) == (1, "conflict")
    before = next_run(history) - timedelta(days=90)
    gone = (before - day_before(120)).days
    assert deletes(result) == {"rows": gone * ENTITIES, "days": gone, "before": f"{before}"}
    *_, scheduled = result.document["resources"]
    assert scheduled["action"] == "conflict"
    assert scheduled["changes"] == [{"field": "keep_history", "from": "on", "to": "off"}]
    assert f"{gone * ENTITIES} rows of {gone} days before {before}" in result.error
    assert "FORECASTING_KEEP_HISTORY=on" in result.error
    assert stored_script(history) == script


@pytest.mark.traced
def test_history__goes_where_that_is_allowed(history: "LocalCloud") -> None:
    assert set_up(keep_history=True).status == 0
    said = deletes(set_up("--dry-run"))
    result = set_up("--allow-deleting")
    assert (result.status, deletes(result)) == (0, said)
    assert set_up("--check").status == 0
    assert deletes(set_up()) is None


def test_window__smaller_one_is_refused(history: "LocalCloud") -> None:
    assert set_up(window_days=120).status == 0
    result = set_up(window_days=100)
    assert result.status == 1
    assert (deletes(result)["days"], deletes(result)["rows"]) == (20, 20 * ENTITIES)
    assert "window_days" in result.out
    assert set_up("--check", window_days=100).status == 1


def test_script__first_one_over_an_older_table_is_refused(history: "LocalCloud") -> None:
    result = set_up()
    assert result.status == 1
    assert deletes(result) == {"rows": 30 * ENTITIES, "days": 30, "before": f"{day_before(90)}"}
    assert history.transfers.items == {}
    assert history.connections.items == {}


def test_script__somebody_elses_is_taken_to_keep_everything(history: "LocalCloud") -> None:
    assert set_up(window_days=120).status == 0
    (scheduled,) = history.transfers.items.values()
    scheduled.resource["params"]["query"] = "SELECT 1"
    assert set_up(window_days=119).status == 1


def test_script__lost_is_stored_again_over_what_it_loaded(pipeline: "LocalCloud") -> None:
    """Else whoever deletes a scheduled query, as some messages say, could not make it again."""
    call_command("bq_setup", stdout=StringIO())
    _insert(90)
    assert set_up().status == 0
    pipeline.transfers.items.clear()
    assert set_up().status == 0


def test_settings__that_delete_nothing_cost_no_query(history: "LocalCloud") -> None:
    assert set_up("--allow-deleting").status == 0
    history.requests.clear()
    for changed in ({}, {"refresh_days": 7}, {"window_days": 150}, {"keep_history": True}):
        assert set_up(**changed).status == 0
    assert history.requests
    assert not [request for request in history.requests if "PARTITIONS" in str(request.body)]


def test_next_run__deletes_what_was_said_and_no_more(history: "LocalCloud") -> None:
    assert set_up(keep_history=True).status == 0
    said = deletes(set_up("--allow-deleting"))
    before = date.fromisoformat(said["before"])
    gone = [day for day in loaded_days(history) if day < before]
    assert (len(gone), len(gone) * ENTITIES) == (said["days"], said["rows"])


def count(cloud: "LocalCloud") -> int:
    ((rows,),) = (row.values() for row in cloud.query(f"SELECT COUNT(*) AS n FROM `{TABLE}`"))
    return int(rows)


def test_hints__followed_to_the_letter_lose_nothing(history: "LocalCloud") -> None:
    """After `--keep-history` by hand, from a shell that knows nothing of it."""
    mention(Entity.objects.create(name="Acme", entity_type="company"), day_before(1), 10)
    assert set_up(keep_history=True).status == 0
    rows = count(history)
    verified = call("bq_verify", "--format=json")
    assert verified.status == 2
    hints = [check["hint"] or "" for check in verified.document["checks"]]
    advised = [c for hint in hints for c in re.findall(r"`python manage.py ([^`]+)`", hint)]
    assert "bq_setup_etl --run-now" in advised
    for command, *flags in map(str.split, advised):
        call(command, *flags)
    assert count(history) == rows
    checks = {check["id"]: check for check in verified.document["checks"]}
    assert "FORECASTING_KEEP_HISTORY=on" in checks["schedule.query"]["hint"]
    assert checks["data.window"]["status"] == "pass"


def _change_scheduled(cloud: "LocalCloud", **resource: Any) -> None:
    (scheduled,) = cloud.transfers.items.values()
    scheduled.resource |= resource


STOPS = (
    {"disabled": True},
    {"scheduleOptions": {"disableAutoScheduling": True}},
    {"scheduleOptions": {"endTime": "2026-01-02T00:00:00Z"}},
)


def test_schedule__that_was_stopped_for_long_is_not_started_without_a_word(
    history: "LocalCloud",
) -> None:
    """Its settings are the same, and what has left the window since is still there."""
    assert set_up("--allow-deleting").status == 0
    for stop in STOPS:
        _change_scheduled(history, **{"disabled": False, "scheduleOptions": {}, **stop})
        result = set_up("--dry-run")
        before = next_run(history) - timedelta(days=90)
        days = (before - day_before(120)).days
        gone = {"rows": days * ENTITIES, "days": days, "before": f"{before}"}
        assert (result.status, deletes(result)) == (1, gone), stop
        assert f"would have the next run delete {days * ENTITIES} rows of {days}" in result.error
    assert set_up().status == 1
    result = set_up("--allow-deleting")
    assert (result.status, deletes(result)) == (0, gone)


def test_schedule__stopped_for_a_few_days_is_started_and_says_what_leaves(
    pipeline: "LocalCloud",
) -> None:
    call_command("bq_setup", stdout=StringIO())
    _insert(90)
    assert set_up().status == 0
    _insert_on(pipeline, day_before(95))
    _change_scheduled(pipeline, disabled=True)
    result = set_up()
    # The first day of the window too, unless the next run is today's.
    left = 1 + (next_run(pipeline) - day_before(0)).days
    assert (result.status, deletes(result)["days"]) == (0, left)


def _insert_on(cloud: "LocalCloud", day: date) -> None:
    cloud.query(
        f"INSERT INTO `{TABLE}` (entity_id, mentioned_at, risk_score) "
        f"VALUES ('entity-1', TIMESTAMP('{day}', 'UTC'), 50.0)"
    )


def test_run_now__is_not_started_where_it_would_delete_what_was_kept(
    history: "LocalCloud",
) -> None:
    """Somebody's own rows from before the window, under a schedule that runs as it should."""
    assert set_up("--allow-deleting").status == 0
    rows = count(history)
    result = set_up("--run-now")
    assert result.status == 1
    gone = {"rows": 30 * ENTITIES, "days": 30, "before": f"{day_before(90)}"}
    assert deletes(result) == gone
    assert (result.document["run"], count(history)) == (None, rows)


@pytest.mark.parametrize(("hours", "days"), [(1, 0), (25, 1), (-1, 1)])
def test_next_run__is_the_scheduled_one_or_tomorrows(config: Config, hours: int, days: int) -> None:
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    scheduled = make_transfer(config, next_run_time=now + timedelta(hours=hours))
    assert day_of_next_run(scheduled, now) == date(2026, 3, 4 + days)
    assert day_of_next_run(make_transfer(make_config()), now) == date(2026, 3, 5)


LONG_AGO, LATELY = datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 28, 3, tzinfo=UTC)
NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("edited", "ran", "expected"),
    [
        (LONG_AGO, LONG_AGO, Deletes(rows=3, days=1, first=OLD, before=date(2025, 12, 30))),
        (LONG_AGO, None, Deletes(rows=3, days=1, first=OLD, before=date(2025, 12, 30))),
        (LONG_AGO, LATELY, None),
        (LATELY, None, None),
    ],
)
def test_nights__that_failed_for_longer_than_a_week_are_asked_about(
    google: Google,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    edited: datetime,
    ran: datetime | None,
    expected: Deletes | None,
) -> None:
    """The next one that succeeds would delete all that has left the window meanwhile."""
    monkeypatch.setattr(google, "now", lambda: NOW)
    monkeypatch.setattr(google.clock, "now", lambda: NOW)
    monkeypatch.setattr(deleting, "rows_by_day", lambda *_: iter([(OLD, 3)]))
    runs = [make_run("SUCCEEDED", end_time=ran)] if ran else []
    google.transfers.list_transfer_runs.side_effect = lambda *_, **__: runs
    observed = [make_transfer(config, update_time=edited, state="FAILED")]
    spec = ScheduledQuerySpec.from_config(config)
    step = plan_observed(spec, lambda: observed, google)
    assert (step.plan.deletes, bool(step.plan.refusal)) == (expected, expected is not None)


@pytest.mark.parametrize(
    ("rows", "days", "said"),
    [(1, 1, "1 row of 1 day before"), (1234, 2, "1,234 rows of 2 days before")],
)
def test_deletes__are_told_in_rows_and_days(rows: int, days: int, said: str) -> None:
    assert str(Deletes(rows=rows, days=days, first=OLD, before=OLD)) == f"{said} {OLD}"
