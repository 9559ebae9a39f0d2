"""bqemulator's errors as the stand-in's, and the other way round."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

import duckdb
from bqemulator.domain.errors import (
    AlreadyExistsError,
    DomainError,
    InvalidQueryError,
    NotFoundError,
    PermissionDeniedError,
    UnsupportedFeatureError,
)

from backend.localcloud.googlesql.text import position
from backend.localcloud.http.errors import (
    AccessDenied,
    AlreadyExists,
    CloudError,
    NotDone,
    NotFound,
    QueryTooComplex,
    ResourcesExceeded,
    error_for,
)


class OutOfResources(InvalidQueryError):
    """bqemulator has no such error: a query that needs more than there is."""

    bq_reason = ResourcesExceeded.reason


DOMAIN_ERRORS: dict[type[CloudError], type[DomainError]] = {
    NotFound: NotFoundError,
    AlreadyExists: AlreadyExistsError,
    NotDone: UnsupportedFeatureError,
    AccessDenied: PermissionDeniedError,
    ResourcesExceeded: OutOfResources,
}
NULL_IN_REQUIRED = re.compile(r"NOT NULL constraint failed: \S+\.(\S+)")
UNKNOWN_COLUMN = re.compile(r'Referenced column "(\w+)" (?:was )?not found')
TOO_DEEP = re.compile("Max expression depth limit|maximum recursion depth")
OUT_OF_MEMORY = "Resources exceeded during query execution: The query could not be executed"
RAISED = re.compile(r"^Query execution failed: Invalid Input Error: ")


def error_of(body: bytes) -> CloudError:
    """bqemulator's error answer as an error of the stand-in."""
    error = json.loads(body)["error"]
    return error_for({**error["errors"][0], "message": error["message"]})


@contextlib.contextmanager
def cloud_errors() -> Iterator[None]:
    """Turn bqemulator's exceptions into errors of the stand-in."""
    try:
        yield
    except DomainError as error:
        raise error_for({"reason": error.bq_reason, "message": error.message}) from error


@contextlib.contextmanager
def domain_errors() -> Iterator[None]:
    """Turn the stand-in's refusals into bqemulator's, which its scripts can catch."""
    try:
        yield
    except CloudError as error:
        kind = DOMAIN_ERRORS.get(type(error), InvalidQueryError)
        raise kind(error.message, location=error.location or None) from error


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Say as BigQuery does that DuckDB has reached its memory_limit."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise OutOfResources(ResourcesExceeded(1.0).message) from error


@contextlib.contextmanager
def bigquery_errors(sql: str) -> Iterator[None]:
    """Say as BigQuery does what DuckDB says its own way about `sql`."""
    try:
        yield
    except InvalidQueryError as error:
        if OUT_OF_MEMORY in error.message:
            _, found, rest = error.message.partition(OUT_OF_MEMORY)
            raise OutOfResources(f"{found}{rest}") from error
        message = _bigquery_message(error.message, sql)
        if message == error.message:
            raise
        raise InvalidQueryError(message, location=error.location) from error


def _bigquery_message(message: str, sql: str) -> str:
    if TOO_DEEP.search(message):
        return QueryTooComplex().message
    if match := NULL_IN_REQUIRED.search(message):
        return f"Required field {match[1]} cannot be null"
    if match := UNKNOWN_COLUMN.search(message):
        found = re.search(rf"\b{re.escape(match[1])}\b", sql, re.IGNORECASE)
        place = f" at {position(sql, found.start())}" if found else ""
        return f"Unrecognized name: {match[1]}{place}"
    return RAISED.sub("", message)
