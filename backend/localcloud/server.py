"""LocalCloud: the stand-in as one object with two ports on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from backend.localcloud.clock import Clock
from backend.localcloud.connections import Connections
from backend.localcloud.http.call import Call
from backend.localcloud.http.faults import Faults
from backend.localcloud.http.gateway import Gateway, RecordedRequest
from backend.localcloud.http.names import Projects
from backend.localcloud.http.rpc import Service, by_path
from backend.localcloud.http.web import HOST, WebServer
from backend.localcloud.iam import Iam
from backend.localcloud.methods import connection_service, secret_service, transfer_service
from backend.localcloud.routes import table
from backend.localcloud.secrets import Secrets

if TYPE_CHECKING:
    from backend.localcloud.bigquery.front import BigQuery
    from backend.localcloud.grpc.server import GrpcServer
    from backend.localcloud.transfers.configs import Transfers


class LocalCloud:
    """Google Cloud's BigQuery, Connection, Data Transfer and Secret Manager APIs.

    REST has a port, and gRPC one of its own, for the services that have it: all but BigQuery.
    `sql_instances` maps `project:region:name` to a libpq URI; user and password in it are
    ignored, those come from the connection. Use it as a context manager, or start and stop it.
    """

    def __init__(
        self,
        port: int = 0,
        sql_instances: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        *,
        grpc_port: int = 0,
    ) -> None:
        self.port = port
        self.grpc_port = grpc_port
        self.sql_instances = dict(sql_instances or {})
        self.initial_secrets = dict(secrets or {})
        self.clock = Clock()
        self.projects = Projects()
        self.iam = Iam()
        self.gateway = Gateway(self.projects, self.iam)
        self.connections = Connections(self.projects, self.clock, self.iam)
        self.secrets = Secrets(self.projects, self.clock)
        self._add_initial_secrets()
        self._servers: tuple[WebServer, GrpcServer] | None = None

    bigquery: BigQuery
    transfers: Transfers

    def start(self) -> None:
        """Listen. Raises PortError, and ImportError without requirements-local.txt."""
        from backend.localcloud.grpc.server import GrpcServer

        with ExitStack() as listening:
            web = WebServer(self.port, self.gateway.answer)
            listening.callback(web.socket.close)
            grpc = GrpcServer(self.grpc_port, self.gateway.answer)
            listening.callback(grpc.socket.close)
            self.port, self.grpc_port = web.port, grpc.port
            services = self._compose()
            listening.pop_all()
        self.transfers.start()
        web.start()
        grpc.start(by_path(services))
        self._servers = web, grpc

    def stop(self) -> None:
        """End every query, thread and connection."""
        if self._servers is None:
            return
        web, grpc = self._servers
        # First: a request that hangs has to end before those that are being answered are given up.
        self.faults.clear()
        web.refuse()
        grpc.stop()
        self.transfers.stop()
        self.bigquery.runner.stop_jobs()
        web.stop()
        self.bigquery.stop()
        self._servers = None

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

    @property
    def grpc_endpoint(self) -> str:
        return f"{HOST}:{self.grpc_port}"

    def reset(self) -> None:
        """Everything as after the start; running queries are ended."""
        self.faults.clear()
        self.transfers.reset()
        self.bigquery.reset()
        self.connections.items.clear()
        self.connections.grant_seconds = 0
        self.iam.reset()
        self.secrets.items.clear()
        self._add_initial_secrets()
        self.projects.ids.clear()
        self.clock.set(None)
        self.gateway.reset()

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests that were answered, oldest first."""
        return self.gateway.requests

    @property
    def writes(self) -> list[RecordedRequest]:
        """The requests that can have changed something."""
        return [request for request in self.requests if request.writes]

    @property
    def watchers(self) -> list[Callable[[Call, bool], None]]:
        """What is called before and after each request, in its thread."""
        return self.gateway.watchers

    @property
    def faults(self) -> Faults:
        """What is to go wrong."""
        return self.gateway.faults

    def add_secret_version(self, name: str, value: str) -> int:
        return self.secrets.add_version(name, value)

    def disable_secret_version(self, name: str, number: int) -> None:
        self.secrets.disable_version(name, number)

    def disable_api(self, service: str) -> None:
        """Answer every request to a service, such as bigquery.googleapis.com, with its 403."""
        self.gateway.disabled.add(service)

    def enable_api(self, service: str) -> None:
        self.gateway.disabled.discard(service)

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

    def _compose(self) -> tuple[Service, ...]:
        """Put the services together; bqemulator is imported here, not in production."""
        _silence()
        from backend.localcloud.bigquery.federation import Federation
        from backend.localcloud.bigquery.front import BigQuery
        from backend.localcloud.bqemulator.emulator import Emulator
        from backend.localcloud.transfers.configs import Transfers

        federation = Federation(self.sql_instances, self.connections)
        self.bigquery = bigquery = BigQuery(Emulator(self.clock), federation, self.projects)
        self.transfers = Transfers(
            bigquery.runner, bigquery.datasets.location, self.projects, self.clock
        )
        services = (
            connection_service(self.connections),
            transfer_service(self.transfers),
            secret_service(self.secrets),
        )
        self.gateway.routes = table(bigquery, services, self.endpoint)
        return services

    def _add_initial_secrets(self) -> None:
        for name, value in self.initial_secrets.items():
            self.secrets.add_version(name, value)


def _silence() -> None:
    """Keep bqemulator and sqlglot from printing; bqemulator logs while it is imported."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
