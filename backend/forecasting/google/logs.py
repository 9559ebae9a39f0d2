"""What Google's clients may log: that they send and receive, and never what.

At DEBUG they keep every message whole beside a record's text: a secret, the credential on its way
into a connection, and how a run ended, which names the login.
"""

import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .replies import without_login

_TOLD = {*vars(logging.makeLogRecord({})), "message", "serviceName", "rpcName"}


def keep_messages_unlogged() -> None:
    """From now on, whoever logs at which level. May be called again, by any thread."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "google":
            # A logger's own filter: those of the loggers above it never see its records.
            logging.getLogger(name).addFilter(_without_messages)
        elif name.partition(".")[0] == "grpc":
            logging.getLogger(name).addFilter(_without_traceback)
    # That of a module which grpc imports only when it is needed.
    logging.getLogger("grpc._plugin_wrapping").addFilter(_without_traceback)
    # Such as a state of a run that is newer than the client: the run is told of with its number.
    warnings.filterwarnings("ignore", "Unrecognized .* enum value")


def _without_messages(record: logging.LogRecord) -> bool:
    for name in vars(record).keys() - _TOLD:
        delattr(record, name)
    if record.levelno <= logging.DEBUG:
        record.msg, record.args = without_login(str(record.msg)), ()
    return True


def _without_traceback(record: logging.LogRecord) -> bool:
    """grpc logs one for each request without a token and each reply that is no message.

    The request's error tells of both.
    """
    return not record.exc_info


@contextmanager
def project_known() -> Iterator[None]:
    """In the block, google-auth does not warn this thread that it knows no project: we do."""
    thread = threading.get_ident()

    def is_news(record: logging.LogRecord) -> bool:
        return record.thread != thread or not str(record.msg).startswith(_NO_PROJECT)

    logger = logging.getLogger("google.auth._default")
    logger.addFilter(is_news)
    try:
        yield
    finally:
        logger.removeFilter(is_news)


_NO_PROJECT = "No project ID could be determined"
_HTTP = re.compile(r'(\S+) "(\S+) ([^\s?"]*)\S* HTTP/[\d.]+" (\d+)')
_GRPC = re.compile(r"Sending request for (/\S+)")
_LOGGERS = ("urllib3.connectionpool", "google")


@contextmanager
def requests_told(tell: Callable[[str], None]) -> Iterator[None]:
    """In the block, each request is told in one line: over HTTP with its status.

    What follows a question mark is left out, and so are heads and bodies: no secret is in it.
    """
    handler = _Requests(tell)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagate
            logger.setLevel(level)


class _Requests(logging.Handler):
    """Takes the requests out of the records, and passes on what is more than a word in passing."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            logging.getLogger().handle(record)
            return
        message = record.getMessage()
        if http := _HTTP.fullmatch(re.sub(r" \S+$", "", message)):
            host, method, path, status = http.groups()
            self._tell(f"{method} {host}{path}: {status}")
        elif grpc := _GRPC.match(message):
            self._tell(f"gRPC {grpc.group(1)}")
