"""How PostgreSQL means to go about the source query."""

import json
from datetime import date, timedelta
from typing import Any

from django.db import connection

from backend.forecasting.sql.queries import render_source_query, with_days
from backend.forecasting.tests.support.factories import make_config


def explain(last_day: date, days: int, *, refresh: bool, options: str = "", **changes: Any) -> str:
    """The plan for so many days up to the last, as text."""
    first_day, end_day = last_day + timedelta(days=1 - days), last_day + timedelta(days=1)
    query = render_source_query(make_config(**changes), refresh=refresh)
    query = with_days(query, first_day, end_day)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {options} {query}")
        return "\n".join(
            line if isinstance(line, str) else json.dumps(line) for (line,) in cursor.fetchall()
        )
