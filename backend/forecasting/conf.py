"""The settings of the pipeline: each declared once, as a field of the checked `Config`.

Precedence: command-line flag, then Django setting (which `backend.config.settings` takes from the
environment), then the default here. The names follow from the field's: `window_days` is the
setting FORECASTING_WINDOW_DAYS and the flag --window-days.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from difflib import get_close_matches
from typing import Annotated, Any, get_type_hints

from django.conf import settings

from .errors import SettingError, shown
from .training_table import DIMENSIONS, FORECAST_SUFFIX, TRAINING_SUFFIX

_PREFIX = "FORECASTING_"

MAX_WINDOW_DAYS = 3650
"""Ten years of daily partitions; one BigQuery job may modify 4,000 (bigquery/quotas)."""

MAX_TABLE_LENGTH = 1024
"""Characters of a table's or view's id (bigquery/docs/tables)."""

SCORE_FIELD = "event__risk_score"

_PROJECT = r"(?:[a-z0-9.-]{1,253}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
_REGION = r"[a-z]+-[a-z]+[0-9]{1,2}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DAY = r"(?:(?:mon|fri|sun)(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|sat(?:urday)?)"
_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


@dataclass(frozen=True)
class Form:
    """What a value may be. `parse` raises ValueError; `empty` is the value of what is not set."""

    expected: str
    parse: Callable[[str], Any]
    empty: Any = ""

    def read(self, source: str, text: object) -> Any:
        """The value of a text that came from `source`, a setting or a flag. Raises SettingError."""
        text = str(text).strip()
        try:
            return self.parse(text)
        except ValueError:
            raise SettingError(
                f'{source} is "{shown(text)}"', f"expected {self.expected}"
            ) from None


class PathsByName(Form):
    """Pairs, which may be given as a mapping too."""

    def read(self, source: str, text: object) -> Any:
        if isinstance(text, Mapping) and text:
            return tuple((str(name), str(path)) for name, path in text.items())
        return super().read(source, text)


def _matching(pattern: str, convert: Callable[[str], Any] = str) -> Callable[[str], Any]:
    compiled = re.compile(pattern, re.ASCII)

    def parse(text: str) -> Any:
        if not compiled.fullmatch(text):
            raise ValueError(text)
        return convert(text)

    return parse


def _whole_days(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_WINDOW_DAYS:
        raise ValueError(text)
    return int(text)


def _boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError(text)
    return _BOOLEANS[text.lower()]


def _location(text: str) -> str:
    return str(_matching(rf"us|eu|{_REGION}")(text.lower()))


def _schedule(text: str) -> str:
    pattern = rf"every (?:day|{_DAY}(?:,{_DAY})*) {_TIME}|every (?:[1-9]|1[0-9]|2[0-4]) hours"
    return str(_matching(pattern)(" ".join(text.split())))


_LOOPBACK = r"(?:127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}"


def _lookup_path(text: str) -> str:
    if not text.isprintable() or not all(part.strip() for part in text.split("__")):
        raise ValueError(text)
    return text


def _paths_by_name(text: str) -> tuple[tuple[str, str], ...]:
    """The pairs of `name=path, name=path`, in their order; none of the word "none"."""
    if text == "none":
        return ()
    pairs = [tuple(word.strip() for word in part.split("=")) for part in text.split(",")]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise ValueError(text)
    return tuple((name, path) for name, path in pairs)


def _loopback_url(text: str) -> str:
    return str(_matching(rf"http://{_LOOPBACK}")(text.rstrip("/")))


_ABOVE_ZERO = _matching(r"(?=.*[1-9])[0-9]{1,6}(?:[.][0-9]{1,3})?", float)

DAYS = Form(f"a whole number of days from 1 to {MAX_WINDOW_DAYS}", _whole_days, empty=0)
SECONDS = Form("a number of seconds above 0", _ABOVE_ZERO)
SWITCH = Form("on or off", _boolean)

_PROJECT_ID = Form(
    "a Google Cloud project id such as my-project-123 (6 to 30 lower-case letters, digits and "
    "dashes)",
    _matching(_PROJECT),
)
_LOCATION = Form("a BigQuery location such as us-central1, US or EU", _location)
_DATASET = Form("a dataset id of letters, digits and underscores", _matching(r"\w{1,1024}"))
_TABLE = Form(
    "a table id of letters, digits and underscores", _matching(rf"\w{{1,{MAX_TABLE_LENGTH}}}")
)
_CONNECTION = Form(
    "a connection id of letters, digits, underscores and dashes", _matching(r"[\w-]{1,64}")
)
_INSTANCE = Form(
    "project:region:instance, as `gcloud sql instances describe` shows under connectionName",
    _matching(rf"{_PROJECT}:{_REGION}:[a-z][a-z0-9-]{{0,97}}"),
)
_DATABASE = Form("the name of a PostgreSQL database", _matching(r"[A-Za-z_][\w$-]{0,62}"))
_SCHEDULE = Form(
    '"every day HH:MM", "every mon,thu HH:MM" or "every N hours" (N from 1 to 24), in UTC',
    _schedule,
)
_SCORE_SOURCE = Form(
    "event (mean score of the day's events) or entity (the entity's present score)",
    _matching("event|entity"),
)
_RATIO = Form("a number from 0 (off) to 1", _matching(r"0|1(?:[.]0{1,6})?|0?[.]\d{1,6}", float))
_SHARE = Form("a share from 0 to 1", _RATIO.parse)
_SECRET = Form("the name of a Secret Manager secret", _matching(r"[\w-]{1,255}"))
_ACCOUNT = Form(
    "the e-mail address of a service account",
    _matching(r"[\w.-]{1,100}@[a-z0-9.-]{1,100}\.gserviceaccount\.com"),
)
_TOPIC = Form(
    "projects/PROJECT/topics/TOPIC",
    _matching(rf"projects/{_PROJECT}/topics/[A-Za-z][\w.~+%-]{{2,254}}"),
)
_HOURS = Form("a number of hours above 0", _ABOVE_ZERO)
_MODEL = Form("app_label.Model", _matching(r"[^\W\d]\w*[.][^\W\d]\w*"))
_PATH = Form("a lookup path such as event__risk_score, seen from one mention", _lookup_path)
_PATH_OR_NONE = Form(
    "a lookup path such as event__risk_score, seen from one mention, or none",
    lambda text: "" if text == "none" else _lookup_path(text),
)
_TIME_ZONE = Form("UTC, or empty for a time that has its zone", _matching("UTC"))
_DIMENSION_PATHS = PathsByName(
    "dimension=lookup path, separated by commas, or a dict of the same, or none", _paths_by_name
)
_ENDPOINT = Form(
    "empty for Google Cloud, or the local stand-in on loopback, such as http://127.0.0.1:9050",
    _loopback_url,
)
_GRPC_ENDPOINT = Form(
    "empty, or the port of the local stand-in on loopback that speaks gRPC, such as 127.0.0.1:9051",
    _matching(_LOOPBACK),
)


@dataclass(frozen=True)
class Setting:
    """One setting: where it comes from, what it may be, what it is when it is not set.

    `default` is a text like those that it may be set to. Without one it has to be set, unless it
    is `optional`. Where it is `blank`, an empty text is a value, and only what is not set at all
    has the default. `help` is for its flag; what has none is set by the environment alone.
    `about` is what README's table says of it, where that is not the help.
    """

    form: Form
    help: str = ""
    _: KW_ONLY
    default: str = ""
    optional: bool = False
    blank: bool = False
    about: str = ""
    setting: str = ""
    flag: str = ""
    field: str = ""

    def of(self, field: str) -> "Setting":
        """The setting of a field, with the names that follow from the field's."""
        flag = f"--{field.replace('_', '-')}" if self.help else ""
        setting = self.setting or f"{_PREFIX}{field.upper()}"
        return replace(self, field=field, setting=setting, flag=self.flag or flag)

    def value(self, flagged: object, *, required: bool) -> Any:
        """The checked value: the flag's, else Django's, else the default. Raises SettingError."""
        given = getattr(settings, self.setting, None) if flagged is None else flagged
        if given is None or (not self.blank and not str(given).strip()):
            given = self.default
        if str(given).strip():
            return self.form.read(self.setting if flagged is None else self.flag, given)
        if required and not self.optional and not self.blank:
            raise SettingError(
                f"{self.setting} is not set",
                f"expected {self.form.expected}; set it in the environment or .env, or give "
                f"{self.flag}",
            )
        return self.form.empty


@dataclass(frozen=True, kw_only=True)
class Config:
    """The checked settings of one command; empty strings stand for what is not set.

    A field and its Setting are all there is to declare: what the environment, the flags,
    `manage.py check` and the messages know of it follows from here.
    """

    project: Annotated[
        str,
        Setting(
            _PROJECT_ID,
            "Google Cloud project",
            setting="GOOGLE_CLOUD_PROJECT",
            about="holds the dataset and the scheduled query",
        ),
    ]
    location: Annotated[
        str,
        Setting(
            _LOCATION,
            "BigQuery location",
            default="us-central1",
            about="fixed once the dataset exists",
        ),
    ]
    dataset: Annotated[str, Setting(_DATASET, "BigQuery dataset", default="intelligence")]
    table: Annotated[str, Setting(_TABLE, "training table", default="entity_risk_training_data")]
    connection_id: Annotated[
        str, Setting(_CONNECTION, "BigQuery connection to Cloud SQL", default="postgresql-conn")
    ]
    instance: Annotated[
        str,
        Setting(
            _INSTANCE,
            "Cloud SQL instance, project:region:instance",
            setting="CLOUD_SQL_INSTANCE",
            about="`project:region:instance`, in the location's region",
        ),
    ]
    source_database: Annotated[
        str,
        Setting(_DATABASE, "database on the instance", flag="--database", default="venezuelawatch"),
    ]
    schedule: Annotated[
        str,
        Setting(
            _SCHEDULE,
            "when the load runs, in UTC",
            default="every day 02:00",
            about="in UTC; Google may fire twice on the hour, which a load survives",
        ),
    ]
    window_days: Annotated[int, Setting(DAYS, "days that the table holds", default="90")]
    refresh_days: Annotated[
        int,
        Setting(
            DAYS,
            "days that each run reads again (default: all of the window)",
            optional=True,
            about="days that each run reads again; empty: all of the window. 7 makes a night's "
            "cost independent of the window",
        ),
    ]
    keep_history: Annotated[
        bool, Setting(SWITCH, "keep the days that have left the window", default="off")
    ]
    score_source: Annotated[
        str,
        Setting(
            _SCORE_SOURCE,
            "whose score is averaged: event or entity",
            default="event",
            about="`entity` stands for the score field `entity__risk_score`: the present score on "
            "every day, which a forecast can learn nothing from",
        ),
    ]
    mention_model: Annotated[
        str,
        Setting(
            _MODEL,
            default="entities.EntityMention",
            about="one row is one mention; the paths below are seen from it",
        ),
    ]
    entity_field: Annotated[
        str,
        Setting(
            _PATH,
            default="entity",
            about="the series: a relation or a column; uuid, integer or text",
        ),
    ]
    entity_name_field: Annotated[
        str,
        Setting(
            _PATH_OR_NONE,
            default="entity__name",
            blank=True,
            about="what people are shown; `none` or empty: the keys",
        ),
    ]
    time_field: Annotated[
        str,
        Setting(
            _PATH,
            default="mentioned_at",
            about="when, with time zone",
        ),
    ]
    time_zone: Annotated[
        str,
        Setting(
            _TIME_ZONE,
            optional=True,
            about="`UTC`: that column has no time zone, or is a date, and means UTC",
        ),
    ]
    event_field: Annotated[
        str,
        Setting(
            _PATH_OR_NONE,
            default="event",
            about="what one event says counts once for an entity and day; `none`: each mention "
            "counts",
        ),
    ]
    event_time_field: Annotated[
        str,
        Setting(
            _PATH_OR_NONE,
            default="event__occurred_at",
            about="of several rows with an event's key the latest counts",
        ),
    ]
    event_lookback_days: Annotated[
        int,
        Setting(
            DAYS,
            optional=True,
            about="counts only events of at most so many days before the mention's day, by that "
            "time: on a hypertable a refresh then reads only the chunks of those days",
        ),
    ]
    score_field: Annotated[
        str,
        Setting(
            _PATH,
            default=SCORE_FIELD,
            about="the target: a number, or a path into JSON by its keys",
        ),
    ]
    dimension_fields: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            _DIMENSION_PATHS,
            default=", ".join(
                f"{column.dimension}=event__risk_dimensions__{column.dimension}"
                for column in DIMENSIONS
            ),
            about="likewise, also as a dict, or `none`; one that is not named stays NULL",
        ),
    ]
    min_rows_ratio: Annotated[
        float,
        Setting(
            _RATIO,
            "fail a run that reads fewer rows than this share of what the table holds for the same "
            "days; 0: never",
            default="0.5",
        ),
    ]
    user_secret: Annotated[
        str,
        Setting(
            _SECRET,
            setting="FORECASTING_POSTGRES_USER_SECRET",
            default="POSTGRES_USER",
            about="secret in Secret Manager: the connection's PostgreSQL user",
        ),
    ]
    password_secret: Annotated[
        str,
        Setting(
            _SECRET,
            setting="FORECASTING_POSTGRES_PASSWORD_SECRET",
            default="POSTGRES_PASSWORD",
            about="secret in Secret Manager: its password",
        ),
    ]
    service_account: Annotated[
        str,
        Setting(
            _ACCOUNT,
            "service account that the load runs as (default: whoever runs this command)",
            optional=True,
            about="the load runs as it; empty: as whoever runs the command, and ends with that "
            "account",
        ),
    ]
    notification_topic: Annotated[
        str,
        Setting(
            _TOPIC,
            "Pub/Sub topic that is told how each run ended (default: none)",
            optional=True,
            about="`projects/P/topics/T`, told how each run ended",
        ),
    ]
    max_age_hours: Annotated[
        float, Setting(_HOURS, "how old the last good run may be", default="26")
    ]
    horizon_days: Annotated[
        int,
        Setting(
            DAYS,
            "days ahead that a model will forecast; bq_setup makes the views for it (default: "
            "none)",
            optional=True,
            about="days ahead that a model will forecast; with it `bq_setup` makes "
            "`TABLE_training` and `TABLE_forecast`, the views to train on and to forecast from",
        ),
    ]
    series_min_share: Annotated[
        float,
        Setting(
            _SHARE,
            default="0.5",
            about="a series is of use to a model when it has rows on at least this share of its "
            "days",
        ),
    ]
    api_endpoint: Annotated[
        str,
        Setting(
            _ENDPOINT,
            optional=True,
            about="`http://127.0.0.1:9050`: the stand-in, on loopback only; empty: Google",
        ),
    ]
    grpc_endpoint: Annotated[
        str,
        Setting(
            _GRPC_ENDPOINT,
            optional=True,
            about="`127.0.0.1:9051`: its gRPC, for all but BigQuery; together with the former",
        ),
    ]

    @property
    def table_id(self) -> str:
        """`project.dataset.table`."""
        return f"{self.project}.{self.dataset}.{self.table}"

    @property
    def score_path(self) -> str:
        """The lookup path of the target."""
        by_entity = f"{self.entity_field}__risk_score"
        return by_entity if self.score_source == "entity" else self.score_field

    @property
    def parent(self) -> str:
        """The location that holds the connection and the scheduled query."""
        return f"projects/{self.project}/locations/{self.location}"

    @property
    def connection_name(self) -> str:
        return f"{self.parent}/connections/{self.connection_id}"


SETTINGS: tuple[Setting, ...] = tuple(
    hint.__metadata__[0].of(name)
    for name, hint in get_type_hints(Config, include_extras=True).items()
)


def unknown_settings() -> list[SettingError]:
    """The settings that look like the pipeline's and are none, which nobody would ever read."""
    known = [setting.setting for setting in SETTINGS]
    unknown = sorted(name for name in dir(settings) if name.startswith(_PREFIX))
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
    prefix = {"us": "us-", "eu": "europe-"}.get(location)
    return region == location or (prefix is not None and region.startswith(prefix))
