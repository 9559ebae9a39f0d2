"""LocalCloud: the stand-in as one object with one port on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from backend.localcloud.clock import Clock
from backend.localcloud.connections import Connections
from backend.localcloud.http.broken_replies import WireReply
from backend.localcloud.http.errors import CloudError, NotDone, ServiceDisabled
from backend.localcloud.http.faults import Fault, Faults
from backend.localcloud.http.names import Projects
from backend.localcloud.http.routes import Call, Route, find, table
from backend.localcloud.http.web import HOST, WebServer
from backend.localcloud.secrets import Secrets

if TYPE_CHECKING:
    from backend.localcloud.bigquery.front import BigQuery
    from backend.localcloud.transfers.configs import Transfers

CREDENTIALS = {"password", "data"}


@dataclass(frozen=True)
class RecordedRequest:
    """A request that was answered; credentials in its body are replaced by `***`.

    `status` is 0 for one that a `fault` left without an answer.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int
    writes: bool = False
    fault: Fault | None = None


class LocalCloud:
    """Google Cloud's BigQuery, Connection, Data Transfer and Secret Manager APIs on one port.

    `sql_instances` maps `project:region:name` to a libpq URI; user and password in it are
    ignored, those come from the connection. Use it as a context manager, or start and stop it.
    `watchers` are called twice for each request, in its thread: before it does anything (then
    False), and when it is done and not yet answered (True). `faults` holds what is to go wrong.
    """

    def __init__(
        self,
        port: int = 0,
        sql_instances: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self.sql_instances = dict(sql_instances or {})
        self.initial_secrets = dict(secrets or {})
        self.requests: list[RecordedRequest] = []
        self.watchers: list[Callable[[Call, bool], None]] = []
        self.disabled: set[str] = set()
        self.faults = Faults()
        self.clock = Clock()
        self.projects = Projects()
        self.connections = Connections(self.projects, self.clock)
        self.secrets = Secrets(self.projects, self.clock)
        self._add_initial_secrets()
        self._web: WebServer | None = None

    bigquery: BigQuery
    transfers: Transfers
    routes: list[Route]

    def start(self) -> None:
        """Listen; OSError where the port is taken, ImportError without bqemulator."""
        web = WebServer(self.port, self.answer)
        self.port = web.port
        try:
            self._compose()
        except BaseException:
            web.socket.close()
            raise
        self.transfers.start()
        web.start()
        self._web = web

    def stop(self) -> None:
        """End every query, thread and connection."""
        if self._web is None:
            return
        self._web.refuse()
        self.faults.clear()
        self.transfers.stop()
        self.bigquery.runner.stop_jobs()
        self._web.stop()
        self.bigquery.stop()
        self._web = None

    def __enter__(self) -> LocalCloud:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def reset(self) -> None:
        """Everything as after the start; running queries are ended."""
        self.faults.clear()
        self.transfers.reset()
        self.bigquery.reset()
        self.connections.items.clear()
        self.secrets.items.clear()
        self._add_initial_secrets()
        self.disabled.clear()
        self.projects.ids.clear()
        self.clock.set(None)
        self.requests.clear()

    @property
    def writes(self) -> list[RecordedRequest]:
        """The requests that can have changed something."""
        return [request for request in self.requests if request.writes]

    def add_secret_version(self, name: str, value: str) -> int:
        return self.secrets.add_version(name, value)

    def disable_secret_version(self, name: str, number: int) -> None:
        self.secrets.disable_version(name, number)

    def disable_api(self, service: str) -> None:
        """Answer every request to a service, such as bigquery.googleapis.com, with its 403."""
        self.disabled.add(service)

    def enable_api(self, service: str) -> None:
        self.disabled.discard(service)

    def wait_for_runs(self, timeout: float | timedelta = 30) -> None:
        """Block until no run is PENDING or RUNNING; TimeoutError after `timeout` seconds."""
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        self.transfers.wait_for_runs(seconds)

    def query(
        self, sql: str, project: str | None = None, location: str | None = None
    ) -> list[dict[str, Any]]:
        """The rows of a query as plain values; not recorded as a request.

        It runs in the first project that was named since the last reset.
        """
        first = next(iter(self.projects.ids.values()), "demo")
        return self.bigquery.fetch(sql, project or first, location)

    def answer(self, call: Call) -> tuple[int, Any]:
        """Status and JSON of the answer to a request; records it."""
        self._tell_watchers(call, done=False)
        fault = self.faults.take(call)
        try:
            result = self._fail(call, fault) if fault else self._dispatch(call)
            status = result.status if isinstance(result, WireReply) else 200
        except CloudError as error:
            status, result = error.code, error.to_json()
        except Exception as error:
            logging.getLogger(__name__).exception("%s %s", call.method, call.path)
            failure = NotDone(f"{call.method} {call.path}: it fails with {error!r}")
            status, result = failure.code, failure.to_json()
        self._record(call, status, fault)
        self._tell_watchers(call, done=True)
        return status, result

    def _fail(self, call: Call, fault: Fault) -> Any:
        """What is answered to a request that meets a fault, after its effect or without any."""
        route, result = find(self.routes, call), {}
        if fault.after_effect:
            with suppress(CloudError):
                result = self._dispatch(call)
        else:
            call.read_body()
            call.writes = False
        return self.faults.reply(fault, route.service, self.projects.number(_project(call)), result)

    def _tell_watchers(self, call: Call, *, done: bool) -> None:
        for watcher in list(self.watchers):
            watcher(call, done)

    def _dispatch(self, call: Call) -> Any:
        route = find(self.routes, call)
        self._refuse_disabled(route, call)
        call.read_body()
        return route.handler(call)

    def _refuse_disabled(self, route: Route, call: Call) -> None:
        project = _project(call)
        if project:
            project = self.projects.resolve(project)
        if route.service in self.disabled:
            raise ServiceDisabled(route.service, self.projects.number(project))

    def _record(self, call: Call, status: int, fault: Fault | None) -> None:
        body = _without_credentials(call.sent)
        query = dict(call.query)
        self.requests.append(
            RecordedRequest(call.method, call.path, query, body, status, call.writes, fault)
        )

    def _compose(self) -> None:
        """Put the services together; bqemulator is imported here, not in production."""
        _silence()
        from backend.localcloud.bigquery.federation import Federation
        from backend.localcloud.bigquery.front import BigQuery
        from backend.localcloud.bqemulator.emulator import Emulator
        from backend.localcloud.transfers.configs import Transfers

        federation = Federation(self.sql_instances, self.connections)
        self.bigquery = BigQuery(Emulator(), federation, self.projects)
        self.transfers = Transfers(self.bigquery, self.projects, self.clock)
        self.routes = table(self)

    def _add_initial_secrets(self) -> None:
        for name, value in self.initial_secrets.items():
            self.secrets.add_version(name, value)


def _project(call: Call) -> str:
    """The project of a request, by id or number; empty for one that names none."""
    names = [value.split("/")[1] for value in call.params.values() if value.startswith("projects/")]
    return names[-1] if names else call.params.get("project", "")


def _without_credentials(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: "***" if k in CREDENTIALS and isinstance(v, str) else _without_credentials(v)
            for k, v in value.items()
        }
    return [_without_credentials(item) for item in value] if isinstance(value, list) else value


def _silence() -> None:
    """Keep bqemulator and sqlglot from printing; bqemulator logs while it is imported."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
