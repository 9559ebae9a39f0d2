"""Who asks: Google's credentials, proved before anything else is asked."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import google.auth
from google.api_core import exceptions
from google.auth import compute_engine
from google.auth import exceptions as auth_exceptions
from google.auth.credentials import Credentials
from google.auth.transport.requests import Request

from ..activity import doing
from ..counting import count_things
from ..errors import UnreachableError
from .logs import project_known
from .replies import UnreadableReplyError, readable, text_of, way_out

T = TypeVar("T")

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LOGIN_SECONDS = 10.0
"""For a token; google-auth by itself tries for minutes."""

_LOG_IN = (
    "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to the "
    "path of a service account's key file"
)
_IMPERSONATED = "Unable to acquire impersonated credentials"
# Refusals that another login would meet as well.
_CURES = {
    "Token must be a short-lived token": (
        "set the clock of this machine, which is off, and run the command again"
    ),
    _IMPERSONATED: (
        "grant roles/iam.serviceAccountTokenCreator on that service account to the login behind "
        "it, see that iamcredentials.googleapis.com is enabled, and run the command again"
    ),
}
_PLUGIN = "Getting metadata from plugin failed"
# What is refused for the moment only: the network, what google-auth itself tries again, and a page,
# which is nobody's word on a login.
_PASSING = re.compile(
    r"ConnectionPool\(|Connection (aborted|reset)|timed out|internal_failure|server_error|"
    r"temporarily_unavailable|^\W*<"
)


def log_in(seconds: float = LOGIN_SECONDS) -> Credentials:
    """Application Default Credentials with a token, so that they say which account they are.

    Raises UnreachableError where there are none, or none that can be used, within `seconds`.
    """
    try:
        with doing("Logging in to Google"):
            return _within(seconds, _find_and_refresh)
    except TimeoutError as error:
        raise UnreachableError(
            f"Google gave no login within {count_things(seconds, 'second')}: check the network, "
            "DNS and the way to oauth2.googleapis.com (on Google Cloud: to the metadata server), "
            "and run it again."
        ) from error
    except auth_exceptions.GoogleAuthError as error:
        raise explain_credentials(error) from error
    except UnreadableReplyError as error:
        raise UnreachableError(f"Logging in to Google failed: {error}") from error


def _within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns. It is left alone in its thread where it takes longer: TimeoutError."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - It is raised where it is waited for.
            done.set_exception(error)

    threading.Thread(target=run, name="google-login", daemon=True).start()
    return done.result(seconds)


def _find_and_refresh() -> Credentials:
    credentials = _find()
    try:
        with readable():
            credentials.refresh(Request())
    except auth_exceptions.GoogleAuthError as error:
        if isinstance(credentials, compute_engine.Credentials):
            raise _no_token_here(error) from error
        raise
    granted = getattr(credentials, "granted_scopes", None)
    if granted and SCOPE not in granted:
        raise missing_scope()
    return credentials


def _find() -> Credentials:
    try:
        with project_known():
            credentials, _ = google.auth.default(scopes=[SCOPE])
    except (OSError, ValueError, AttributeError, LookupError, TypeError) as error:
        if isinstance(error, auth_exceptions.GoogleAuthError):
            raise
        # google-auth takes it that a key file can be read, and holds an object.
        raise explain_credentials(Exception(str(error))) from error
    return credentials


def _no_token_here(error: Exception) -> UnreachableError:
    return UnreachableError(
        f"The metadata server gives no token ({text_of(error)}): attach a service account to this "
        "machine, build or service, and run it again."
    )


def expired() -> str:
    """The likely cause of a request that Google takes for nobody's."""
    return f"the login has expired or was revoked: {_LOG_IN}"


def missing_scope() -> UnreachableError:
    """For a login that may not do what its account may: no role cures that."""
    return UnreachableError(
        f"The login lacks the scope {SCOPE}: run `gcloud auth application-default login --scopes "
        f"{SCOPE}`, or on a virtual machine `gcloud compute instances set-service-account INSTANCE "
        "--scopes cloud-platform` while it is stopped."
    )


def is_missing_scope(error: BaseException) -> bool:
    """Whether Google refuses for want of a scope."""
    text = str(error)  # With its details, of which the reason is one.
    return "ACCESS_TOKEN_SCOPE_INSUFFICIENT" in text or "insufficient authentication scope" in text


def login_failure(error: BaseException) -> str:
    """Why gRPC got no token for a request, which it tells as UNAVAILABLE; empty for others."""
    if not isinstance(error, exceptions.ServiceUnavailable) or _PLUGIN not in str(error):
        return ""
    return str(error.message).partition(" with error: ")[2] or str(error.message)


def is_lost_login(error: BaseException) -> bool:
    """Whether gRPC got no token, and will get none in a moment either."""
    failure = login_failure(error)
    return bool(failure) and not _PASSING.search(failure)


def explain_credentials(error: Exception) -> UnreachableError:
    """The UnreachableError for credentials that are missing, not reached or of no use."""
    said = login_failure(error) or _told(error)
    if isinstance(error, auth_exceptions.TransportError) or _is_passing(error, said):
        return UnreachableError(
            f"Google gave no login for the moment ({_words(said)}); {way_out(said)} and run the "
            "command again."
        )
    if "default credentials were not found" in said:
        problem = "No Google credentials were found"
    else:
        problem = f"Google credentials could not be used ({_words(said)})"
    cures = (cure for sign, cure in _CURES.items() if sign in said)
    return UnreachableError(f"{problem}: {next(cures, _LOG_IN)}.")


def _told(error: Exception) -> str:
    """The error's text, and where one account acts as another, Google's own behind it."""
    said, *more = map(str, error.args or (error,))
    found = re.search(r'"message": *"([^"\\]*)', " ".join(more))
    return f"{said}: {found.group(1)}" if found and said == _IMPERSONATED else said


def _is_passing(error: Exception, said: str) -> bool:
    """Whether a token is refused for the moment; a file may have a name that sounds like it."""
    if getattr(error, "retryable", False):
        return True
    asked = login_failure(error) or isinstance(error, auth_exceptions.RefreshError)
    return bool(asked and _PASSING.search(said))


def _words(said: str) -> str:
    """Google's words alone, of which google-auth makes a tuple with the reply as a whole."""
    found = re.match(r"\((['\"])(.*?)\1, ", said)
    return text_of(Exception(found.group(2) if found else said))
