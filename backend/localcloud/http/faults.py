"""What a test lets go wrong: which request, how, and before or after it took effect."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from backend.localcloud.http.call import Call
from backend.localcloud.http.errors import (
    SERVICE_TITLES,
    AlreadyExists,
    BillingDisabled,
    CloudError,
    ConditionNotMet,
    MissingPermission,
    NotConfigured,
    NotFound,
    ServiceDisabled,
)


class Kind(StrEnum):
    """What goes wrong with a request."""

    TOO_MANY_REQUESTS = "429"
    INTERNAL = "500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT = "504"
    RESET = "reset"
    HANG = "hang"
    TRUNCATED = "truncated"
    HTML = "html"
    SERVICE_DISABLED = "403 SERVICE_DISABLED"
    PERMISSION_DENIED = "403 IAM_PERMISSION_DENIED"
    BILLING_DISABLED = "403 BILLING_DISABLED"
    LEGACY = "403 legacy"
    NOT_FOUND = "404"
    CONFLICT = "409"
    PRECONDITION = "412"
    ABORTED = "ABORTED"
    CANCELLED = "CANCELLED"
    DATA_LOSS = "DATA_LOSS"
    UNKNOWN = "UNKNOWN"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    GOAWAY = "GOAWAY"
    OVERSIZED = "5 MiB"
    GARBLED = "no protobuf"
    EMPTY = "empty"


_OF_REST_ALONE = {Kind.BAD_GATEWAY, Kind.LEGACY}
_OF_GRPC_ALONE = {
    *(Kind.ABORTED, Kind.CANCELLED, Kind.DATA_LOSS, Kind.UNKNOWN, Kind.UNAUTHENTICATED),
    *(Kind.GOAWAY, Kind.OVERSIZED, Kind.GARBLED),
}


def kinds(transport: str) -> list[Kind]:
    """What can go wrong over `rest`, or over `grpc`."""
    foreign = _OF_GRPC_ALONE if transport == "rest" else _OF_REST_ALONE
    return [kind for kind in Kind if kind not in foreign]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The `nth` request with this method, empty for any, and path fails, and `times` in all.

    `path` is a regular expression, searched in the path without its query. With `after_effect` the
    request does what it is for, and its reply is lost; without, it does nothing.
    """

    kind: Kind
    method: str = ""
    path: str = ""
    nth: int = 1
    times: float = 1
    after_effect: bool = False

    def matches(self, method: str, path: str) -> bool:
        return method.startswith(self.method) and re.search(self.path, path) is not None


EVERY_TIME = math.inf

STATUS_ON_THE_WIRE = {
    **dict.fromkeys((Kind.RESET, Kind.HANG, Kind.GOAWAY), 0),
    **dict.fromkeys((Kind.TRUNCATED, Kind.OVERSIZED, Kind.GARBLED, Kind.EMPTY), 200),
    Kind.HTML: 502,
}
"""What is wrong with the wire and not with what is said on it, with its status; 0: none is sent."""


@dataclass(frozen=True, eq=False)
class Broken:
    """A reply that goes wrong on the wire: each transport has its own way to send it.

    `result` is what it should have said; one that hangs does so until it is released.
    """

    kind: Kind
    result: Any
    after_effect: bool
    released: Future[None] = field(default_factory=Future)

    @property
    def status(self) -> int:
        return STATUS_ON_THE_WIRE[self.kind]

    def release(self) -> None:
        """Let go of it, from any thread."""
        with suppress(InvalidStateError):  # Somebody else has, or whoever waited has gone.
            self.released.set_result(None)


class Faults:
    """The faults that are planned; with none, requests are answered as if this was not here."""

    def __init__(self) -> None:
        self._planned: list[tuple[Fault, list[int]]] = []
        self._broken: list[Broken] = []
        self._turn = threading.Lock()
        self.hits: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Plan a fault; requests count from now on."""
        with self._turn:
            self._planned.append((fault, [0]))

    def clear(self) -> None:
        """Plan nothing, and let go of every request that hangs."""
        with self._turn:
            self._planned.clear()
            self.hits.clear()
            broken, self._broken = self._broken, []
        for reply in broken:
            reply.release()

    def take(self, call: Call) -> Fault | None:
        """The fault that this request meets; it is counted by every fault that it matches."""
        if not self._planned:
            return None
        with self._turn:
            due = [f for f, count in self._planned if _counts(f, count, call)]
            self.hits += due[:1]
        return due[0] if due else None

    def reply(self, fault: Fault, service: str, number: str, result: Any) -> Broken:
        """What is sent in the place of `result`, where that is no error of Google's.

        Raises CloudError for what is; `service` is the API that was asked, in the project with
        this number.
        """
        if fault.kind not in STATUS_ON_THE_WIRE:
            raise _errors(service, number)[fault.kind]()
        reply = Broken(fault.kind, result, fault.after_effect)
        with self._turn:
            if fault in self.hits:
                self._broken.append(reply)
            else:  # It was forgotten while the request was being answered.
                reply.release()
        return reply


def _counts(fault: Fault, count: list[int], call: Call) -> bool:
    """Whether a request is one that the fault is for."""
    if not fault.matches(call.method, call.path):
        return False
    count[0] += 1
    return fault.nth <= count[0] < fault.nth + fault.times


# What Google says with these statuses, and BigQuery's older word for it.
_FAILURES = {
    401: ("UNAUTHENTICATED", "authError"),
    429: ("RESOURCE_EXHAUSTED", "rateLimitExceeded"),
    502: ("UNAVAILABLE", "badGateway"),
    503: ("UNAVAILABLE", "backendError"),
    504: ("DEADLINE_EXCEEDED", "backendError"),
}


UNAUTHENTICATED = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
    "or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)


class Failure(CloudError):
    """A service, or what is on the way to it, cannot answer now.

    `status` is for those that gRPC has and REST knows by another's code.
    """

    def __init__(self, code: int, message: str, status: str = "") -> None:
        self.code = code
        usual, reason = _FAILURES.get(code, ("INTERNAL", "backendError"))
        self.status = status or usual
        super().__init__(message, reason=reason)


_PERMISSIONS = {
    "bigquery.googleapis.com": "bigquery.datasets.get",
    "bigqueryconnection.googleapis.com": "bigquery.connections.get",
    "bigquerydatatransfer.googleapis.com": "bigquery.transfers.get",
    "secretmanager.googleapis.com": "secretmanager.versions.access",
}


def _errors(service: str, number: str) -> dict[Kind, Callable[[], CloudError]]:
    """The errors that Google's JSON says, for an API of a project."""
    title = SERVICE_TITLES[service]
    return {
        Kind.TOO_MANY_REQUESTS: lambda: Failure(429, f"Quota exceeded for the {title}."),
        Kind.INTERNAL: lambda: CloudError("Internal error encountered."),
        Kind.BAD_GATEWAY: lambda: Failure(502, "Bad Gateway"),
        Kind.UNAVAILABLE: lambda: Failure(503, "The service is currently unavailable."),
        Kind.GATEWAY_TIMEOUT: lambda: Failure(504, "Deadline Exceeded"),
        Kind.SERVICE_DISABLED: lambda: ServiceDisabled(service, number),
        Kind.PERMISSION_DENIED: lambda: MissingPermission(_PERMISSIONS[service]),
        Kind.BILLING_DISABLED: lambda: BillingDisabled(service, number),
        Kind.LEGACY: lambda: NotConfigured(service, number),
        Kind.NOT_FOUND: lambda: NotFound("Requested entity was not found."),
        Kind.CONFLICT: lambda: AlreadyExists("Requested entity already exists"),
        Kind.PRECONDITION: ConditionNotMet,
        Kind.ABORTED: lambda: Failure(409, "The operation was aborted.", "ABORTED"),
        Kind.CANCELLED: lambda: Failure(499, "The operation was cancelled.", "CANCELLED"),
        Kind.DATA_LOSS: lambda: Failure(500, "Unrecoverable data loss.", "DATA_LOSS"),
        Kind.UNKNOWN: lambda: Failure(500, "Unknown error.", "UNKNOWN"),
        Kind.UNAUTHENTICATED: lambda: Failure(401, UNAUTHENTICATED),
    }
