"""Several deploys at once: exactly one of each resource, and every one of them ends well."""

from typing import TYPE_CHECKING

import pytest

from backend.forecasting.tests.reliability.processes import run_at_once
from backend.forecasting.tests.support.stand_in import command_environment
from backend.localcloud.postgres.server import RunningPostgres

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

PROCESSES = 5
SET_UP = (("bq_setup",), ("bq_setup_etl",))

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.trap("twice")
@pytest.mark.parametrize("with_lock", [True, False], ids=["locked", "unlocked"])
def test_setup__concurrent_runs_make_one_of_each(
    pipeline: "LocalCloud", postgres: RunningPostgres, with_lock: bool
) -> None:
    environment = command_environment(pipeline, postgres, with_database=with_lock)
    ends = run_at_once(environment, [SET_UP] * PROCESSES)
    assert [end for ended in ends for end in ended if end.status] == []
    assert [len(ended) for ended in ends] == [len(SET_UP)] * PROCESSES
    assert _resources(pipeline) == (1, 1)


def _resources(cloud: "LocalCloud") -> tuple[int, int]:
    """How many connections and scheduled queries there are."""
    return len(cloud.connections.items), len(cloud.transfers.items)
