"""bqemulator, composed and called in process: no port, no thread of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
from bqemulator.api.app import create_app
from bqemulator.api.dependencies import AppContext
from bqemulator.config import Settings
from bqemulator.domain.clock import SystemClock
from bqemulator.domain.events import EventBus
from bqemulator.jobs import executor
from bqemulator.jobs.upload_session_manager import UploadSessionManager
from bqemulator.observability.metrics import MetricsRegistry
from bqemulator.row_access.policy import RowAccessPolicyManager
from bqemulator.storage.engine import SNAPSHOTS_SCHEMA
from bqemulator.udf.runtime import UDFRegistry

from backend.localcloud.bqemulator import loops
from backend.localcloud.bqemulator.engine import Engine, Work, current
from backend.localcloud.bqemulator.errors import cloud_errors
from backend.localcloud.bqemulator.interpreter import explain, install
from backend.localcloud.bqemulator.memory import Key, forget_jobs, result_bytes
from backend.localcloud.bqemulator.steady import Repository
from backend.localcloud.bqemulator.time_travel import DEFAULT_HOURS, Snapshots
from backend.localcloud.clock import Clock


@dataclass
class Answer:
    """What bqemulator answered: status, headers and body."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


class Emulator:
    """BigQuery itself, without a port: call it with a request, or with SQL.

    `travel_hours` tells how far back a dataset's tables can be read; the past is counted by `now`.
    """

    def __init__(self, now: Clock | None = None) -> None:
        install()
        loops.install()
        self.loops = loops.Loops()
        self.now = now or Clock()
        self.travel_hours: Callable[[str, str], int] = lambda project, dataset: DEFAULT_HOURS
        self.settings = Settings(metrics_enabled=False)
        self.engine = Engine(self.settings)
        self.loops.run(self.engine.start())
        self.active: dict[duckdb.DuckDBPyConnection, str] = {}
        self.app: Any = None
        self._compose()

    def _compose(self) -> None:
        """Put bqemulator's parts together around an empty catalog, as its server does."""
        clock, events = SystemClock(), EventBus()
        catalog = Repository(self.engine)
        self.context = AppContext(
            settings=self.settings,
            clock=clock,
            engine=self.engine,
            catalog=catalog,
            metrics=MetricsRegistry(),
            events=events,
            udf_registry=UDFRegistry(self.settings),
            snapshots=Snapshots(
                engine=self.engine,
                catalog=catalog,
                clock=self.now,
                events=events,
                hours=lambda project, dataset: self.travel_hours(project, dataset),
            ),
            row_access=RowAccessPolicyManager(catalog=catalog, clock=clock),
            upload_sessions=UploadSessionManager(
                staging_dir=None, max_bytes=100_000_000, ttl_seconds=3600, clock=clock
            ),
        )
        if self.app is None:
            self.app = create_app(self.context)
            # What is in front of the routes logs and counts requests, which nobody looks at.
            self.app.user_middleware.clear()
        self.app.state.context = self.context

    @property
    def catalog(self) -> Any:
        return self.context.catalog

    def reset(self) -> None:
        """Forget every dataset and job; much faster than starting again."""
        self.interrupt()
        with self.engine.turn:
            root = self.engine._connection
            assert root is not None  # noqa: S101 (started in __init__)
            rows = root.execute(
                "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database() "
                "AND NOT internal AND schema_name LIKE '%\\_\\_%' ESCAPE '\\'"
            ).fetchall()
            for (schema,) in [*rows, (SNAPSHOTS_SCHEMA,)]:
                root.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
            root.execute(f'CREATE SCHEMA "{SNAPSHOTS_SCHEMA}"')
            executor.JOB_RESULTS.clear()
            executor.JOB_SCHEMAS.clear()
            self._compose()

    def interrupt(self, job: str = "") -> None:
        """Stop the statements of a job, or all."""
        for cursor, owner in list(self.active.items()):
            if job and owner != job:
                continue
            with contextlib.suppress(duckdb.Error):
                cursor.interrupt()

    def stop(self) -> None:
        self.interrupt()
        self.loops.run(self.engine.stop())
        self.loops.close()

    @contextlib.contextmanager
    def work(self, **hooks: Any) -> Iterator[Work]:
        """A context with a cursor of its own, for whatever bqemulator runs in it."""
        work = Work(self.engine.cursor(), self.engine.guard.functions, **hooks)
        token = current.set(work)
        self.active[work.cursor] = work.job
        try:
            yield work
        finally:
            del self.active[work.cursor]
            current.reset(token)
            work.cursor.close()

    def call(
        self, method: str, path: str, query: str = "", body: bytes = b"", **hooks: Any
    ) -> Answer:
        """Answer one request, in this thread."""
        with self.work(**hooks):
            return self.loops.run(self._answer(method, path, query, body))

    def explain(self, project: str, sql: str, **hooks: Any) -> None:
        """Check one statement without running it; CloudError says what is wrong with it."""
        with cloud_errors(), self.work(**hooks):
            self.loops.run(explain(self.context, project, sql))

    async def _answer(self, method: str, path: str, query: str, body: bytes) -> Answer:
        answer = Answer(500)
        sent = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> dict[str, Any]:
            return next(sent, {"type": "http.disconnect"})

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], message.get("headers", [])
            else:
                answer.body += message.get("body", b"")

        await self.app(_scope(method, path, query), receive, send)
        return answer

    def remember(self, reference: tuple[str, str, str]) -> None:
        """Copy a table as it is now, for FOR SYSTEM_TIME AS OF."""
        with self.work(), self.engine.turn:
            self.context.snapshots.capture(*reference)

    def job_rows(self, job: str) -> list[dict[str, Any]]:
        """What a finished job selected."""
        rows: list[dict[str, Any]] = executor.JOB_RESULTS[job].to_pylist()
        return rows

    def job_bytes(self, job: str) -> int:
        """How much memory a finished job's rows take."""
        return result_bytes(job)

    def forget_jobs(self, gone: Iterable[Key], kept: Callable[[], Collection[Key]]) -> None:
        """Forget jobs by (project, id): those gone, and all but the newest few not kept."""
        forget_jobs(self.catalog, gone, kept)

    def rows(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of DuckDB's own SQL."""
        with self.work():
            cursor = self.engine.execute(sql, parameters or [])
            return cursor.fetchall() if cursor.description else []


def _scope(method: str, path: str, query: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"host", b"localhost")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
