"""A night's run: which days it replaces and keeps, and that a bad night changes nothing."""

import threading
import time
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection
from google.api_core.exceptions import BadRequest

from backend.conftest import READER, grant_printed_role
from backend.entities.models import Entity, EntityMention
from backend.events.models import Event
from backend.forecasting.google.causes import likely_cause
from backend.forecasting.tests.support.loading import (
    TABLE,
    day_before,
    loaded_days,
    mention,
    mention_daily,
    midnight,
    run_script,
    start_run,
    table_rows,
    today,
)
from backend.localcloud.postgres.server import RunningPostgres, admin_cursor

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.untraced]


@pytest.fixture
def entity() -> Entity:
    return Entity.objects.create(name="Acme", entity_type="company", risk_score=50)


@pytest.fixture
def loaded(pipeline: "LocalCloud", entity: Entity) -> "LocalCloud":
    """The stand-in after a first load of 90 days, all of which have a mention."""
    mention_daily(entity, {day_before(days): float(days) for days in range(1, 100)})
    call_command("bq_setup", stdout=StringIO())
    set_up_etl(run_now=True)
    return pipeline


def set_up_etl(**options: Any) -> None:
    call_command("bq_setup_etl", stdout=StringIO(), stderr=StringIO(), **options)


def rescore(day_age: int, score: float) -> None:
    Event.objects.filter(occurred_at__date=day_before(day_age)).update(risk_score=score)


def score_of(cloud: "LocalCloud", day_age: int) -> float | None:
    (row,) = [v for (_, day), v in table_rows(cloud).items() if day == day_before(day_age)]
    return row[0]


def test_load__first_one_is_the_whole_window_whatever_the_refresh(
    pipeline: "LocalCloud", entity: Entity
) -> None:
    for days in (1, 30, 90, 91):
        mention(entity, day_before(days), 10)
    call_command("bq_setup", stdout=StringIO())
    set_up_etl(run_now=True, refresh_days=7)
    assert loaded_days(pipeline) == [day_before(90), day_before(30), day_before(1)]


def test_load__refresh_reads_the_last_days_only(loaded: "LocalCloud") -> None:
    rescore(3, 99)
    rescore(30, 99)
    set_up_etl(run_now=True, refresh_days=7)
    assert score_of(loaded, 3) == 99
    assert score_of(loaded, 30) == 30


def test_load__refreshed_day_that_lost_its_mentions_is_emptied(loaded: "LocalCloud") -> None:
    EntityMention.objects.filter(mentioned_at__date=day_before(3)).delete()
    set_up_etl(run_now=True, refresh_days=7)
    assert day_before(3) not in loaded_days(loaded)
    assert day_before(2) in loaded_days(loaded)


@pytest.mark.parametrize(("keep_history", "oldest"), [(False, 30), (True, 90)])
def test_load__days_that_left_the_window(
    loaded: "LocalCloud", keep_history: bool, oldest: int
) -> None:
    settings = {"window_days": 30, "refresh_days": 7, "keep_history": keep_history}
    set_up_etl(run_now=True, allow_deleting=not keep_history, **settings)
    assert loaded_days(loaded)[0] == day_before(oldest)


def test_load__entity_score_is_the_present_one(
    loaded: "LocalCloud", postgres: RunningPostgres
) -> None:
    grant_printed_role(postgres, score_source="entity")
    try:
        set_up_etl(run_now=True, score_source="entity")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"REVOKE SELECT ON entities_entity FROM {READER}")
    assert {row[0] for row in table_rows(loaded).values()} == {50}


def test_load__past_run_time_loads_its_own_window(loaded: "LocalCloud") -> None:
    rescore(5, 99)
    rescore(20, 99)
    start_run(loaded, midnight(day_before(10)) + timedelta(hours=2))
    loaded.wait_for_runs(60)
    assert score_of(loaded, 20) == 99, "inside the window of that date"
    assert score_of(loaded, 5) == 5, "later than the window of that date"
    assert loaded_days(loaded)[-1] == day_before(1)


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_load__around_midnight_takes_the_days_of_its_run_time(
    loaded: "LocalCloud", seconds: int
) -> None:
    """However long the run lasts, and whatever PostgreSQL's clock says meanwhile."""
    rescore(1, 99)
    start_run(loaded, midnight(today()) + timedelta(seconds=seconds))
    loaded.wait_for_runs(60)
    assert score_of(loaded, 1) == (1 if seconds < 0 else 99)


@pytest.mark.trap("twice")
def test_load__two_runs_at_once_end_with_the_same_rows(loaded: "LocalCloud") -> None:
    before = table_rows(loaded)
    for _ in range(2):
        start_run(loaded, midnight(today()))
    loaded.wait_for_runs(60)
    assert table_rows(loaded) == before


def test_load__infinite_scores_never_arrive(loaded: "LocalCloud", entity: Entity) -> None:
    for score in (float("nan"), float("inf"), float("-inf")):
        mention(entity, day_before(2), score)
    set_up_etl(run_now=True)
    assert score_of(loaded, 2) == 2


DAY, SCORE = "    day::timestamp", "AS mentioned_at,\n    risk_score,"
FAULTS = {
    "duplicate": (
        "FROM daily\n",
        "FROM (SELECT * FROM daily UNION ALL SELECT * FROM daily) daily\n",
    ),
    "null": (SCORE, SCORE.replace("risk_score", "NULL::float8 AS risk_score")),
    "nan": (SCORE, SCORE.replace("risk_score", "'NaN'::float8 AS risk_score")),
    "outside": (DAY, "    (day + 1)::timestamp"),
    "off midnight": (DAY, "    (day::timestamp + '1 s')"),
}
MESSAGES = {
    "duplicate": "an entity and day twice",
    "null": "without entity, day or score",
    "nan": "NaN or an infinite number",
    "outside": "outside the refreshed days",
    "off midnight": "no midnight UTC",
}


@pytest.mark.trap("source")
@pytest.mark.parametrize("fault", FAULTS)
def test_load__bad_rows_fail_the_run_and_leave_the_table(loaded: "LocalCloud", fault: str) -> None:
    before = table_rows(loaded)
    with pytest.raises(BadRequest, match=MESSAGES[fault]) as caught:
        run_script(today(), FAULTS[fault])
    assert "left as it was" in str(caught.value)
    assert table_rows(loaded) == before


@pytest.mark.trap("source")
@pytest.mark.parametrize(("options", "fails"), [({}, True), ({"min_rows_ratio": "0"}, False)])
def test_load__truncated_source(loaded: "LocalCloud", options: Any, fails: bool) -> None:
    EntityMention.objects.filter(mentioned_at__lt=midnight(day_before(40))).delete()
    before = table_rows(loaded)
    if fails:
        with pytest.raises(BadRequest, match=r"far fewer rows .* 40 instead of 90, ") as caught:
            run_script(today(), **options)
        assert "PostgreSQL" in likely_cause(str(caught.value))
        assert table_rows(loaded) == before
    else:
        run_script(today(), **options)
        assert len(table_rows(loaded)) == 40


def test_load__half_of_the_rows_is_enough(loaded: "LocalCloud") -> None:
    EntityMention.objects.filter(mentioned_at__lt=midnight(day_before(45))).delete()
    run_script(today())
    assert len(table_rows(loaded)) == 45


def test_load__only_days_that_the_table_has_are_compared(loaded: "LocalCloud") -> None:
    """Days that are new, at either end, make up for none that are lost."""
    loaded.query(f"DELETE FROM `{TABLE}` WHERE mentioned_at >= TIMESTAMP '{day_before(50)}'")
    loaded.query(f"DELETE FROM `{TABLE}` WHERE mentioned_at < TIMESTAMP '{day_before(69)}'")
    lost = {
        "mentioned_at__gte": midnight(day_before(69)),
        "mentioned_at__lt": midnight(day_before(58)),
    }
    EntityMention.objects.filter(**lost).delete()
    with pytest.raises(BadRequest, match=" 8 instead of 19, "):
        run_script(today())


def test_load__widened_window_has_nothing_to_be_compared_with(loaded: "LocalCloud") -> None:
    run_script(today(), window_days=99)
    assert len(table_rows(loaded)) == 99


def test_load__killed_while_it_reads_leaves_the_table(
    loaded: "LocalCloud", postgres: RunningPostgres
) -> None:
    before = table_rows(loaded)
    hangs = ("FROM mention\n", "FROM (SELECT mention.* FROM mention, pg_sleep(600)) mention\n")
    killer = threading.Thread(target=kill_sleeper, args=[postgres])
    killer.start()
    with pytest.raises(BadRequest, match="EXTERNAL_QUERY"):
        run_script(today(), hangs)
    killer.join()
    assert table_rows(loaded) == before


def kill_sleeper(postgres: RunningPostgres) -> None:
    """Ends the first session that sleeps, once there is one."""
    deadline, killed = time.monotonic() + 240, False
    with admin_cursor(postgres) as cursor:
        while not killed and time.monotonic() < deadline:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE wait_event = 'PgSleep'"
            )
            killed = bool(cursor.fetchall())
