"""What a script holds, read from bqemulator's own parse of it; nothing here runs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from backend.localcloud.bqemulator.errors import cloud_errors
from backend.localcloud.bqemulator.interpreter import AssertStmt, parse_script

# The attributes of bqemulator's statements that hold SQL, and those that hold an expression.
SQL_ATTRIBUTES = ("sql", "source_sql")
EXPRESSION_ATTRIBUTES = ("default_expr", "source_expr", "condition_expr", "sql_expr")


def statement_count(sql: str) -> int:
    """How many statements a text holds, those inside blocks not counted."""
    return len(_parsed(sql).statements)


def texts(sql: str) -> list[str]:
    """Every piece of SQL in a script, at any depth, except what it builds at run time."""
    return list(_texts(_parsed(sql)))


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
