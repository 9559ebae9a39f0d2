"""The source database as Django reaches it, where that is the database the connection reads."""

import math
from contextlib import closing
from typing import Any

from django.db import Error, connection, transaction

from ..conf import Config
from ..errors import SourceDatabaseError, SourceOutOfReachError

READ_TIMEOUT_SECONDS = 1800
"""As long as the connection's role may take for the source query (connection_role.sql)."""


def prepare_source_query(config: Config, query: str) -> str:
    """Let PostgreSQL prepare the source query; returns why that was not done, or nothing.

    Raises SourceDatabaseError where PostgreSQL refuses it: the nightly load would fail likewise.
    """
    reason = why_out_of_reach(config)
    if reason:
        return f"source query not tried: {reason}"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"PREPARE forecasting_source_query AS {query}")
            cursor.execute("DEALLOCATE forecasting_source_query")
    except Error as error:
        raise SourceDatabaseError(
            f"PostgreSQL refuses the source query in database {config.source_database}: "
            f"{' '.join(str(error).split())}; run `python manage.py migrate` there, or correct "
            "FORECASTING_SOURCE_DATABASE or DATABASE_URL."
        ) from error
    return ""


def read_source(config: Config, query: str, seconds: float = math.inf) -> list[tuple[Any, ...]]:
    """The rows of a query on the source database, in a transaction of its own that cannot write.

    On a connection of its own too, so that whatever transaction the caller is in goes on. It may
    take `seconds`, and never longer than READ_TIMEOUT_SECONDS. Raises
    SourceOutOfReachError where Django's database is not the source, and SourceDatabaseError where
    PostgreSQL refuses the query or takes too long.
    """
    reason = why_out_of_reach(config)
    if reason:
        raise SourceOutOfReachError(reason)
    own = connection.copy()
    try:
        with closing(own), own.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(
                f"SET LOCAL statement_timeout = {milliseconds(min(READ_TIMEOUT_SECONDS, seconds))}"
            )
            cursor.execute(query)
            return list(cursor.fetchall())
    except Error as error:
        raise SourceDatabaseError(
            f"PostgreSQL does not answer a query on database {config.source_database}: "
            f"{' '.join(str(error).split())}"
        ) from error


def why_out_of_reach(config: Config) -> str:
    """Why Django's database cannot stand for the source database; empty where it is that."""
    name = connection.settings_dict["NAME"]
    if connection.vendor != "postgresql":
        return f"Django's database is {connection.vendor}, not PostgreSQL"
    if name != config.source_database:
        return f"Django's database is {name}, not {config.source_database}"
    return why_unreachable()


def why_unreachable() -> str:
    """Why Django's database does not answer; empty where it does."""
    if connection.vendor != "postgresql":
        return "it is not PostgreSQL"
    try:
        connection.ensure_connection()
    except Error as error:
        return f"Django's database does not answer ({' '.join(str(error).split())})"
    return ""


def milliseconds(seconds: float) -> int:
    """For PostgreSQL, to which 0 would mean no limit."""
    return max(round(seconds * 1000), 1)
