"""The queries of the nightly load and of the verification, rendered for the settings of a command.

`source_query.sql` is PostgreSQL and runs inside Cloud SQL; `nightly_load.sql` is the GoogleSQL
script that the scheduled query stores, with the source query inside. The others read only, for
the verification.
"""

from datetime import date, timedelta

from ..conf import Config
from ..database.mapping import load_mapping
from ..training_table import COLUMNS, DIMENSIONS, NUMBERS, TIME_COLUMN
from .script_head import describe_settings, seal
from .series import usable_series
from .source import render_orphans, render_source
from .template import load, quote_path, quote_string, render


def render_source_query(config: Config, *, refresh: bool = False) -> str:
    """The source query; `@first_day` and `@end_day` are still to be put in.

    The rows are the same with `refresh`, which is for a few days of a long history: the mentions
    are then read once, and their events looked up by key. Without it the whole window is
    quicker: several processes of PostgreSQL share the work (docs/benchmarks.md). Raises
    SettingError where the settings that describe the source fit no model.
    """
    return render_source(load_mapping(config), refresh=refresh)


def with_days(source_query: str, first_day: date, end_day: date) -> str:
    """The source query for the days [first_day, end_day), as the nightly load completes it."""
    return source_query.replace("@first_day", f"{first_day}").replace("@end_day", f"{end_day}")


def render_trial_query(config: Config) -> str:
    """The source query for one day, for PostgreSQL to prepare."""
    day = date(2000, 1, 2)
    query = render_source_query(config)
    return with_days(query, day, day + timedelta(days=1))


def load_name(table_id: str) -> str:
    """What the load of a table is called; the first line of its script, by which it is found."""
    return f"Nightly load of {table_id}"


def render_nightly_load(config: Config) -> str:
    """The script that the scheduled query stores, for these settings."""
    script = render(
        load("nightly_load.sql"),
        name=load_name(config.table_id),
        settings=describe_settings(config),
        table=quote_path(config.project, config.dataset, config.table),
        connection=quote_string(config.connection_name),
        source_query=embedded(_nightly_source_query(config)),
        window_days=str(config.window_days),
        refresh_days=str(config.refresh_days),
        columns=", ".join(column.name for column in COLUMNS),
        min_rows_ratio=f"{config.min_rows_ratio:g}",
        any_required_is_null=_REQUIRED_IS_NULL,
        any_number_is_not_finite=_NOT_FINITE,
        leaving=_leaving(config.keep_history),
    )
    return seal(script)


def render_partitions(table_id: str) -> str:
    """The query for the days that a table has, and their rows; takes @table."""
    project, dataset, _ = table_id.rsplit(".", 2)
    partitions = quote_path(project, dataset, "INFORMATION_SCHEMA", "PARTITIONS")
    return render(load("partitions.sql"), partitions=partitions)


def render_data_summary(config: Config) -> str:
    """The query that sums up the training table; data_summary.sql says what it takes."""
    time = f"DATE({TIME_COLUMN}, 'UTC')"
    return render(
        load("data_summary.sql"),
        usable_series=usable_series(config, "@today"),
        table=quote_path(config.project, config.dataset, config.table),
        in_window=f"{time} >= @window_start AND {time} < @end_day",
        every_day=EVERY_DAY,
        any_required_is_null=_REQUIRED_IS_NULL,
        any_number_is_not_finite=_NOT_FINITE,
    )


def render_report_data(config: Config) -> str:
    """What the report shows; takes @window_start, @end_day, @entities_from and @entities."""
    names = [column.name for column in DIMENSIONS]
    return render(
        load("report_data.sql"),
        table=quote_path(config.project, config.dataset, config.table),
        dimensions=", ".join(names),
        no_dimensions=", ".join(f"CAST(NULL AS FLOAT64) AS {name}" for name in names),
        nulls=", ".join("NULL" for _ in names),
        dimension_means=", ".join(f"AVG({name})" for name in names),
    )


def render_connection_probe(config: Config, days: tuple[date, date] | None = None) -> str:
    """The query that proves that the connection may run the source query, reading nothing.

    With `days`, [first, end), it counts their mentions whose event is gone; 0 where none can be.
    """
    day = date(2000, 1, 2)
    orphans = render_orphans(load_mapping(config)) if days else ""
    counted = _COUNTED.format(
        quote_string(config.connection_name), embedded(with_days(orphans, *(days or (day, day))))
    )
    return render(
        load("connection_probe.sql"),
        connection=quote_string(config.connection_name),
        source_query=embedded(with_days(_nightly_source_query(config), day, day)),
        orphans="counted.orphans" if orphans else "0 AS orphans",
        counted=counted if orphans else "",
    )


_COUNTED = """\
CROSS JOIN EXTERNAL_QUERY({}, r'''
{}
''') AS counted"""
EVERY_DAY = f"{TIME_COLUMN} >= TIMESTAMP('0001-01-01', 'UTC') OR {TIME_COLUMN} IS NULL"
_REQUIRED_IS_NULL = " OR ".join(f"{c.name} IS NULL" for c in COLUMNS if c.required)
_NOT_FINITE = " OR ".join(f"IS_NAN({c.name}) OR IS_INF({c.name})" for c in NUMBERS)


def _nightly_source_query(config: Config) -> str:
    return render_source_query(config, refresh=config.refresh_days < config.window_days)


def embedded(source_query: str) -> str:
    """The source query, fit to stand in a raw literal inside a raw literal."""
    for forbidden in ("\\", "'''", '"""', ";"):
        if forbidden in source_query:
            raise ValueError(f"source_query.sql may not contain {forbidden}")
    return source_query.strip()


def _leaving(keep_history: bool) -> str:
    """Which of the target's days a run deletes: the refreshed, and those before the window."""
    refreshed = f"target.{TIME_COLUMN} >= TIMESTAMP(first_day, 'UTC')"
    before = f"target.{TIME_COLUMN} < TIMESTAMP(window_start, 'UTC')"
    return refreshed if keep_history else f"({refreshed} OR {before})"
