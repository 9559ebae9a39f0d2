"""Fixtures of the forecasting tests: settings and Google's clients, mocked."""

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from pytest_django import Settings

from backend.forecasting.conf import Config
from backend.forecasting.tests.factories import Google, make_config, make_google, provision

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud


@pytest.fixture
def config() -> Config:
    return make_config()


@pytest.fixture
def google() -> Google:
    """Mocked clients that know nothing yet."""
    return make_google()


@pytest.fixture
def provisioned(google: Google, config: Config) -> Google:
    """Mocked clients that find everything as it should be."""
    return provision(google, config)


@pytest.fixture
def pipeline(cloud: "LocalCloud", settings: Settings) -> "LocalCloud":
    """The stand-in, and the settings that lead the commands to it and to the test database."""
    settings.GOOGLE_CLOUD_PROJECT = "demo-project"
    settings.CLOUD_SQL_INSTANCE = "demo-project:us-central1:main"
    settings.FORECASTING_SOURCE_DATABASE = connection.settings_dict["NAME"]
    settings.FORECASTING_API_ENDPOINT = cloud.endpoint
    return cloud
