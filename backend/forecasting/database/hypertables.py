"""What TimescaleDB says of the tables that the load reads."""

from django.db import Error, transaction

from ..conf import Config
from .mapping import load_mapping
from .source import source_connection, why_out_of_reach

_IS_THERE = "SELECT to_regclass('timescaledb_information.hypertables') IS NOT NULL"
_IS_HYPERTABLE = """
SELECT EXISTS (
    SELECT FROM timescaledb_information.hypertables
    WHERE hypertable_name = %(table)s
        AND hypertable_schema = ANY (
            CASE WHEN %(schema)s = '' THEN current_schemas(false) ELSE ARRAY[%(schema)s::name] END
        )
)
"""


def missing_lookback(config: Config) -> str:
    """That the events are a hypertable, of which each run reads all chunks; else empty.

    Empty too where that cannot be asked: it is a hint, and no condition.
    """
    mapping = load_mapping(config)
    if mapping.events is None or mapping.event_lookback_days or why_out_of_reach(config):
        return ""
    table, connection = mapping.events.table, source_connection(config)
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(_IS_THERE)
            if not cursor.fetchone()[0]:
                return ""
            cursor.execute(_IS_HYPERTABLE, {"table": table.name, "schema": table.schema})
            if not cursor.fetchone()[0]:
                return ""
    except Error:
        return ""
    return (
        f"{table.name} is a hypertable and FORECASTING_EVENT_LOOKBACK_DAYS is not set, so that "
        "each run plans and reads all of its chunks, however old: set it to more days than news "
        "goes on about an event, such as 30 (docs/operations.md, Hypertables)"
    )
