"""The training table's columns, declared once.

The BigQuery schema, the column lists of the SQL, the verification and the documentation's table
all come from `COLUMNS`.
"""

from dataclasses import dataclass

DESCRIPTION = "Entity risk scores aggregated daily for Vertex AI forecasting training"
SERIES_COLUMN = "entity_id"
TIME_COLUMN = "mentioned_at"
TARGET_COLUMN = "risk_score"

TRAINING_SUFFIX, FORECAST_SUFFIX = "_training", "_forecast"
"""What the views of the table are called after it."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column; `dimension` is the key of `Event.risk_dimensions` that it is the mean of.

    `scale` is from where to where its numbers go.
    """

    name: str
    type: str
    required: bool
    description: str
    dimension: str = ""
    scale: tuple[float, float] = (0, 100)

    @property
    def label(self) -> str:
        """What people read for the name, such as `supply chain`."""
        return (self.dimension or self.name).replace("_", " ")

    @property
    def mode(self) -> str:
        return "REQUIRED" if self.required else "NULLABLE"


def _dimension(key: str) -> Column:
    label = key.replace("_", " ")
    return Column(
        name=f"{key}_risk",
        type="FLOAT64",
        required=False,
        description=f"mean {label} risk that day; empty where no event of the day has it",
        dimension=key,
    )


COLUMNS = (
    Column(
        name=SERIES_COLUMN,
        type="STRING",
        required=True,
        description="time series identifier: the entity",
    ),
    Column(
        name=TIME_COLUMN,
        type="TIMESTAMP",
        required=True,
        description="time column: midnight UTC of the day",
    ),
    Column(
        name=TARGET_COLUMN,
        type="FLOAT64",
        required=True,
        description="target: mean risk score of the events that mention the entity that day",
    ),
    _dimension("sanctions"),
    _dimension("political"),
    _dimension("economic"),
    _dimension("supply_chain"),
)

DIMENSIONS = tuple(column for column in COLUMNS if column.dimension)
NUMBERS = tuple(column for column in COLUMNS if column.type == "FLOAT64")
"""The target and the dimensions: what is averaged, summed up and drawn."""

# BigQuery answers with the legacy names of some types: `INTEGER` is INT64.
# https://cloud.google.com/bigquery/docs/reference/rest/v2/tables (TableFieldSchema.type)
_TYPE_ALIASES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}


def canonical_type(name: str) -> str:
    """The GoogleSQL name of a type as the API may spell it."""
    return _TYPE_ALIASES.get(name.upper(), name.upper())
