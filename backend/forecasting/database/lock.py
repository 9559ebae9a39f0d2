"""One run at a time: the lock that commands share in Django's database."""

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import (
    DEFAULT_DB_ALIAS,
    Error,
    OperationalError,
    connection,
    connections,
    transaction,
)

from ..activity import doing
from ..conf import Config
from ..counting import count_things
from ..errors import ForecastingError
from .source import LOCK_NOT_AVAILABLE, milliseconds, sqlstate, why_unreachable

LOCK_TIMEOUT_SECONDS = 300


@contextmanager
def provisioning_lock(config: Config, seconds: float = math.inf) -> Iterator[None]:
    """Let one run at a time change the resources of a table, where Django's database is there.

    That is the default one, which all of a backend's processes share, wherever the source is read.
    Without the database runs are not kept apart: `provisioning.engine` settles what they do at
    once. A transaction holds the lock, so that it works behind a pooler and ends with the process.
    Raises ForecastingError where another run holds it for LOCK_TIMEOUT_SECONDS, or for `seconds`.
    """
    if why_unreachable(connections[DEFAULT_DB_ALIAS]):
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
        with (
            doing("Waiting for other runs to end"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"SET LOCAL lock_timeout = {milliseconds(seconds)}")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
    except OperationalError as error:
        if sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise ForecastingError(
                "Django's database was lost while this waited for other runs to end "
                f"({' '.join(str(error).split())}): run it again."
            ) from error
        raise ForecastingError(
            f"Another run has been changing the resources of {config.table_id} for "
            f"{count_things(seconds, 'second')}: wait for it to end, or end it, and run this again."
        ) from error
