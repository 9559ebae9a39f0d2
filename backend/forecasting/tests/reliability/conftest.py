"""How much is run, where it is counted, and the scene."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_django import DjangoDbBlocker

from backend.forecasting.tests.reliability.counting import TALLY
from backend.forecasting.tests.reliability.scene import Scene, build_scene
from backend.forecasting.tests.reliability.tally import Tally
from backend.localcloud.postgres.server import RunningPostgres

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What holds seconds to a promise is for `make reliability` alone: a machine may be busy."""
    measures = collection_path.name == "test_promises.py"
    return True if measures and config.getoption("reliability") is None else None


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    """Where the tests count; it is printed at the end, and written under `--reliability`."""
    return request.config.stash.setdefault(TALLY, Tally())


@pytest.fixture(scope="session")
def everything(request: pytest.FixtureRequest) -> bool:
    """Whether all is to be run (`--reliability`), or a representative sample."""
    return request.config.getoption("reliability") is not None


@pytest.fixture(scope="module")
def transactional_db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database for a module's tests, without a transaction around each or a flush.

    In the place of pytest-django's fixture, by whose name it knows that a database is needed.
    """
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="module")
def scene(
    cloud_server: "LocalCloud", postgres: RunningPostgres, transactional_db: None
) -> Iterator[Scene]:
    """PostgreSQL with a history, and the stand-in, for a module's tests: what they do stays."""
    with build_scene(cloud_server, postgres) as built:
        yield built
