"""What a test lets go wrong: which request, how, and before or after it took effect."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from backend.localcloud.http.broken_replies import Hang, Markup, Reset, Truncated, WireReply
from backend.localcloud.http.call import Call
from backend.localcloud.http.errors import (
    SERVICE_TITLES,
    AlreadyExists,
    BadGateway,
    BillingDisabled,
    CloudError,
    ConditionNotMet,
    GatewayTimeout,
    MissingPermission,
    NotConfigured,
    NotFound,
    ServiceDisabled,
    TooManyRequests,
    Unavailable,
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


class Faults:
    """The faults that are planned; with none, requests are answered as if this was not here."""

    def __init__(self) -> None:
        self._planned: list[tuple[Fault, list[int]]] = []
        self._hangs: list[Hang] = []
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
            hangs, self._hangs = self._hangs, []
        for hang in hangs:
            hang.release()

    def take(self, call: Call) -> Fault | None:
        """The fault that this request meets; it is counted by every fault that it matches."""
        if not self._planned:
            return None
        with self._turn:
            due = [f for f, count in self._planned if _counts(f, count, call)]
            self.hits += due[:1]
        return due[0] if due else None

    def reply(self, fault: Fault, service: str, number: str, result: Any) -> WireReply:
        """What is sent in the place of `result`, where it is no JSON.

        Raises CloudError for what is; `service` is the API that was asked, in the project with
        this number.
        """
        if fault.kind not in _ON_THE_WIRE:
            raise _errors(service, number)[fault.kind]()
        reply = _ON_THE_WIRE[fault.kind](json.dumps(result).encode())
        if isinstance(reply, Hang):
            with self._turn:
                self._hangs.append(reply)
        return reply


def _counts(fault: Fault, count: list[int], call: Call) -> bool:
    """Whether a request is one that the fault is for."""
    if not fault.matches(call.method, call.path):
        return False
    count[0] += 1
    return fault.nth <= count[0] < fault.nth + fault.times


_ON_THE_WIRE: dict[Kind, Callable[[bytes], WireReply]] = {
    Kind.RESET: Reset,
    Kind.HANG: Hang,
    Kind.TRUNCATED: Truncated,
    Kind.HTML: Markup,
}


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
        Kind.TOO_MANY_REQUESTS: lambda: TooManyRequests(f"Quota exceeded for the {title}."),
        Kind.INTERNAL: lambda: CloudError("Internal error encountered."),
        Kind.BAD_GATEWAY: lambda: BadGateway("Bad Gateway"),
        Kind.UNAVAILABLE: lambda: Unavailable("The service is currently unavailable."),
        Kind.GATEWAY_TIMEOUT: lambda: GatewayTimeout("Deadline Exceeded"),
        Kind.SERVICE_DISABLED: lambda: ServiceDisabled(service, number),
        Kind.PERMISSION_DENIED: lambda: MissingPermission(_PERMISSIONS[service]),
        Kind.BILLING_DISABLED: lambda: BillingDisabled(service, number),
        Kind.LEGACY: lambda: NotConfigured(service, number),
        Kind.NOT_FOUND: lambda: NotFound("Requested entity was not found."),
        Kind.CONFLICT: lambda: AlreadyExists("Requested entity already exists"),
        Kind.PRECONDITION: ConditionNotMet,
    }
