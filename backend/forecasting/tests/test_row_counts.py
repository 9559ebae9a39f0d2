"""Rows before and after a load, as the commands say them."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from backend.entities.models import Entity, EntityMention
from backend.forecasting.loading.runs import RunResult
from backend.forecasting.output.text import describe_run
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.loading import day_before, mention, mention_daily, midnight

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud


def result(before: int | None, after: int | None) -> RunResult:
    return RunResult(name="runs/1", state="SUCCEEDED", rows=after, seconds=2.0, rows_before=before)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (6321, 737, "6,321 -> 737 rows in the window, -88 %"),
        (4000, 4200, "4,000 -> 4,200 rows in the window, +5 %"),
        (4200, 4200, "the training table holds 4,200 rows"),
        (0, 4200, "the training table holds 4,200 rows"),
        (None, 4200, "the training table holds 4,200 rows"),
        (4200, None, "the training table holds an unknown number of rows"),
    ],
)
def test_run__says_how_many_rows_there_were(
    before: int | None, after: int | None, said: str
) -> None:
    assert describe_run(result(before, after)) == f"Run succeeded in 2 s: {said}."


@pytest.mark.untraced
@pytest.mark.django_db(transaction=True)
def test_load__counts_the_window_before_and_after(pipeline: "LocalCloud") -> None:
    entity = Entity.objects.create(name="Acme", entity_type="company")
    mention_daily(entity, {day_before(age): 10 for age in range(1, 121)})

    def load(**options: Any) -> Any:
        ended = call("bq_setup_etl", "--format=json", keep_history=True, **options)
        assert ended.status == 0, ended.error
        return ended.document["run"]

    assert call("bq_setup").status == 0
    filled = load(backfill_days="120")
    assert (filled["rows_before"], filled["rows"]) == (0, 120)
    EntityMention.objects.filter(mentioned_at__gte=midnight(day_before(20))).delete()
    loaded = load(run_now=True)
    assert (loaded["rows_before"], loaded["rows"]) == (90, 70)
    mention(entity, day_before(1), 10)
    again = call("bq_setup_etl", backfill_days="120", keep_history=True)
    first_day, last_day = day_before(90), day_before(1)
    assert f"[1/2] {first_day} to {last_day}: 70 -> 71 rows, loaded" in again.out
    assert day_before(1) - first_day == timedelta(days=89)
