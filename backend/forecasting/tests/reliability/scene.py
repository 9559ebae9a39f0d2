"""A pipeline on the stand-in, and what can be seen of it without asking the product."""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.test import override_settings
from psycopg2 import sql

from backend.conftest import PASSWORDS, READER
from backend.demo.environment import setting_names
from backend.demo.history import History, write_history
from backend.forecasting.tests.oracles.expected import Row, assert_same_rows, expected_rows
from backend.forecasting.tests.reliability.processes import holds_soon, run_all
from backend.forecasting.tests.support.concurrent_runs import Ended
from backend.forecasting.tests.support.healthy import write_dense_history
from backend.forecasting.tests.support.loading import TABLE
from backend.forecasting.tests.support.stand_in import command_environment, pipeline_settings
from backend.forecasting.training_table import COLUMNS
from backend.localcloud.http.errors import NotFound
from backend.localcloud.postgres.server import RunningPostgres, admin_cursor

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

WINDOW_DAYS = 90
UNDISTURBED = (("bq_setup",), ("bq_setup_etl", "--run-now"), ("bq_verify",))
_NAMES = ", ".join(column.name for column in COLUMNS)

Key = tuple[str, date]
Fault = tuple[str, str]
"""What kind it is of (`tally.FAULTS`), and what was seen."""


@dataclass(frozen=True, eq=False)
class Scene:
    """The stand-in, its PostgreSQL, and the environment in which commands find both."""

    cloud: "LocalCloud"
    postgres: RunningPostgres

    def environment(self, *, with_database: bool = True) -> dict[str, str]:
        """For a command's process; without the database it takes no lock."""
        where = command_environment(self.cloud, self.postgres, with_database=with_database)
        return {**os.environ, **dict.fromkeys(setting_names(), ""), **where}

    def reset(self) -> None:
        """Nothing in the stand-in but the secrets, and the password that is in them."""
        self.cloud.reset()
        self.set_password(PASSWORDS[READER])

    def set_password(self, password: str) -> None:
        """That of the connection's user, in PostgreSQL; nobody tells the secret."""
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
        with admin_cursor(self.postgres) as cursor:
            cursor.execute(statement.format(sql.Identifier(READER), sql.Literal(password)))

    def rotate_password(self) -> None:
        """A new one in PostgreSQL, then in a new version of the secret."""
        password = secrets.token_urlsafe(12)
        self.set_password(password)
        self.cloud.add_secret_version("POSTGRES_PASSWORD", password)

    def rows(self) -> list[tuple[Any, ...]] | None:
        """The training table, all of it and in order; None where there is none."""
        try:
            found = self.cloud.query(f"SELECT {_NAMES} FROM `{TABLE}`", "demo-project")
        except NotFound:
            return None
        return sorted((tuple(row.values()) for row in found), key=str)

    def resources(self) -> dict[str, int]:
        """How many there are of each kind."""
        store = self.cloud.bigquery.store
        datasets = [meta.dataset_id for meta in store.list_datasets("demo-project")]
        tables = [table for name in datasets for table in store.list_tables("demo-project", name)]
        return {
            "dataset": len(datasets),
            "table": len(tables),
            "connection": len(self.cloud.connections.items),
            "scheduled query": len(self.cloud.transfers.items),
        }

    def sessions(self) -> set[int]:
        """The processes of PostgreSQL that serve the source database, but for this thread's."""
        with connection.cursor() as own:
            own.execute("SELECT pg_backend_pid()")
            (mine,) = own.fetchone()
        with admin_cursor(self.postgres) as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> %s "
                "AND backend_type = 'client backend'",
                [connection.settings_dict["NAME"], mine],
            )
            return {pid for (pid,) in cursor.fetchall()}

    def locks(self) -> int:
        """How many advisory locks are held or waited for."""
        with admin_cursor(self.postgres) as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            (count,) = cursor.fetchone() or (0,)
            return int(count)

    def leaks(self, sessions_before: set[int]) -> list[Fault]:
        """Locks and sessions that stay, although nobody runs any more."""
        found = []
        if not holds_soon(lambda: self.locks() == 0):
            found.append(("leaks", "an advisory lock is still held"))
        if not holds_soon(lambda: self.sessions() <= sessions_before):
            found.append(("leaks", "a session of PostgreSQL is still open"))
        return found


@contextmanager
def build_scene(
    cloud: "LocalCloud",
    postgres: RunningPostgres,
    fill: Callable[[], None] = write_dense_history,
) -> Iterator[Scene]:
    """Yields it with a history in PostgreSQL and nothing in the stand-in but the secrets."""
    scene = Scene(cloud, postgres)
    scene.reset()
    with override_settings(**pipeline_settings(cloud)):
        write_history(History(), replace=True)
        fill()
        try:
            yield scene
        finally:
            scene.set_password(PASSWORDS[READER])
            write_history(History(), replace=True)


def expected_now() -> dict[Key, Row]:
    """What a load would bring if it began now."""
    today = datetime.now(UTC).date()
    return expected_rows(today - timedelta(days=WINDOW_DAYS), today)


def judge_rows(rows: Sequence[tuple[Any, ...]] | None, wanted: dict[Key, Row]) -> list[Fault]:
    """What is wrong with the rows of a table."""
    found = {(row[0], row[1].date()): row[2:] for row in rows or []}
    faults = [("duplicates", "an entity and day")] * (len(rows or []) - len(found))
    try:
        assert_same_rows(found, wanted)
    except AssertionError:
        faults.append(("losses", f"rows are missing or wrong: {len(found)} of {len(wanted)}"))
    return faults


def judge_ends(ended: Sequence[Ended], commands: Sequence[Sequence[str]]) -> list[Fault]:
    """What is wrong with how commands ended that should all have ended well."""
    faults = [("losses", f"{e.arguments} exits {e.status}: {e.said}") for e in ended if e.status]
    faults += [("tracebacks", e.said) for e in ended if "Traceback" in e.said]
    missing = commands[len(ended) :]
    return [*faults, *(("hangs", f"{arguments} did not end") for arguments in missing[:1])]


def judge_resources(counts: dict[str, int]) -> list[Fault]:
    """What is wrong where there should be exactly one of each."""
    faults = [("losses", f"no {kind}") for kind, count in counts.items() if count == 0]
    return faults + [("duplicates", kind) for kind, n in counts.items() for _ in range(n - 1)]


def judge_rest(
    rows: Sequence[tuple[Any, ...]] | None,
    old: Sequence[tuple[Any, ...]] | None,
    wanted: dict[Key, Row],
) -> list[Fault]:
    """What is wrong where the rows should be all the old ones or all the new ones."""
    if (rows or []) == (old or []) or not judge_rows(rows, wanted):
        return []
    return [("losses", f"{len(rows or [])} rows are neither the old nor the new ones")]


def converge(scene: Scene) -> list[Fault]:
    """Runs the three commands undisturbed; what is wrong with what they leave."""
    ended = run_all(scene.environment(), UNDISTURBED)
    return [
        *judge_ends(ended, UNDISTURBED),
        *judge_resources(scene.resources()),
        *judge_rows(scene.rows(), expected_now()),
    ]
