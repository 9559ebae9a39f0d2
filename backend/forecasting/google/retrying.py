"""After which of Google's errors the same request is sent again, and how often."""

from typing import Any

import requests
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

from .login import is_lost_login
from .replies import UnreadableReplyError, is_unreachable

_TRANSIENT = (
    exceptions.TooManyRequests,
    exceptions.InternalServerError,
    exceptions.BadGateway,
    exceptions.ServiceUnavailable,
    exceptions.GatewayTimeout,
    exceptions.Unknown,
    exceptions.Aborted,
    exceptions.Cancelled,
    exceptions.DataLoss,
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.Timeout,
    auth_exceptions.TransportError,
)
_LOST_RACES = (exceptions.Conflict, exceptions.PreconditionFailed, exceptions.NotFound)
_TRANSIENT_REASONS = {"rateLimitExceeded", "backendError", "jobRateLimitExceeded"}


def is_transient(error: BaseException) -> bool:
    """Whether the same request may well succeed in a moment.

    Over REST a 429, 500 or 504 is no subclass of what the clients retry by default, hence a
    predicate of our own. gRPC says UNKNOWN for a stream that broke, and for a 500 that somebody on
    the way sent; ABORTED, CANCELLED (not by us) and DATA_LOSS are over as soon. A host that cannot
    be connected to at all is not waited for.
    """
    if is_unreachable(error) or is_lost_login(error):
        return False
    if isinstance(error, exceptions.Forbidden):
        return any(_reason(item) in _TRANSIENT_REASONS for item in error.errors)
    return isinstance(error, _TRANSIENT)


WRITE_TRIES = 4
"""How often a write is sent in all; what it did is looked for before each but the first."""

LIST_LOOKS = 3
"""How many lists have to leave out what may just have been made: one may be older than that."""


def tries_after(error: Exception) -> int:
    """How often more a write may be tried after this error, when what it did was looked for.

    A race that was lost and a reply that was lost are the same case: what is there now decides
    whether anything is left to do. A reply that cannot be read is that case once: it may well be
    like that each time. After a refusal there is nothing to look for.
    """
    if isinstance(error, exceptions.RetryError) and isinstance(error.cause, Exception):
        return tries_after(error.cause)
    if isinstance(error, UnreadableReplyError):
        return 1
    return WRITE_TRIES - 1 if isinstance(error, _LOST_RACES) or is_transient(error) else 0


def _reason(item: Any) -> str:
    return str(item.get("reason")) if isinstance(item, dict) else ""
