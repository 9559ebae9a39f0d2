"""Fixtures of the forecasting tests: settings and Google's clients, mocked."""

from collections.abc import Callable, Iterator

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.tests.factories import Google, make_config, make_google, provision


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
