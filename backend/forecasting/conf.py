"""The settings of the pipeline: their names, defaults and forms, and the checked `Config`.

Precedence: command-line flag, then Django setting (which `backend.config.settings` takes from the
environment), then the default here.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from .errors import SettingError

MAX_WINDOW_DAYS = 3650
"""Ten years of daily partitions; one BigQuery job may modify 4,000 (bigquery/quotas)."""

_PROJECT = r"(?:[a-z0-9.-]{1,253}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
_REGION = r"[a-z]+-[a-z]+[0-9]{1,2}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DAY = r"(?:(?:mon|fri|sun)(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|sat(?:urday)?)"
_SHOWN = 260
_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: where it comes from, what it may be, what it is when it is not set."""

    field: str
    setting: str
    expected: str
    parse: Callable[[str], Any]
    default: str = ""
    flag: str = ""
    help: str = ""
    optional: bool = False


def _matching(pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(text)
        return text

    return parse


def _whole_number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_WINDOW_DAYS:
        raise ValueError(text)
    return int(text)


def _hours(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,5}([.][0-9]{1,3})?", text) or float(text) == 0:
        raise ValueError(text)
    return float(text)


def _ratio(text: str) -> float:
    if not re.fullmatch(r"0|1|[01]?[.][0-9]{1,6}", text) or float(text) > 1:
        raise ValueError(text)
    return float(text)


def _boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _location(text: str) -> str:
    return _matching(rf"us|eu|{_REGION}")(text.lower())


def _schedule(text: str) -> str:
    return _matching(
        rf"every (?:day|{_DAY}(?:,{_DAY})*) {_TIME}|every (?:[1-9]|1[0-9]|2[0-4]) hours"
    )(" ".join(text.split()))


def _loopback_url(text: str) -> str:
    return _matching(r"http://(?:127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}")(text.rstrip("/"))


def shown(text: str) -> str:
    """A value as a message quotes it: on one line, escaped where it does not print, not long."""
    escaped = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: _SHOWN + 1]
    )
    return escaped if len(escaped) <= _SHOWN else f"{escaped[:_SHOWN]}..."


SETTINGS = (
    Setting(
        field="project",
        setting="GOOGLE_CLOUD_PROJECT",
        flag="--project",
        parse=_matching(_PROJECT),
        expected="a Google Cloud project id such as my-project-123 (6 to 30 lower-case letters, "
        "digits and dashes)",
        help="Google Cloud project",
    ),
    Setting(
        field="location",
        setting="FORECASTING_LOCATION",
        flag="--location",
        default="us-central1",
        parse=_location,
        expected="a BigQuery location such as us-central1, US or EU",
        help="BigQuery location",
    ),
    Setting(
        field="dataset",
        setting="FORECASTING_DATASET",
        flag="--dataset",
        default="intelligence",
        parse=_matching(r"[A-Za-z0-9_]{1,1024}"),
        expected="a dataset id of letters, digits and underscores",
        help="BigQuery dataset",
    ),
    Setting(
        field="table",
        setting="FORECASTING_TABLE",
        flag="--table",
        default="entity_risk_training_data",
        parse=_matching(r"[A-Za-z0-9_]{1,1024}"),
        expected="a table id of letters, digits and underscores",
        help="training table",
    ),
    Setting(
        field="connection_id",
        setting="FORECASTING_CONNECTION_ID",
        flag="--connection-id",
        default="postgresql-conn",
        parse=_matching(r"[A-Za-z0-9_-]{1,64}"),
        expected="a connection id of letters, digits, underscores and dashes",
        help="BigQuery connection to Cloud SQL",
    ),
    Setting(
        field="instance",
        setting="CLOUD_SQL_INSTANCE",
        flag="--instance",
        parse=_matching(rf"{_PROJECT}:{_REGION}:[a-z][a-z0-9-]{{0,97}}"),
        expected="project:region:instance, as `gcloud sql instances describe` shows under "
        "connectionName",
        help="Cloud SQL instance, project:region:instance",
    ),
    Setting(
        field="source_database",
        setting="FORECASTING_SOURCE_DATABASE",
        flag="--database",
        default="venezuelawatch",
        parse=_matching(r"[A-Za-z_][A-Za-z0-9_$-]{0,62}"),
        expected="the name of a PostgreSQL database",
        help="database on the instance",
    ),
    Setting(
        field="schedule",
        setting="FORECASTING_SCHEDULE",
        flag="--schedule",
        default="every day 02:00",
        parse=_schedule,
        expected='"every day HH:MM", "every mon,thu HH:MM" or "every N hours" (N from 1 to 24), '
        "in UTC",
        help="when the load runs, in UTC",
    ),
    Setting(
        field="window_days",
        setting="FORECASTING_WINDOW_DAYS",
        flag="--window-days",
        default="90",
        parse=_whole_number,
        expected=f"a whole number of days from 1 to {MAX_WINDOW_DAYS}",
        help="days that the table holds",
    ),
    Setting(
        field="refresh_days",
        setting="FORECASTING_REFRESH_DAYS",
        flag="--refresh-days",
        parse=_whole_number,
        optional=True,
        expected=f"a whole number of days from 1 to {MAX_WINDOW_DAYS}",
        help="days that each run reads again (default: all of the window)",
    ),
    Setting(
        field="keep_history",
        setting="FORECASTING_KEEP_HISTORY",
        flag="--keep-history",
        default="off",
        parse=_boolean,
        expected="on or off",
        help="keep the days that have left the window",
    ),
    Setting(
        field="score_source",
        setting="FORECASTING_SCORE_SOURCE",
        flag="--score-source",
        default="event",
        parse=_matching("event|entity"),
        expected="event (mean score of the day's events) or entity (the entity's present score)",
        help="whose score is averaged: event or entity",
    ),
    Setting(
        field="min_rows_ratio",
        setting="FORECASTING_MIN_ROWS_RATIO",
        flag="--min-rows-ratio",
        default="0",
        parse=_ratio,
        expected="a number from 0 (off) to 1",
        help="fail a run that reads fewer rows than this share of what the table holds for the "
        "same days",
    ),
    Setting(
        field="user_secret",
        setting="FORECASTING_POSTGRES_USER_SECRET",
        default="POSTGRES_USER",
        parse=_matching(r"[A-Za-z0-9_-]{1,255}"),
        expected="the name of a Secret Manager secret",
    ),
    Setting(
        field="password_secret",
        setting="FORECASTING_POSTGRES_PASSWORD_SECRET",
        default="POSTGRES_PASSWORD",
        parse=_matching(r"[A-Za-z0-9_-]{1,255}"),
        expected="the name of a Secret Manager secret",
    ),
    Setting(
        field="service_account",
        setting="FORECASTING_SERVICE_ACCOUNT",
        flag="--service-account",
        optional=True,
        parse=_matching(r"[A-Za-z0-9._-]{1,100}@[a-z0-9.-]{1,100}\.gserviceaccount\.com"),
        expected="the e-mail address of a service account",
        help="service account that the load runs as (default: whoever runs this command)",
    ),
    Setting(
        field="notification_topic",
        setting="FORECASTING_NOTIFICATION_TOPIC",
        flag="--notification-topic",
        optional=True,
        parse=_matching(rf"projects/{_PROJECT}/topics/[A-Za-z][A-Za-z0-9._~+%-]{{2,254}}"),
        expected="projects/PROJECT/topics/TOPIC",
        help="Pub/Sub topic that is told how each run ended (default: none)",
    ),
    Setting(
        field="max_age_hours",
        setting="FORECASTING_MAX_AGE_HOURS",
        flag="--max-age-hours",
        default="26",
        parse=_hours,
        expected="a number of hours above 0",
        help="how old the last good run may be",
    ),
    Setting(
        field="api_endpoint",
        setting="FORECASTING_API_ENDPOINT",
        optional=True,
        parse=_loopback_url,
        expected="empty for Google Cloud, or the local stand-in on loopback, such as "
        "http://127.0.0.1:9050",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The checked settings of one command; empty strings stand for what is not set."""

    project: str
    location: str
    dataset: str
    table: str
    connection_id: str
    instance: str
    source_database: str
    schedule: str
    window_days: int
    refresh_days: int
    keep_history: bool
    score_source: str
    min_rows_ratio: float
    user_secret: str
    password_secret: str
    service_account: str
    notification_topic: str
    max_age_hours: float
    api_endpoint: str

    @property
    def table_id(self) -> str:
        """`project.dataset.table`."""
        return f"{self.project}.{self.dataset}.{self.table}"

    @property
    def parent(self) -> str:
        """The location that holds the connection and the scheduled query."""
        return f"projects/{self.project}/locations/{self.location}"

    @property
    def connection_name(self) -> str:
        return f"{self.parent}/connections/{self.connection_id}"


def load_config(
    options: Mapping[str, Any] | None = None, *, optional: Iterable[str] = ()
) -> Config:
    """The settings as flags, Django and defaults give them, checked.

    `options` maps field names to what the command line gave (None: nothing). Fields named in
    `optional` may be missing for this command. Raises SettingError for the first setting that is
    missing, malformed, or at odds with another.
    """
    values = {
        setting.field: _value(setting, (options or {}).get(setting.field), set(optional))
        for setting in SETTINGS
    }
    values["refresh_days"] = values["refresh_days"] or values["window_days"]
    config = Config(**values)
    _check_together(config)
    return config


def _value(setting: Setting, flag_value: Any, optional: set[str]) -> Any:
    source, text = setting.setting, getattr(settings, setting.setting, "")
    if flag_value is not None:
        source, text = setting.flag, flag_value
    text = "" if text is None else str(text).strip()
    text = text or setting.default
    if not text:
        if setting.optional or setting.field in optional:
            return ""
        raise SettingError(
            f"{setting.setting} is not set: expected {setting.expected}; set it in the environment"
            f" or .env, or give {setting.flag}."
        )
    try:
        return setting.parse(text)
    except ValueError:
        raise SettingError(f'{source} is "{shown(text)}": expected {setting.expected}.') from None


def _check_together(config: Config) -> None:
    if config.refresh_days > config.window_days:
        raise SettingError(
            f"FORECASTING_REFRESH_DAYS is {config.refresh_days}, more than the window: expected at "
            f"most FORECASTING_WINDOW_DAYS, {config.window_days}."
        )
    region = config.instance.split(":")[-2] if config.instance else ""
    if region and not _reaches(config.location, region):
        raise SettingError(
            f"CLOUD_SQL_INSTANCE is {config.instance}, in {region}, and FORECASTING_LOCATION is "
            f"{config.location}: BigQuery reads a Cloud SQL instance only from its own region or "
            f"the multi-region around it; set FORECASTING_LOCATION to {region} or name an instance "
            f"in {config.location}."
        )


def _reaches(location: str, region: str) -> bool:
    """Whether a BigQuery location can query an instance of a region (federated-queries-intro)."""
    prefix = {"us": "us-", "eu": "europe-"}.get(location)
    return region == location or (prefix is not None and region.startswith(prefix))
