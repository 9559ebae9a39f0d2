"""Loading past days directly: in slices, safely interrupted, and never twice without need."""

from datetime import date, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from backend.entities.models import Entity
from backend.events.models import Event
from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.loading.backfill import SLICE_DAYS, slice_days
from backend.forecasting.loading.backfill_mark import read_mark
from backend.forecasting.tests.support.loading import TABLE, day_before, loaded_days, mention

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.untraced


@pytest.fixture
def history(pipeline: "LocalCloud", transactional_db: None) -> Entity:
    """A mention on each of three days, in three slices; dataset and table are there."""
    entity = Entity.objects.create(name="Acme", entity_type="company")
    for days in (1, 100, 200):
        mention(entity, day_before(days), 10)
    call_command("bq_setup", stdout=StringIO())
    return entity


def run_backfill(days: int, **options: Any) -> list[str]:
    """The lines on the slices."""
    out = StringIO()
    options.setdefault("keep_history", True)
    call_command("bq_setup_etl", backfill_days=f"{days}", stdout=out, **options)
    return [line for line in out.getvalue().splitlines() if line.startswith("[")]


@pytest.mark.parametrize("days", [1, SLICE_DAYS, SLICE_DAYS + 1, 3650])
def test_slices__cover_every_day_once_newest_first(days: int) -> None:
    slices = list(slice_days(date(2026, 1, 1), days))
    covered = [
        part.end_day - timedelta(days=n + 1)
        for part in slices
        for n in range((part.end_day - part.first_day).days)
    ]
    assert covered == [date(2026, 1, 1) - timedelta(days=n + 1) for n in range(days)]
    assert all(1 <= (part.end_day - part.first_day).days <= SLICE_DAYS for part in slices)


def test_backfill__loads_the_days_beyond_the_window(
    pipeline: "LocalCloud", history: Entity
) -> None:
    lines = run_backfill(250)
    assert loaded_days(pipeline) == [day_before(200), day_before(100), day_before(1)]
    assert [line.rsplit(", ", 1)[1] for line in lines] == ["loaded"] * 3


def test_backfill__notes_its_days_on_the_table(pipeline: "LocalCloud", history: Entity) -> None:
    run_backfill(250)
    table = make_clients(load_config()).bigquery.get_table(TABLE)
    mark = read_mark(table)
    assert mark is not None
    assert (mark.first_day, mark.end_day) == (day_before(250), day_before(0))
    assert mark.done


def test_backfill__again_loads_nothing_that_is_equal(
    pipeline: "LocalCloud", history: Entity
) -> None:
    run_backfill(250)
    Event.objects.filter(occurred_at__date=day_before(100)).update(risk_score=20)
    pipeline.requests.clear()
    lines = run_backfill(250)
    results = [line.rsplit(", ", 1)[1] for line in lines]
    assert results == ["already there", "loaded", "already there"]
    assert len([request for request in pipeline.requests if "MERGE" in str(request.body)]) == 1


def test_backfill__goes_on_after_an_interruption(
    pipeline: "LocalCloud", history: Entity, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.forecasting.loading import backfill

    load = backfill._load
    done: list[Any] = []

    def load_once(*args: Any) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(args)
        load(*args)

    with monkeypatch.context() as patch:
        patch.setattr(backfill, "_load", load_once)
        with pytest.raises(KeyboardInterrupt):
            run_backfill(250)
    assert loaded_days(pipeline) == [day_before(1)]
    assert "already there" in run_backfill(250)[0]
    assert len(loaded_days(pipeline)) == 3


def test_backfill__keeps_what_postgresql_no_longer_has(
    pipeline: "LocalCloud", history: Entity
) -> None:
    run_backfill(250)
    Event.objects.filter(occurred_at__date=day_before(200)).delete()
    assert run_backfill(250)[2].endswith("no rows in PostgreSQL")
    assert day_before(200) in loaded_days(pipeline)


def test_backfill__beyond_the_window_without_history_is_refused(
    pipeline: "LocalCloud", history: Entity
) -> None:
    pipeline.requests.clear()
    with pytest.raises(CommandError, match="--backfill-days is 91, more than the window of 90"):
        run_backfill(91, keep_history=False)
    assert pipeline.requests == []


@pytest.mark.parametrize("days", ["0", "-1", "x", "3651"])
def test_backfill__malformed_days_are_refused(
    pipeline: "LocalCloud", transactional_db: None, days: str
) -> None:
    with pytest.raises(CommandError, match=f'--backfill-days is "{days}": expected'):
        call_command("bq_setup_etl", backfill_days=days, stdout=StringIO())


def test_backfill__failing_slice_ends_with_cause(pipeline: "LocalCloud", history: Entity) -> None:
    pipeline.add_secret_version("POSTGRES_PASSWORD", "wrong")
    with pytest.raises(CommandError, match="Likely cause: the connection's user or pass") as caught:
        run_backfill(30)
    assert caught.value.returncode == 2
