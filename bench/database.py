"""The benchmark's own PostgreSQL, and the machine that it shares.

A throw-away server that holds the backend's tables; of the machine, nothing that names it.
"""

import os
import platform
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import psycopg2
import psycopg2.extensions

from backend.demo.environment import forget_settings
from backend.localcloud.postgres.psql import run_script
from backend.localcloud.postgres.server import (
    RunningPostgres,
    create_database,
    create_role,
    start_postgres,
)
from bench.processes import ROOT

NAME = "venezuelawatch"
OWNER, READER = "backend", "bigquery"
# Cloud SQL gives PostgreSQL a third of the instance's memory (docs: manage-memory-usage-best-
# practices), and its smallest instance with a core of its own has 3.75 GB.
SHARED_BUFFERS = "1280MB"
_SHOWN_SETTINGS = ("shared_buffers", "work_mem", "hash_mem_multiplier")


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database on the throw-away server, as its owner and the connection's role get to it."""

    server: RunningPostgres
    owner_uri: str = field(repr=False)
    reader_uri: str = field(repr=False)
    reader_password: str = field(repr=False)


@contextmanager
def running_database(**settings: str) -> Iterator[Database]:
    """Starts a server with these settings, yields a migrated and empty database on it.

    Both are removed afterwards.
    """
    passwords = {role: secrets.token_urlsafe(16) for role in (OWNER, READER)}
    server = start_postgres(**settings)
    try:
        create_role(server, user=OWNER, password=passwords[OWNER])
        create_role(server, user=READER, password=passwords[READER])
        create_database(server, name=NAME, owner=OWNER)
        uris = {
            role: server.uri(user=role, password=password, database=NAME)
            for role, password in passwords.items()
        }
        environment = {"DATABASE_URL": uris[OWNER], "FORECASTING_SOURCE_DATABASE": NAME}
        manage("migrate", "--verbosity", "0", environment=environment)
        script = manage("bq_setup_etl", "--print-role-sql", environment=environment)
        run_script(server, script, database=NAME, role=READER)
        yield Database(
            server=server,
            owner_uri=uris[OWNER],
            reader_uri=uris[READER],
            reader_password=passwords[READER],
        )
    finally:
        server.stop()


def let_reader_read_all(database: Database) -> None:
    """For what else is compared: the printed role may read what the source query reads alone."""
    with open_cursor(database.owner_uri) as cursor:
        cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")


@contextmanager
def open_cursor(uri: str) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor of a connection of its own, outside any transaction."""
    with closing(psycopg2.connect(uri)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def manage(*arguments: str, environment: dict[str, str]) -> str:
    """What a management command prints, run with these settings and none of the developer's."""
    clean = dict(os.environ)
    forget_settings(clean)
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    done = subprocess.run(  # noqa: S603 - the arguments are this package's own
        command, env=clean | environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Cores, memory, versions, the server's settings that matter, and how busy it was before."""

    day: date
    cores: int
    memory_bytes: int
    system: str
    postgres: str
    python: str
    settings: dict[str, str]
    load: float


def look_at_machine(database: Database, load: float) -> Machine:
    """The machine as it is now; `load` is what `current_load` said before the work began."""
    with open_cursor(database.reader_uri) as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone() or ("",)
        settings = {}
        for name in _SHOWN_SETTINGS:
            cursor.execute(f"SHOW {name}")
            settings[name] = str((cursor.fetchone() or ("",))[0])
    return Machine(
        day=datetime.now(UTC).date(),
        cores=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.machine()}",
        postgres=str(version),
        python=platform.python_version(),
        settings=settings,
        load=load,
    )


def current_load() -> float:
    """How many processes wanted a core on average over the last minute."""
    return os.getloadavg()[0]
