"""What Google's clients may log: that they send and receive, and never what.

At DEBUG they keep every message whole beside a record's text: a secret, the credential on its way
into a connection, and how a run ended, which names the login.
"""

import logging

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
