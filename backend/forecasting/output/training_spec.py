"""The specification of a training: what Google's own client takes, as JSON, and why it is so.

Each set of arguments goes to a method of google-cloud-aiplatform as it is (docs/training.md).
"""

import json
from typing import Any

from google.cloud.bigquery import Table

from ..conf import Config
from ..conf.config import MULTI_REGIONS
from ..errors import VerificationFailed
from ..provisioning.plan import refusals
from ..provisioning.views import view_specs
from ..sql.series import OBSERVED_COLUMN
from ..training_table import SERIES_COLUMN, TARGET_COLUMN, TIME_COLUMN
from ..verification.baseline import Baseline
from ..verification.dimension_checks import mapped_dimensions
from ..verification.series_checks import context_for, split_for, training_days
from ..verification.verify import Verification

DATASET_CLASS = "TimeSeriesDataset"
TRAINING_CLASS = "TimeSeriesDenseEncoderForecastingTrainingJob"
BUDGET = 6000
"""Milli node hours: Google advises six hours at least for a first training (bp-tabular)."""


def render_training_spec(result: Verification) -> str:
    """The specification. Raises VerificationFailed where there is nothing to train on.

    A view that is not there yet, or not of this version, is the matter of a check. Vertex AI reads
    the views of a region only (vertex-ai/docs/general/locations).
    """
    if result.config.location in MULTI_REGIONS:
        raise VerificationFailed(
            f"No specification was written: the dataset is in {result.config.location}, a "
            "multi-region, and Vertex AI reads views from a region only: set FORECASTING_LOCATION "
            "to one such as us-central1, with another FORECASTING_DATASET (a dataset does not "
            "move), and run bq_setup, bq_setup_etl and this again."
        )
    data = result.snapshot.data
    if not isinstance(data, dict):
        why = f"No specification was written: {result.snapshot.why_no_data}."
        raise result.failure or VerificationFailed(why)
    if taken := refusals([s.plan(v) for s, v in result.snapshot.views if isinstance(v, Table)]):
        raise VerificationFailed(f"No specification was written: {taken}")
    if not data["usable_count"]:
        raise VerificationFailed(
            f"No specification was written: none of {data['judged_count'] or 0:,} series is "
            "usable; vertex.series_usable says what they miss."
        )
    return json.dumps(_spec(result, data), indent=2) + "\n"


def _spec(result: Verification, data: dict[str, Any]) -> dict[str, Any]:
    config = result.config
    training, forecast = (f"bq://{spec.name}" for spec in view_specs(config))
    where = {"project": config.project, "location": config.location}
    return {
        "dataset": {
            "class": DATASET_CLASS,
            "create": {"display_name": config.table, "bq_source": training, **where},
        },
        "training": {
            "class": TRAINING_CLASS,
            "init": {
                "display_name": f"{config.table}_{config.horizon_days}_days",
                "optimization_objective": "minimize-mae",
                "column_transformations": _transformations(config),
                **where,
            },
            "run": _run(config, data),
        },
        "prediction": {
            "batch_predict": {
                "job_display_name": f"{config.table}_{config.horizon_days}_days",
                "bigquery_source": forecast,
                "instances_format": "bigquery",
                "bigquery_destination_prefix": f"bq://{config.project}.{config.dataset}",
                "predictions_format": "bigquery",
            }
        },
        "made_from": _made_from(result, data),
    }


def _run(config: Config, data: dict[str, Any]) -> dict[str, Any]:
    training, validation, test = split_for(training_days(data), config.horizon_days)
    return {
        "target_column": TARGET_COLUMN,
        "time_column": TIME_COLUMN,
        "time_series_identifier_column": SERIES_COLUMN,
        "unavailable_at_forecast_columns": [
            TARGET_COLUMN,
            *(column.name for column in mapped_dimensions(config)),
        ],
        "available_at_forecast_columns": [TIME_COLUMN],
        "forecast_horizon": config.horizon_days,
        "context_window": context_for(data, config.horizon_days),
        "data_granularity_unit": "day",
        "data_granularity_count": 1,
        "training_fraction_split": training / 100,
        "validation_fraction_split": validation / 100,
        "test_fraction_split": test / 100,
        "timestamp_split_column_name": TIME_COLUMN,
        "window_column": OBSERVED_COLUMN,
        "holiday_regions": ["GLOBAL"],
        "budget_milli_node_hours": BUDGET,
        "model_display_name": f"{config.table}_{config.horizon_days}_days",
    }


def _transformations(config: Config) -> list[dict[str, Any]]:
    """A dimension may be missing before its first value: such a row is not to be discarded.

    What has no transformation is left out of the training, as a column without any value has to be.
    """
    return [
        {"timestamp": {"column_name": TIME_COLUMN}},
        {"numeric": {"column_name": TARGET_COLUMN}},
        *(
            {"numeric": {"column_name": column.name, "invalid_values_allowed": True}}
            for column in mapped_dimensions(config)
        ),
    ]


def _made_from(result: Verification, data: dict[str, Any]) -> dict[str, Any]:
    config, baseline = result.config, result.snapshot.baseline
    return {
        "at": result.snapshot.now.isoformat(timespec="seconds"),
        "table": config.table_id,
        "horizon_days": config.horizon_days,
        "window": {
            "window_days": config.window_days,
            "keep_history": config.keep_history,
            "first_day": f"{data['usable_first_day']}",
            "last_day": f"{data['usable_last_day']}",
        },
        "series": {
            "usable": data["usable_count"],
            "judged": data["judged_count"],
            "rows": data["usable_rows"],
        },
        "baseline": baseline.as_json() if isinstance(baseline, Baseline) else None,
    }
