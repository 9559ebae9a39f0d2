"""EXTERNAL_QUERY: a query sent to PostgreSQL with a connection's own credential.

What it does as Google does: the connection has to exist, hold a credential and live where the
query runs; the text is wrapped in a subquery; the columns' types are looked up before a row is
read; the transaction is read only. Type table and refusals:
https://cloud.google.com/bigquery/docs/reference/standard-sql/federated_query_functions
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg2
import psycopg2.extensions

from backend.localcloud.bigquery.postgres_rows import (
    PREFIX,
    copy_rows,
    describe_columns,
    empty,
    prepare_error,
)
from backend.localcloud.connections import Connections, StoredConnection
from backend.localcloud.googlesql.text import TableCall, argument_text
from backend.localcloud.http.errors import AccessDenied, InvalidQuery, NotDone, NotFound

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

TIMEOUT_SECONDS = 300
UNREACHABLE = (
    "Connect to PostgreSQL server failed: server closed the connection unexpectedly "
    "This probably means the server terminated abnormally before or while processing the request."
)
DECIMALS = {
    "numeric": "NUMERIC",
    "bignumeric": "BIGNUMERIC",
    "float64": "FLOAT64",
    "string": "STRING",
}


@dataclass(frozen=True)
class Reader:
    """Who reads: a job in its project and location; `describe` reads no rows.

    `member` is who the job belongs to; empty for the stand-in itself, which may do everything.
    """

    job: str
    project: str
    location: str
    describe: bool
    member: str = ""


@dataclass
class Federation:
    """The PostgreSQL servers that stand for Cloud SQL instances, and the queries sent to them."""

    instances: dict[str, str]
    connections: Connections
    _open: dict[psycopg2.extensions.connection, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, call: TableCall, reader: Reader) -> pa.Table:
        """The rows of one EXTERNAL_QUERY call."""
        connection_name, sql, decimals = _arguments(call)
        stored = self._usable(connection_name, reader.project, reader.location)
        self._refuse_others(stored, connection_name, reader.member)
        _refuse_several_statements(sql)
        with self._session(stored, reader.job) as session, session.cursor() as cursor:
            columns = describe_columns(cursor, sql, decimals)
            return empty(columns) if reader.describe else copy_rows(cursor, sql, columns)

    def cancel(self, job: str) -> None:
        """Stop the external queries of a job."""
        with self._lock:
            sessions = [session for session, owner in self._open.items() if owner == job]
        for session in sessions:
            with contextlib.suppress(psycopg2.Error):
                session.cancel()

    def _usable(self, name: str, project: str, location: str) -> StoredConnection:
        stored = self.connections.named(name, project)
        if stored is None:
            raise NotFound(f"Not found: Connection {name}")
        if stored.place.location != location.lower():
            raise NotFound(
                f"Not found: Connection {name}: it is in location {stored.place.location}, "
                f"the query runs in location {location}"
            )
        properties = stored.resource.get("cloudSql", {})
        if properties.get("type") != "POSTGRES":
            raise NotDone("EXTERNAL_QUERY on a connection that is not Cloud SQL for PostgreSQL")
        if not stored.username:
            raise InvalidQuery(
                f"Missing credentials on Cloud SQL connection: {self.connections.name_of(stored)}"
            )
        return stored

    def _refuse_others(self, stored: StoredConnection, name: str, member: str) -> None:
        permission = "bigquery.connections.use"
        if not member or self.connections.allows(member, permission, stored):
            return
        problem = f"User does not have {permission} permission for connection {name}."
        raise AccessDenied(f"Connection {name}", problem)

    @contextlib.contextmanager
    def _session(
        self, stored: StoredConnection, job: str
    ) -> Iterator[psycopg2.extensions.connection]:
        properties = stored.resource["cloudSql"]
        address = self.instances.get(properties["instanceId"])
        if address is None or not self.connections.acts(stored):
            raise InvalidQuery(PREFIX + UNREACHABLE)
        session = _connect(address, stored, properties["database"])
        with self._lock:
            self._open[session] = job
        try:
            yield session
        finally:
            with self._lock:
                del self._open[session]
            session.close()


def _arguments(call: TableCall) -> tuple[str, str, str]:
    """Connection, SQL and the type for decimal columns of a call."""
    if len(call.arguments) not in (2, 3) or not all(call.arguments):
        raise InvalidQuery(
            "No matching signature for table-valued function EXTERNAL_QUERY: "
            "it takes a connection, a query and, optionally, options"
        )
    texts = [argument_text(argument) for argument in call.arguments]
    return texts[0], texts[1], _decimal_type(texts[2]) if len(texts) > 2 else "NUMERIC"


def _decimal_type(options: str) -> str:
    try:
        given = json.loads(options or "{}")
    except json.JSONDecodeError as error:
        raise InvalidQuery(PREFIX + f"Invalid JSON options: {options}") from error
    if not isinstance(given, dict):
        raise InvalidQuery(PREFIX + f"Invalid JSON options: {options}")
    unknown = set(given) - {"default_type_for_decimal_columns"}
    if unknown:
        raise InvalidQuery(PREFIX + f"Unsupported option: {', '.join(sorted(unknown))}")
    kind = given.get("default_type_for_decimal_columns", "numeric")
    if kind not in DECIMALS:
        raise InvalidQuery(PREFIX + f"Invalid default_type_for_decimal_columns: {kind}")
    return DECIMALS[kind]


def _connect(
    address: str, stored: StoredConnection, database: str
) -> psycopg2.extensions.connection:
    """A read-only session; user, password and database are the connection's own."""
    milliseconds = TIMEOUT_SECONDS * 1000
    try:
        session = psycopg2.connect(
            address,
            user=stored.username,
            password=stored.password,
            dbname=database,
            passfile="/dev/null",
            connect_timeout=10,
            client_encoding="UTF8",
            application_name="EXTERNAL_QUERY",
            options=f"-c default_transaction_read_only=on -c statement_timeout={milliseconds}"
            " -c datestyle=ISO -c extra_float_digits=1",
        )
    except psycopg2.Error as error:
        raise InvalidQuery(PREFIX + _refusal(str(error))) from error
    return session


def _refusal(problem: str) -> str:
    """What Google says about a login that failed, or about a server that is not there."""
    if match := re.search(r"FATAL: .*", problem):
        return f"Failed to connect to PostgreSQL database. Error: {re.sub(' +', ' ', match[0])}"
    return UNREACHABLE


def _refuse_several_statements(sql: str) -> None:
    """Refuse a semicolon: text that closes the wrapper would otherwise leave the transaction.

    Google prepares the wrapped text, which allows one statement only.
    """
    if ";" not in sql:
        return
    from sqlglot.dialects.postgres import Postgres
    from sqlglot.errors import TokenError
    from sqlglot.tokenizer_core import TokenType

    try:
        kinds = {token.token_type for token in Postgres().tokenize(sql)}
    except TokenError:
        kinds = {TokenType.SEMICOLON}
    if TokenType.SEMICOLON in kinds:
        raise prepare_error('ERROR: syntax error at or near ";"')
