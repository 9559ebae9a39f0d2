"""What a DDL statement says, read from sqlglot's tree of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from backend.localcloud.http.errors import NotDone, QueryTooComplex
from backend.localcloud.remembering import remembered

_READ = 100_000
"""Characters of the statements whose trees are remembered, fifteen megabytes or less."""

DAY_MS = 24 * 3600 * 1000
TABLE_OPTIONS = {"description", "partition_expiration_days"}
INGESTION_TIME = {"_PARTITIONDATE", "_PARTITIONTIME"}


@remembered(_READ)
def parsed(sql: str) -> exp.Expr:
    """The tree of one GoogleSQL statement, which others have too: copy what is to be changed."""
    return sqlglot.parse_one(sql, read="bigquery")


def parse(sql: str) -> exp.Expr | None:
    """The same; None where sqlglot does not understand it."""
    try:
        return parsed(sql)
    except SqlglotError:
        return None
    except RecursionError as error:
        raise QueryTooComplex from error


@dataclass(frozen=True)
class Named:
    """A table as a statement names it, what it calls it, and as of when, or ""."""

    parts: tuple[str, ...]
    alias: str
    moment: str


@remembered(_READ)
def named_tables(sql: str) -> tuple[Named, ...]:
    """The tables that a statement names; none where sqlglot does not understand it."""
    tree = parse(sql)
    return tuple(map(_named, tree.find_all(exp.Table))) if tree is not None else ()


def _named(table: exp.Table) -> Named:
    version = table.args.get("version")
    parts = tuple(part.name for part in table.parts)
    return Named(parts, table.alias_or_name, version.sql() if version else "")


def with_values(sql: str, values: Mapping[str, str]) -> str:
    """A statement with the names of variables in it replaced by expressions."""
    tree = parse(sql) if values else None
    if tree is None:
        return sql
    known = {name.lower(): text for name, text in values.items()}

    def fill(node: exp.Expr) -> exp.Expr:
        text = known.get(node.name.lower()) if isinstance(node, exp.Column) else None
        return sqlglot.parse_one(text, read="bigquery") if text and not node.text("table") else node

    return tree.transform(fill).sql("bigquery")


def target(tree: exp.Expr, project: str) -> tuple[str, str, str] | None:
    """The table that a statement creates or alters; None for a temporary one."""
    table = tree.find(exp.Table)
    if table is None or not table.db:
        return None
    return table.catalog or project, table.db, table.name


def changes_schema(sql: str) -> bool:
    """Whether a statement creates, alters or drops something that outlives its job."""
    tree = parse(sql)
    if isinstance(tree, exp.Create):
        return not is_temporary(tree)
    return isinstance(tree, exp.Alter | exp.Drop) and target(tree, "") is not None


def is_temporary(tree: exp.Create) -> bool:
    return any(isinstance(p, exp.TemporaryProperty) for p in _properties(tree))


def schema_location(tree: exp.Create) -> str:
    """The location that CREATE SCHEMA asks for, or ""."""
    found = (p for p in _properties(tree) if isinstance(p, exp.LocationProperty))
    return next((p.this.name for p in found), "")


def partitioning(tree: exp.Create) -> dict[str, Any] | None:
    """The time partitioning that CREATE TABLE asks for, as the API writes it."""
    found = next((p for p in _properties(tree) if isinstance(p, exp.PartitionedByProperty)), None)
    if found is None:
        return None
    by = found.this
    column = by.name or by.this.name
    unit = by.args.get("unit")
    spec: dict[str, Any] = {"type": unit.name.upper() if unit else "DAY"}
    if column.upper() not in INGESTION_TIME:
        spec["field"] = column
    days = options(tree).get("partition_expiration_days")
    return spec | ({"expirationMs": str(int(float(days) * DAY_MS))} if days else {})


def options(tree: exp.Create) -> dict[str, str]:
    """The OPTIONS of CREATE TABLE or VIEW; one that the stand-in makes nothing of is refused."""
    given = {p.name: p.args["value"].name for p in _properties(tree) if type(p) is exp.Property}
    if unknown := set(given) - TABLE_OPTIONS:
        raise NotDone(f"the table option {min(unknown)}")
    return given


def columns(tree: exp.Create) -> dict[str, dict[str, Any]]:
    """Mode and description of the columns that a CREATE TABLE lists, by lower-case name."""
    if not isinstance(tree.this, exp.Schema):
        return {}
    return {
        column.name.lower(): _column(column)
        for column in tree.this.expressions
        if isinstance(column, exp.ColumnDef)
    }


def _column(column: exp.ColumnDef) -> dict[str, Any]:
    kinds = [constraint.kind for constraint in column.args.get("constraints") or []]
    found: dict[str, Any] = {}
    for kind in kinds:
        if isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null"):
            found["mode"] = "REQUIRED"
        if isinstance(kind, exp.Properties):
            given = {p.name: p.args["value"].name for p in kind.expressions}
            found |= {"description": given["description"]} if "description" in given else {}
    return found


def _properties(tree: exp.Create) -> list[exp.Expr]:
    properties = tree.args.get("properties")
    return properties.expressions if properties else []
