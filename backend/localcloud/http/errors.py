"""Google's errors: state modules raise them, the front renders them as Google's JSON."""

from __future__ import annotations

from typing import Any


class CloudError(Exception):
    """Root of what the stand-in answers instead of a result."""

    code = 500
    status = "INTERNAL"
    reason = "internalError"

    def __init__(self, message: str, *, reason: str = "", location: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or type(self).reason
        self.location = location

    def entry(self) -> dict[str, Any]:
        """This error as BigQuery lists it in `errors` and in a job's `errorResult`."""
        entry = {"message": self.message, "domain": self.domain(), "reason": self.reason}
        return entry | ({"location": self.location} if self.location else {})

    def domain(self) -> str:
        return "global"

    def details(self) -> list[dict[str, Any]]:
        return []

    def to_json(self) -> dict[str, Any]:
        """The body of the answer, in the shape that all four services share."""
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "status": self.status,
            "errors": [self.entry()],
        }
        if details := self.details():
            error["details"] = details
        return {"error": error}


class InvalidArgument(CloudError):
    """The request itself is wrong."""

    code = 400
    status = "INVALID_ARGUMENT"
    reason = "invalid"


class UnsupportedMediaType(InvalidArgument):
    """The body is not of a type that is read."""

    code = 415
    reason = "badRequest"


class PayloadTooLarge(InvalidArgument):
    """The body is larger than what is read."""

    code = 413
    reason = "uploadTooLarge"

    def __init__(self, limit: int) -> None:
        super().__init__(f"Request payload size exceeds the limit: {limit} bytes.")


class InvalidQuery(InvalidArgument):
    """The SQL is wrong, or what it asks for failed."""

    reason = "invalidQuery"


class QueryTooComplex(InvalidQuery):
    """The SQL is nested too deeply to be looked at."""

    def __init__(self) -> None:
        super().__init__(
            "Resources exceeded during query execution: Not enough resources for query planning - "
            "too many subqueries or query is too complex."
        )


class ResourcesExceeded(InvalidArgument):
    """The query needs more memory than it is given, by so many times."""

    reason = "resourcesExceeded"

    def __init__(self, used: float) -> None:
        super().__init__(
            "Resources exceeded during query execution: The query could not be executed in the "
            f"allotted memory. Peak usage: {used:.0%} of limit."
        )


class FailedPrecondition(CloudError):
    """The request is right, the resource's state is not."""

    code = 400
    status = "FAILED_PRECONDITION"
    reason = "failedPrecondition"


class NotFound(CloudError):
    """There is no such resource."""

    code = 404
    status = "NOT_FOUND"
    reason = "notFound"


class AlreadyExists(CloudError):
    """The name is taken."""

    code = 409
    status = "ALREADY_EXISTS"
    reason = "duplicate"


class PermissionDenied(CloudError):
    """The caller may not do this."""

    code = 403
    status = "PERMISSION_DENIED"
    reason = "forbidden"


class ConditionNotMet(CloudError):
    """The resource is no longer the one whose etag was sent."""

    code = 412
    status = "FAILED_PRECONDITION"
    reason = "conditionNotMet"

    def __init__(self) -> None:
        super().__init__("Precondition Failed", location="If-Match")


class Unimplemented(CloudError):
    """bqemulator does not do this; its own words."""

    code = 501
    status = "UNIMPLEMENTED"
    reason = "notImplemented"


class NotDone(Unimplemented):
    """Google does this, the stand-in does not."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The local stand-in does not do {what}")


SERVICE_TITLES = {
    "bigquery.googleapis.com": "BigQuery API",
    "bigqueryconnection.googleapis.com": "BigQuery Connection API",
    "bigquerydatatransfer.googleapis.com": "BigQuery Data Transfer API",
    "secretmanager.googleapis.com": "Secret Manager API",
}


class ServiceDisabled(PermissionDenied):
    """The API is not enabled in the project: ErrorInfo and, for BigQuery, the older reason."""

    def __init__(self, service: str, number: str) -> None:
        self.service, self.number = service, number
        self.url = (
            f"https://console.developers.google.com/apis/api/{service}/overview?project={number}"
        )
        super().__init__(
            f"{SERVICE_TITLES[service]} has not been used in project {number} before or it is "
            f"disabled. Enable it by visiting {self.url} then retry. If you enabled this API "
            "recently, wait a few minutes for the action to propagate to our systems and retry.",
            reason="accessNotConfigured" if service == "bigquery.googleapis.com" else "forbidden",
        )

    def domain(self) -> str:
        return "usageLimits" if self.reason == "accessNotConfigured" else "global"

    def details(self) -> list[dict[str, Any]]:
        metadata = {
            "service": self.service,
            "consumer": f"projects/{self.number}",
            "containerInfo": self.number,
            "serviceTitle": SERVICE_TITLES[self.service],
            "activationUrl": self.url,
        }
        links = [{"description": "Google developers console API activation", "url": self.url}]
        return [
            error_info("SERVICE_DISABLED", "googleapis.com", metadata),
            {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US"}
            | {"message": self.message},
            {"@type": "type.googleapis.com/google.rpc.Help", "links": links},
        ]


class NotConfigured(ServiceDisabled):
    """A disabled API as it was reported before there was ErrorInfo: no details, no status."""

    def to_json(self) -> dict[str, Any]:
        entry = {"message": self.message, "domain": "usageLimits", "reason": "accessNotConfigured"}
        error = {"code": self.code, "message": self.message}
        return {"error": error | {"errors": [entry | {"extendedHelp": self.url}]}}


class MissingPermission(PermissionDenied):
    """The caller lacks a permission, which the reply names."""

    def __init__(self, permission: str) -> None:
        self.permission = permission
        super().__init__(f"Permission '{permission}' denied on resource (or it may not exist).")

    def details(self) -> list[dict[str, Any]]:
        metadata = {"permission": self.permission}
        return [error_info("IAM_PERMISSION_DENIED", "iam.googleapis.com", metadata)]


class AccessDenied(PermissionDenied):
    """BigQuery's word for a permission that is missing."""

    reason = "accessDenied"

    def __init__(self, resource: str, problem: str) -> None:
        super().__init__(f"Access Denied: {resource}: {problem}")


class BillingDisabled(PermissionDenied):
    """The project has no billing account."""

    def __init__(self, service: str, number: str) -> None:
        self.metadata = {"service": service, "consumer": f"projects/{number}"}
        super().__init__(
            "This API method requires billing to be enabled. Please enable billing on project "
            f"#{number} by visiting https://console.developers.google.com/billing/enable?project="
            f"{number} then retry. If you enabled billing for this project recently, wait a few "
            "minutes for the action to propagate to our systems and retry.",
            reason="billingNotEnabled" if service == "bigquery.googleapis.com" else "forbidden",
        )

    def details(self) -> list[dict[str, Any]]:
        return [error_info("BILLING_DISABLED", "googleapis.com", self.metadata)]


def error_info(reason: str, domain: str, metadata: dict[str, str]) -> dict[str, Any]:
    """The detail that says in machine-readable words why (google.rpc.ErrorInfo)."""
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": kind, "reason": reason, "domain": domain, "metadata": metadata}


REASON_ERRORS: dict[str, type[CloudError]] = {
    "invalidQuery": InvalidQuery,
    "notFound": NotFound,
    "duplicate": AlreadyExists,
    "accessDenied": PermissionDenied,
    "notImplemented": Unimplemented,
}


def error_for(entry: dict[str, Any]) -> CloudError:
    """The error that BigQuery answers at once for a job error (jobs.query does)."""
    kind = REASON_ERRORS.get(entry.get("reason", ""), InvalidArgument)
    return kind(entry["message"], reason=entry["reason"], location=entry.get("location", ""))
