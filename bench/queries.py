"""The queries that are compared, complete for a window of days."""

from dataclasses import dataclass, replace
from datetime import date
from importlib import resources

from backend.forecasting.conf import load_config
from backend.forecasting.sql.queries import render_source_query, with_days
from backend.forecasting.sql.template import render


@dataclass(frozen=True, kw_only=True)
class Window:
    """The days [first_day, end_day)."""

    first_day: date
    end_day: date


def source_query(window: Window, *, refresh: bool = False, dimensions: bool = True) -> str:
    """The product's own query, as the nightly load completes it; without dimensions: no JSON."""
    config = load_config(optional=("project", "instance"))
    if not dimensions:
        config = replace(config, dimension_fields=())
    query = render_source_query(config, refresh=refresh)
    return with_days(query, window.first_day, window.end_day)


def windowed(name: str, window: Window) -> str:
    """The benchmark's query of this name for a window."""
    return with_days(read_sql(name), window.first_day, window.end_day)


def read_sql(name: str, **values: object) -> str:
    """The benchmark's SQL of this name with its placeholders filled."""
    text = resources.files("bench.sql").joinpath(f"{name}.sql").read_text("utf-8")
    return render(text, **{key: str(value) for key, value in values.items()})
