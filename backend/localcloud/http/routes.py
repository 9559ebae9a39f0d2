"""Routes: which request goes to which function. They know HTTP, what they lead to does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend.localcloud.http.call import Call
from backend.localcloud.http.errors import NotDone

Handler = Callable[[Call], Any]


@dataclass(frozen=True)
class Route:
    """A method and a path template, the API it belongs to, what answers it, and who may ask."""

    method: str
    template: str
    service: str
    handler: Handler
    writes: bool = False
    permission: str = ""

    def match(self, path: str) -> dict[str, str] | None:
        found = _pattern(self.template).fullmatch(path)
        if found is None:
            return None
        # Group names cannot hold the dots of proto paths such as {transfer_config.name}.
        return {name.replace("__", "."): value for name, value in found.groupdict().items()}


PATTERNS: dict[str, re.Pattern[str]] = {}


def _pattern(template: str) -> re.Pattern[str]:
    """A template such as `/v1/{name=projects/*/secrets/*}:access` as a pattern."""
    if template not in PATTERNS:
        parts = re.split(r"\{([^}=]+)(?:=([^}]+))?\}", template)
        text = re.escape(parts[0])
        for name, shape, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            inner = re.escape(shape or "*").replace(r"\*", "[^/:]+" if shape else "[^/]+")
            text += f"(?P<{name.replace('.', '__')}>{inner}){re.escape(rest)}"
        PATTERNS[template] = re.compile(text)
    return PATTERNS[template]


def find(routes: list[Route], call: Call) -> Route:
    """The route of a call, its path variables put into it; none is a 501 that says so."""
    for route in routes:
        params = route.match(call.path) if route.method == call.method else None
        if params is not None:
            call.params = params
            call.writes = route.writes
            return route
    raise NotDone(f"{call.method} {call.path}")
