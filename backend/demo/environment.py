"""Keeps what a developer has set for real work out of the demo and the tests."""

from collections.abc import MutableMapping

from django.conf import settings

from backend.forecasting.conf import SETTINGS

_OURS = ("GOOGLE_", "CLOUD_SQL_", "FORECASTING_")
# libpq's and gcloud's variables would redirect the servers and clients that are started.
_FOREIGN = ("CLOUDSDK_", "PG")
# Empty says something of its own there: what is not set has to have its default.
_BLANK = {setting.setting: setting.default for setting in SETTINGS if setting.blank}


def setting_names() -> list[str]:
    """The settings that say which cloud and which pipeline, and to which empty is "not set"."""
    return [name for name in dir(settings) if name.startswith(_OURS) and name not in _BLANK]


def unset_settings() -> dict[str, str]:
    """Each setting with what stands for "not set"; each is an environment variable too."""
    return {**dict.fromkeys(setting_names(), ""), **_BLANK}


def forget_settings(environment: MutableMapping[str, str]) -> None:
    """Takes all of them out of an environment, in place, and keeps `.env` from bringing them back.

    A variable that is there wins over `.env`.
    """
    for name in [name for name in environment if name.startswith((*_OURS, *_FOREIGN))]:
        del environment[name]
    environment.update(unset_settings())
