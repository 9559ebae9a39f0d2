"""A new connection's grant takes minutes to act: `--run-now` waits for it, on Google's clock."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from backend.entities.models import Entity
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.loading import day_before, mention, table_rows

if TYPE_CHECKING:
    from backend.localcloud.http.call import Call
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.django_db(transaction=True)

WAITING = "Waiting until BigQuery reaches the instance: a new grant takes minutes to act."


@pytest.fixture
def late(pipeline: "LocalCloud") -> "LocalCloud":
    """The stand-in with a table, where a connection works five minutes after it was made.

    Each query takes a minute there.
    """
    mention(Entity.objects.create(name="Acme", entity_type="company"), day_before(1), 40.0)
    assert call("bq_setup").status == 0

    def spend(call: "Call", done: bool) -> None:
        if done and call.method == "POST" and call.path.endswith("/queries"):
            pipeline.clock.set(pipeline.clock.now() + timedelta(minutes=1))

    pipeline.watchers.append(spend)
    pipeline.connections.grant_seconds = 300
    return pipeline


def test_run_now__waits_for_the_grant_before_it_starts(late: "LocalCloud") -> None:
    result = call("bq_setup_etl", run_now=True)
    assert (result.status, result.out.count(WAITING)) == (0, 1)
    said = result.out.splitlines()
    grant = next(n for n, line in enumerate(said) if "roles/cloudsql.client" in line)
    assert grant < said.index(WAITING)
    assert len(table_rows(late)) == 1


def test_run_now__of_a_second_command_waits_too(late: "LocalCloud") -> None:
    assert WAITING not in call("bq_setup_etl").out
    result = call("bq_setup_etl", run_now=True)
    assert (result.status, result.out.count(WAITING)) == (0, 1)
    assert result.out.count("--role roles/cloudsql.client") == 1


@pytest.mark.usefixtures("fast_clock")
def test_run_now__without_the_grant_starts_nothing(late: "LocalCloud") -> None:
    late.connections.grant_seconds = 10**6
    result = call("bq_setup_etl", run_now=True, timeout=30)
    assert result.status == 1
    assert result.error.startswith("No run was started: BigQuery has not reached the instance")
    (scheduled,) = late.transfers.items.values()
    assert not scheduled.runs
