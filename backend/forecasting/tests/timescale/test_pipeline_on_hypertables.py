"""The commands on hypertables with compressed chunks, as the role that their script makes."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from django.core.management import call_command
from django.test import override_settings

from backend.forecasting.tests.oracles.expected import assert_same_rows, expected_rows
from backend.forecasting.tests.support.loading import day_before, table_rows, today
from backend.forecasting.tests.support.stand_in import pipeline_settings
from backend.forecasting.tests.test_connection_role import ROLE, role_script, run_psql
from backend.forecasting.tests.timescale.scene import execute
from backend.forecasting.tests.timescale.server import DATABASE, Timescale

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.untraced

INSTANCE = "demo-project:us-central1:timescale"
LOOKBACK, WEEK, WINDOW = 30, 7, 90


@pytest.fixture(scope="module")
def cloud(cloud_server: "LocalCloud", hypertables: Timescale) -> Iterator["LocalCloud"]:
    """The stand-in, which reads the hypertables as the role that was made there."""
    cloud_server.reset()
    with _settings(cloud_server, hypertables):
        said = run_psql(hypertables.uri(), role_script())
        assert "TimescaleDB compresses events_event, of which no columns can be granted" in said
        cloud_server.add_secret_version("POSTGRES_USER", ROLE)
        call_command("bq_setup", stdout=StringIO())
        yield cloud_server


@contextmanager
def _settings(cloud: "LocalCloud", server: Timescale) -> Iterator[None]:
    settings: dict[str, Any] = {
        **pipeline_settings(cloud),
        "CLOUD_SQL_INSTANCE": INSTANCE,
        "FORECASTING_SOURCE_DATABASE": DATABASE,
        "FORECASTING_EVENT_LOOKBACK_DAYS": str(LOOKBACK),
    }
    cloud.sql_instances[INSTANCE] = server.address
    with override_settings(**settings):
        yield
    del cloud.sql_instances[INSTANCE]


def load(**options: Any) -> str:
    out = StringIO()
    call_command("bq_setup_etl", run_now=True, stdout=out, **options)
    return out.getvalue()


def test_role__reads_as_its_script_says(cloud: "LocalCloud", hypertables: Timescale) -> None:
    with closing(psycopg2.connect(hypertables.uri(ROLE))) as session, session.cursor() as cursor:
        cursor.execute("SHOW row_security")
        assert cursor.fetchone() == ("off",)
        cursor.execute("SELECT count(*) FROM events_event")
        (events,) = cursor.fetchone() or (0,)
        assert events > 1000
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SELECT name FROM entities_entity")


def test_load__full_and_then_of_a_week(cloud: "LocalCloud") -> None:
    load()
    expected = expected_rows(day_before(WINDOW), today(), lookback_days=LOOKBACK)
    assert_same_rows(table_rows(cloud), expected)
    execute("UPDATE events_event SET risk_score = 1 WHERE occurred_at >= now() - INTERVAL '9 days'")
    load(refresh_days=str(WEEK))
    changed = expected_rows(day_before(WEEK), today(), lookback_days=LOOKBACK)
    assert_same_rows(table_rows(cloud), expected | changed)


def test_verify__reconciles(cloud: "LocalCloud") -> None:
    load()
    out = StringIO()
    call_command("bq_verify", reconcile=True, format="json", stdout=out, stderr=StringIO())
    checks = {check["id"]: check for check in json.loads(out.getvalue())["checks"]}
    assert checks["source.reconciled"]["status"] == "pass", checks["source.reconciled"]
    assert [name for name, check in checks.items() if check["status"] == "fail"] == []
