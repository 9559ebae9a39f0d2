"""Runs that are asked for at once: one is started, and all others take it for theirs."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections

from backend.entities.models import Entity
from backend.forecasting.monitoring import status
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.loading import day_before, mention

if TYPE_CHECKING:
    from backend.localcloud.http.call import Call
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def slow(pipeline: "LocalCloud", monkeypatch: pytest.MonkeyPatch) -> "LocalCloud":
    """Everything set up; between the look for runs and the start of one there is time.

    A run that is started stays under way.
    """
    monkeypatch.setattr(pipeline.transfers.runner, "_work", lambda *_: None)
    mention(Entity.objects.create(name="Acme", entity_type="company"), day_before(1), 40.0)
    assert call("bq_setup").status == call("bq_setup_etl").status == 0

    def delay(call: "Call", done: bool) -> None:
        if done and call.path.endswith("/runs"):
            time.sleep(0.2)

    pipeline.watchers.append(delay)
    return pipeline


def at_once(count: int, work: Callable[[], Any]) -> list[Any]:
    def work_and_leave(_: int) -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(work_and_leave, range(count)))


def runs_of(cloud: "LocalCloud") -> int:
    (scheduled,) = cloud.transfers.items.values()
    return len(scheduled.runs)


def test_button__pressed_six_times_starts_one_run(
    slow: "LocalCloud", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "START_PATIENCE", 60)
    pressed = at_once(6, status.start_run)
    assert [one.problem for one in pressed] == [""] * 6
    assert len({one.name for one in pressed}) == runs_of(slow) == 1


def test_run_now__twice_at_once_starts_one_run(slow: "LocalCloud") -> None:
    results = at_once(2, lambda: call("bq_setup_etl", run_now=True, no_wait=True))
    assert [(result.status, result.error) for result in results] == [(0, "")] * 2
    assert runs_of(slow) == 1
