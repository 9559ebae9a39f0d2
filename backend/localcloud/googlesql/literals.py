"""Values as GoogleSQL literals, and literals as values."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from backend.localcloud.http.errors import InvalidArgument, InvalidQuery, NotDone

ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
ESCAPES |= {mark: mark for mark in "\\?\"'`"}
ESCAPE = re.compile(
    r"\\(?:x(?P<hex>[0-9A-Fa-f]{2})|X(?P<HEX>[0-9A-Fa-f]{2})|u(?P<u4>[0-9A-Fa-f]{4})"
    r"|U(?P<u8>[0-9A-Fa-f]{8})|(?P<octal>[0-3][0-7]{2})|(?P<other>.))",
    re.DOTALL,
)
LITERAL = re.compile(r"(?P<raw>[rR]?)(?P<quote>'''|\"\"\"|'|\")(?P<body>.*)(?P=quote)\Z", re.DOTALL)


def string_value(literal: str) -> str:
    """The text that a string literal stands for; an escape GoogleSQL lacks is an error."""
    match = LITERAL.match(literal)
    if match is None:
        raise InvalidQuery(f"Syntax error: Unexpected string literal {literal}", location="query")
    if match["raw"]:
        return match["body"]
    return ESCAPE.sub(_unescape, match["body"])


def _unescape(match: re.Match[str]) -> str:
    if code := match["hex"] or match["HEX"] or match["u4"] or match["u8"]:
        return chr(int(code, 16))
    if match["octal"]:
        return chr(int(match["octal"], 8))
    if match["other"] not in ESCAPES:
        raise InvalidQuery(f"Syntax error: Illegal escape sequence: {match[0]}", location="query")
    return ESCAPES[match["other"]]


def quote(text: str) -> str:
    """`text` as a GoogleSQL string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + escaped.replace("\n", "\\n").replace("\r", "\\r") + "'"


def literal(value: Any) -> str:
    """A Python value as a typed GoogleSQL literal; what has no literal is refused."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"CAST('{value!r}' AS FLOAT64)"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return _typed_literal(value)


def _typed_literal(value: Any) -> str:
    if isinstance(value, datetime):
        kind = "TIMESTAMP" if value.tzinfo else "DATETIME"
        return f"{kind} '{value.isoformat(sep=' ')}'"
    if isinstance(value, date | time):
        return f"{'DATE' if isinstance(value, date) else 'TIME'} '{value.isoformat()}'"
    if isinstance(value, Decimal):
        return f"NUMERIC '{value}'"
    if isinstance(value, bytes):
        return "b'" + "".join(f"\\x{byte:02x}" for byte in value) + "'"
    raise NotDone(f"query parameters of type {type(value).__name__}")


def parameter_literal(parameter: dict[str, Any]) -> str:
    """A query parameter of the API as a typed GoogleSQL literal."""
    kind = parameter.get("parameterType", {})
    value = parameter.get("parameterValue", {})
    return _parameter_value(kind, value)


def _parameter_value(kind: dict[str, Any], value: dict[str, Any]) -> str:
    name = str(kind.get("type", "")).upper()
    if name == "ARRAY":
        inner = kind.get("arrayType", {})
        if not inner.get("type"):
            raise InvalidArgument("Query parameter has no array element type")
        items = [_parameter_value(inner, v) for v in value.get("arrayValues", [])]
        return f"ARRAY<{inner['type']}>[{', '.join(items)}]"
    if name == "STRUCT":
        raise NotDone("query parameters of type STRUCT")
    if not name:
        raise InvalidArgument("Query parameter has no type")
    if value.get("value") is None:
        return f"CAST(NULL AS {name})"
    return _scalar_literal(name, str(value["value"]))


def _scalar_literal(name: str, text: str) -> str:
    if name == "STRING":
        return quote(text)
    if name in ("DATE", "DATETIME", "TIME", "TIMESTAMP", "NUMERIC", "BIGNUMERIC", "JSON"):
        return f"{name} {quote(text)}"
    if name == "BYTES":
        return f"FROM_BASE64({quote(text)})"
    if name in ("INT64", "INTEGER", "FLOAT64", "FLOAT", "BOOL", "BOOLEAN"):
        return f"CAST({quote(text)} AS {CANONICAL.get(name, name)})"
    raise NotDone(f"query parameters of type {name}")


CANONICAL = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
