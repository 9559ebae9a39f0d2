"""Methods of Google's API services, each declared once for both of its forms, REST and gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from backend.localcloud.http.call import Call
from backend.localcloud.http.protojson import bind
from backend.localcloud.http.routes import Route


@dataclass(frozen=True)
class Rpc:
    """One method: its name, Google's own messages, what does it, and how REST asks for it.

    `templates` and `body` are those of its `google.api.http` annotation: the paths that it has,
    and the field of the request that is the HTTP body ("*": all of it, "": none). `permission` is
    what the caller has to have.
    """

    name: str
    operation: Callable[[dict[str, Any]], Any]
    request: Any
    reply: Any
    verb: str
    templates: tuple[str, ...]
    body: str = ""
    writes: bool = False
    permission: str = ""

    def handle(self, call: Call) -> Any:
        """The answer to the method's REST form, as JSON."""
        return self.operation(bind(plain(self.request), call, self.body))


@dataclass(frozen=True)
class Service:
    """A service: its host, which is its API's name too, its gRPC name, and its methods."""

    host: str
    name: str
    methods: tuple[Rpc, ...]

    def routes(self) -> Iterator[Route]:
        for rpc in self.methods:
            for template in rpc.templates:
                done = rpc.handle, rpc.writes, rpc.permission
                yield Route(rpc.verb, template, self.host, *done)


def plain(message: Any) -> Any:
    """The protobuf class of a message class, which may be wrapped by proto-plus."""
    return message.pb() if hasattr(message, "pb") else message


def by_path(services: Iterable[Service]) -> dict[str, Rpc]:
    """The methods by the path of their gRPC form."""
    return {f"/{s.name}/{rpc.name}": rpc for s in services for rpc in s.methods}
