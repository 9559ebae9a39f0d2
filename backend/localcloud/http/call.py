"""One request, as every service of the stand-in is given it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from backend.localcloud.http.errors import InvalidArgument

DEEPEST = 100
NUMBER = re.compile(r"[0-9]{1,18}")


def whole_number(name: str, value: Any) -> int:
    """A number that came as JSON's or as text, and is not negative; InvalidArgument otherwise."""
    if isinstance(value, bool) or not NUMBER.fullmatch(str(value)):
        raise InvalidArgument(f"Invalid value at '{name}' (TYPE_UINT32), \"{value}\"")
    return int(value)


def _refuse_unsendable(value: Any, depth: int = 0) -> None:
    """Raise ValueError for what no message of Google's has: half a character, a hundred levels."""
    if depth > DEEPEST:
        raise ValueError(f"Message too deep. Max recursion depth reached ({DEEPEST}).")
    if isinstance(value, str):
        value.encode()
    for item in (*value, *value.values()) if isinstance(value, dict) else ():
        _refuse_unsendable(item, depth + 1)
    for item in value if isinstance(value, list) else ():
        _refuse_unsendable(item, depth + 1)


@dataclass
class Call:
    """One request, read; `params` are the variables of its path once its route is known."""

    method: str
    path: str
    query_string: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    raw: bytes
    params: dict[str, str] = field(default_factory=dict)
    body: Any = None
    sent: Any = None
    writes: bool = False
    transport: str = "rest"

    def argument(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return next((v for n, v in reversed(self.query) if n == name), default)

    def number(self, name: str, default: int) -> int:
        """The value of a query parameter that is a number; InvalidArgument where it is none."""
        return whole_number(name, self.argument(name) or default)

    def read_body(self) -> None:
        """Parse the body; what is not JSON is Google's 400."""
        if not self.raw.strip():
            return
        try:
            body = json.loads(self.raw)
            _refuse_unsendable(body)
            self.body, self.sent = body, json.loads(self.raw)
        except (ValueError, RecursionError) as error:
            raise InvalidArgument(f"Invalid JSON payload received. {error}") from error

    def object(self) -> dict[str, Any]:
        """The body, which has to be a JSON object."""
        if not isinstance(self.body, dict):
            raise InvalidArgument("Invalid JSON payload received. Expected an object.")
        return self.body

    @property
    def project(self) -> str:
        """The project that the path names, by id or number; empty for one that names none."""
        values = self.params.values()
        names = [value.split("/")[1] for value in values if value.startswith("projects/")]
        return names[-1] if names else self.params.get("project", "")
