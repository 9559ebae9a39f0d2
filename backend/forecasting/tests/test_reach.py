"""A new connection's grant takes minutes to act: `--run-now` waits for it, on Google's clock."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from pytest_django import Settings

from backend.entities.models import Entity
from backend.forecasting.conf import Config
from backend.forecasting.errors import SourceDatabaseError
from backend.forecasting.loading.day_sums import sum_up_through_connection
from backend.forecasting.loading.reach import (
    probe_connection,
    raise_refusal_of_query,
    wait_for_reach,
)
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.factories import Google
from backend.forecasting.tests.support.loading import day_before, mention, table_rows

if TYPE_CHECKING:
    from backend.localcloud.http.call import Call
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.django_db(transaction=True)

DAYS = date(2026, 1, 1), date(2026, 2, 1)
WAITING = "Waiting until BigQuery reaches the instance: a new grant takes minutes to act."


@pytest.fixture
def late(pipeline: "LocalCloud", settings: Settings) -> "LocalCloud":
    """The stand-in with a table, where a connection works five minutes after it was made.

    Each query takes a minute there, from now on, at the other end of the day than the schedule.
    """
    settings.FORECASTING_SCHEDULE = f"every day {datetime.now(UTC) + timedelta(hours=12):%H:%M}"
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


class Rows(list[Any]):
    """An answer of BigQuery's client."""

    total_bytes_processed = 0


@pytest.mark.parametrize(
    "federated",
    [
        lambda config, google: probe_connection(config, google, DAYS),
        lambda config, google: sum_up_through_connection(config, google, *DAYS),
    ],
    ids=["probe", "sums"],
)
def test_federated_query__has_no_limit_on_bytes_which_google_refuses(
    google: Google, config: Config, federated: Any
) -> None:
    google.bigquery.query_and_wait.return_value = Rows()
    with patch("backend.forecasting.loading.day_sums._with_table"):
        federated(config, google)
    asked = google.bigquery.query_and_wait.call_args
    assert asked.kwargs["job_config"].maximum_bytes_billed is None
    assert "2026-01-01" in asked.args[0]
    assert "2026-02-01" in asked.args[0]


@pytest.mark.usefixtures("fast_clock")
def test_wait__is_told_as_soon_as_it_begins(google: Google, config: Config) -> None:
    notes = list[str]()
    google.bigquery.query_and_wait.return_value = Rows()
    with patch("backend.forecasting.loading.reach.is_out_of_reach", side_effect=[True, False]):
        wait_for_reach(config, google, 60, notes.append)
    assert len(notes) == 1


def test_refusal__of_the_source_query_says_what_to_do(config: Config) -> None:
    refusal = "PostgreSQL: ERROR:  permission denied for table entities_entitymention"
    with pytest.raises(SourceDatabaseError) as raised:
        raise_refusal_of_query(config, refusal)
    assert "--print-role-sql" in str(raised.value)
    raise_refusal_of_query(config, 'FATAL: password authentication failed for user "bigquery"')
