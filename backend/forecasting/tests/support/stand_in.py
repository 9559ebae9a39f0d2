"""The settings that lead the product to the stand-in; nothing else in the tests names them all."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import connection

from backend.forecasting.google.clients import Clients
from backend.forecasting.google.waiting import Pace
from backend.localcloud.postgres.server import RunningPostgres

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

_UNREACHABLE = "postgresql://127.0.0.1:1/venezuelawatch"

_QUICK = Pace(first_pause=0.01, run_pause=0.02)


@contextmanager
def looking_again_soon() -> Iterator[None]:
    """Commands of this process pause for a moment where they look twice, or again.

    The stand-in does not answer otherwise a fifth of a second later, and its runs end at once.
    """
    defaults: Any = Clients.__init__.__kwdefaults__
    usual, defaults["pace"] = defaults["pace"], _QUICK
    # No `patch.dict`: it empties the defaults for a moment, in which a thread may still make one.
    try:
        yield
    finally:
        defaults["pace"] = usual


def pipeline_settings(cloud: "LocalCloud") -> dict[str, str]:
    """For commands that use the test database: as Django settings, or as environment variables."""
    return {
        "GOOGLE_CLOUD_PROJECT": "demo-project",
        "CLOUD_SQL_INSTANCE": "demo-project:us-central1:main",
        "FORECASTING_SOURCE_DATABASE": connection.settings_dict["NAME"],
        "FORECASTING_API_ENDPOINT": cloud.endpoint,
        "FORECASTING_GRPC_ENDPOINT": cloud.grpc_endpoint,
    }


def command_environment(
    cloud: "LocalCloud", postgres: RunningPostgres, *, with_database: bool = True
) -> dict[str, str]:
    """The same for commands in processes of their own; without the database they take no lock."""
    database = connection.settings_dict
    url = postgres.uri(
        user=database["USER"], password=database["PASSWORD"], database=database["NAME"]
    )
    return {
        "DJANGO_SETTINGS_MODULE": "backend.config.settings",
        "DATABASE_URL": url if with_database else _UNREACHABLE,
        **pipeline_settings(cloud),
    }
