"""Between the wire and the services: what happens to every request, whoever answers it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from backend.localcloud.http.call import Call
from backend.localcloud.http.errors import (
    AccessDenied,
    CloudError,
    MissingPermission,
    NotDone,
    ServiceDisabled,
)
from backend.localcloud.http.faults import Broken, Fault, Faults
from backend.localcloud.http.names import Projects
from backend.localcloud.http.routes import Route, find
from backend.localcloud.iam import Iam

KEPT_REQUESTS = 2000
LARGEST_RECORDED = 256 * 1024
CREDENTIALS = {"password", "data"}


@dataclass(frozen=True)
class RecordedRequest:
    """A request that was answered; credentials in its body are replaced by `***`.

    Of a large body only its size is here.

    One that came over gRPC, its `transport`, is told as the same request over REST. `status` is 0
    for one that a `fault` left without an answer.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int
    writes: bool = False
    fault: Fault | None = None
    transport: str = "rest"


class Gateway:
    """Hands requests to the services, refuses those of disabled APIs, and records the newest.

    `watchers` are called twice for each request, in its thread: before it does anything (then
    False), and when it is done and not yet answered (True). `faults` holds what is to go wrong.
    """

    def __init__(self, projects: Projects, iam: Iam) -> None:
        self.projects = projects
        self.iam = iam
        self.routes: list[Route] = []
        self.requests: list[RecordedRequest] = []
        self.watchers: list[Callable[[Call, bool], None]] = []
        self.disabled: set[str] = set()
        self.faults = Faults()

    def reset(self) -> None:
        self.watchers.clear()
        self.faults.clear()
        self.disabled.clear()
        self.requests.clear()

    def answer(self, call: Call) -> tuple[int, Any]:
        """Status and JSON of the answer to a request; records it."""
        self._tell_watchers(call, done=False)
        fault = self.faults.take(call)
        try:
            result = self._fail(call, fault) if fault else self._dispatch(call)
            status = result.status if isinstance(result, Broken) else 200
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
        return self.faults.reply(fault, route.service, self.projects.number(call.project), result)

    def _tell_watchers(self, call: Call, *, done: bool) -> None:
        for watcher in list(self.watchers):
            watcher(call, done)

    def _dispatch(self, call: Call) -> Any:
        route = find(self.routes, call)
        self._resolve_number(call)
        self._refuse_disabled(route, call)
        self._refuse_forbidden(route, call)
        call.read_body()
        return route.handler(call)

    def _resolve_number(self, call: Call) -> None:
        """BigQuery's paths name a project by either; the other services' names are read as such."""
        if "project" in call.params:
            call.params["project"] = self.projects.resolve(call.params["project"])

    def _refuse_disabled(self, route: Route, call: Call) -> None:
        project = self.projects.resolve(call.project) if call.project else ""
        if route.service in self.disabled:
            raise ServiceDisabled(route.service, self.projects.number(project))

    def _refuse_forbidden(self, route: Route, call: Call) -> None:
        parts = [part for value in call.params.values() for part in value.split("/")]
        if route.permission and not self.iam.allows(self.iam.caller, route.permission, *parts):
            raise _denied(route.permission, call.params)

    def _record(self, call: Call, status: int, fault: Fault | None) -> None:
        large = len(call.raw) > LARGEST_RECORDED
        body = f"{len(call.raw)} bytes" if large else _without_credentials(call.sent)
        query = dict(call.query)
        seen = (call.method, call.path, query, body, status, call.writes, fault, call.transport)
        self.requests.append(RecordedRequest(*seen))
        del self.requests[:-KEPT_REQUESTS]


def _denied(permission: str, params: dict[str, str]) -> CloudError:
    """What the service says to somebody who lacks a permission: BigQuery's words are its own."""
    if "project" not in params:
        return MissingPermission(permission)
    project, dataset, table = (params.get(name, "") for name in ("project", "dataset", "table"))
    if not dataset:
        problem = f"User does not have {permission} permission in project {project}."
        return AccessDenied(f"Project {project}", problem)
    kind, name = (
        ("Table", f"{project}:{dataset}.{table}") if table else ("Dataset", f"{project}:{dataset}")
    )
    return AccessDenied(
        f"{kind} {name}",
        f"Permission {permission} denied on {kind.lower()} {name} (or it may not exist).",
    )


def _without_credentials(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: "***" if k in CREDENTIALS and isinstance(v, str) else _without_credentials(v)
            for k, v in value.items()
        }
    return [_without_credentials(item) for item in value] if isinstance(value, list) else value
