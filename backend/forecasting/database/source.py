"""The source database as Django reaches it, where that is the database the connection reads."""

import math
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import Any

from django.db import Error, OperationalError, connection, transaction

from ..conf import Config
from ..errors import ForecastingError, SourceDatabaseError, SourceOutOfReachError
from ..sql import render_source_query, with_days

LOCK_TIMEOUT_SECONDS = 300
READ_TIMEOUT_SECONDS = 1800
"""As long as the connection's role may take for the source query (connection_role.sql)."""


def prepare_source_query(config: Config) -> str:
    """Let PostgreSQL prepare the source query; returns why that was not done, or nothing.

    Raises SourceDatabaseError where PostgreSQL refuses it: the nightly load would fail likewise.
    """
    reason = why_out_of_reach(config)
    if reason:
        return f"source query not tried: {reason}"
    day = date(2000, 1, 2)
    query = with_days(render_source_query(config.score_source), day, day + timedelta(days=1))
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
                f"SET LOCAL statement_timeout = {_milliseconds(min(READ_TIMEOUT_SECONDS, seconds))}"
            )
            cursor.execute(query)
            return list(cursor.fetchall())
    except Error as error:
        raise SourceDatabaseError(
            f"PostgreSQL does not answer a query on database {config.source_database}: "
            f"{' '.join(str(error).split())}"
        ) from error


@contextmanager
def provisioning_lock(config: Config, seconds: float = math.inf) -> Iterator[None]:
    """Let one run at a time change the resources of a table, where Django's database is there.

    Without the database runs are not kept apart: `provisioning.engine` settles what they do at
    once. A transaction holds the lock, so that it works behind a pooler and ends with the process.
    Raises ForecastingError where another run holds it for LOCK_TIMEOUT_SECONDS, or for `seconds`.
    """
    if _unreachable():
        yield
        return
    done = False
    try:
        with transaction.atomic():
            _acquire(config, min(LOCK_TIMEOUT_SECONDS, seconds))
            yield
            done = True
    except Error as error:
        # The database went away while the lock was held; what the block did stays done.
        if not done:
            raise ForecastingError(
                f"Django's database was lost ({' '.join(str(error).split())}): run it again."
            ) from error


def _acquire(config: Config, seconds: float) -> None:
    key = zlib.crc32(config.table_id.encode())
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {_milliseconds(seconds)}")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") != _LOCK_NOT_AVAILABLE:
            raise ForecastingError(
                "Django's database was lost while this waited for other runs to end "
                f"({' '.join(str(error).split())}): run it again."
            ) from error
        raise ForecastingError(
            f"Another run has been changing the resources of {config.table_id} for "
            f"{seconds:g} seconds: wait for it to end, or end it, and run this again."
        ) from error


_LOCK_NOT_AVAILABLE = "55P03"


def _milliseconds(seconds: float) -> int:
    """For PostgreSQL, to which 0 would mean no limit."""
    return max(round(seconds * 1000), 1)


def why_out_of_reach(config: Config) -> str:
    """Why Django's database cannot stand for the source database; empty where it is that."""
    name = connection.settings_dict["NAME"]
    if connection.vendor != "postgresql":
        return f"Django's database is {connection.vendor}, not PostgreSQL"
    if name != config.source_database:
        return f"Django's database is {name}, not {config.source_database}"
    return _unreachable()


def _unreachable() -> str:
    """Why Django's database does not answer; empty where it does."""
    if connection.vendor != "postgresql":
        return "it is not PostgreSQL"
    try:
        connection.ensure_connection()
    except Error as error:
        return f"Django's database does not answer ({' '.join(str(error).split())})"
    return ""
