"""The settings of the pipeline: each declared once, as a field of the checked `Config`.

The names follow from the field's: `window_days` is the setting FORECASTING_WINDOW_DAYS and the
flag --window-days.
"""

from dataclasses import dataclass, fields

from ..training_table import DIMENSIONS
from . import forms
from .setting import Setting, setting

SCORE_FIELD = "event__risk_score"
MULTI_REGIONS = {"us": "us-", "eu": "europe-"}
"""How the regions begin that lie in each of BigQuery's multi-regions."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The checked settings of one command; empty strings stand for what is not set.

    A field with its setting is all there is to declare: what the environment, the flags,
    `manage.py check` and the messages know of it follows from here.
    """

    project: str = setting(
        forms.PROJECT_ID,
        "Google Cloud project",
        setting="GOOGLE_CLOUD_PROJECT",
        about="holds the dataset and the scheduled query",
    )
    location: str = setting(
        forms.LOCATION,
        "BigQuery location",
        default="us-central1",
        about="fixed once the dataset exists",
    )
    dataset: str = setting(forms.DATASET, "BigQuery dataset", default="intelligence")
    table: str = setting(forms.TABLE, "training table", default="entity_risk_training_data")
    connection_id: str = setting(
        forms.CONNECTION, "BigQuery connection to Cloud SQL", default="postgresql-conn"
    )
    instance: str = setting(
        forms.INSTANCE,
        "Cloud SQL instance, project:region:instance",
        setting="CLOUD_SQL_INSTANCE",
        about="`project:region:instance`, in the location's region",
    )
    source_database: str = setting(
        forms.DATABASE, "database on the instance", flag="--database", default="venezuelawatch"
    )
    schedule: str = setting(
        forms.SCHEDULE,
        "when the load runs, in UTC",
        default="every day 02:00",
        about="in UTC; Google may fire twice on the hour, which a load survives",
    )
    window_days: int = setting(forms.DAYS, "days that the table holds", default="90")
    refresh_days: int = setting(
        forms.DAYS,
        "days that each run reads again (default: all of the window)",
        optional=True,
        about="days that each run reads again; empty: all of the window. 7 makes a night's "
        "cost independent of the window",
    )
    keep_history: bool = setting(
        forms.SWITCH, "keep the days that have left the window", default="off"
    )
    score_source: str = setting(
        forms.SCORE_SOURCE,
        "whose score is averaged: event or entity",
        default="event",
        about="`entity` stands for the score field `entity__risk_score`: the present score on "
        "every day, which a forecast can learn nothing from",
    )
    mention_model: str = setting(
        forms.MODEL,
        default="entities.EntityMention",
        about="one row is one mention; the paths below are seen from it",
    )
    entity_field: str = setting(
        forms.PATH,
        default="entity",
        about="the series: a relation or a column; uuid, integer or text",
    )
    entity_name_field: str = setting(
        forms.PATH_OR_NONE,
        default="entity__name",
        blank=True,
        about="what people are shown; `none` or empty: the keys",
    )
    time_field: str = setting(forms.PATH, default="mentioned_at", about="when, with time zone")
    time_zone: str = setting(
        forms.TIME_ZONE,
        optional=True,
        about="`UTC`: that column has no time zone, or is a date, and means UTC",
    )
    event_field: str = setting(
        forms.PATH_OR_NONE,
        default="event",
        about="what one event says counts once for an entity and day; `none`: each mention counts",
    )
    event_time_field: str = setting(
        forms.PATH_OR_NONE,
        default="event__occurred_at",
        about="of several rows with an event's key the latest counts",
    )
    event_lookback_days: int = setting(
        forms.DAYS,
        optional=True,
        about="counts only events of at most so many days before the mention's day, by that "
        "time: on a hypertable a refresh then reads only the chunks of those days",
    )
    score_field: str = setting(
        forms.PATH,
        default=SCORE_FIELD,
        about="the target: a number, or a path into JSON by its keys",
    )
    dimension_fields: tuple[tuple[str, str], ...] = setting(
        forms.DIMENSION_PATHS,
        default=", ".join(
            f"{column.dimension}=event__risk_dimensions__{column.dimension}"
            for column in DIMENSIONS
        ),
        about="likewise, also as a dict, or `none`; one that is not named stays NULL",
    )
    min_rows_ratio: float = setting(
        forms.RATIO,
        "fail a run that reads fewer rows than this share of what the table holds for the same "
        "days; 0: never",
        default="0.5",
    )
    user_secret: str = setting(
        forms.SECRET,
        setting="FORECASTING_POSTGRES_USER_SECRET",
        default="POSTGRES_USER",
        about="secret in Secret Manager: the connection's PostgreSQL user",
    )
    password_secret: str = setting(
        forms.SECRET,
        setting="FORECASTING_POSTGRES_PASSWORD_SECRET",
        default="POSTGRES_PASSWORD",
        about="secret in Secret Manager: its password",
    )
    service_account: str = setting(
        forms.ACCOUNT,
        "service account that the load runs as (default: whoever runs this command)",
        optional=True,
        about="the load runs as it; empty: as whoever runs the command, and ends with that account",
    )
    notification_topic: str = setting(
        forms.TOPIC,
        "Pub/Sub topic that is told how each run ended (default: none)",
        optional=True,
        about="`projects/P/topics/T`, told how each run ended",
    )
    max_age_hours: float = setting(forms.HOURS, "how old the last good run may be", default="26")
    horizon_days: int = setting(
        forms.DAYS,
        "days ahead that a model will forecast; bq_setup makes the views for it (default: none)",
        optional=True,
        about="days ahead that a model will forecast; with it `bq_setup` makes "
        "`TABLE_training` and `TABLE_forecast`, the views to train on and to forecast from",
    )
    series_min_share: float = setting(
        forms.SHARE,
        default="0.5",
        about="a series is of use to a model when it has rows on at least this share of its days",
    )
    log_format: str = setting(
        forms.LOG_FORM,
        default="text",
        about="`json`: what is said and logged is one line of JSON for each event, on stderr",
    )
    api_endpoint: str = setting(
        forms.ENDPOINT,
        optional=True,
        about="`http://127.0.0.1:9050`: the stand-in, on loopback only; empty: Google",
    )
    grpc_endpoint: str = setting(
        forms.GRPC_ENDPOINT,
        optional=True,
        about="`127.0.0.1:9051`: its gRPC, for all but BigQuery; together with the former",
    )

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
    each.metadata["setting"].of(each.name) for each in fields(Config)
)

LOG_FORMAT = next(each for each in SETTINGS if each.field == "log_format")
"""Needed before all others: it says how to tell that one of them is malformed."""
