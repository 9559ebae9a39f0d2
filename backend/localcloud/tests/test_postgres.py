import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import dj_database_url
import psycopg2
import pytest
from django.conf import settings
from psycopg2 import sql

from backend.localcloud.postgres import server as embedded
from backend.localcloud.postgres.server import (
    LocalPostgresError,
    RunningPostgres,
    admin_cursor,
    create_database,
    create_role,
    start_postgres,
)

# Each of these means something in a URI.
AWKWARD = "a b:/@%?#'\"é"


@pytest.fixture
def start() -> Iterator[Callable[[], RunningPostgres]]:
    """Starts servers of the test's own, and stops what it leaves running."""
    started: list[RunningPostgres] = []

    def start() -> RunningPostgres:
        started.append(start_postgres())
        return started[-1]

    yield start
    for server in started:
        server.stop()


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _refuses_connections(server: RunningPostgres) -> bool:
    try:
        psycopg2.connect(server.admin_uri).close()
    except psycopg2.OperationalError:
        return True
    return False


def test_uri__is_understood_by_libpq(postgres: RunningPostgres) -> None:
    create_role(postgres, user=AWKWARD, password=AWKWARD)
    try:
        create_database(postgres, name=AWKWARD, owner=AWKWARD)
        uri = postgres.uri(user=AWKWARD, password=AWKWARD, database=AWKWARD)
        with closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_user, current_database()")
            assert cursor.fetchone() == (AWKWARD, AWKWARD)
    finally:
        name = sql.Identifier(AWKWARD)
        with admin_cursor(postgres) as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            cursor.execute(sql.SQL("DROP ROLE {}").format(name))


def test_uri__is_understood_as_database_url(postgres: RunningPostgres) -> None:
    parsed = dj_database_url.parse(postgres.uri(user=AWKWARD, password=AWKWARD, database=AWKWARD))
    assert {key: parsed.get(key) for key in ("HOST", "PORT", "USER", "PASSWORD", "NAME")} == {
        "HOST": str(postgres.folder),
        "PORT": embedded.PORT,
        "USER": AWKWARD,
        "PASSWORD": AWKWARD,
        "NAME": AWKWARD,
    }


def test_address__has_no_login(postgres: RunningPostgres) -> None:
    with closing(
        psycopg2.connect(
            postgres.address,
            user=embedded.SUPERUSER,
            password=postgres.superuser_password,
            dbname="postgres",
        )
    ):
        assert "@" not in postgres.address


@pytest.mark.parametrize("user", ["postgres", "backend", "bigquery", "nobody-of-that-name"])
@pytest.mark.parametrize("password", ["wrong", ""])
def test_login__wrong_password_is_refused(
    postgres: RunningPostgres, user: str, password: str
) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(postgres.uri(user=user, password=password, database="postgres"))


def test_server__shows_no_password(postgres: RunningPostgres) -> None:
    assert postgres.superuser_password not in repr(postgres)


@pytest.mark.parametrize(("name", "value"), [("fsync", "off"), ("listen_addresses", "")])
def test_server__is_throw_away_and_local(postgres: RunningPostgres, name: str, value: str) -> None:
    with admin_cursor(postgres) as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        assert cursor.fetchone() == (value,)


def test_server__is_not_in_utc(postgres: RunningPostgres) -> None:
    """What counts days without naming a time zone is to go wrong in the tests already."""
    with admin_cursor(postgres) as cursor:
        cursor.execute("SELECT extract(timezone FROM now())")
        assert cursor.fetchone() == (-4 * 3600,)


def test_start__works_whatever_libpq_is_told_and_stop_leaves_nothing(
    start: Callable[[], RunningPostgres], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    # Too long for the path of a socket.
    long = tmp_path / ("deep" * 25)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    server = start()
    assert not _refuses_connections(server)
    server.stop()
    server.stop()
    assert server.keeper.returncode == 0
    assert not server.folder.exists()
    assert _refuses_connections(server)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as somebody else")
def test_start__works_where_only_root_may_read(
    start: Callable[[], RunningPostgres], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = embedded.installed_package()
    for folder in (installed, installed.with_name(f"{installed.name}.libs")):
        shutil.copytree(folder, tmp_path / folder.name, symlinks=True)
    tmp_path.chmod(stat.S_IRWXU)
    monkeypatch.setattr(embedded, "installed_package", lambda: tmp_path / installed.name)
    assert not _refuses_connections(start())
    assert stat.S_IMODE(tmp_path.stat().st_mode) == stat.S_IRWXU


def test_start__without_the_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LocalPostgresError, match=r"pip install -r requirements-local\.txt"):
        start_postgres()


def test_start__failure_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = embedded._make_folder()
    monkeypatch.setattr(embedded, "_make_folder", lambda: folder)
    monkeypatch.setitem(embedded._SERVER_SETTINGS, "max_connections", "none")
    with pytest.raises(LocalPostgresError, match=r"did not start: .*max_connections"):
        start_postgres()
    assert not folder.exists()


@pytest.mark.parametrize("said", ["seq 20000", "seq -s - 20000"], ids=["many lines", "one line"])
def test_start__failure_may_be_told_at_any_length(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str
) -> None:
    """More than a pipe holds, and nobody reads before the keeper has ended."""
    binaries = tmp_path / "pginstall" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "postgres").touch()
    (binaries / "initdb").write_text(f"#!/bin/sh\n{said} >&2\necho the end >&2\nexit 1\n")
    (binaries / "initdb").chmod(0o755)
    monkeypatch.setattr(embedded, "installed_package", lambda: tmp_path)
    with pytest.raises(LocalPostgresError, match=r"did not start: [\s\S]{,4000}the end\Z"):
        start_postgres()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_server__does_not_outlive_the_process_that_started_it(number: signal.Signals) -> None:
    program = (
        "import signal\n"
        "from backend.localcloud.postgres.server import start_postgres\n"
        "server = start_postgres()\n"
        "print(server.folder, flush=True)\n"
        "signal.pause()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert folder.is_dir()
        process.send_signal(number)
    # The keeper removes the folder last.
    _await(lambda: not folder.exists())
