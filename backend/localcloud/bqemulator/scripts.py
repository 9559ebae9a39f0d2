"""What a script holds, read from bqemulator's own parse of it; nothing here runs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from bqemulator.scripting.ast import DeclareStmt, SetStmt, SqlStmt

from backend.localcloud.bqemulator.errors import cloud_errors
from backend.localcloud.bqemulator.interpreter import AssertStmt, parse_script
from backend.localcloud.googlesql.ddl import with_values
from backend.localcloud.googlesql.text import first_word

# The attributes of bqemulator's statements that hold SQL, and those that hold an expression.
SQL_ATTRIBUTES = ("sql", "source_sql")
DDL = ("CREATE", "ALTER", "DROP")
EXPRESSION_ATTRIBUTES = ("default_expr", "source_expr", "condition_expr", "sql_expr")


def statement_count(sql: str) -> int:
    """How many statements a text holds, those inside blocks not counted."""
    return len(_parsed(sql).statements)


def texts(sql: str) -> list[str]:
    """Every piece of SQL in a script, at any depth, except what it builds at run time."""
    return list(_texts(_parsed(sql)))


def dry_run_texts(sql: str) -> Iterator[str]:
    """The statements that the dry run of a script looks at, variables in them replaced by NULL.

    It ends with the first one whose effect the rest may depend on: DDL, dynamic SQL, IF, a loop.
    https://cloud.google.com/bigquery/docs/multi-statement-queries
    """
    variables: dict[str, str] = {}
    for statement in _parsed(sql).statements:
        if isinstance(statement, DeclareStmt):
            variables |= dict.fromkeys(statement.names, _undefined(statement))
        elif isinstance(statement, AssertStmt | SqlStmt):
            text = f"SELECT {statement.sql[len('ASSERT') :]}"
            yield with_values(statement.sql if isinstance(statement, SqlStmt) else text, variables)
            if first_word(statement.sql) in DDL:
                return
        elif not isinstance(statement, SetStmt):
            return


def _undefined(declared: DeclareStmt) -> str:
    known = declared.type_name and declared.type_name.upper() != "ANY"
    return f"CAST(NULL AS {declared.type_name})" if known else f"({declared.default_expr})"


def _parsed(sql: str) -> Any:
    with cloud_errors():
        return parse_script(sql)


def _texts(node: Any) -> Iterator[str]:
    """Every piece of SQL in a parsed script, at any depth."""
    if isinstance(node, tuple | list):
        for item in node:  # A text here is the condition of an IF branch.
            yield from [f"SELECT {item}"] if isinstance(item, str) else _texts(item)
    elif dataclasses.is_dataclass(node):
        for attribute in dataclasses.fields(node):
            value = getattr(node, attribute.name)
            if isinstance(value, str) and isinstance(node, AssertStmt):
                yield f"SELECT {value[len('ASSERT') :]}"
            elif isinstance(value, str) and attribute.name in SQL_ATTRIBUTES:
                yield value
            elif isinstance(value, str) and attribute.name in EXPRESSION_ATTRIBUTES:
                yield f"SELECT {value}"
            else:
                yield from _texts(value)
