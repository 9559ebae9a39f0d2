"""This project's source query through PostgreSQL's own COPY: no library between but a driver."""

import os
import threading
from contextlib import closing

import psycopg2

from backend.forecasting.training_table import COLUMNS
from bench.contestants.job import TYPES, Job, open_target

_FORMAT = r"delim = '\t', nullstr = '\N', quote = '', escape = '', header = false"


def load_aggregate(job: Job) -> None:
    """Lets DuckDB read from a pipe what PostgreSQL writes into it, as it comes."""
    reading, writing = os.pipe()
    writer = threading.Thread(target=_write, args=(job, writing), name="copy")
    writer.start()
    columns = ", ".join(f"'{column.name}': '{TYPES[column.type]}'" for column in COLUMNS)
    with open_target(job.target) as connection:
        connection.execute(
            f"CREATE TABLE training AS SELECT * FROM read_csv('/dev/fd/{reading}', "  # noqa: S608  # nosec
            f"columns = {{{columns}}}, auto_detect = false, {_FORMAT})"
        )
    writer.join()
    os.close(reading)


def _write(job: Job, descriptor: int) -> None:
    with (
        os.fdopen(descriptor, "wb") as stream,
        closing(psycopg2.connect(job.uri, options="-c timezone=UTC")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.copy_expert(f"COPY ({job.aggregate}) TO STDOUT", stream)
