"""A small database with the benchmark's data in it."""

from collections.abc import Iterator
from datetime import date

import pytest

from bench.data import Sizes, Window, make_data, window_of
from bench.database import Database, running_database


@pytest.fixture(scope="session")
def sizes() -> Sizes:
    return Sizes(end_day=date(2026, 3, 10), mentions=3_000, entities=20, days=20, seed=7)


@pytest.fixture(scope="session")
def window(sizes: Sizes) -> Window:
    return window_of(sizes, sizes.days)


@pytest.fixture(scope="session")
def database(sizes: Sizes) -> Iterator[Database]:
    """Made once, so its tests only read."""
    with running_database(shared_buffers="64MB") as running:
        make_data(running, sizes)
        yield running
