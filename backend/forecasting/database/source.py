"""The source database as Django reaches it, where that is the database the connection reads."""

import math
from contextlib import closing
from typing import Any

from django.db import DEFAULT_DB_ALIAS, Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..activity import doing
from ..conf import Config
from ..counting import count_things
from ..errors import SourceDatabaseError, SourceOutOfReachError
from ..google.causes import likely_cause
from .mapping import load_mapping

READ_TIMEOUT_SECONDS = 1800
"""As long as the connection's role may take for the source query (connection_role.sql)."""

LOCK_SECONDS = 300
LOCK_NOT_AVAILABLE = "55P03"

_OTHER_CURE = (
    "correct FORECASTING_SOURCE_DATABASE, DATABASE_URL or the FORECASTING_ settings that name the "
    "models and their fields"
)


def source_connection(config: Config) -> BaseDatabaseWrapper:
    """Django's connection to the database that its router says the mentions are read from."""
    return connections[load_mapping(config).database]


def prepare_source_query(config: Config, query: str, seconds: float = LOCK_SECONDS) -> str:
    """Let PostgreSQL prepare the source query; returns why that was not done, or nothing.

    Raises SourceDatabaseError where PostgreSQL refuses it, as the nightly load would fail likewise,
    or where a table stays locked for `seconds`.
    """
    if reason := why_out_of_reach(config):
        return f"source query not tried: {reason}"
    connection = source_connection(config)
    alias = connection.alias
    try:
        with (
            doing(f"Trying the source query in {_spoken(connection)}"),
            transaction.atomic(using=alias),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"SET LOCAL lock_timeout = {milliseconds(seconds)}")
            cursor.execute(f"PREPARE forecasting_source_query AS {query}")
            cursor.execute("DEALLOCATE forecasting_source_query")
    except Error as error:
        state = sqlstate(error)
        if state == LOCK_NOT_AVAILABLE:
            raise SourceDatabaseError(
                f"A table of the source query is locked in database {config.source_database}, as "
                "by a migration under way, and was not free within "
                f"{count_things(seconds, 'second')}: run it again when that has ended."
            ) from error
        text = " ".join(str(error).split())
        raise SourceDatabaseError(
            f"PostgreSQL refuses the source query in database {config.source_database}: {text}; "
            f"{likely_cause(text, state) or _OTHER_CURE}."
        ) from error
    return ""


def read_source(config: Config, query: str, seconds: float = math.inf) -> list[tuple[Any, ...]]:
    """The rows of a query on the source database, in a transaction of its own that cannot write.

    On a connection of its own too, so that whatever transaction the caller is in goes on. It may
    take `seconds`, and never longer than READ_TIMEOUT_SECONDS. Raises
    SourceOutOfReachError where Django's database is not the source, and SourceDatabaseError where
    PostgreSQL refuses the query or takes too long.
    """
    if reason := why_out_of_reach(config):
        raise SourceOutOfReachError(reason)
    own = source_connection(config).copy()
    try:
        with doing(f"Reading {_spoken(own)}"), closing(own), own.cursor() as cursor:
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


def sqlstate(error: Error) -> str:
    """PostgreSQL's code for an error, which every version and language of it shares; or nothing.

    psycopg 2 and 3 call it by different names; a session that never began has none.
    """
    cause = error.__cause__
    names = ("sqlstate", "pgcode")
    return next((str(code) for name in names if (code := getattr(cause, name, None))), "")


def why_out_of_reach(config: Config) -> str:
    """Why Django's database cannot stand for the source database; empty where it is that."""
    connection = source_connection(config)
    name = connection.settings_dict["NAME"]
    if connection.vendor != "postgresql":
        return f"{_spoken(connection)} is {connection.vendor}, not PostgreSQL"
    if not name:
        # A service of libpq's (OPTIONS) says it.
        if reason := why_unreachable(connection):
            return reason
        name = connection.connection.info.dbname
    if name != config.source_database:
        return f"{_spoken(connection)} is {name}, not {config.source_database}"
    return why_unreachable(connection)


def why_unreachable(connection: BaseDatabaseWrapper) -> str:
    """Why one of Django's databases does not answer; empty where it does."""
    if connection.vendor != "postgresql":
        return "it is not PostgreSQL"
    try:
        with doing(f"Reaching {_spoken(connection)}"):
            connection.ensure_connection()
    except Error as error:
        return f"{_spoken(connection)} does not answer ({' '.join(str(error).split())})"
    return ""


def _spoken(connection: BaseDatabaseWrapper) -> str:
    alias = connection.alias
    return "Django's database" if alias == DEFAULT_DB_ALIAS else f"Django's database {alias}"


def milliseconds(seconds: float) -> int:
    """For PostgreSQL, to which 0 would mean no limit."""
    return max(round(seconds * 1000), 1)
