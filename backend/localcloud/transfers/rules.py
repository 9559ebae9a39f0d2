"""What the Data Transfer Service refuses in a scheduled query's config."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

from backend.localcloud.http.errors import InvalidArgument, NotDone, NotFound
from backend.localcloud.iam import CALLER
from backend.localcloud.transfers import schedules

DATA_SOURCE = "scheduled_query"
PARAMETERS = (
    "query",
    "destination_table_name_template",
    "write_disposition",
    "partitioning_field",
    "partitioning_type",
)
NO_CONSENT = (
    "Failed to find a valid credential. The request to create a transfer config is supposed to "
    "contain an authorization code."
)
SERVICE_ACCOUNT = re.compile(r"[a-z0-9-]+@[a-z0-9.-]+\Z")
TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+\Z")
LONGEST_RANGE = timedelta(days=180)
DAY = timedelta(days=1)


def owner(request: dict[str, Any], *, required: bool = False) -> str:
    """Who a config runs as: the service account asked for, or the caller."""
    account = request.get("serviceAccountName", "")
    if account and (request.get("versionInfo") or request.get("authorizationCode")):
        raise InvalidArgument(
            "service_account_name cannot be combined with version_info or authorization_code"
        )
    if (required or account) and not SERVICE_ACCOUNT.match(account):
        raise InvalidArgument(f"The requested service account name ({account}) doesn't exist.")
    return account or CALLER


def check_fields(resource: dict[str, Any]) -> None:
    """Refuse a config for what it says, whatever else exists."""
    if not resource.get("dataSourceId"):
        raise InvalidArgument("data_source_id is required")
    if resource["dataSourceId"] != DATA_SOURCE:
        raise NotFound(f"Data source {resource['dataSourceId']} not found")
    if not resource.get("displayName"):
        raise InvalidArgument("display_name is required")
    check_parameters(resource.get("params", {}))
    check_schedule(resource)
    if resource.get("dataRefreshWindowDays"):
        raise InvalidArgument("Scheduled queries do not have a data refresh window")
    topic = resource.get("notificationPubsubTopic", "")
    if topic and not TOPIC.match(topic):
        raise InvalidArgument(f"Invalid notification_pubsub_topic: {topic}")


def requested_times(
    resource: dict[str, Any], request: dict[str, Any], latest: datetime
) -> list[datetime]:
    """The run times that a request for manual runs asks for, none later than `latest`."""
    single, span = request.get("requestedRunTime"), request.get("requestedTimeRange") or {}
    if bool(single) == bool(span):
        raise InvalidArgument(
            "Exactly one of requested_run_time and requested_time_range is required"
        )
    if single:
        return [past(moment(single), latest)]
    if on_demand(resource):
        raise InvalidArgument(
            "Starting transfer run with on-demand schedule requires 'requested_run_time' to "
            "be specified."
        )
    start, end = moment(span.get("startTime", "")), moment(span.get("endTime", ""))
    if start >= past(end, latest) or end - start > LONGEST_RANGE:
        raise InvalidArgument(
            "requested_time_range: start must be before end, and at most 180 days before it"
        )
    return midnights(start, end)


def check_parameters(parameters: dict[str, Any]) -> None:
    for name, value in parameters.items():
        if name not in PARAMETERS:
            raise InvalidArgument(
                f"Data source definition doesn't define this parameter Id: {name}"
            )
        if not isinstance(value, str):
            raise InvalidArgument(f"Parameter {name} has to be a string")
    if not parameters.get("query", "").strip():
        raise InvalidArgument("Required parameter is missing: query")
    if parameters.get("write_disposition", "") not in ("", "WRITE_TRUNCATE", "WRITE_APPEND"):
        raise InvalidArgument(f"Invalid write_disposition: {parameters['write_disposition']}")


def check_schedule(resource: dict[str, Any]) -> None:
    old = resource.get("schedule") or resource.get("scheduleOptions")
    if old and "scheduleOptionsV2" in resource:
        raise InvalidArgument(
            "schedule_options_v2 cannot be used together with schedule or schedule_options"
        )
    if "eventDrivenSchedule" in resource.get("scheduleOptionsV2", {}):
        raise NotDone("event driven schedules")
    text, options = schedule_of(resource)
    if text:
        schedules.parse(text)
    start, end = options.get("startTime"), options.get("endTime")
    if start and end and moment(start) >= moment(end):
        raise InvalidArgument("The end of a schedule has to be after its start")


def schedule_of(resource: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The schedule's text and its options, in the old shape or the new."""
    timed = resource.get("scheduleOptionsV2", {}).get("timeBasedSchedule")
    if timed is not None:
        return timed.get("schedule") or schedules.DEFAULT, timed
    return resource.get("schedule", "") or schedules.DEFAULT, resource.get("scheduleOptions", {})


def on_demand(resource: dict[str, Any]) -> bool:
    options = resource.get("scheduleOptions", {})
    manual = "manualSchedule" in resource.get("scheduleOptionsV2", {})
    return bool(options.get("disableAutoScheduling")) or manual


def moment(text: str) -> datetime:
    if not text:
        raise InvalidArgument("A time is missing")
    return datetime.fromisoformat(text)


def past(at: datetime, latest: datetime) -> datetime:
    if at > latest:
        raise InvalidArgument("The requested run time has to be in the past")
    return at


def midnights(start: datetime, end: datetime) -> list[datetime]:
    """The days of a range, both ends cut to midnight UTC: scheduled queries run by the day."""
    first, last = (at.astimezone(UTC).date() for at in (start, end))
    days = max((last - first).days, 1)
    return [datetime.combine(first, time(), UTC) + DAY * n for n in range(days)]
