"""Fixtures of every test: a real PostgreSQL, the stand-in for Google Cloud, and no way out.

Both servers start once, and only when a test asks for them.
"""

import gc
import ipaddress
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from backend.demo.environment import forget_settings, unset_settings
from backend.localcloud.postgres.server import PORT, RunningPostgres, create_role, start_postgres
from backend.tests import collecting, gcloud, tracing
from backend.tests.days import Days

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker

    from backend.localcloud.server import LocalCloud

SQL_INSTANCE = "demo-project:us-central1:main"
OWNER, READER, NAME = "backend", "bigquery", "venezuelawatch"
PLAIN_HTTP = ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
PASSWORDS = {OWNER: secrets.token_urlsafe(12), READER: secrets.token_urlsafe(12)}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--reliability",
        type=Path,
        metavar="PATH",
        help="run all of the reliability tests, not a sample, and write what they counted to PATH",
    )


def pytest_configure(config: pytest.Config) -> None:
    from backend.forecasting.tests.reliability import counting

    config.pluginmanager.register(counting)
    config.pluginmanager.register(collecting)
    config.pluginmanager.register(tracing)
    config.pluginmanager.register(gcloud)
    config.pluginmanager.register(Days())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spare each test what pytest-django makes ready for those that ask for it, before all."""
    for item in items:
        if isinstance(item, pytest.Function) and not _asks_django(item):
            item.fixturenames = [name for name in item.fixturenames if name not in _FOR_DJANGO]


def _asks_django(item: pytest.Function) -> bool:
    marked = any(map(item.get_closest_marker, ("django_db", "urls", "django_isolate_apps")))
    return marked or not {"live_server", "mailoutbox"}.isdisjoint(item.fixturenames)


_FOR_DJANGO = {
    *("_django_db_marker", "_django_isolate_apps", "_django_set_urlconf", "_django_setup_unittest"),
    *("_django_clear_site_cache", "_dj_autoclear_mailbox", "_live_server_helper"),
    "_template_string_if_invalid_marker",
}


def pytest_collection_finish() -> None:
    """Coverage has begun by now, and no server has."""
    tracing.leave_stand_in_untraced()
    _spare_the_collector()


def _spare_the_collector() -> None:
    """What is imported by now stays: it need not be gone through each time for what is garbage.

    The rest is gone through less often: trees of SQL and mocks are many parts, few in circles.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def _forget_developers_settings() -> None:
    """Also in this process, which read its settings before this file was loaded."""
    for name, text in unset_settings().items():
        setattr(settings, name, text)
    for name in PLAIN_HTTP:
        setattr(settings, name, False)
    # What is slow to guess a password from is slow to make: 0.3 s for each user and each login.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    forget_settings(os.environ)
    os.environ["DATABASE_URL"] = "postgresql://127.0.0.1:1/no_test_database_was_asked_for"
    # Else requests reads the whole environment twice for each request, and sends it to a proxy.
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = "127.0.0.1,localhost,googleapis.com"
    # google-auth looks for credentials at an address that only Google's own machines have.
    os.environ["NO_GCE_CHECK"] = "true"


def _refuse_remote_connections(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: these events come before Python's own sockets look a name up or connect."""
    if event == "socket.getaddrinfo" and not _is_local(arguments[0]):
        pytest.fail(f"a test looked up {arguments[0]}")
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
        if not _is_local(host):
            arguments[0].close()
            pytest.fail(f"a test tried to connect to {host}")


def _is_local(host: object) -> bool:
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen_to_interrupts() -> None:
    """A shell has what it starts with `&` ignore Ctrl-C, and so does whatever that starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# What is imported and collected stays: see `_spare_the_collector`.
gc.disable()
_forget_developers_settings()
_listen_to_interrupts()
# A hook and no fixture: it holds in every thread, and while the tests are collected.
sys.addaudithook(_refuse_remote_connections)


@pytest.fixture(scope="session")
def postgres() -> Iterator[RunningPostgres]:
    """PostgreSQL with a role that owns databases, and the connection's, which may read nothing.

    Nothing in it happens at a time of its own: how a query is planned does not depend on the hour.
    """
    server = start_postgres(autovacuum="off")
    try:
        create_role(server, user=OWNER, password=PASSWORDS[OWNER], may_create_databases=True)
        create_role(server, user=READER, password=PASSWORDS[READER])
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    postgres: RunningPostgres, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Puts Django's test database on the embedded server (a hook of pytest-django)."""
    settings.DATABASES["default"].update(
        HOST=str(postgres.folder),
        PORT=PORT,
        USER=OWNER,
        PASSWORD=PASSWORDS[OWNER],
        NAME=NAME,
    )


@pytest.fixture(scope="session")
def django_db_setup(
    postgres: RunningPostgres, django_db_setup: None, django_db_blocker: "DjangoDbBlocker"
) -> Iterator[None]:
    """Django's test database, in which the connection's role may read what the product prints."""
    from backend.tests.flushing import flushing_what_was_touched

    with ExitStack() as stack:
        # Else no test of this session is marked as one that takes Django's test database.
        if connection.settings_dict["NAME"] != NAME:
            with django_db_blocker.unblock():
                grant_printed_role(postgres)
                stack.enter_context(flushing_what_was_touched())
        yield


def grant_printed_role(postgres: RunningPostgres, role: str = READER, **options: str) -> None:
    """Run the script of `--print-role-sql` for the connection's role, or another."""
    from backend.localcloud.postgres.psql import run_script

    database, out = str(connection.settings_dict["NAME"]), StringIO()
    options = {"source_database": database, **options}
    call_command("bq_setup_etl", print_role_sql=True, stdout=out, **options)
    # Those of sessions that have ended count for a moment, longer on a busy machine.
    out.write('ALTER ROLE :"role" CONNECTION LIMIT -1;')
    run_script(postgres, out.getvalue(), database=database, role=role)


@pytest.fixture(scope="session")
def cloud_server(postgres: RunningPostgres) -> Iterator["LocalCloud"]:
    """The stand-in for Google Cloud, as the tests before left it: ask for `cloud` instead."""
    from backend.localcloud.server import LocalCloud
    from backend.tests.parsing import parsing_once

    server = LocalCloud(
        port=0,
        sql_instances={SQL_INSTANCE: postgres.address},
        secrets={"POSTGRES_USER": READER, "POSTGRES_PASSWORD": PASSWORDS[READER]},
    )
    with parsing_once(), server:
        _spare_the_collector()
        yield server


@pytest.fixture
def cloud(cloud_server: "LocalCloud") -> "LocalCloud":
    """The stand-in for Google Cloud, holding nothing but the two secrets."""
    cloud_server.reset()
    return cloud_server
