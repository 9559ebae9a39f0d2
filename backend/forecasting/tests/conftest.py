"""Fixtures of the forecasting tests: settings and Google's clients, mocked."""

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from django.utils.safestring import SafeString
from pytest_django import DjangoDbBlocker, Settings
from requests.adapters import HTTPAdapter

from backend.forecasting.conf import Config
from backend.forecasting.output import report
from backend.forecasting.output.page import Chart, Charts
from backend.forecasting.tests.oracles.hostile_wire import ENDPOINT, HostileWire
from backend.forecasting.tests.support.clock import FastClock
from backend.forecasting.tests.support.commands import MAKE_CLIENTS, Run, call
from backend.forecasting.tests.support.factories import (
    INSTANCE,
    PROJECT,
    Google,
    make_config,
    make_google,
    provision,
)
from backend.forecasting.tests.support.healthy import Healthy, provision_healthy
from backend.forecasting.tests.support.stand_in import looking_again_soon, pipeline_settings

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud


@pytest.fixture
def config() -> Config:
    return make_config()


@pytest.fixture
def fast_clock(monkeypatch: pytest.MonkeyPatch) -> FastClock:
    """Time that nothing but this thread's sleeping moves."""
    return FastClock(monkeypatch)


@pytest.fixture
def wire(settings: Settings, fast_clock: FastClock, monkeypatch: pytest.MonkeyPatch) -> HostileWire:
    """A Google on which everything is as it should be, for a test to change."""
    settings.GOOGLE_CLOUD_PROJECT = PROJECT
    settings.CLOUD_SQL_INSTANCE = INSTANCE
    settings.FORECASTING_API_ENDPOINT = ENDPOINT
    found = HostileWire(make_config(), fast_clock)
    monkeypatch.setattr(HTTPAdapter, "send", found.send)
    return found


@pytest.fixture
def google() -> Google:
    """Mocked clients that know nothing yet."""
    return make_google()


@pytest.fixture
def provisioned(google: Google, config: Config) -> Google:
    """Mocked clients that find everything as it should be."""
    return provision(google, config)


@pytest.fixture
def pipeline(cloud: "LocalCloud", settings: Settings) -> Iterator["LocalCloud"]:
    """The stand-in, and the settings that lead the commands to it and to the test database."""
    for name, value in pipeline_settings(cloud).items():
        setattr(settings, name, value)
    with looking_again_soon():
        yield cloud


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What has been logged so far, at DEBUG and by Google's clients too, with all that it holds.

    Google's clients keep whole messages beside the text of a record, and do not propagate.
    """
    monkeypatch.setattr(logging.getLogger("google"), "propagate", True)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "google")
    return lambda: "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)


@pytest.fixture(scope="module")
def healthy_pipeline(
    cloud_server: "LocalCloud", django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Healthy]:
    """A pipeline that passes every check, made once for a module: ask for `healthy` instead."""
    cloud_server.reset()
    with (
        django_db_blocker.unblock(),
        looking_again_soon(),
        provision_healthy(cloud_server) as healthy,
    ):
        yield healthy


@pytest.fixture
def healthy(healthy_pipeline: Healthy) -> Iterator[Healthy]:
    """A pipeline that passes every check, to tamper with."""
    yield healthy_pipeline
    healthy_pipeline.restore()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without drawings, for a test that looks at none: whole ones take two seconds."""
    blank = Chart(title="", text="", wide=SafeString())
    charts = Charts(rows=blank, overviews=(), coverage=blank)
    monkeypatch.setattr(report, "_draw", lambda data: charts)


@pytest.fixture
def run(provisioned: Google, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Calls a command with clients that find everything as it should be."""
    settings.GOOGLE_CLOUD_PROJECT = PROJECT
    settings.CLOUD_SQL_INSTANCE = INSTANCE
    monkeypatch.setattr(MAKE_CLIENTS, lambda config: provisioned)
    return call


@pytest.fixture
def no_clients(run: Run, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """In place of `make_clients`, and never to be called."""
    mock = Mock()
    monkeypatch.setattr(MAKE_CLIENTS, mock)
    return mock
