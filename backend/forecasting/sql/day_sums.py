"""The queries that sum up the days of both sides, to be compared."""

from datetime import date, datetime

from ..conf import Config
from ..database.mapping import load_mapping
from ..training_table import NUMBERS, Column
from .queries import embedded, with_days
from .source import render_source
from .template import load, quote_path, quote_string, render

SUMS = ("count", "sum", "excess")
"""What is yielded of each of the table's numbers."""

_FAR = 10
"""By its scale: a value further off is summed up apart."""


def render_source_by_day(config: Config) -> str:
    """The PostgreSQL query that sums up the source query; its two days are still to be put in."""
    return render(
        load("source_by_day.sql"),
        source_query=render_source(load_mapping(config), refresh=False).strip(),
        column_sums=_COLUMN_SUMS,
    )


def render_federated_by_day(config: Config, first_day: date, end_day: date) -> str:
    """The GoogleSQL query that sums up the source query through the connection."""
    names = [f"{column.name}_{what}" for column in NUMBERS for what in SUMS]
    return render(
        load("federated_by_day.sql"),
        columns=", ".join(["day", "row_count", "key_sum", "score_sum", *names]),
        connection=quote_string(config.connection_name),
        query=embedded(with_days(render_source_by_day(config), first_day, end_day)),
    )


def render_table_by_day(config: Config, as_of: datetime | None = None) -> str:
    """The GoogleSQL query that sums up the training table; takes @window_start and @end_day.

    `as_of` is when: the table as it was then.
    """
    past = f" FOR SYSTEM_TIME AS OF TIMESTAMP '{as_of.isoformat()}'" if as_of else ""
    return render(
        load("table_by_day.sql"),
        table=quote_path(config.project, config.dataset, config.table),
        as_of=past,
        column_sums=_COLUMN_SUMS,
    )


def _sums(column: Column) -> str:
    """The three sums of a column, in both dialects."""
    name, far = column.name, _FAR * max(map(abs, column.scale))
    near = f"least(greatest({name}, -{far:g}), {far:g})"
    return f"""\
count({name}) AS {name}_count,
sum(CASE WHEN {name} IS NULL THEN 0 ELSE weight * {near} END) AS {name}_sum,
sum(CASE WHEN {name} IS NULL THEN 0 ELSE weight * ({name} - {near}) END) AS {name}_excess"""


_COLUMN_SUMS = ",\n".join(map(_sums, NUMBERS))
