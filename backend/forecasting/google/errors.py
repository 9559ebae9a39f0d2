"""Google's refusals in the operator's words: what was being done, why not, what to do next.

The clients raise different classes for one refusal (over REST a plain Forbidden, over gRPC its
subclass PermissionDenied), so everything here looks at base classes and at the reason that Google
puts into the reply (`google.rpc.ErrorInfo`, or `errors[0].reason` of the older JSON form).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

from ..activity import doing
from ..errors import ApiError, ForecastingError, UnreachableError
from .causes import cause_line, circumstance
from .clients import Clients
from .login import expired, explain_credentials, is_missing_scope, login_failure, missing_scope
from .replies import (
    GOOGLE_ERRORS,
    UnreadableReplyError,
    is_unreachable,
    readable,
    text_of,
    way_out,
)
from .retrying import is_transient
from .waiting import GivenUpError

T = TypeVar("T")

_API_TITLES = {
    "bigquery.googleapis.com": "BigQuery API",
    "bigqueryconnection.googleapis.com": "BigQuery Connection API",
    "bigquerydatatransfer.googleapis.com": "BigQuery Data Transfer API",
    "secretmanager.googleapis.com": "Secret Manager API",
}

# The least predefined role that holds a permission, by the permission's beginning.
_ROLES = {
    "bigquery.connections.use": "roles/bigquery.connectionUser",
    "bigquery.connections.": "roles/bigquery.connectionAdmin",
    "bigquery.jobs.": "roles/bigquery.jobUser",
    "bigquery.datasets.": "roles/bigquery.dataOwner",
    "bigquery.tables.": "roles/bigquery.dataEditor",
    "bigquery.transfers.": "roles/bigquery.admin",
    "secretmanager.versions.": "roles/secretmanager.secretAccessor",
    "iam.serviceAccounts.": "roles/iam.serviceAccountUser",
}
_PERMISSION = re.compile(r"\b((?:bigquery|secretmanager|iam|cloudsql|pubsub)\.\w+\.\w+)\b")


class ApiDisabledError(ApiError):
    """APIs that the pipeline needs are not enabled in its project."""

    def __init__(self, services: Iterable[str], project: str) -> None:
        self.services = tuple(dict.fromkeys(services))
        self.project = project
        super().__init__("\n".join(_enable(service, project) for service in self.services))


@contextmanager
def google_errors(what: str, clients: Clients) -> Iterator[None]:
    """Turn what Google's clients raise within the block into an ApiError that says `what` it is."""
    try:
        with doing(what):
            yield
    except (*GOOGLE_ERRORS, UnreadableReplyError) as error:
        raise explain(error, what, clients) from error


@contextmanager
def reading(what: str, clients: Clients) -> Iterator[None]:
    """The same around a block that only reads, where what it meets may be Google's reply."""
    with google_errors(what, clients), readable():
        yield


def gather(reads: Iterable[Callable[[], T]]) -> list[T]:
    """The result of each. All of them are tried before anything is raised.

    All the APIs that turn out to be disabled go into one ApiDisabledError, so that an operator
    enables them at once; otherwise the first error is raised.
    """
    results: list[T] = []
    errors: list[ForecastingError] = []
    for read in reads:
        try:
            results.append(read())
        except ForecastingError as error:
            errors.append(error)
    if disabled := [error for error in errors if isinstance(error, ApiDisabledError)]:
        services = [service for error in disabled for service in error.services]
        raise ApiDisabledError(services, disabled[0].project) from disabled[0]
    if errors:
        raise errors[0]
    return results


def explain(error: Exception, doing: str, clients: Clients) -> ApiError:
    """The ApiError that tells an operator what `error` means for `doing`."""
    if isinstance(error, auth_exceptions.GoogleAuthError) or login_failure(error):
        return explain_credentials(error)
    if isinstance(error, exceptions.RetryError) and isinstance(error.cause, GOOGLE_ERRORS):
        return explain(error.cause, doing, clients)
    if isinstance(error, GivenUpError):
        return ApiError(f"{doing} was given up: {error}; run it again.")
    if isinstance(error, TimeoutError):
        return ApiError(f"{doing} took too long and was not waited for any longer: run it again.")
    if isinstance(error, UnreadableReplyError):
        return ApiError(f"{doing} failed: {error}")
    if is_unreachable(error) or not isinstance(error, exceptions.GoogleAPICallError):
        return _explain_network(error, doing, clients)
    if service := _disabled_service(error):
        return _explain_disabled(error, service, clients)
    if is_missing_scope(error):
        return missing_scope()
    if isinstance(error, exceptions.Forbidden | exceptions.Unauthorized):
        return _explain_refusal(error, doing, clients)
    return ApiError(f"{doing} failed: {text_of(error)} ({_code(error)}){_what_next(error)}")


def _what_next(error: exceptions.GoogleAPICallError) -> str:
    """The end of a message: the likely cause, or for what passes that it is to be run again."""
    cause = cause_line(str(error))
    if not cause and isinstance(error, exceptions.Unauthorized):
        cause = f"\nLikely cause: {expired()}."
    again = is_transient(error) and not cause
    return "; run it again in a few minutes." if again else f".{cause}"


def reason_of(error: Exception) -> str:
    """The machine-readable reason of a refusal, empty where the reply has none."""
    if reason := getattr(error, "reason", None):
        return str(reason)
    items = getattr(error, "errors", None) or ()
    reasons = (item.get("reason") for item in items if isinstance(item, dict))
    return next((str(item) for item in reasons if item), "")


def _explain_network(error: Exception, doing: str, clients: Clients) -> UnreachableError:
    if clients.endpoint:
        where = f"FORECASTING_API_ENDPOINT {clients.endpoint}"
        if isinstance(error, exceptions.GoogleAPICallError):
            where = f"FORECASTING_GRPC_ENDPOINT {clients.grpc_endpoint}"
        return UnreachableError(
            f"{doing} failed: nothing usable answers at {where}; start it with `python manage.py "
            "localcloud`, or unset both settings to reach Google Cloud."
        )
    return UnreachableError(
        f"{doing} failed: Google could not be reached ({text_of(error)}); {way_out(str(error))} "
        "and run the command again."
    )


def _disabled_service(error: exceptions.GoogleAPICallError) -> str:
    """The service that the error says is disabled, empty when it says something else."""
    reason = reason_of(error)
    if reason == "SERVICE_DISABLED":
        return _detail(error, "service") or _service_in(str(error))
    return _service_in(str(error)) if reason == "accessNotConfigured" else ""


def _service_in(text: str) -> str:
    linked = _part_of(text, r"\b([a-z]+\.googleapis\.com)/(?:overview|apis?\b)")
    named = (service for service, title in _API_TITLES.items() if title in text)
    return linked or next(named, "bigquery.googleapis.com")


def _explain_disabled(
    error: exceptions.GoogleAPICallError, service: str, clients: Clients
) -> ApiError:
    consumer = _detail(error, "consumer").removeprefix("projects/")
    found = consumer or _part_of(str(error), r"in project (\d+) before")
    if not found or found in (clients.project, clients.project_number or found):
        return ApiDisabledError([service], clients.project)
    return ApiError(
        f"{_API_TITLES.get(service, service)} is disabled in project {found}, which is not "
        f"{clients.project}: the credentials in use are billed to that project; run "
        f"`gcloud auth application-default set-quota-project {clients.project}`."
    )


def _enable(service: str, project: str) -> str:
    title = _API_TITLES.get(service, service)
    return f"Enable {title}: gcloud services enable {service} --project {project}"


def _explain_refusal(
    error: exceptions.GoogleAPICallError, doing: str, clients: Clients
) -> ApiError:
    reason, text = reason_of(error), text_of(error)
    if reason in ("BILLING_DISABLED", "billingNotEnabled"):
        return ApiError(
            f"{doing} failed: billing is off for project {clients.project}; link a billing account "
            f"with `gcloud billing projects link {clients.project} --billing-account ACCOUNT`."
        )
    permission = _detail(error, "permission") or _part_of(text, _PERMISSION)
    if not permission or circumstance(text):
        return ApiError(f"{doing} was refused: {text} ({_code(error)}){_what_next(error)}")
    roles = (role for start, role in _ROLES.items() if permission.startswith(start))
    return ApiError(
        f"{doing} was refused: the credentials in use lack {permission} ({text}); grant it with "
        f"`gcloud projects add-iam-policy-binding {clients.project} --member {clients.member} "
        f"--role {next(roles, 'a role that holds it')}`."
    )


def _detail(error: exceptions.GoogleAPICallError, name: str) -> str:
    """What the reply's ErrorInfo has under a name; empty where there is none."""
    return str((error.metadata or {}).get(name, ""))


def _part_of(text: str, pattern: str | re.Pattern[str]) -> str:
    """What a pattern's group finds in a text; empty where it finds nothing."""
    found = re.search(pattern, text)
    return found.group(1) if found else ""


def _code(error: exceptions.GoogleAPICallError) -> str:
    """The HTTP status; for those of gRPC that have none, such as UNKNOWN, their name."""
    if error.code:
        return f"HTTP {int(error.code)}"
    return f"gRPC {getattr(error.grpc_status_code, 'name', 'UNKNOWN')}"
