"""The server with TimescaleDB, started and filled once for the folder, when a test asks for it."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from backend.forecasting.tests.timescale.scene import led_to, make_hypertables
from backend.forecasting.tests.timescale.server import Timescale, running_timescale, why_missing


@pytest.fixture(scope="package")
def timescale() -> Iterator[Timescale]:
    reason = why_missing()
    if reason:
        pytest.skip(reason)
    with running_timescale() as server:
        yield server


@pytest.fixture(scope="package")
def filled_timescale(
    timescale: Timescale, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Timescale:
    """The server with a history in hypertables."""
    with django_db_blocker.unblock(), led_to(timescale):
        make_hypertables()
    return timescale


@pytest.fixture(scope="module")
def hypertables(
    filled_timescale: Timescale, django_db_blocker: DjangoDbBlocker
) -> Iterator[Timescale]:
    """The same, and the backend's models led there for a module."""
    with django_db_blocker.unblock(), led_to(filled_timescale):
        yield filled_timescale
