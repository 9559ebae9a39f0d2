"""The query that counts what the training table holds for each day, and its columns' names."""

from ..conf import Config
from ..training_table import DIMENSIONS, Column
from .template import load, quote_path, render

COUNT, OFF_SCALE, LEAST, GREATEST = "count", "off_scale", "least", "greatest"


def counted(column: Column, what: str) -> str:
    """The name under which something of a column is yielded."""
    return f"{column.name}_{what}"


def render_day_counts(config: Config) -> str:
    """Takes @window_start and @end_day."""
    return render(
        load("day_counts.sql"),
        table=quote_path(config.project, config.dataset, config.table),
        dimension_counts=",\n".join(map(_counts, DIMENSIONS)),
    )


def _counts(column: Column) -> str:
    name, (least, greatest) = column.name, column.scale
    # What is not finite has a check of its own, and no place on any scale.
    finite = f"IF(IS_NAN({name}) OR IS_INF({name}), NULL, {name})"
    return f"""\
COUNT({name}) AS {counted(column, COUNT)},
COUNTIF({finite} < {least} OR {finite} > {greatest}) AS {counted(column, OFF_SCALE)},
MIN({finite}) AS {counted(column, LEAST)},
MAX({finite}) AS {counted(column, GREATEST)}"""
