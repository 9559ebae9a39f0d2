"""What Google's clients raise, and what stands in it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import requests
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions
from google.protobuf import json_format, message
from urllib3.exceptions import NewConnectionError

GOOGLE_ERRORS = (
    exceptions.GoogleAPICallError,
    exceptions.RetryError,
    auth_exceptions.GoogleAuthError,
    requests.exceptions.RequestException,
    TimeoutError,
)
"""All that Google's clients raise for a refusal, missing credentials or a failing network."""

_UNREADABLE = (
    json_format.Error,
    message.Error,
    AttributeError,
    LookupError,
    OverflowError,
    TypeError,
    ValueError,
)


Named = TypeVar("Named")

_NOBODY_THERE = (
    "failed to connect to all addresses",
    "DNS resolution failed",
    "errors resolving ",
)


class UnreadableReplyError(Exception):
    """A reply that is not as Google documents it; the text says what its reader met."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "the reply is not as Google documents it "
            f"({type(error).__name__}: {text_of(error)}); run it again, and with --traceback if it "
            "stays so."
        )


class EmptyReplyError(UnreadableReplyError):
    """A reply without anything in it."""

    def __init__(self) -> None:
        super().__init__(LookupError("it is empty"))


@contextmanager
def readable() -> Iterator[None]:
    """Turn what an undocumented reply makes of the block into an UnreadableReplyError.

    Google's clients trust a reply, be it a proxy's, so they raise whatever Python happens to meet
    in it, often only when a field is looked at. A bug of ours looks just the same: around a write
    this stands for the call of the client alone.
    """
    try:
        yield
    except GOOGLE_ERRORS:
        # Some are a ValueError as well.
        raise
    except _UNREADABLE as error:
        raise UnreadableReplyError(error) from error


def named(reply: Named) -> Named:
    """The reply, which tells of something that has a name. Raises EmptyReplyError.

    A message without a name is the empty one. That is a valid message of every kind, so no client
    minds it, and it says neither that something is there nor that anything was done.
    """
    if getattr(reply, "name", None) == "":
        raise EmptyReplyError
    return reply


def is_unreachable(error: BaseException) -> bool:
    """Whether nobody answers at the address at all; gRPC says so only in words."""
    if isinstance(error, requests.exceptions.ConnectionError) and error.args:
        return isinstance(getattr(error.args[0], "reason", None), NewConnectionError)
    if isinstance(error, exceptions.ServiceUnavailable):
        return str(error.message).startswith(_NOBODY_THERE)
    return False


def text_of(error: Exception) -> str:
    """Google's own words without the request line, markup and length that surround them."""
    text = str(getattr(error, "message", None) or error)
    text = re.sub(r"^(?:GET|POST|PUT|PATCH|DELETE) \S+: ", "", text)
    text = _ADDRESS.sub(_UNREAD_ADDRESS, text)
    text = without_login(" ".join(re.sub(r"<[^>]*>", " ", text).split()).rstrip("."))
    return text if len(text) <= 600 else f"{text[:600]} ..."


# They quote as a host what stands before a `/` in a proxy's address, be it user and password.
_ADDRESS = re.compile(r"(?:Failed to parse: |errors resolving (?!\S+\.[a-z]+:\d+:)).*", re.S)
_UNREAD_ADDRESS = (
    "an address cannot be read: check HTTPS_PROXY, in which the password is to be percent-encoded"
)

_LOGIN_OF_PROXY = "check the user and password in HTTPS_PROXY"
_CLOCK = "set the clock of this machine, by which the certificate is not valid"
_WAYS_OUT = {
    "certificate is not yet valid": _CLOCK,
    "certificate has expired": _CLOCK,
    "CERTIFICATE_VERIFY_FAILED": (
        "set REQUESTS_CA_BUNDLE and GRPC_DEFAULT_SSL_ROOTS_FILE_PATH to a file with the "
        "certificates that this network goes by"
    ),
    "Proxy Authentication Required": _LOGIN_OF_PROXY,
    "proxy returned response code 407": _LOGIN_OF_PROXY,
}


def way_out(text: str) -> str:
    """What to do about a network that does not let a request through, by what is said of it."""
    return next((cure for sign, cure in _WAYS_OUT.items() if sign in text), "check the network")


# What a role is called in PostgreSQL's languages, and the quotes that they, or JSON, put around it.
_LOGIN = re.compile(
    r"\b(user|role|utilisateur|rôle|Benutzer|Rolle|usuario|rol|utente|ruolo) "
    r"""(?:\\?"[^"]*"|«[^»]*»|»[^«]*«|“[^”]*”|„[^“”]*[“”])"""
)


def without_login(text: str) -> str:
    """PostgreSQL's words, as Google passes them on, without the user, which is a secret's value."""
    return _LOGIN.sub(r'\1 "***"', text)
