"""The server with TimescaleDB, started once and only when a test asks for it."""

from collections.abc import Iterator

import pytest

from backend.forecasting.tests.timescale.server import Timescale, running_timescale, why_missing


@pytest.fixture(scope="session")
def timescale() -> Iterator[Timescale]:
    reason = why_missing()
    if reason:
        pytest.skip(reason)
    with running_timescale() as server:
        yield server
