"""What a command says as events for machines: one line of JSON each, as Cloud Logging reads it."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from ...conf.config import LOG_FORMAT
from ...errors import printable

DEBUG, INFO, NOTICE, WARNING, ERROR = "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR"
"""Severities, as Cloud Logging names them."""

FIELDS = ("command", "resource", "run", "duration")
"""Beside the time, the severity and the message; null where an event has none. Seconds."""

Tell = Callable[..., None]
"""Takes a severity, a message and some of FIELDS by name."""


def make_events(command: str, write: Callable[[str], Any]) -> Tell | None:
    """What writes an event; None where they are not asked for. Raises SettingError."""
    if LOG_FORMAT.value(None, required=False) != "json":
        return None

    def tell(severity: str, message: str, **fields: Any) -> None:
        write(event_of(command, severity, message, **fields))

    return tell


def event_of(command: str, severity: str, message: str, **fields: Any) -> str:
    """The line of an event; `fields` are some of FIELDS."""
    said = {"severity": severity, "message": printable(message).strip(), **fields}
    return _formatter(command).format(logging.makeLogRecord({"msg": said}))


@functools.cache
def _formatter(command: str) -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter

    defaults = {**dict.fromkeys(FIELDS), "command": command}
    return JsonFormatter([], timestamp="time", defaults=defaults)
