"""What a model is trained on, forecasts from and has to beat: two views and the baseline.

All of them, and what `bq_verify` says of the series, start from `usable_series.sql`, which is
where a usable series is defined. https://cloud.google.com/vertex-ai/docs/tabular-data/forecasting
"""

from ..conf import Config
from ..training_table import NUMBERS, TIME_COLUMN
from .template import load, quote_path, render

OBSERVED_COLUMN = "observed"
CONTEXT_HORIZONS = 2
"""How much history a forecast is made from, in horizons; a usable series has as much."""
RECENT_DAYS = 30
"""How long a usable series may have been without a row."""

TRAINING_DESCRIPTION = "The series that a model can learn from, without gaps, to train it on"
FORECAST_DESCRIPTION = "Their last days and the days to forecast, to make a forecast from"

# A view takes no parameters, and knows no day but its own.
_TODAY = "CURRENT_DATE('UTC')"


def render_training_view(config: Config, today: str = _TODAY) -> str:
    """The text of the view to train on; `today` is the expression of the first incomplete day."""
    return render(
        load("training_view.sql"),
        description=TRAINING_DESCRIPTION,
        usable_series=usable_series(config, today),
        filled_days=_filled_days("last_day"),
        values=",\n".join(column.name for column in NUMBERS),
        observed_column=OBSERVED_COLUMN,
    )


def render_forecast_view(config: Config, today: str = _TODAY) -> str:
    """The text of the view to forecast from."""
    last_day = f"DATE_ADD({today}, INTERVAL {config.horizon_days - 1} DAY)"
    complete = (f"IF(day < {today}, {c.name}, NULL) AS {c.name}" for c in NUMBERS)
    return render(
        load("forecast_view.sql"),
        description=FORECAST_DESCRIPTION,
        usable_series=usable_series(config, today),
        filled_days=_filled_days(last_day),
        values_of_complete_days=",\n".join(complete),
        observed_column=OBSERVED_COLUMN,
        today=today,
        horizon_days=str(config.horizon_days),
        context_days=str(CONTEXT_HORIZONS * config.horizon_days),
    )


def render_baseline(config: Config) -> str:
    """The query of the baseline; takes @today, @cutoff and @examples."""
    return render(
        load("baseline.sql"),
        usable_series=usable_series(config, "@today", until="@cutoff"),
        shown_days=str(CONTEXT_HORIZONS * config.horizon_days),
    )


def usable_series(config: Config, today: str, until: str = "") -> str:
    """The common table expressions that every query of the series begins with.

    `today` is the first day that is not complete, as an expression. The series are judged by their
    days before `until`: today, unless a backtest says otherwise. Without a horizon no series is
    too short.
    """
    text = render(
        load("usable_series.sql"),
        table=quote_path(config.project, config.dataset, config.table),
        day_means=",\n".join(f"AVG({c.name}) AS {c.name}" for c in NUMBERS),
        complete_days=_complete_days(config, today),
        until=until or today,
        least_days=str(CONTEXT_HORIZONS * config.horizon_days),
        least_share=f"{config.series_min_share:g}",
        most_recent=str(RECENT_DAYS),
    )
    return _without_comment(text)


def _filled_days(to_day: str) -> str:
    text = render(
        load("filled_days.sql"),
        to_day=to_day,
        last_values=_LAST_VALUES,
        observed_column=OBSERVED_COLUMN,
    )
    return _without_comment(text)


def _without_comment(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _complete_days(config: Config, today: str) -> str:
    """The condition on the time column, such as a table that requires a filter takes."""
    before_today = f"{TIME_COLUMN} < TIMESTAMP({today}, 'UTC')"
    if config.keep_history:
        return before_today
    first_day = f"DATE_SUB({today}, INTERVAL {config.window_days} DAY)"
    return f"{TIME_COLUMN} >= TIMESTAMP({first_day}, 'UTC')\n    AND {before_today}"


_LAST_VALUES = ",\n".join(
    f"LAST_VALUE(observation.{c.name} IGNORE NULLS) OVER so_far AS {c.name}" for c in NUMBERS
)
