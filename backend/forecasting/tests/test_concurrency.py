"""Several deploys at once: exactly one of each resource, and every one of them ends well."""

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from backend.forecasting.tests.reliability.processes import run_at_once
from backend.forecasting.tests.support.concurrent_runs import command_environment
from backend.localcloud.postgres.server import RunningPostgres

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

PROCESSES = 8
ROUNDS = 5
UNREACHABLE = "postgresql://127.0.0.1:1/venezuelawatch"
SET_UP = (("bq_setup",), ("bq_setup_etl",))

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("with_lock", [True, False], ids=["locked", "unlocked"])
def test_setup__concurrent_runs_make_one_of_each(
    pipeline: "LocalCloud", postgres: RunningPostgres, with_lock: bool
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
        ends = run_at_once(environment, [SET_UP] * PROCESSES)
        assert [end for ended in ends for end in ended if end.status] == []
        assert [len(ended) for ended in ends] == [len(SET_UP)] * PROCESSES
        assert _resources(pipeline) == (1, 1)


def _resources(cloud: "LocalCloud") -> tuple[int, int]:
    """How many connections and scheduled queries there are."""
    return len(cloud.connections.items), len(cloud.transfers.items)
