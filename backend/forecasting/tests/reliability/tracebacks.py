"""Tracebacks that somebody would see: raised through a command, or logged by whoever logs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_TREES = ("", "google", "grpc")
"""Google's loggers do not propagate; gRPC's are named for themselves."""


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.exc_info or "Traceback" in said:
            self.found.append(f"{record.name}: {said[:200]}")


@contextmanager
def logged_tracebacks() -> Iterator[list[str]]:
    """Yields what is logged with a traceback meanwhile, on any thread."""
    collector = _Collector()
    loggers = [logging.getLogger(name) for name in _TREES]
    for logger in loggers:
        logger.addHandler(collector)
    try:
        yield collector.found
    finally:
        for logger in loggers:
            logger.removeHandler(collector)
