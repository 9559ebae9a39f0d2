"""The settings as they are: read from flags, Django and defaults, and checked together.

Precedence: command-line flag, then Django setting (which `backend.config.settings` takes from the
environment), then the default in the declaration.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from django.conf import settings

from ..errors import SettingError, shown
from ..training_table import FORECAST_SUFFIX, TRAINING_SUFFIX
from .config import MULTI_REGIONS, SCORE_FIELD, SETTINGS, Config
from .forms import MAX_TABLE_LENGTH
from .setting import PREFIX

__all__ = ["SETTINGS", "Config", "load_config", "unknown_settings"]


def unknown_settings() -> list[SettingError]:
    """The settings that look like the pipeline's and are none, which nobody would ever read."""
    known = [setting.setting for setting in SETTINGS]
    unknown = sorted(name for name in dir(settings) if name.startswith(PREFIX))
    return [_unknown(name, known) for name in unknown if name not in known]


def _unknown(name: str, known: list[str]) -> SettingError:
    close = get_close_matches(name, known, n=1, cutoff=0.8)
    remedy = f"did you mean {close[0]}?" if close else "remove it, or see .env.example for all"
    return SettingError(f"{shown(name)} is no setting", remedy)


def load_config(
    options: Mapping[str, Any] | None = None, *, optional: Iterable[str] = ()
) -> Config:
    """The settings as flags, Django and defaults give them, checked.

    `options` maps field names to what the command line gave (None: nothing). Fields named in
    `optional` may be missing for this command. Raises SettingError for the first setting that is
    missing, malformed, or at odds with another.
    """
    given, spared = options or {}, {*optional}
    values = {
        setting.field: setting.value(given.get(setting.field), required=setting.field not in spared)
        for setting in SETTINGS
    }
    values["refresh_days"] = values["refresh_days"] or values["window_days"]
    config = Config(**values)
    _refuse_at_odds(config)
    return config


def _refuse_at_odds(config: Config) -> None:
    if config.refresh_days > config.window_days:
        raise SettingError(
            f"FORECASTING_REFRESH_DAYS is {config.refresh_days}, more than the window",
            f"expected at most FORECASTING_WINDOW_DAYS, {config.window_days}",
        )
    if config.horizon_days > config.window_days and not config.keep_history:
        raise SettingError(
            f"FORECASTING_HORIZON_DAYS is {config.horizon_days}, more than the window",
            f"expected at most FORECASTING_WINDOW_DAYS, {config.window_days}, or "
            "FORECASTING_KEEP_HISTORY=on",
        )
    longest = max(map(len, (TRAINING_SUFFIX, FORECAST_SUFFIX)))
    if config.horizon_days and len(config.table) + longest > MAX_TABLE_LENGTH:
        raise SettingError(
            f'FORECASTING_TABLE is "{shown(config.table)}", of {len(config.table):,} characters, '
            "and FORECASTING_HORIZON_DAYS asks for views with longer names",
            f"expected at most {MAX_TABLE_LENGTH - longest:,} characters, or no horizon",
        )
    if config.grpc_endpoint and not config.api_endpoint:
        raise SettingError(
            f"FORECASTING_GRPC_ENDPOINT is {config.grpc_endpoint} and FORECASTING_API_ENDPOINT is "
            "not set",
            "the stand-in would be asked for all but BigQuery, and Google for that; set both, or "
            "neither",
        )
    if config.score_field not in (SCORE_FIELD, config.score_path):
        raise SettingError(
            f"FORECASTING_SCORE_SOURCE is entity, which stands for {config.score_path}, and "
            f"FORECASTING_SCORE_FIELD is {shown(config.score_field)}",
            "expected one of the two: unset FORECASTING_SCORE_SOURCE to have the latter",
        )
    region = config.instance.split(":")[-2] if config.instance else ""
    if region and not _reaches(config.location, region):
        raise SettingError(
            f"CLOUD_SQL_INSTANCE is {config.instance}, in {region}, and FORECASTING_LOCATION is "
            f"{config.location}",
            "BigQuery reads a Cloud SQL instance only from its own region or the multi-region "
            f"around it; set FORECASTING_LOCATION to {region} or name an instance in "
            f"{config.location}",
        )


def _reaches(location: str, region: str) -> bool:
    """Whether a BigQuery location can query an instance of a region (federated-queries-intro)."""
    prefix = MULTI_REGIONS.get(location)
    return region == location or (prefix is not None and region.startswith(prefix))
