"""What the status page says of runs, with several processes that know different things."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.cache.backends.locmem import LocMemCache

from backend.forecasting.conf import Config
from backend.forecasting.errors import ForecastingError, MissingPrerequisiteError
from backend.forecasting.loading.runs import RunResult
from backend.forecasting.monitoring import remembered, status
from backend.forecasting.monitoring.remembered import Patience, Remembered
from backend.forecasting.monitoring.status import RunStatus, StartedRun
from backend.forecasting.tests.support.factories import RUN_NAME, make_run

NOW = datetime(2026, 3, 2, 2, 1, tzinfo=UTC)
OLD = {"start_time": NOW - timedelta(hours=2), "end_time": NOW - timedelta(hours=1)}


class Cloud:
    """What Google would say: its runs, newest first, or why it says nothing."""

    def __init__(self) -> None:
        self.runs: list[Any] = []
        self.problem: ForecastingError | None = None
        self.counted: list[str] = []

    def list_runs(self, *_: object) -> list[Any]:
        if self.problem:
            raise self.problem
        return self.runs

    def result_of(self, _: object, __: object, run: Any) -> RunResult:
        self.counted.append(run.name)
        return RunResult(name=run.name, state="SUCCEEDED", rows=7, seconds=1.0)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, config: Config) -> Cloud:
    cloud, clients = Cloud(), Mock()
    clients.now.return_value = NOW
    monkeypatch.setattr(status, "load_config", lambda: config)
    monkeypatch.setattr(status, "make_clients", lambda _: clients)
    monkeypatch.setattr(status, "_scheduled_query", lambda *_: "config")
    monkeypatch.setattr(status, "list_runs", cloud.list_runs)
    monkeypatch.setattr(status, "result_of", cloud.result_of)
    monkeypatch.setattr(status, "PATIENCE", Patience(recent=60, recent_seconds=600, without=60))
    return cloud


class Worker:
    """A process with a cache of its own."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = LocMemCache(name, {})
        self.cache.clear()
        self.monkeypatch = monkeypatch

    def sees(self) -> Any:
        for module in (status, remembered):
            self.monkeypatch.setattr(module, "cache", self.cache)
        return status.see_run()


@pytest.fixture
def workers(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> tuple[Worker, Worker]:
    return Worker("status-1", monkeypatch), Worker("status-2", monkeypatch)


def sentence(seen: Any) -> str:
    return str(seen.value.sentence) if seen.value else ""


def test_see_run__second_worker_knows_of_the_new_run(
    cloud: Cloud, workers: tuple[Worker, Worker]
) -> None:
    one, other = workers
    cloud.runs = [make_run("SUCCEEDED")]
    assert sentence(other.sees()).startswith("Run succeeded in 1 s")
    cloud.runs = [make_run("RUNNING", name="new"), *cloud.runs]
    assert [sentence(worker.sees()) for worker in (one, other)] == ["The run is running."] * 2


@pytest.mark.parametrize("before", [[], [make_run("SUCCEEDED")]], ids=["none", "ended"])
def test_see_run__says_nothing_where_it_could_not_ask(
    cloud: Cloud, workers: tuple[Worker, Worker], before: list[Any]
) -> None:
    worker, _ = workers
    cloud.runs = before
    assert sentence(worker.sees())
    cloud.problem = ForecastingError("nobody answers")
    seen = worker.sees()
    assert (seen.value, seen.problem) == (None, "nobody answers")


def test_see_run__says_that_none_is_under_way(
    cloud: Cloud, workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, _ = workers
    cloud.runs = [make_run("SUCCEEDED", **OLD)]
    assert sentence(worker.sees()) == "No run is under way."
    error = MissingPrerequisiteError("no scheduled query")
    monkeypatch.setattr(status, "_scheduled_query", Mock(side_effect=error))
    assert "there is no scheduled query" in sentence(worker.sees())


def test_see_run__counts_the_rows_of_an_end_once(
    cloud: Cloud, workers: tuple[Worker, Worker]
) -> None:
    worker, _ = workers
    cloud.runs = [make_run("SUCCEEDED")]
    assert sentence(worker.sees()) == sentence(worker.sees())
    assert len(cloud.counted) == 1


def test_see_run__has_no_negative_seconds(cloud: Cloud, workers: tuple[Worker, Worker]) -> None:
    worker, _ = workers
    cloud.runs = [make_run("RUNNING", start_time=NOW + timedelta(minutes=5))]
    assert worker.sees().value.seconds == 0


@pytest.mark.parametrize(("known", "looks"), [((), 2), (("new",), 1)])
def test_see_pipeline__is_newer_than_the_end_of_the_run(
    cloud: Cloud,
    workers: tuple[Worker, Worker],
    monkeypatch: pytest.MonkeyPatch,
    known: tuple[str, ...],
    looks: int,
) -> None:
    workers[0].sees()
    look = Mock(side_effect=lambda: SimpleNamespace(ended_runs=known))
    pipeline = Remembered[Any](key="pipeline", look=look, fresh_seconds=60)
    monkeypatch.setattr(status, "_PIPELINE", pipeline)
    status.see_pipeline()
    status.see_pipeline(status.RunStatus(name="new", under_way=True, sentence=""))
    assert look.call_count == 1
    status.see_pipeline(status.RunStatus(name="new", state="SUCCEEDED", sentence=""))
    assert look.call_count == looks


def test_see_run__tells_all_of_one_under_way_and_of_one_that_has_ended(
    cloud: Cloud, workers: tuple[Worker, Worker]
) -> None:
    running, ended = workers
    cloud.runs = [make_run("RUNNING", start_time=NOW - timedelta(seconds=65.4))]
    assert running.sees().value == RunStatus(
        name=RUN_NAME, state="RUNNING", under_way=True, sentence="The run is running.", seconds=65
    )
    cloud.runs = [make_run("SUCCEEDED")]
    assert ended.sees().value == RunStatus(
        name=RUN_NAME,
        state="SUCCEEDED",
        sentence="Run succeeded in 1 s: the training table holds 7 rows.",
    )


def test_see_run__that_has_not_begun_has_no_seconds(
    cloud: Cloud, workers: tuple[Worker, Worker]
) -> None:
    cloud.runs = [make_run("PENDING")]
    seen = workers[0].sees().value
    assert (seen.state, seen.seconds, seen.under_way) == ("PENDING", None, True)


@pytest.mark.parametrize("adopted", [True, False])
def test_start__tells_the_run_and_whose_it_is(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, adopted: bool
) -> None:
    monkeypatch.setattr(status, "provisioning_lock", lambda *_: nullcontext())
    started = (make_run("PENDING"), adopted)
    monkeypatch.setattr(status, "start_or_adopt_run", lambda *_: started)
    assert status._start() == StartedRun(name=RUN_NAME, adopted=adopted)
