"""Keeps what a developer has set for real work out of the demo and the tests."""

from collections.abc import MutableMapping

from django.conf import settings

_OURS = ("GOOGLE_", "CLOUD_SQL_", "FORECASTING_")
# libpq's and gcloud's variables would redirect the servers and clients that are started.
_FOREIGN = ("CLOUDSDK_", "PG")


def setting_names() -> list[str]:
    """The settings that say which cloud and which pipeline; each is an environment variable too."""
    return [name for name in dir(settings) if name.startswith(_OURS)]


def forget_settings(environment: MutableMapping[str, str]) -> None:
    """Takes all of them out of an environment, in place, and keeps `.env` from bringing them back.

    An empty value means "not set", and a variable that is there wins over `.env`.
    """
    for name in [name for name in environment if name.startswith((*_OURS, *_FOREIGN))]:
        del environment[name]
    environment.update(dict.fromkeys(setting_names(), ""))
