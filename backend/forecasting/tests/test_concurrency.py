"""Several deploys at once: exactly one of each resource, and every one of them ends well."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from backend.forecasting.tests.concurrent_runs import (
    command_environment,
    forking,
    set_up_all,
    wait_with,
)
from backend.localcloud.postgres import RunningPostgres

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

PROCESSES = 8
ROUNDS = 5
UNREACHABLE = "postgresql://127.0.0.1:1/venezuelawatch"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Eight processes that have everything imported, started from one without threads."""
    context = forking()
    with ProcessPoolExecutor(
        PROCESSES,
        mp_context=context,
        initializer=wait_with,
        initargs=(context.Barrier(PROCESSES),),
        max_tasks_per_child=1,
    ) as pool:
        yield pool


@pytest.mark.parametrize("with_lock", [True, False], ids=["locked", "unlocked"])
def test_setup__concurrent_runs_make_one_of_each(
    pipeline: "LocalCloud",
    postgres: RunningPostgres,
    processes: ProcessPoolExecutor,
    with_lock: bool,
) -> None:
    database = connection.settings_dict
    url = postgres.uri(
        user=database["USER"], password=database["PASSWORD"], database=database["NAME"]
    )
    environment = command_environment(
        database, url if with_lock else UNREACHABLE, pipeline.endpoint
    )
    for _ in range(ROUNDS):
        pipeline.reset()
        results = [processes.submit(set_up_all, environment) for _ in range(PROCESSES)]
        assert [result.result(timeout=120) for result in results] == [[]] * PROCESSES
        assert _resources(pipeline) == (1, 1)


def _resources(cloud: "LocalCloud") -> tuple[int, int]:
    """How many connections and scheduled queries there are."""
    return len(cloud.connections.items), len(cloud.transfers.items)
