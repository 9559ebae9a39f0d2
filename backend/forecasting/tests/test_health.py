"""The nightly load as a check of django-health-check."""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.cache import cache
from django.test import Client, override_settings
from health_check.exceptions import ServiceReturnedUnexpectedResult, ServiceUnavailable

from backend.forecasting.monitoring import health
from backend.forecasting.monitoring.health import CACHE_KEY, NightlyLoad
from backend.forecasting.monitoring.remembered import Seen
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.healthy import Healthy
from backend.forecasting.tests.support.snapshots import UNSEEN, make_snapshot
from backend.forecasting.tests.support.tampering import failed_run, no_table, old_runs

pytestmark = pytest.mark.django_db

GOOD = "OK"
ADVICE = "see manage.py bq_verify"


@pytest.fixture(autouse=True)
def forget() -> None:
    cache.delete(CACHE_KEY)


def probe() -> tuple[int, str]:
    """The page's status, and what it says of the nightly load."""
    reply = Client().get("/health/?format=json")
    said: dict[str, Any] = reply.json()
    return reply.status_code, said["NightlyLoad()"]


def test_health__healthy_pipeline_is_healthy(healthy: Healthy) -> None:
    assert probe() == (200, GOOD)
    assert not healthy.cloud.writes


def test_health__runs_no_query(healthy: Healthy) -> None:
    probe()
    assert {request.method for request in healthy.cloud.requests} == {"GET"}


def test_health__second_probe_asks_nobody(healthy: Healthy) -> None:
    probe()
    healthy.cloud.requests.clear()
    failed_run(healthy)
    assert probe() == (200, GOOD)
    assert healthy.cloud.requests == []


def test_health__is_looked_at_every_five_minutes_as_documented() -> None:
    assert health._HEALTH.fresh_seconds == 300


def test_health__probes_at_once_ask_google_once(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, looks, said = threading.Event(), list[int](), list[str]()

    def look() -> tuple[bool, list[str]]:
        looks.append(1)
        assert may_end.wait(30)
        return True, ["run.fresh"]

    def ask() -> None:
        with pytest.raises(ServiceReturnedUnexpectedResult) as error:
            NightlyLoad().run()
        said.append(error.value.message)

    monkeypatch.setattr(health, "_HEALTH", replace(health._HEALTH, look=look))
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert (len(looks), said) == (1, [f"run.fresh: {ADVICE}"] * 8)


@pytest.mark.parametrize(("problems", "value"), [([], 1), (["run.fresh"], 0)])
def test_health__as_openmetrics_is_a_number(
    monkeypatch: pytest.MonkeyPatch, problems: list[str], value: int
) -> None:
    look = Mock(return_value=(True, problems))
    monkeypatch.setattr(health, "_HEALTH", replace(health._HEALTH, look=look))
    reply = Client().get("/health/?format=openmetrics")
    metric = 'django_health_check_status{check="NightlyLoad"}'
    assert f"\n{metric} {value}\n" in reply.content.decode()


@pytest.mark.parametrize(
    "seen",
    [
        Seen(),
        Seen(value=(False, [])),
        Seen(value=(True, []), problem="nobody answers"),
        Seen(value=(True, ["run.fresh"]), problem="nobody answers"),
        Seen(value=(True, []), looking=True),
    ],
)
def test_health__what_is_not_known_now_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, seen: Seen[tuple[bool, list[str]]]
) -> None:
    monkeypatch.setattr(health, "_HEALTH", Mock(see=Mock(return_value=seen)))
    with pytest.raises(ServiceUnavailable, match="could not be asked"):
        NightlyLoad().run()


@pytest.mark.parametrize(
    ("seen", "kind", "said"),
    [
        (
            Seen(value=(True, ["run.fresh", "table.exists"])),
            ServiceReturnedUnexpectedResult,
            "run.fresh, table.exists: see manage.py bq_verify",
        ),
        (
            Seen(),
            ServiceUnavailable,
            "Google Cloud could not be asked: see manage.py bq_verify",
        ),
    ],
)
def test_health__says_what_failed_and_where_to_look(
    monkeypatch: pytest.MonkeyPatch, seen: Any, kind: type[Exception], said: str
) -> None:
    monkeypatch.setattr(health, "_HEALTH", Mock(see=Mock(return_value=seen)))
    with pytest.raises(kind) as raised:
        NightlyLoad().run()
    assert getattr(raised.value, "message", None) == said


@pytest.mark.parametrize("changes", [{}, {"connection": UNSEEN}, {"dataset": None}])
def test_health__looks_at_resources_and_tells_what_failed_by_its_id(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    config = make_config(source_database="venezuelawatch")  # The settings may name the tests' own.
    clients, snapshot = Mock(), make_snapshot(config, **changes)
    monkeypatch.setattr(health, "load_config", lambda: config)
    monkeypatch.setattr(health, "make_clients", {config: clients}.__getitem__)
    look = {(config, clients): snapshot}
    monkeypatch.setattr(health, "look_at_resources", lambda *given: look[given])
    failed = ["dataset.exists"] if "dataset" in changes else []
    assert health._look() == ("connection" not in changes, failed)


def test_health__ends_before_the_page_gives_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    see = Mock(return_value=Seen(value=(True, [])))
    monkeypatch.setattr(health, "_HEALTH", Mock(see=see))
    NightlyLoad(timeout=timedelta(seconds=10)).run()
    (patience,) = see.call_args.args
    assert (patience.recent, patience.without) == (9, 9)
    NightlyLoad().run()
    (patience,) = see.call_args.args
    assert (patience.recent, patience.without) == (59, 59)


@pytest.mark.parametrize(
    ("tamper", "check"),
    [(failed_run, "run.succeeded"), (old_runs, "run.fresh"), (no_table, "table.exists")],
)
def test_health__failing_checks_are_named(healthy: Healthy, tamper: Any, check: str) -> None:
    tamper(healthy)
    assert probe() == (500, f"Unexpected Result: {check}: {ADVICE}")


def test_health__a_failure_is_remembered_too(healthy: Healthy) -> None:
    old_runs(healthy)
    probe()
    healthy.cloud.requests.clear()
    assert probe()[0] == 500
    assert healthy.cloud.requests == []


def test_health__google_out_of_reach_is_unavailable(healthy: Healthy) -> None:
    unavailable = (500, f"Unavailable: Google Cloud could not be asked: {ADVICE}")
    with override_settings(FORECASTING_API_ENDPOINT="http://127.0.0.1:1"):
        assert probe() == unavailable


def test_health__service_that_does_not_answer_is_unavailable(healthy: Healthy) -> None:
    healthy.cloud.disable_api("bigqueryconnection.googleapis.com")
    found = probe()
    healthy.cloud.enable_api("bigqueryconnection.googleapis.com")
    assert found == (500, f"Unavailable: Google Cloud could not be asked: {ADVICE}")


def test_health__missing_setting_is_unavailable(healthy: Healthy) -> None:
    with override_settings(GOOGLE_CLOUD_PROJECT=""):
        assert probe()[0] == 500


def test_health__page_shows_no_secret_and_no_resource(healthy: Healthy) -> None:
    failed_run(healthy)
    said = Client().get("/health/?format=text").content.decode()
    assert "demo-project" not in said
    assert "bigquery" not in said
    assert repr(NightlyLoad()) == "NightlyLoad()"
