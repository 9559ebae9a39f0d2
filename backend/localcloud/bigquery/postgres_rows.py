"""The columns and rows of a query to PostgreSQL, as BigQuery types in Arrow.

Type table: https://cloud.google.com/bigquery/docs/reference/standard-sql/federated_query_functions
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.extensions

from backend.localcloud.http.errors import InvalidQuery, NotDone, ResourcesExceeded

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

PREFIX = "Invalid table-valued function EXTERNAL_QUERY "
BATCH_BYTES = 8_000_000
READ_BYTES = 4 * 2**30
"""What one query may read."""

COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}\Z")
# Type OIDs of PostgreSQL's catalog pg_type, and what BigQuery makes of them.
TYPES = {16: "BOOL", 17: "BYTES", 20: "INT64", 21: "INT64", 23: "INT64", 25: "STRING"}
TYPES |= {114: "STRING", 142: "STRING", 700: "FLOAT64", 701: "FLOAT64", 1042: "STRING"}
TYPES |= {1043: "STRING", 1082: "DATE", 1083: "TIME", 1114: "DATETIME", 1184: "TIMESTAMP"}
NUMERIC_OID = 1700
BIT_OIDS = (1560, 1562)

# How a column is written for the transfer, where PostgreSQL's own output would not do.
WRITTEN_AS = {
    "BYTES": "encode({0}, 'hex')",
    "TIMESTAMP": "({0} AT TIME ZONE 'UTC')",
    "FLOAT64": "{0}::float8",
    "NUMERIC": "{0}::numeric(38,9)",
    "BIGNUMERIC": "{0}::numeric(38,18)",
}


@dataclass(frozen=True)
class Column:
    """One column of an external query: its name and its BigQuery type."""

    name: str
    kind: str

    def selected(self) -> str:
        quoted = f'"{self.name}"'
        return WRITTEN_AS.get(self.kind, "{0}").format(quoted)


def prepare_error(problem: str) -> InvalidQuery:
    text = re.sub(r"\s+", " ", problem).strip()
    return InvalidQuery(
        f"{PREFIX}Failed to prepare or execute the query: prepare statement failed. Error: {text}"
    )


def describe_columns(cursor: psycopg2.extensions.cursor, sql: str, decimals: str) -> list[Column]:
    """The columns of the query, which PostgreSQL plans but does not run."""
    try:
        cursor.execute(_wrapped("*", sql) + " LIMIT 0")
    except psycopg2.Error as error:
        raise prepare_error(f"ERROR: {error.diag.message_primary or error}") from error
    columns = [_column(d.name, d.type_code, decimals) for d in cursor.description or []]
    names = [column.name.lower() for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise InvalidQuery(
                f"{PREFIX}Duplicate column names in the result are not "
                f"supported. Found duplicate(s): {name}"
            )
    return columns


def _column(name: str, oid: int, decimals: str) -> Column:
    if oid in BIT_OIDS:
        raise NotDone("EXTERNAL_QUERY columns of type bit")
    kind = decimals if oid == NUMERIC_OID else TYPES.get(oid)
    if kind is None:
        raise InvalidQuery(f"{PREFIX}Postgres type (OID = {oid}) isn't supported now")
    if not COLUMN_NAME.match(name):
        raise InvalidQuery(
            f'{PREFIX}Invalid field name "{name}". Fields must contain only letters, numbers, and '
            "underscores, start with a letter or underscore, and be at most 300 characters long."
        )
    return Column(name, kind)


def _wrapped(columns: str, sql: str) -> str:
    return f"SELECT {columns} FROM ({sql}) t"  # noqa: S608 (the caller's own SQL is the point)


def _arrow_types() -> dict[str, Any]:
    import pyarrow as pa

    return {
        "BOOL": pa.bool_(),
        "BYTES": pa.string(),
        "INT64": pa.int64(),
        "FLOAT64": pa.float64(),
        "STRING": pa.string(),
        "DATE": pa.date32(),
        "TIME": pa.time64("us"),
        "DATETIME": pa.timestamp("us"),
        "TIMESTAMP": pa.timestamp("us"),
        "NUMERIC": pa.decimal128(38, 9),
        "BIGNUMERIC": pa.decimal128(38, 18),
    }


def empty(columns: list[Column]) -> pa.Table:
    import pyarrow as pa

    types = _arrow_types()
    arrays = {column.name: pa.array([], types[column.kind]) for column in columns}
    return _finished(pa.table(arrays), columns)


def copy_rows(cursor: psycopg2.extensions.cursor, sql: str, columns: list[Column]) -> pa.Table:
    """The rows, through COPY and Arrow in batches: no row becomes a Python object."""
    import pyarrow as pa

    selected = ", ".join(f'{column.selected()} AS "{column.name}"' for column in columns)
    batches = _Batches(columns)
    try:
        cursor.copy_expert(
            f"COPY ({_wrapped(selected, sql)} /* Federated query from BigQuery. */) "
            "TO STDOUT (FORMAT csv)",
            batches,
        )
    except psycopg2.Error as error:
        raise prepare_error(f"ERROR: {error.diag.message_primary or error}") from error
    tables = batches.finish()
    return pa.concat_tables(tables) if tables else empty(columns)


class _Batches:
    """A file for COPY to write to: each write is one row, each batch one Arrow table."""

    def __init__(self, columns: list[Column]) -> None:
        self.columns = columns
        self.tables: list[pa.Table] = []
        self.buffer = bytearray()
        self.read = 0

    def write(self, row: bytes) -> None:
        self.read += len(row)
        if self.read > READ_BYTES:
            raise ResourcesExceeded(self.read / READ_BYTES)
        self.buffer += row
        if len(self.buffer) > BATCH_BYTES:
            self._flush()

    def finish(self) -> list[pa.Table]:
        if self.buffer:
            self._flush()
        return self.tables

    def _flush(self) -> None:
        self.tables.append(_parse(bytes(self.buffer), self.columns))
        self.buffer.clear()


def _parse(rows: bytes, columns: list[Column]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    types = _arrow_types()
    try:
        table = csv.read_csv(
            pa.BufferReader(rows),
            read_options=csv.ReadOptions(column_names=[column.name for column in columns]),
            parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types={column.name: types[column.kind] for column in columns},
                null_values=[""],
                true_values=["t"],
                false_values=["f"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise InvalidQuery(f"{PREFIX}Error while reading data: {error}") from error
    return _finished(table, columns)


def _finished(table: pa.Table, columns: list[Column]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    for index, column in enumerate(columns):
        if column.kind == "TIMESTAMP":
            values = pc.assume_timezone(table.column(index), "UTC")
        elif column.kind == "BYTES":
            texts = table.column(index).to_pylist()
            values = pa.array([None if t is None else bytes.fromhex(t) for t in texts], pa.binary())
        else:
            continue
        table = table.set_column(index, column.name, values)
    return table
